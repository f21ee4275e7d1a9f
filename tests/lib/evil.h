/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * evil.h - a front end that may say anything: the socket, no thread, no manners
 */
#ifndef TESTS_EVIL_H
#define TESTS_EVIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vhost_user.h"

#define EVIL_MEM     (1u << 20)
#define EVIL_GPA     0x100000ull
#define EVIL_UADDR   0x7f0000000000ull /* "its" address of the memory */
#define EVIL_MAX_FDS 32

struct evil {
	int sock;
	int mem_fd; /* EVIL_MEM bytes, sealed */
	int event_fd;
};

/* Connects; not one message was sent */
void evil_open(struct evil *e, const char *path);
void evil_close(struct evil *e);

/* A header that claims claim bytes, then len bytes, with nfds descriptors.
 * false: the other end has hung up already */
bool evil_send(struct evil *e, struct vhost_user_hdr hdr, const void *payload,
	       size_t len, const int *fds, int nfds);
/* A message as it should be */
bool evil_say(struct evil *e, uint32_t request, const void *payload,
	      uint32_t len, const int *fds, int nfds);
/* The back end hung up within 20 s */
bool evil_hung_up(struct evil *e);
/* The back end has carried out all before and answers */
bool evil_alive(struct evil *e);

/* The good steps that some attacks come after */
bool evil_features(struct evil *e);
bool evil_memory(struct evil *e);
bool evil_ring(struct evil *e, uint32_t index); /* not started */
bool evil_kick(struct evil *e, uint32_t index); /* starts it */

/* A memfd without the seal, for one */
int evil_memfd(size_t size, unsigned int seals);

#endif /* TESTS_EVIL_H */
