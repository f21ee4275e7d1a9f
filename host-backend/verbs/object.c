/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * object.c - the life of what the memory helper makes: regions and windows
 *
 * DOC: The order of the helper's jobs is that of the calls: what is taken back
 * was made before.  The structure lives until its model has heard that, or that
 * it could not be made; a device that is removed takes its own part earlier.
 */
#include <errno.h>
#include <stdlib.h>

#include "vrb.h"

static void unlink_object(struct vrb_object *o)
{
	struct vrb_object **at = o->list;

	while (*at != o)
		at = &(*at)->next;
	*at = o->next;
}

/* -------------------------------------------------------------------- making */

static struct vrb_object *of_make(struct slow_job *job)
{
	return (struct vrb_object *)(void *)job;	/* the first member */
}

static void make_job(struct slow_job *job)
{
	struct vrb_object *o = of_make(job);

	o->err = o->ibv_pd ? o->kind->make(o) : -ENODEV;
	if (o->err)
		o->kind->unmake(o);
}

static void made(struct slow_job *job)
{
	struct vrb_object *o = of_make(job);
	int err = o->err && o->vrb->gone ? -ENODEV : o->err;

	if (o->leaving)
		return;		/* the job that takes it back is on its way */
	if (!err) {
		o->kind->made(o, 0);
		return;
	}
	unlink_object(o);
	o->failed = true;
	o->kind->made(o, err);
	if (!o->losing)
		free(o);
}

void *object_make(const struct vrb_object_kind *kind, struct be_pd *pd,
		  struct vrb_object **list, void *model)
{
	struct vrb_object *o = calloc(1, kind->size);

	if (!o)
		abort();	/* the host is out of memory, for bytes */
	o->kind = kind;
	o->model = model;
	o->vrb = pd->vrb;
	o->ibv_pd = pd->pd;
	o->list = list;
	o->next = *list;
	*list = o;
	o->make.fn = make_job;
	o->make.done = made;
	slow_run(o->vrb->mr_helper, &o->make);
	return o;
}

/* ----------------------------------------------------------- and taking back */

static struct vrb_object *of_back(struct slow_job *job)
{
	return be_container(job, struct vrb_object, back);
}

static void unmake_job(struct slow_job *job)
{
	struct vrb_object *o = of_back(job);

	o->kind->unmake(o);
}

static void unmade(struct slow_job *job)
{
	struct vrb_object *o = of_back(job);
	struct vrb *v = o->vrb;

	unlink_object(o);
	o->kind->unmade(o);
	free(o);
	device_check_gone(v);
}

void object_take_back(struct vrb_object *o)
{
	o->leaving = true;
	o->back.fn = unmake_job;
	o->back.done = unmade;
	slow_run(o->vrb->mr_helper, &o->back);
}

/* ------------------------------------------------------------------- removal */

static struct vrb_object *of_lose(struct slow_job *job)
{
	return be_container(job, struct vrb_object, lose);
}

static void lose_job(struct slow_job *job)
{
	struct vrb_object *o = of_lose(job);

	o->kind->unmake(o);
}

static void lost(struct slow_job *job)
{
	struct vrb_object *o = of_lose(job);

	o->losing = false;
	if (o->failed)
		free(o);
}

static void lose(struct vrb_object *o)
{
	if (o->leaving || o->losing)
		return;
	o->losing = true;
	o->lose.fn = lose_job;
	o->lose.done = lost;
	slow_run(o->vrb->mr_helper, &o->lose);
}

void object_lose_all(struct vrb_object *list)
{
	for (struct vrb_object *o = list; o; o = o->next)
		lose(o);
}
