/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * foreign.h - the driving side against a program that is not ours
 *
 * DOC: A is guest 0 of a vrdmad of this test, at 10.0.0.1 and fd00::1 of rxe0.
 * B is a child process at 10.0.0.2 and fd00::2 of rxe1: peer or rping.
 * What it prints is read a line at a time; lines that nobody waits for are
 * passed over, and all are shown when one that is waited for does not come.
 */
#ifndef TESTS_FOREIGN_H
#define TESTS_FOREIGN_H

#include "fixture.h"

#define B_V4 "10.0.0.2"
#define B_V6 "fd00::2"

/* --- a child that speaks --------------------------------------------------- */

#define CHILD_HEARD 65536

struct child {
	const char *name;
	pid_t pid;
	int in, out;			/* its stdin, its stdout and stderr */
	size_t used, next;		/* of heard: read, and waited for */
	char heard[CHILD_HEARD];
};

/* args up to a NULL; it dies with the test */
void child_start(struct child *c, const char *path, const char *const args[]);
void child_say(struct child *c, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The rest of the next line that begins with this; bounded */
const char *child_hear(struct child *c, const char *prefix);
/* The same, formatted, and it is the whole line */
void child_hear_line(struct child *c, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void child_signal(struct child *c, int number);
/* Waits, bounded, until it has ended: its exit status, or 128 + signal */
int child_wait(struct child *c);
/* peer's: closes its stdin, which ends it with status 0 */
void child_quit(struct child *c);

/* --- a scene: A, and peer as B --------------------------------------------- */

struct scene {
	struct ep a;
	struct child b;
	struct listener l;
	bool listens;			/* l is open: B was the client */
	uint64_t b_addr;		/* B's memory */
	uint32_t b_key;
};

/* B's options beside -s or -c, its address and port; up to a NULL */
#define OPTIONS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define NO_OPTIONS OPTIONS(NULL)

enum who { A_CONNECTS, B_CONNECTS };

/* A, unconnected, and B, which listens: where */
struct sa scene_server(struct scene *s, const char *address,
		       const struct ep_opts *o, const char *const options[]);
/* A listens, and B connects to it: the request */
NDK_CONNECTOR *scene_client(struct scene *s, const char *address,
			    const struct ep_opts *o,
			    const char *const options[]);
/* Connected, whoever began it */
void scene_open(struct scene *s, enum who who, const struct ep_opts *o,
		const char *const options[]);
/* A's objects; B has ended or is ended */
void scene_close(struct scene *s);
/* A's own part, and B's: success on both sides, B has heard */
void scene_disconnect(struct scene *s);

/* One-sided requests into B's memory */
NTSTATUS scene_write(struct scene *s, uint64_t id, uint32_t len);
NTSTATUS scene_read(struct scene *s, uint64_t id, uint32_t len);
/* What B's commands take as A's memory */
#define A_MEMORY "%" PRIxPTR " %x"
#define A_MEMORY_ARGS(s) (uintptr_t)(s)->a.mem.va, (s)->a.mem.remote

/* One completion of A, and that it is this one */
void expect(struct ep *e, uint64_t id, uint32_t bytes);
/* One at a time: B's number n and pattern n go together */
void messages_to_b(struct scene *s, const uint32_t *length, uint32_t n);
void messages_from_b(struct scene *s, const uint32_t *length, uint32_t n);
#define MIB (1u << 20)

/* --- requests of A, each of which ends once --------------------------------- */

#define TALLY 16384

struct tally {
	uint32_t posted, ended;
	bool seen[TALLY];
	NTSTATUS failure; /* the first one's status */
};

uint64_t tally_id(struct tally *t);
/* Behind a Disconnect: nothing is waited for */
void tally_close(struct tally *t, struct ep *e);
void post_receives(struct tally *t, struct ep *e, uint32_t n);
/* Keeps requests of A going until one fails, an indication came or n ended well */
void traffic(struct tally *t, struct scene *s, uint32_t n,
	     NTSTATUS (*post)(struct scene *s, uint64_t id));
NTSTATUS post_write(struct scene *s, uint64_t id);
NTSTATUS post_message(struct scene *s, uint64_t id);

/* A's private data is text and, up to length, zeros */
void check_padded(NDK_CONNECTOR *c, const char *text, uint32_t length);

/* --- siw --------------------------------------------------------------------- */

/* foreign_siw.c: A's vrdmad is on iWARP, B on siw1 */
void siw_needed(void);			/* or it exits */
void siw_setup(void);
TCase *siw_case(Suite *s, const char *name, int seconds);

/* --- vrdmad and packets ------------------------------------------------------ */

/* One guest on rxe0 */
void foreign_setup(unsigned int disconnect_ms, unsigned int rnr_ms);

/* On their way into side 0 (A) or 1 (B): percent of them are dropped */
void packets_drop(int side, int percent);
/* None any more; false: there was no rule */
bool packets_pass(void);
/* How many were */
unsigned long packets_dropped(void);

/* foreign_data.c: messages, writes and reads both ways */
void add_transfer_tests(Suite *s, void (*setup)(void));
/* foreign_death.c: B is killed.  is_told: what A has heard, and how its Disconnect
 * ends */
void add_death_tests(TCase *tc, void (*is_told)(struct scene *s));
/* Of foreign_rping.c */
void add_rping_tests(Suite *s);

#endif /* TESTS_FOREIGN_H */
