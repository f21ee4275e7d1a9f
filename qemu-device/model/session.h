/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * session.h - a guest's socket and the front end behind it
 *
 * DOC: A port is the socket of a guest; it lives as long as the guest.  A
 * session is one front end (QEMU) on it; at most one at a time, and when it
 * hangs up the guest is reset and the port waits for the next.
 *
 * libvhost-user does the protocol.  It trusts its front end: sizes, queue
 * numbers and descriptors are used as they come, and it ends the process when
 * the socket closes.  So it never reads the socket itself.  session_rx.c reads
 * a message without blocking, session_msg.c compares it with its row of a
 * table, and only then the library sees it.
 */
#ifndef VRDMA_SESSION_H
#define VRDMA_SESSION_H

#include <stdbool.h>
#include <stddef.h>

#define SESSION_ERR_LEN 256

struct guest;
struct loop;
struct port;
struct session;
struct worker;
struct VuDev; /* the library's */
struct VuVirtq;

/* Listens on path.  A socket that nobody listens on is replaced.  -errno,
 * and one line of what and how to mend in err. */
int port_listen(struct guest *g, struct loop *l, const char *path,
		struct port **out, char err[SESSION_ERR_LEN]);
/* Takes fd over: a listening socket, or one that is connected already; then
 * hung_up(arg) is called when it closes, since nobody else can come. */
int port_adopt(struct guest *g, struct loop *l, int fd,
	       void (*hung_up)(void *arg), void *arg, struct port **out,
	       char err[SESSION_ERR_LEN]);
/* Hangs up and removes the socket */
void port_close(struct port *p);

/* The queue when it may be used now: set up, started, enabled, not broken */
struct VuVirtq *session_queue(struct session *s, unsigned int qidx);
struct VuDev *session_dev(struct session *s);
/* w is woken by the wake-up queues' kicks (mine), or no more */
void session_set_kicks(struct session *s, struct worker *w, bool mine);
/* The status tail changed: tell the front end, without waiting for it */
void session_config_changed(struct session *s);

#endif /* VRDMA_SESSION_H */
