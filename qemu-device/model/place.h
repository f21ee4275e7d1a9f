/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * place.h - which worker has which guest
 *
 * DOC: With several workers a guest belongs to one, with all of its objects, and
 * guests that are bound to each other belong to the same: those between which
 * there is a local connection, whose two ends one worker must have, and those
 * that share a host's device, which one worker polls.  Such a group moves as a
 * whole, between two steps of its worker, when the first connection between two
 * groups is established, and when the first connection of all does: to the worker
 * that has the fewest, so connections are spread by load.  A group that has
 * connections is moved only to be joined with one that has more.
 *
 * Nothing in the data path knows of it: with one worker it is as if it were not
 * there.  Control thread.
 */
#ifndef VRDMA_PLACE_H
#define VRDMA_PLACE_H

#include "guest.h"

/* The one for a guest that is about to be made, by its fabric (NULL: none) */
struct worker *place_guest(const struct model *m, const struct backend *fabric);
/* g, whose queue pair is about to be connected, and peer are on one worker when
 * it returns, until as many place_disconnected().  peer: the guest at the other
 * end of a local connection, which may be g; NULL: it goes over the fabric. */
void place_connected(struct guest *g, struct guest *peer);
/* The queue pair was stopped and the connection is no more */
void place_disconnected(struct guest *g, struct guest *peer);

/* A wake-up queue's descriptor: kicks whoever has g.  0 or -errno */
int place_add_kick(struct guest *g, int fd);
void place_del_kick(struct guest *g, int fd);

/* move.c: guests (a bit each, by their index in the model), all on one worker,
 * are on another when it returns, and so is what their fabrics poll.  Nothing
 * that a guest or a peer does is lost in between. */
void move_guests(struct model *m, uint64_t guests, struct worker *to);

#endif /* VRDMA_PLACE_H */
