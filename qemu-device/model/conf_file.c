/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf_file.c - the configuration file
 *
 * [section], key = value, empty lines, and comments that begin with # or ;.
 * The section [vrdmad] may be missing; [guest NAME] comes once per guest.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "conf.h"

struct file {
	struct conf *conf;
	struct guest_conf *guest; /* of the section, NULL in [vrdmad] */
	bool in_section;
	const char *path;
	int line;
	char *err;
};

static int __attribute__((format(printf, 2, 3)))
file_error(struct file *f, const char *fmt, ...)
{
	char text[CONF_ERR_LEN];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(f->err, CONF_ERR_LEN, "%.200s:%d: %.290s", f->path, f->line,
		 text);
	return -EINVAL;
}

static char *trim(char *s)
{
	char *end;

	s += strspn(s, " \t\r\n");
	end = s + strlen(s);
	while (end > s && strchr(" \t\r\n", end[-1]))
		*--end = '\0';
	return s;
}

static int new_guest(struct file *f, const char *name)
{
	struct conf *c = f->conf;
	size_t len = strlen(name);

	if (!len || len >= CONF_NAME_LEN ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0"
			 "123456789-_.") != len)
		return file_error(f,
				  "'%s' is no name for a guest; use 1 to %d "
				  "letters, digits, '-', '_' or '.'",
				  name, CONF_NAME_LEN - 1);
	for (uint32_t i = 0; i < c->guest_count; i++)
		if (strcmp(c->guest[i].name, name) == 0)
			return file_error(
				f,
				"guest %s is there already; rename one "
				"or join the sections",
				name);
	if (c->guest_count == CONF_MAX_GUESTS)
		return file_error(f, "more than %d guests; run a second vrdmad",
				  CONF_MAX_GUESTS);
	f->guest = &c->guest[c->guest_count++];
	guest_conf_defaults(f->guest);
	snprintf(f->guest->name, sizeof(f->guest->name), "%s", name);
	return 0;
}

static int section(struct file *f, char *s)
{
	char *end = strchr(s, ']');

	if (!end || end[1])
		return file_error(f,
				  "'%s': a section ends with ']' and nothing "
				  "after it",
				  s);
	*end = '\0';
	s = trim(s + 1);
	f->in_section = true;
	f->guest = NULL;
	if (strcmp(s, "vrdmad") == 0)
		return 0;
	if (strncmp(s, "guest", 5) == 0 && (s[5] == ' ' || s[5] == '\t'))
		return new_guest(f, trim(s + 5));
	return file_error(f,
			  "[%s]: unknown section; there are [vrdmad] and "
			  "[guest NAME]",
			  s);
}

static int assignment(struct file *f, char *s)
{
	char err[CONF_ERR_LEN];
	char *eq = strchr(s, '=');

	if (!eq)
		return file_error(f, "'%s': neither [section] nor key = value",
				  s);
	if (!f->in_section)
		return file_error(f,
				  "a key before the first section; begin with "
				  "[vrdmad] or [guest NAME]");
	*eq = '\0';
	if (conf_set(f->conf, f->guest, trim(s), trim(eq + 1), err))
		return file_error(f, "%s", err);
	return 0;
}

static int one_line(struct file *f, char *line)
{
	char *s = trim(line);

	if (!*s || *s == '#' || *s == ';')
		return 0;
	return *s == '[' ? section(f, s) : assignment(f, s);
}

int conf_read(struct conf *c, const char *path, char err[CONF_ERR_LEN])
{
	struct file f = {.conf = c, .path = path, .err = err};
	char line[1024];
	FILE *in;
	int ret = 0;

	in = fopen(path, "re");
	if (!in) {
		ret = -errno;
		snprintf(err, CONF_ERR_LEN,
			 "%.200s: cannot read: %s; give the "
			 "path of a configuration file (vrdmad -h shows one)",
			 path, strerror(-ret));
		return ret;
	}
	while (!ret && fgets(line, sizeof(line), in)) {
		f.line++;
		if (!strchr(line, '\n') && !feof(in))
			ret = file_error(&f,
					 "the line is longer than %zu bytes",
					 sizeof(line) - 2);
		else
			ret = one_line(&f, line);
	}
	if (!ret && ferror(in)) {
		ret = -EIO;
		snprintf(err, CONF_ERR_LEN,
			 "%.200s: cannot read; is it a file?", path);
	}
	fclose(in);
	return ret;
}
