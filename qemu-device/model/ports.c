/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ports.c - which (address, port) pairs of a guest are taken
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "ports.h"

static const uint8_t zero_ip[16];

static size_t ip_size(uint8_t family)
{
	return family == VIRTIO_RDMA_AF_INET ? 4 : 16;
}

bool be_addr_is_any(const struct be_addr *a)
{
	return memcmp(a->ip, zero_ip, ip_size(a->family)) == 0;
}

static bool link_local(const uint8_t ip[16])
{
	return ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80;
}

static bool none_is_zero(const struct virtio_rdma_addr *a)
{
	static const struct virtio_rdma_addr none;

	return memcmp(a, &none, sizeof(none)) == 0;
}

static bool inet_is_clean(const struct virtio_rdma_addr *a)
{
	return !a->scope_id && memcmp(a->ip + 4, zero_ip, 12) == 0;
}

bool be_addr_from_abi(struct be_addr *to, const struct virtio_rdma_addr *from)
{
	memset(to, 0, sizeof(*to));
	if (from->family == VIRTIO_RDMA_AF_NONE)
		return none_is_zero(from);
	if (from->family != VIRTIO_RDMA_AF_INET &&
	    from->family != VIRTIO_RDMA_AF_INET6)
		return false;
	if (from->reserved)
		return false;
	if (from->family == VIRTIO_RDMA_AF_INET && !inet_is_clean(from))
		return false;
	if (from->scope_id && !link_local(from->ip))
		return false;
	to->family = from->family;
	to->port = vr_from_le16(from->port);
	to->scope_id = vr_from_le32(from->scope_id);
	memcpy(to->ip, from->ip, ip_size(from->family));
	return true;
}

void be_addr_to_abi(struct virtio_rdma_addr *to, const struct be_addr *from)
{
	memset(to, 0, sizeof(*to));
	to->family = from->family;
	to->port = vr_to_le16(from->port);
	to->scope_id = vr_to_le32(from->scope_id);
	memcpy(to->ip, from->ip, sizeof(to->ip));
}

const char *be_addr_text(const struct be_addr *a, char buf[BE_ADDR_TEXT])
{
	char ip[INET6_ADDRSTRLEN] = "?";
	bool v4 = a->family == VIRTIO_RDMA_AF_INET;

	if (a->family == VIRTIO_RDMA_AF_NONE) {
		snprintf(buf, BE_ADDR_TEXT, "none");
		return buf;
	}
	inet_ntop(v4 ? AF_INET : AF_INET6, a->ip, ip, sizeof(ip));
	if (v4)
		snprintf(buf, BE_ADDR_TEXT, "%s:%u", ip, a->port);
	else if (a->scope_id)
		snprintf(buf, BE_ADDR_TEXT, "[%s%%%u]:%u", ip, a->scope_id,
			 a->port);
	else
		snprintf(buf, BE_ADDR_TEXT, "[%s]:%u", ip, a->port);
	return buf;
}

/* ------------------------------------------------------------------- table */

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
	return be_addr_is_any(a) || be_addr_is_any(b) || be_addr_equal(a, b);
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
		p->next = p->next == PORTS_EPHEMERAL_LAST ?
				  PORTS_EPHEMERAL_FIRST :
				  p->next + 1;
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
