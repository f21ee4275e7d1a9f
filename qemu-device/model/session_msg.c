/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * session_msg.c - which vhost-user messages may come, and what they mean here
 *
 * DOC: A message gets through three gates: its row (size, number of
 * descriptors, queue number), its hook (what the values may be, and what we
 * have to do before the library acts), the library.  A front end that breaks
 * a rule is hung up on: the stream may be out of step, and a new connection
 * mends that.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "session_int.h"

#define NOFD	    VHOST_USER_VRING_NOFD_MASK
#define F_PROTOCOL  30 /* VHOST_USER_F_PROTOCOL_FEATURES */
#define F_INDIRECT  28
#define F_EVENT_IDX 29

/* Of the transport, for every guest */
#define OFFERED_FEATURES                                                       \
	(1ull << VIRTIO_F_VERSION_1 | 1ull << F_INDIRECT |                     \
	 1ull << F_EVENT_IDX | 1ull << F_PROTOCOL)
/* In-flight buffers, dirty logging and post-copy are not among them: device
 * state cannot be handed to another process (the driver is told to reset). */
#define OFFERED_PROTOCOL                                                       \
	(1ull << VU_PF_MQ | 1ull << VU_PF_REPLY_ACK |                          \
	 1ull << VU_PF_BACKEND_REQ | 1ull << VU_PF_CONFIG |                    \
	 1ull << VU_PF_RESET_DEVICE | 1ull << VU_PF_MEM_SLOTS |                \
	 1ull << VU_PF_STATUS)

/* What the library's arrays have room for */
#define MAX_QUEUE_SIZE 1024
#define MAX_MEM_SLOTS  509
#define CONF_HDR       offsetof(VhostUserConfig, region)

enum queue_field { Q_NONE, Q_STATE, Q_ADDR, Q_FILE };

/* 0: the library goes on; 1: done, *reply says whether msg is the answer;
 * -EPROTO: a violation, logged */
typedef int msg_hook(struct session *s, VhostUserMsg *msg, int *reply);

struct msg_row {
	const char *name;  /* NULL: must not come */
	uint32_t min, max; /* payload bytes */
	int fd_min, fd_max;
	enum queue_field queue;
	msg_hook *hook;
};

void session_violation(struct session *s, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	if (s->closing)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	s->closing = true;
	/* outside of a message, this is what brings the loop to close it */
	shutdown(s->dev.sock, SHUT_RDWR);
	glog(s->guest, VL_WARN, "session: %s; hanging up", text);
}

static int violation_at(struct session *s, const char *what, uint64_t v)
{
	session_violation(s, "%s (0x%llx)", what, (unsigned long long)v);
	return -EPROTO;
}

static void reply_u64(VhostUserMsg *msg, uint64_t v, int *reply)
{
	msg->payload.u64 = v;
	msg->size = sizeof(msg->payload.u64);
	msg->fd_num = 0;
	*reply = 1;
}

/* ---------------------------------------------------------------- features */

static uint64_t offered_features(const struct session *s)
{
	return OFFERED_FEATURES | guest_offered_features(s->guest);
}

static int get_features(struct session *s, VhostUserMsg *msg, int *reply)
{
	reply_u64(msg, offered_features(s), reply);
	return 1;
}

static int set_features(struct session *s, VhostUserMsg *msg, int *reply)
{
	(void)reply;
	if (msg->payload.u64 & ~offered_features(s))
		return violation_at(s, "features that were not offered",
				    msg->payload.u64);
	if (!(msg->payload.u64 >> VIRTIO_F_VERSION_1 & 1))
		return violation_at(s, "a driver without VERSION_1",
				    msg->payload.u64);
	guest_set_features(s->guest,
			   msg->payload.u64 & VIRTIO_RDMA_FEATURES);
	return 0;
}

static int get_protocol_features(struct session *s, VhostUserMsg *msg,
				 int *reply)
{
	(void)s;
	reply_u64(msg, OFFERED_PROTOCOL, reply);
	return 1;
}

static int set_protocol_features(struct session *s, VhostUserMsg *msg,
				 int *reply)
{
	(void)reply;
	if (msg->payload.u64 & ~OFFERED_PROTOCOL)
		return violation_at(s,
				    "protocol features that were not offered",
				    msg->payload.u64);
	return 0;
}

/* ------------------------------------------------------------------ memory */

