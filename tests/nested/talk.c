// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * talk.c - a program that does what its standard input says, line by line
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "talk.h"

static void say_line(const char *lead, const char *fmt, va_list ap)
{
	char line[1024];
	int n;

	vsnprintf(line, sizeof(line) - 1, fmt, ap);
	n = dprintf(STDOUT_FILENO, "%s%s\n", lead, line);
	if (n < 0)
		_exit(1);	/* nobody listens any more */
}

void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_line("", fmt, ap);
	va_end(ap);
}

void give_up(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_line("error ", fmt, ap);
	va_end(ap);
	exit(1);
}

const char *shown(const void *data, size_t len, char buf[256])
{
	const unsigned char *p = data;
	size_t i;

	for (i = 0; i < len && i < 255 && p[i]; i++)
		buf[i] = isprint(p[i]) && p[i] != '"' ? (char)p[i] : '.';
	buf[i] = 0;
	return buf;
}

uint64_t number(const char *word)
{
	char *end;
	unsigned long long v;

	errno = 0;
	v = strtoull(word, &end, 0);
	if (errno || end == word || *end)
		give_up("what=\"%s is no number\"", word);
	return v;
}

const char *word_or(char **word, int n, int i, const char *otherwise)
{
	return i < n ? word[i] : otherwise;
}

static void carry_out(const struct talk_verb *verbs, size_t count, char *line)
{
	char *word[TALK_WORDS], *save, *verb = strtok_r(line, " ", &save);
	int n = 0;

	if (!verb)
		return;
	while (n < TALK_WORDS && (word[n] = strtok_r(NULL, " ", &save)))
		n++;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(verb, verbs[i].name))
			continue;
		if (n < verbs[i].least)
			give_up("what=\"%s wants %s\"", verb, verbs[i].words);
		verbs[i].run(word, n);
		return;
	}
	give_up("what=\"no verb %s; see -h\"", verb);
}

bool talk_read(const struct talk_verb *verbs, size_t count)
{
	static char buf[4096];
	static size_t len;
	ssize_t got = read(STDIN_FILENO, buf + len, sizeof(buf) - len);
	char *nl;

	if (got <= 0)
		return got < 0 && errno == EINTR;
	len += (size_t)got;
	while ((nl = memchr(buf, '\n', len))) {
		size_t used = (size_t)(nl - buf) + 1;

		*nl = 0;
		carry_out(verbs, count, buf);
		memmove(buf, nl + 1, len - used);
		len -= used;
	}
	if (len == sizeof(buf))
		give_up("what=\"a line of over %zu bytes\"", sizeof(buf));
	return true;
}

void talk_help(const struct talk_verb *verbs, size_t count)
{
	puts("\ncommands, one a line on standard input:\n");
	for (size_t i = 0; i < count; i++)
		printf("  %-10s %-26s %s\n", verbs[i].name, verbs[i].words,
		       verbs[i].help);
}
