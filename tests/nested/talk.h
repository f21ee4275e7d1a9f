/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * talk.h - a program that does what its standard input says, line by line
 *
 * DOC: side and plain are puppets: the scenario is in the runner (tests/nested/), in
 * one place for both ends.  A command is a verb and words, on one line.  What
 * happens is told on standard output, one line each: a name, then key=value words;
 * text in quotes.  A command that cannot be carried out is `error` and ends the
 * program with status 1; the end of the input is a quit.
 */
#ifndef TESTS_NESTED_TALK_H
#define TESTS_NESTED_TALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TALK_WORDS 8

struct talk_verb {
	const char *name;
	const char *words;	/* as -h shows them; how many there must be */
	int least;
	void (*run)(char **word, int n);
	const char *help;
};

/* Prints one line, whole, whatever other threads print */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Says `error` and exits with status 1 */
void __attribute__((noreturn, format(printf, 1, 2))) give_up(const char *fmt, ...);
/* Private data as text: up to the first NUL, what is not printable as '.' */
const char *shown(const void *data, size_t len, char buf[256]);

uint64_t number(const char *word);
/* Word i, or what stands for a missing one */
const char *word_or(char **word, int n, int i, const char *otherwise);

/* Carries out what has been read so far; false: the input has ended */
bool talk_read(const struct talk_verb *verbs, size_t count);
void talk_help(const struct talk_verb *verbs, size_t count);

#endif /* TESTS_NESTED_TALK_H */