static int region_add(struct session *s, const VhostUserMemoryRegion *r, int fd,
		      const struct gmem_map *old, struct gmem_map **out)
{
	struct gmem_region_desc d = {
		.gpa = r->guest_phys_addr,
		.size = r->memory_size,
		.mmap_offset = r->mmap_offset,
		.fd = fd,
	};
	int ret = -EINVAL;

	if (range_within(r->userspace_addr, r->memory_size, UINT64_MAX))
		ret = gmem_map_add(old, &d,
				   s->guest->conf->allow_unsealed_memory, out);
	if (ret == -EPERM)
		session_violation(s,
				  "guest memory at 0x%llx could be shrunk: use "
				  "memory-backend-memfd with seal=on, or set "
				  "allow-unsealed-memory = yes",
				  (unsigned long long)d.gpa);
	else if (ret)
		session_violation(s,
				  "memory region at 0x%llx of 0x%llx bytes: %s",
				  (unsigned long long)d.gpa,
				  (unsigned long long)d.size, strerror(-ret));
	return ret;
}

/* The ring's three parts lie in the front end's region r */
static bool ring_part_in(uint64_t addr, uint64_t len, uint64_t uva,
			 uint64_t size)
{
	return addr >= uva && range_within(addr - uva, len, size);
}

struct ring_part {
	uint64_t addr, len, align;
};

static void ring_parts(const struct vhost_vring_addr *a, uint64_t num,
		       struct ring_part part[3])
{
	part[0] = (struct ring_part){a->desc_user_addr, 16 * num, 16};
	part[1] = (struct ring_part){a->avail_user_addr, 6 + 2 * num, 2};
	part[2] = (struct ring_part){a->used_user_addr, 6 + 8 * num, 4};
}

/* Both by the library's regions and, after a new table, by those to come */
static bool part_in_memory(const VuDev *dev, const struct ring_part *p)
{
	for (uint32_t i = 0; i < dev->nregions; i++)
		if (ring_part_in(p->addr, p->len, dev->regions[i].qva,
				 dev->regions[i].size))
			return true;
	return false;
}

static bool part_in_table(const VhostUserMemory *t, const struct ring_part *p)
{
	for (uint32_t i = 0; i < t->nregions; i++)
		if (ring_part_in(p->addr, p->len, t->regions[i].userspace_addr,
				 t->regions[i].memory_size))
			return true;
	return false;
}

/* A started ring whose memory goes away would leave dangling pointers in the
 * library.  t NULL: the region [uva, uva + size) goes. */
static bool rings_survive(const VuDev *dev, const VhostUserMemory *t,
			  uint64_t uva, uint64_t size)
{
	struct ring_part part[3];

	for (unsigned int q = 0; q < SESSION_MAX_QUEUES; q++) {
		const VuVirtq *vq = &dev->vq[q];

		if (!vq->started)
			continue;
		ring_parts(&vq->vra, vq->vring.num, part);
		for (int i = 0; i < 3; i++) {
			if (t ? !part_in_table(t, &part[i])
			      : ring_part_in(part[i].addr, 1, uva, size))
				return false;
		}
	}
	return true;
}

/* Addresses of queues that are stopped may name memory that goes away */
static void forget_stopped_rings(struct session *s)
{
	for (unsigned int q = 0; q < SESSION_MAX_QUEUES; q++)
		if (!s->dev.vq[q].started)
			session_forget_ring(&s->dev.vq[q]);
}

static int add_mem_reg(struct session *s, VhostUserMsg *msg, int *reply)
{
	VhostUserMemoryRegion r = msg->payload.memreg.region;
	struct gmem_map *map;

	(void)reply;
	if (s->dev.nregions >= MAX_MEM_SLOTS)
		return violation_at(s, "too many memory regions",
				    s->dev.nregions);
	if (region_add(s, &r, msg->fds[0], s->guest->map, &map))
		return -EPROTO;
	guest_set_map(s->guest, map);
	return 0;
}

static int rem_mem_reg(struct session *s, VhostUserMsg *msg, int *reply)
{
	VhostUserMemoryRegion r = msg->payload.memreg.region;
	struct gmem_map *map;

	(void)reply;
	if (!rings_survive(&s->dev, NULL, r.userspace_addr, r.memory_size))
		return violation_at(s,
				    "a region with a started ring is removed",
				    r.guest_phys_addr);
	if (gmem_map_remove(s->guest->map, r.guest_phys_addr, r.memory_size,
			    &map))
		return violation_at(s, "no such memory region",
				    r.guest_phys_addr);
	forget_stopped_rings(s);
	guest_set_map(s->guest, map);
	return 0;
}

