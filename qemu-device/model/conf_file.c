/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf_file.c - the configuration file
 *
 * INI as libinih reads it: [section], key = value, comments that begin with #
 * or ;.  The section [vrdmad] may be missing; [guest NAME] comes once per
 * guest.  The library tells the line of the first mistake, we tell what it is.
 */
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "conf.h"

struct file {
	FILE *in;
	int line; /* read last */
	struct conf *conf;
	struct guest_conf *guest; /* of the section, NULL in [vrdmad] */
	char section[CONF_NAME_LEN + 16]; /* the one that guest belongs to */
	char why[CONF_ERR_LEN]; /* the first mistake, "": none so far */
};

static int __attribute__((format(printf, 2, 3)))
file_error(struct file *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->why, sizeof(f->why), fmt, ap);
	va_end(ap);
	return -EINVAL;
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

static int enter_section(struct file *f, const char *name)
{
	snprintf(f->section, sizeof(f->section), "%s", name);
	f->guest = NULL;
	if (!*name)
		return file_error(f,
				  "a key before the first section; begin with "
				  "[vrdmad] or [guest NAME]");
	if (strcmp(name, "vrdmad") == 0)
		return 0;
	if (strncmp(name, "guest", 5) == 0 && strspn(name + 5, " \t"))
		return new_guest(f, name + 5 + strspn(name + 5, " \t"));
	return file_error(f,
			  "[%s]: unknown section; there are [vrdmad] and "
			  "[guest NAME]",
			  name);
}

/* The library's callback, once per key: 1 fine, 0 a mistake */
static int one_key(void *arg, const char *section, const char *key,
		   const char *value)
{
	struct file *f = arg;
	char err[CONF_ERR_LEN];

	if (*f->why)
		return 0; /* only the first is told, with its line */
	if ((strcmp(section, f->section) != 0 || !*section) &&
	    enter_section(f, section))
		return 0;
	if (conf_set(f->conf, f->guest, key, value, err)) {
		file_error(f, "%s", err);
		return 0;
	}
	return 1;
}

/* The library would take a line that does not fit for two */
static char *one_line(char *line, int size, void *arg)
{
	struct file *f = arg;

	if (!fgets(line, size, f->in))
		return NULL;
	f->line++;
	if (strchr(line, '\n') || feof(f->in))
		return line;
	file_error(f, "the line is longer than %d bytes", size - 2);
	return NULL;
}

int conf_read(struct conf *c, const char *path, char err[CONF_ERR_LEN])
{
	struct file f = { .conf = c, .in = fopen(path, "re") };
	int line, ret = f.in ? 0 : -errno;

	if (!f.in) {
		snprintf(err, CONF_ERR_LEN,
			 "%.200s: cannot read: %s; give the "
			 "path of a configuration file (vrdmad -h shows one)",
			 path, strerror(-ret));
		return ret;
	}
	line = ini_parse_stream(one_line, &f, one_key, &f);
	if (ferror(f.in)) {
		ret = -EIO;
		snprintf(err, CONF_ERR_LEN,
			 "%.200s: cannot read; is it a file?", path);
	} else if (line || *f.why) {
		ret = -EINVAL;
		snprintf(err, CONF_ERR_LEN, "%.200s:%d: %.290s", path,
			 line ? line : f.line,
			 *f.why ? f.why : "neither [section] nor key = value");
	}
	fclose(f.in);
	return ret;
}
