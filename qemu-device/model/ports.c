/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ports.c - which (address, port) pairs of a guest are taken
 */
#include <errno.h>
#include <stdlib.h>

#include "addr.h"
#include "ports.h"

void ports_init(struct ports *p)
{
	for (unsigned int i = 0; i < PORTS_BUCKETS; i++)
		list_init(&p->bucket[i]);
	p->next = PORTS_EPHEMERAL_FIRST;
	p->count = 0;
}

static struct list_head *bucket_of(struct ports *p, uint16_t port)
{
	return &p->bucket[port % PORTS_BUCKETS];
}

static bool conflicts(const struct be_addr *a, const struct be_addr *b)
{
	if (a->family != b->family || a->port != b->port)
		return false;
	return addr_ip_is_any(a) || addr_ip_is_any(b) || addr_ip_equal(a, b);
}

static bool taken(struct ports *p, const struct be_addr *addr)
{
	struct list_head *bucket = bucket_of(p, addr->port);
	struct list_head *pos;

	list_for_each (pos, bucket) {
		if (conflicts(&container_of(pos, struct endpoint, link)->addr,
			      addr))
			return true;
	}
	return false;
}

static int pick_port(struct ports *p, struct be_addr *addr)
{
	uint32_t range = PORTS_EPHEMERAL_LAST - PORTS_EPHEMERAL_FIRST + 1;

	for (uint32_t i = 0; i < range; i++) {
		addr->port = (uint16_t)p->next;
		p->next = p->next == PORTS_EPHEMERAL_LAST
				  ? PORTS_EPHEMERAL_FIRST
				  : p->next + 1;
		if (!taken(p, addr))
			return 0;
	}
	return -EADDRNOTAVAIL;
}

int ports_take(struct ports *p, const struct be_addr *addr,
	       struct endpoint **out)
{
	struct be_addr a = *addr;
	struct endpoint *e;
	int err = 0;

	if (!a.port)
		err = pick_port(p, &a);
	else if (taken(p, &a))
		err = -EADDRINUSE;
	if (err)
		return err;
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->ports = p;
	e->addr = a;
	e->refs = 1;
	list_add_tail(&e->link, bucket_of(p, a.port));
	p->count++;
	*out = e;
	return 0;
}

struct endpoint *endpoint_get(struct endpoint *e)
{
	e->refs++;
	return e;
}

void endpoint_put(struct endpoint *e)
{
	if (!e || --e->refs)
		return;
	list_del(&e->link);
	e->ports->count--;
	free(e);
}