static int set_mem_table(struct session *s, VhostUserMsg *msg, int *reply)
{
	VhostUserMemory t = msg->payload.memory;
	struct gmem_map *map = NULL, *next;

	(void)reply;
	if (!t.nregions || t.nregions > SESSION_MAX_FDS ||
	    (int)t.nregions != msg->fd_num ||
	    msg->size != offsetof(VhostUserMemory, regions) +
				 t.nregions * sizeof(t.regions[0]))
		return violation_at(s, "memory table with a wrong count",
				    t.nregions);
	if (!rings_survive(&s->dev, &t, 0, 0))
		return violation_at(s, "memory table without a started ring",
				    t.nregions);
	for (uint32_t i = 0; i < t.nregions; i++) {
		int ret = region_add(s, &t.regions[i], msg->fds[i], map, &next);

		gmem_map_put(map);
		if (ret)
			return -EPROTO;
		map = next;
	}
	forget_stopped_rings(s);
	guest_set_map(s->guest, map);
	return 0;
}

/* ------------------------------------------------------------------ queues */

static int check_ring(struct session *s, const struct vhost_vring_addr *a,
		      uint32_t num)
{
	struct ring_part part[3];

	if (!num)
		return violation_at(s, "ring without a size", a->index);
	ring_parts(a, num, part);
	for (int i = 0; i < 3; i++)
		if (part[i].addr % part[i].align ||
		    !part_in_memory(&s->dev, &part[i]))
			return violation_at(s, "ring outside guest memory",
					    part[i].addr);
	return 0;
}

static int set_vring_num(struct session *s, VhostUserMsg *msg, int *reply)
{
	uint32_t num = msg->payload.state.num;

	(void)reply;
	if (!num || num > MAX_QUEUE_SIZE || (num & (num - 1)))
		return violation_at(s, "queue size is no power of two to 1024",
				    num);
	if (s->dev.vq[msg->payload.state.index].started)
		return violation_at(s, "size of a started queue changes", num);
	return 0;
}

static int set_vring_addr(struct session *s, VhostUserMsg *msg, int *reply)
{
	struct vhost_vring_addr a = msg->payload.addr;
	VuVirtq *vq = &s->dev.vq[a.index];

	(void)reply;
	if (vq->started)
		return violation_at(s, "address of a started queue changes",
				    a.index);
	return check_ring(s, &a, vq->vring.num);
}

static int set_vring_base(struct session *s, VhostUserMsg *msg, int *reply)
{
	(void)reply;
	if (msg->payload.state.num > UINT16_MAX)
		return violation_at(s, "ring index has 16 bits",
				    msg->payload.state.num);
	if (s->dev.vq[msg->payload.state.index].started)
		return violation_at(s, "index of a started queue changes",
				    msg->payload.state.index);
	return 0;
}

/* A descriptor that would block could stop every guest */
static int set_nonblock(struct session *s, int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return violation_at(s, "bad notification descriptor",
				    (uint64_t)errno);
	return 0;
}

static int check_vring_fd(struct session *s, const VhostUserMsg *msg)
{
	int want = msg->payload.u64 & NOFD ? 0 : 1;

	if (msg->fd_num != want)
		return violation_at(s, "wrong number of descriptors",
				    msg->payload.u64);
	return want ? set_nonblock(s, msg->fds[0]) : 0;
}

static int set_vring_kick(struct session *s, VhostUserMsg *msg, int *reply)
{
	VuVirtq *vq = &s->dev.vq[msg->payload.u64 & VHOST_USER_VRING_IDX_MASK];

	(void)reply;
	if (msg->payload.u64 & NOFD)
		return violation_at(s, "a queue without a kick descriptor",
				    msg->payload.u64);
	if (vq->started)
		return violation_at(s, "a started queue is started",
				    msg->payload.u64);
	if (!vq->vring.desc)
		return violation_at(s, "a queue without rings is started",
				    msg->payload.u64);
	/* once more: the memory may have changed since SET_VRING_ADDR */
	if (check_ring(s, &vq->vra, vq->vring.num))
		return -EPROTO;
	return check_vring_fd(s, msg);
}

static int set_vring_fd(struct session *s, VhostUserMsg *msg, int *reply)
{
	(void)reply;
	return check_vring_fd(s, msg);
}

static int set_vring_enable(struct session *s, VhostUserMsg *msg, int *reply)
{
	(void)reply;
	if (msg->payload.state.num > 1)
		return violation_at(s, "enable is 0 or 1",
				    msg->payload.state.num);
	return 0;
}

/* ------------------------------------------------- reset, status,
 * configuration */

