/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vrdmad.h - the real daemon as a child of a test
 */
#ifndef TESTS_VRDMAD_H
#define TESTS_VRDMAD_H

#include <stdbool.h>
#include <sys/types.h>

#define DAEMON_MAX_GUESTS 8

struct daemon_opts {
	int first;			/* serves guests from this one on */
	int guests;			/* so many: "g0", "g1", ... */
	const char *vrdmad_section;	/* lines for [vrdmad], or NULL */
	const char *guest_section;	/* lines for every [guest], or NULL */
	const char *own[DAEMON_MAX_GUESTS];	/* more for one, behind those */
};

struct daemon {
	pid_t pid;			/* 0: not running */
	int first, guests;
	char dir[64];
	char socket[DAEMON_MAX_GUESTS][96];
	char config[96];
	char log[96];
};

/* Addresses of guest i: 10.0.0.(1+i) and fd00::(1+i) */
#define DAEMON_IPV4(i) { 10, 0, 0, (uint8_t)(1 + (i)) }
#define DAEMON_IPV6(i) \
	{ 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, (uint8_t)(1 + (i)) }

/* Writes the configuration ($VRDMA_WORKERS: with so many workers), starts it and
 * waits until each socket listens.  false: stderr has the daemon's log */
bool daemon_start(struct daemon *d, const struct daemon_opts *opts);
/* After a kill: the same configuration again */
bool daemon_restart(struct daemon *d);
void daemon_kill(struct daemon *d);		/* SIGKILL */
/* SIGTERM; its exit status, or -1: it died by a signal or did not end */
int daemon_stop(struct daemon *d);
/* The same for one that was told to end, before daemon_alive() is asked */
int daemon_wait(struct daemon *d);
bool daemon_alive(struct daemon *d);
/* Stops it and removes its folder */
void daemon_cleanup(struct daemon *d);

/* What is run: $VRDMAD, or the one in build */
const char *daemon_binary(void);

#endif /* TESTS_VRDMAD_H */
