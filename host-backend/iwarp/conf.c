/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf.c - the options behind "fabric = iwarp" */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "iw.h"

struct choice {
	const char *option;
	const char *value;
	void (*take)(struct iw_opts *o);
};

static void crc_yes(struct iw_opts *o) { o->crc = true; }
static void crc_no(struct iw_opts *o) { o->crc = false; }
static void confirm_yes(struct iw_opts *o) { o->confirm = true; }
static void confirm_no(struct iw_opts *o) { o->confirm = false; }
static void large_auto(struct iw_opts *o) { o->large = IW_LARGE_AUTO; }
static void large_always(struct iw_opts *o) { o->large = IW_LARGE_ALWAYS; }
static void large_never(struct iw_opts *o) { o->large = IW_LARGE_NEVER; }
static void mpa_1(struct iw_opts *o) { o->revision = 1; }
static void mpa_2(struct iw_opts *o) { o->revision = 2; }

static const struct choice choices[] = {
	{"crc", "yes", crc_yes},
	{"crc", "no", crc_no},
	{"confirm", "yes", confirm_yes},
	{"confirm", "no", confirm_no},
	{"large", "auto", large_auto},
	{"large", "always", large_always},
	{"large", "never", large_never},
	{"mpa", "2", mpa_2},
	{"mpa", "1", mpa_1},
};

#define CHOICES (sizeof(choices) / sizeof(choices[0]))

static bool take(struct iw_opts *o, const char *word, size_t len)
{
	for (size_t i = 0; i < CHOICES; i++) {
		const struct choice *c = &choices[i];
		size_t n = strlen(c->option);

		if (len != n + 1 + strlen(c->value) ||
		    memcmp(word, c->option, n) != 0 || word[n] != '=' ||
		    memcmp(word + n + 1, c->value, strlen(c->value)) != 0)
			continue;
		c->take(o);
		return true;
	}
	return false;
}

int iw_opts_parse(const char *rest, struct iw_opts *out, char *err,
		  size_t err_size)
{
	*out = (struct iw_opts){
		.crc = true,
		.confirm = true,
		.revision = 2,
		.large = IW_LARGE_AUTO,
	};
	if (!rest[0])
		return 0;
	if (rest[0] == ':')
		rest++;
	while (rest[0]) {
		size_t len = strcspn(rest, ",");

		if (!take(out, rest, len)) {
			snprintf(err, err_size,
				 "fabric iwarp: option '%.*s': give crc=yes|no, "
				 "confirm=yes|no, large=auto|always|never or "
				 "mpa=1|2, separated by commas",
				 (int)(len < 60 ? len : 60), rest);
			return -EINVAL;
		}
		rest += len;
		rest += rest[0] == ',';
	}
	return 0;
}
