/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fabric.h - which backends this process has, and what guests get of them
 *
 * DOC: "local" is always there.  A guest may have a fabric beside it, named in
 * its configuration; guests that name the same one share it, but for iWARP with
 * several workers: one worker polls a fabric and has all its guests, and nothing
 * but memory is shared of a wire that sockets make.  Control thread.
 */
#ifndef VRDMA_FABRIC_H
#define VRDMA_FABRIC_H

#include "guest.h"

/* Starts local and every fabric that the configuration names.  0, or -errno with
 * one line in err: what is wrong and how to mend it. */
int fabric_start_all(struct model *m, char err[CONF_ERR_LEN]);
/* Only the first half: for programs without a configuration */
int fabric_start_local(struct model *m);
/* Every guest is gone */
void fabric_stop_all(struct model *m);
/* A wire still takes down what guests have let go; the loop brings it on */
bool fabric_is_busy(const struct model *m);
/* For a guest that is being created: its fabric (NULL: none) */
struct backend *fabric_find(const struct model *m,
			    const struct guest_conf *conf);
/* Lowers what conf promises to what the guest's fabric can carry */
void fabric_cap(const struct model *m, struct guest_conf *conf);

/* Whose limits hold for g: its fabric, or local without one */
static inline const struct backend *fabric_of(const struct guest *g)
{
	return g->fabric ? g->fabric : g->model->local;
}

#endif /* VRDMA_FABRIC_H */
