// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * standin_guest.c - a system for the miniport alone, and a device: a guest of os_user.h
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "standin.h"

bool standin_fails(void)
{
	return ++ndis.failable == ndis.fail_at;
}

/* --- the system ----------------------------------------------------------------------- */

void *vrn_alloc(size_t size)
{
	return standin_fails() ? NULL : calloc(1, size);
}

void vrn_free(void *p)
{
	free(p);
}

_Static_assert(sizeof(pthread_mutex_t) <= sizeof(struct vrn_mutex), "mutex");

void vrn_mutex_init(struct vrn_mutex *m)
{
	pthread_mutex_init((pthread_mutex_t *)m, NULL);
}

void vrn_mutex_fini(struct vrn_mutex *m)
{
	pthread_mutex_destroy((pthread_mutex_t *)m);
}

void vrn_mutex_lock(struct vrn_mutex *m)
{
	pthread_mutex_lock((pthread_mutex_t *)m);
}

void vrn_mutex_unlock(struct vrn_mutex *m)
{
	pthread_mutex_unlock((pthread_mutex_t *)m);
}

struct event {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool set;
};
_Static_assert(sizeof(struct event) <= sizeof(struct vrn_event), "event");

void vrn_event_init(struct vrn_event *ev, bool set)
{
	struct event *e = (struct event *)ev;

	pthread_mutex_init(&e->lock, NULL);
	pthread_cond_init(&e->cond, NULL);
	e->set = set;
}

void vrn_event_fini(struct vrn_event *ev)
{
	struct event *e = (struct event *)ev;

	pthread_mutex_lock(&e->lock);
	pthread_mutex_unlock(&e->lock);
	pthread_cond_destroy(&e->cond);
	pthread_mutex_destroy(&e->lock);
}

static void event_put(struct vrn_event *ev, bool set)
{
	struct event *e = (struct event *)ev;

	pthread_mutex_lock(&e->lock);
	e->set = set;
	pthread_cond_broadcast(&e->cond);
	pthread_mutex_unlock(&e->lock);
}

void vrn_event_set(struct vrn_event *e)
{
	event_put(e, true);
}

void vrn_event_clear(struct vrn_event *e)
{
	event_put(e, false);
}

void vrn_event_wait(struct vrn_event *ev)
{
	struct event *e = (struct event *)ev;

	pthread_mutex_lock(&e->lock);
	while (!e->set)
		pthread_cond_wait(&e->cond, &e->lock);
	pthread_mutex_unlock(&e->lock);
}

/* --- the device ------------------------------------------------------------------------- */

struct vrn_device {
	struct tguest *g;
};

static NDIS_STATUS device_create(NDIS_HANDLE miniport,
				 NDIS_MINIPORT_INIT_PARAMETERS *params,
				 struct vrn_device **out)
{
	struct vrn_device *d;

	(void)miniport;
	(void)params;
	if (standin_fails())
		return NDIS_STATUS_FAILURE;
	d = calloc(1, sizeof(*d));
	d->g = tguest_start(ndis.socket, 64u << 20);
	if (!d->g) {
		free(d);
		return NDIS_STATUS_FAILURE;
	}
	*out = d;
	return NDIS_STATUS_SUCCESS;
}

static void device_destroy(struct vrn_device *d)
{
	tguest_stop(d->g);
	free(d);
}

static void device_gone(struct vrn_device *d)
{
	tguest_kill(d->g);
}

static NDIS_STATUS device_power(struct vrn_device *d, bool on)
{
	if (!on)
		tguest_down(d->g);
	else if (tguest_up(d->g))
		return NDIS_STATUS_FAILURE;
	return NDIS_STATUS_SUCCESS;
}

static struct vrdma_core *device_core(struct vrn_device *d)
{
	return tguest_core(d->g);
}

static void device_mac(struct vrn_device *d, UCHAR mac[6])
{
	(void)d;
	memcpy(mac, "\x02\x72\x64\x6d\x61\x01", 6);
}

static void device_unload(void)
{
}

static const struct vrn_device_ops device_ops = {
	.create = device_create,
	.destroy = device_destroy,
	.gone = device_gone,
	.power = device_power,
	.unload = device_unload,
	.core = device_core,
	.mac = device_mac,
};

NDIS_STATUS standin_register(void)
{
	return vrn_register(NULL, NULL, &device_ops);
}

struct tguest *standin_guest(void)
{
	return ndis.context->device->g;
}