void session_reset_device(struct session *s)
{
	guest_reset(s->guest);
	s->dev.broken = false;
	for (unsigned int q = 0; q < SESSION_MAX_QUEUES; q++) {
		s->dev.vq[q].inuse = 0;
		s->dev.vq[q].enable = 0;
	}
}

static int reset_device(struct session *s, VhostUserMsg *msg, int *reply)
{
	(void)msg;
	(void)reply;
	session_reset_device(s);
	return 1;
}

/* Status 0 is no reset: QEMU also sends it when the machine is paused, and
 * says RESET_DEVICE when it means it. */
static int set_status(struct session *s, VhostUserMsg *msg, int *reply)
{
	(void)reply;
	s->status = (uint8_t)msg->payload.u64;
	return 1;
}

static int get_status(struct session *s, VhostUserMsg *msg, int *reply)
{
	reply_u64(msg,
		  s->status |
			  (s->guest->broken ? VIRTIO_CONFIG_S_NEEDS_RESET : 0),
		  reply);
	return 1;
}

static int get_config(struct session *s, VhostUserMsg *msg, int *reply)
{
	uint32_t off = msg->payload.config.offset;
	uint32_t len = msg->payload.config.size;

	if (msg->size != CONF_HDR + len)
		return violation_at(s, "configuration request of a wrong size",
				    msg->size);
	*reply = 1;
	msg->fd_num = 0;
	if (!range_within(off, len, session_config_size())) {
		msg->size = 0; /* vhost-user: how it is refused */
		return 1;
	}
	session_fill_config(s->guest, msg->payload.config.region, off, len);
	return 1;
}

/* Nothing in it can be written */
static int set_config(struct session *s, VhostUserMsg *msg, int *reply)
{
	(void)s;
	if (msg->flags & VHOST_USER_NEED_REPLY_MASK)
		reply_u64(msg, EINVAL, reply);
	return 1;
}

/* -------------------------------------------------------------------- table */

#define U64	sizeof(uint64_t)
#define STATE	sizeof(struct vhost_vring_state)
#define ADDR	sizeof(struct vhost_vring_addr)
#define MEM_REG sizeof(VhostUserMemRegMsg)
#define MEM_MIN                                                                \
	(offsetof(VhostUserMemory, regions) + sizeof(VhostUserMemoryRegion))

/* clang-format off */
static const struct msg_row rows[] = {
	[VHOST_USER_GET_FEATURES] = { "GET_FEATURES", 0, 0, 0, 0, Q_NONE, get_features },
	[VHOST_USER_SET_FEATURES] = { "SET_FEATURES", U64, U64, 0, 0, Q_NONE, set_features },
	[VHOST_USER_SET_OWNER] = { "SET_OWNER", 0, 0, 0, 0, Q_NONE, NULL },
	[VHOST_USER_RESET_OWNER] = { "RESET_OWNER", 0, 0, 0, 0, Q_NONE, reset_device },
	[VHOST_USER_SET_MEM_TABLE] = { "SET_MEM_TABLE", MEM_MIN, sizeof(VhostUserMemory),
		1, SESSION_MAX_FDS, Q_NONE, set_mem_table },
	[VHOST_USER_SET_VRING_NUM] = { "SET_VRING_NUM", STATE, STATE, 0, 0, Q_STATE, set_vring_num },
	[VHOST_USER_SET_VRING_ADDR] = { "SET_VRING_ADDR", ADDR, ADDR, 0, 0, Q_ADDR, set_vring_addr },
	[VHOST_USER_SET_VRING_BASE] = { "SET_VRING_BASE", STATE, STATE, 0, 0, Q_STATE, set_vring_base },
	[VHOST_USER_GET_VRING_BASE] = { "GET_VRING_BASE", STATE, STATE, 0, 0, Q_STATE, NULL },
	[VHOST_USER_SET_VRING_KICK] = { "SET_VRING_KICK", U64, U64, 0, 1, Q_FILE, set_vring_kick },
	[VHOST_USER_SET_VRING_CALL] = { "SET_VRING_CALL", U64, U64, 0, 1, Q_FILE, set_vring_fd },
	[VHOST_USER_SET_VRING_ERR] = { "SET_VRING_ERR", U64, U64, 0, 1, Q_FILE, set_vring_fd },
	[VHOST_USER_GET_PROTOCOL_FEATURES] = { "GET_PROTOCOL_FEATURES", 0, 0, 0, 0, Q_NONE,
		get_protocol_features },
	[VHOST_USER_SET_PROTOCOL_FEATURES] = { "SET_PROTOCOL_FEATURES", U64, U64, 0, 0, Q_NONE,
		set_protocol_features },
	[VHOST_USER_GET_QUEUE_NUM] = { "GET_QUEUE_NUM", 0, 0, 0, 0, Q_NONE, NULL },
	[VHOST_USER_SET_VRING_ENABLE] = { "SET_VRING_ENABLE", STATE, STATE, 0, 0, Q_STATE,
		set_vring_enable },
	[VHOST_USER_SET_BACKEND_REQ_FD] = { "SET_BACKEND_REQ_FD", 0, 0, 1, 1, Q_NONE, NULL },
	[VHOST_USER_GET_CONFIG] = { "GET_CONFIG", CONF_HDR,
		CONF_HDR + VHOST_USER_MAX_CONFIG_SIZE, 0, 0, Q_NONE, get_config },
	[VHOST_USER_SET_CONFIG] = { "SET_CONFIG", CONF_HDR,
		CONF_HDR + VHOST_USER_MAX_CONFIG_SIZE, 0, 0, Q_NONE, set_config },
	[VU_RESET_DEVICE] = { "RESET_DEVICE", 0, 0, 0, 0, Q_NONE, reset_device },
	[VHOST_USER_GET_MAX_MEM_SLOTS] = { "GET_MAX_MEM_SLOTS", 0, 0, 0, 0, Q_NONE, NULL },
	[VHOST_USER_ADD_MEM_REG] = { "ADD_MEM_REG", MEM_REG, MEM_REG, 1, 1, Q_NONE, add_mem_reg },
	[VHOST_USER_REM_MEM_REG] = { "REM_MEM_REG", MEM_REG, MEM_REG, 0, 1, Q_NONE, rem_mem_reg },
	[VU_SET_STATUS] = { "SET_STATUS", U64, U64, 0, 0, Q_NONE, set_status },
	[VU_GET_STATUS] = { "GET_STATUS", 0, 0, 0, 0, Q_NONE, get_status },
};
/* clang-format on */

static const struct msg_row *row_of(int request)
{
	if (request < 0 || (size_t)request >= sizeof(rows) / sizeof(rows[0]) ||
	    !rows[request].name)
		return NULL;
	return &rows[request];
}

int session_check_header(struct session *s, const VhostUserMsg *msg)
{
	const struct msg_row *row = row_of(msg->request);

	if (!row)
		return violation_at(s, "unknown message",
				    (uint32_t)msg->request);
	if ((msg->flags & VHOST_USER_VERSION_MASK) != 1 ||
	    (msg->flags & VHOST_USER_REPLY_MASK))
		return violation_at(s, "message with wrong flags", msg->flags);
	if (msg->size < row->min || msg->size > row->max) {
		session_violation(s, "%s of %u bytes", row->name, msg->size);
		return -EPROTO;
	}
	return 0;
}

static int check_queue_index(struct session *s, const struct msg_row *row,
			     const VhostUserMsg *msg)
{
	uint32_t q = 0;

	if (row->queue == Q_STATE)
		q = msg->payload.state.index;
	else if (row->queue == Q_ADDR)
		q = msg->payload.addr.index;
	else if (row->queue == Q_FILE && msg->payload.u64 >> 9)
		q = UINT32_MAX;
	if (q < SESSION_MAX_QUEUES)
		return 0;
	session_violation(s, "%s for a queue that cannot be", row->name);
	return -EPROTO;
}

int session_check_message(struct session *s, const VhostUserMsg *msg)
{
	const struct msg_row *row = row_of(msg->request);

	if (msg->fd_num < row->fd_min || msg->fd_num > row->fd_max) {
		session_violation(s, "%s with %d descriptors", row->name,
				  msg->fd_num);
		return -EPROTO;
	}
	return check_queue_index(s, row, msg);
}

int session_process_msg(VuDev *dev, VhostUserMsg *msg, int *do_reply)
{
	struct session *s = session_of(dev);
	const struct msg_row *row = row_of(msg->request);
	int ret;

	*do_reply = 0;
	glog(s->guest, VL_DEBUG, "session: %s", row->name);
	ret = row->hook ? row->hook(s, msg, do_reply) : 0;
	if (ret)
		session_rx_drop_fds(msg);
	return ret;
}

void session_after_message(struct session *s, const VhostUserMsg *msg)
{
	uint32_t q = msg->payload.state.index;

	if (msg->request != VHOST_USER_SET_VRING_ENABLE ||
	    !msg->payload.state.num)
		return;
	if (!session_queue(s, q))
		return;
	if (q == VIRTIO_RDMA_VQ_CONTROL)
		guest_set_paused(s->guest, false);
	vq_process(s->guest, q);
}
