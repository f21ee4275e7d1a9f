/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * vhost.c - vhost-user as QEMU speaks it, by raw system calls
 */
#include "bottom.h"

#define REPLY_TIMEOUT_MS	20000
#define MAX_PAYLOAD		512
/* Device bits the core knows, PROTOCOL_FEATURES (30), VERSION_1 (32).  Not
 * EVENT_IDX: the ring here asks for every notification */
#define WANTED_FEATURES		((u64)VRDMA_FEATURES | 1ull << 30 | 1ull << 32)
#define WANTED_PROTOCOL		(1ull << VHOST_USER_PROTOCOL_F_MQ |		\
				 1ull << VHOST_USER_PROTOCOL_F_REPLY_ACK |	\
				 1ull << VHOST_USER_PROTOCOL_F_BACKEND_REQ |	\
				 1ull << VHOST_USER_PROTOCOL_F_CONFIG |		\
				 1ull << VHOST_USER_PROTOCOL_F_RESET_DEVICE |	\
				 1ull << VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS)

/* --- messages -------------------------------------------------------------------- */

static int send_msg(int sock, u32 request, u32 flags, const void *payload,
		    u32 size, int fd)
{
	struct vhost_user_hdr hdr = { request, VHOST_USER_VERSION | flags,
				      size };
	struct lx_iovec iov[2] = {
		{ &hdr, sizeof(hdr) }, { (void *)(uintptr_t)payload, size },
	};
	struct lx_rights rights = {
		.len = offsetof(struct lx_rights, pad),
		.level = LX_SOL_SOCKET, .type = LX_SCM_RIGHTS, .fd = fd,
	};
	struct lx_msghdr msg = {
		.iov = iov, .iovlen = size ? 2 : 1,
		.control = fd >= 0 ? &rights : NULL,
		.controllen = fd >= 0 ? sizeof(rights) : 0,
	};

	return lx(LX_sendmsg, sock, LX_P(&msg), LX_MSG_NOSIGNAL, 0, 0, 0) ==
		       (int64_t)(sizeof(hdr) + size) ? 0 : -EIO;
}

static int read_full(int fd, void *buf, size_t len)
{
	u8 *p = buf;

	while (len) {
		struct lx_pollfd pfd = { .fd = fd, .events = LX_POLLIN };
		int64_t n;

		if (lx(LX_poll, LX_P(&pfd), 1, REPLY_TIMEOUT_MS, 0, 0, 0) != 1)
			return -ETIMEDOUT;
		n = lx(LX_read, fd, LX_P(p), (int64_t)len, 0, 0, 0);
		if (n <= 0)
			return -EIO;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int read_reply(int sock, u32 request, void *payload, u32 size)
{
	struct vhost_user_hdr hdr;
	u8 body[MAX_PAYLOAD];
	int err = read_full(sock, &hdr, sizeof(hdr));

	if (err)
		return err;
	if (hdr.request != request || !(hdr.flags & VHOST_USER_REPLY) ||
	    hdr.size > sizeof(body))
		return -EPROTO;
	err = read_full(sock, body, hdr.size);
	if (!err)
		memcpy(payload, body, min_t(u32, size, hdr.size));
	return err;
}

/* A message and, with REPLY_ACK, the wait until it was carried out */
static int tell(struct wine_bottom *b, u32 request, const void *payload,
		u32 size, int fd)
{
	bool ack = b->protocol & 1ull << VHOST_USER_PROTOCOL_F_REPLY_ACK;
	u64 result = 0;
	int err;

	mutex_lock(&b->sock_lock);
	err = send_msg(b->sock, request, ack ? VHOST_USER_NEED_REPLY : 0,
		       payload, size, fd);
	if (!err && ack)
		err = read_reply(b->sock, request, &result, sizeof(result));
	mutex_unlock(&b->sock_lock);
	return err ? err : result ? -EPROTO : 0;
}

static int ask(struct wine_bottom *b, u32 request, const void *payload,
	       u32 size, void *answer, u32 answer_size)
{
	int err;

	mutex_lock(&b->sock_lock);
	err = send_msg(b->sock, request, 0, payload, size, -1);
	if (!err)
		err = read_reply(b->sock, request, answer, answer_size);
	mutex_unlock(&b->sock_lock);
	return err;
}

static int tell_u64(struct wine_bottom *b, u32 request, u64 v)
{
	return tell(b, request, &v, sizeof(v), -1);
}

static int get_config(struct wine_bottom *b, void *buf, u32 size)
{
	struct vhost_user_config c = { .size = size };
	int err = ask(b, VHOST_USER_GET_CONFIG, &c,
		      offsetof(struct vhost_user_config, region) + size, &c,
		      sizeof(c));

	if (!err)
		memcpy(buf, c.region, size);
	return err;
}

u32 wine_vhost_status(struct wine_bottom *b)
{
	struct {
		struct virtio_rdma_config config;
		struct virtio_rdma_status_tail tail;
	} all = { 0 };

	return get_config(b, &all, sizeof(all)) ?
		       0 : vr_from_le32(all.tail.status);
}

/* --- connecting -------------------------------------------------------------------- */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		lx(LX_close, *fd, 0, 0, 0, 0, 0);
	*fd = -1;
}

static int open_socket(struct wine_bottom *b)
{
	struct lx_sockaddr_un sa = { .family = LX_AF_UNIX };
	int64_t fd = lx(LX_socket, LX_AF_UNIX, LX_SOCK_STREAM | LX_CLOEXEC, 0,
			0, 0, 0);
	int64_t err;

	if (fd < 0)
		return (int)fd;
	memcpy(sa.path, b->socket, sizeof(sa.path));
	err = lx(LX_connect, fd, LX_P(&sa), sizeof(sa), 0, 0, 0);
	if (err) {
		lx(LX_close, fd, 0, 0, 0, 0, 0);
		return (int)err;
	}
	b->sock = (int)fd;
	return 0;
}

static int open_channel(struct wine_bottom *b)
{
	int sv[2];
	int64_t err = lx(LX_socketpair, LX_AF_UNIX,
			 LX_SOCK_STREAM | LX_CLOEXEC, 0, LX_P(sv), 0, 0);

	if (err)
		return (int)err;
	b->channel = sv[0];
	err = tell(b, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, sv[1]);
	close_fd(&sv[1]);
	return (int)err;
}

static int set_call(struct wine_bottom *b, u32 i)
{
	u64 which = i;

	return tell(b, VHOST_USER_SET_VRING_CALL, &which, sizeof(which),
		    b->queue[i].call_fd);
}

static int count_queues(struct wine_bottom *b)
{
	u64 max = 0;
	int err = ask(b, VHOST_USER_GET_QUEUE_NUM, NULL, 0, &max, sizeof(max));

	if (!err)
		err = get_config(b, &b->config, sizeof(b->config));
	if (err)
		return err;
	b->num_queues = vrdma_core_num_queues(&b->config);
	return !b->num_queues || b->num_queues > max ||
	       b->num_queues > WINE_MAX_QUEUES ? -EPROTO : 0;
}

static int add_memory(struct wine_bottom *b)
{
	struct vhost_user_mem_reg m = {
		.gpa = WINE_GPA, .size = WINE_RAM, .uaddr = (uintptr_t)b->ram,
	};

	return tell(b, VHOST_USER_ADD_MEM_REG, &m, sizeof(m), b->ram_fd);
}

static int handshake(struct wine_bottom *b)
{
	u64 v = 0;
	u32 i;
	int err;

	b->protocol = 0;
	err = ask(b, VHOST_USER_GET_FEATURES, NULL, 0, &b->features,
		  sizeof(b->features));
	if (!err)
		err = ask(b, VHOST_USER_GET_PROTOCOL_FEATURES, NULL, 0, &v,
			  sizeof(v));
	if (!err)
		err = tell_u64(b, VHOST_USER_SET_PROTOCOL_FEATURES,
			       v & WANTED_PROTOCOL);
	b->protocol = v & WANTED_PROTOCOL;
	b->features &= WANTED_FEATURES;
	if (!err)
		err = count_queues(b);
	if (!err)
		err = open_channel(b);
	if (!err)
		err = tell(b, VHOST_USER_SET_OWNER, NULL, 0, -1);
	for (i = 0; !err && i < b->num_queues; i++)
		err = set_call(b, i);
	return err ? err : add_memory(b);
}

int wine_vhost_connect(struct wine_bottom *b)
{
	int err = open_socket(b);

	if (!err)
		err = handshake(b);
	if (err)
		wine_vhost_hangup(b);
	return err;
}

void wine_vhost_hangup(struct wine_bottom *b)
{
	close_fd(&b->channel);
	close_fd(&b->sock);
}

bool wine_vhost_gone(struct wine_bottom *b)
{
	char c;

	return lx(LX_recvfrom, b->sock, LX_P(&c), 1,
		  LX_MSG_PEEK | LX_MSG_DONTWAIT, 0, 0) == 0;
}

/* --- queues ------------------------------------------------------------------------- */

static int start_queue(struct wine_bottom *b, u32 i)
{
	struct wine_queue *q = &b->queue[i];
	struct vrw_vq_ring *ring = (void *)(b->ram + q->ring);
	struct vhost_user_vring_state num = { i, VRW_VQ_SIZE }, base = { i, 0 };
	struct vhost_user_vring_state on = { i, 1 };
	struct vhost_user_vring_addr addr = {
		.index = i,
		.desc = (uintptr_t)ring->desc,
		.avail = (uintptr_t)&ring->avail_flags,
		.used = (uintptr_t)&ring->used_flags,
	};
	u64 which = i;
	int err;

	memset(ring, 0, sizeof(*ring));
	vrw_vq_set(&q->vq, ring);
	err = tell(b, VHOST_USER_SET_VRING_NUM, &num, sizeof(num), -1);
	if (!err)
		err = tell(b, VHOST_USER_SET_VRING_BASE, &base, sizeof(base),
			   -1);
	if (!err)
		err = tell(b, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr),
			   -1);
	if (!err)
		err = tell(b, VHOST_USER_SET_VRING_KICK, &which, sizeof(which),
			   q->kick_fd);
	if (!err)
		err = set_call(b, i);
	return err ? err : tell(b, VHOST_USER_SET_VRING_ENABLE, &on, sizeof(on),
				-1);
}

int wine_vhost_start(struct wine_bottom *b)
{
	int err = tell_u64(b, VHOST_USER_SET_FEATURES, b->features);
	u32 i;

	for (i = 0; !err && i < b->num_queues; i++)
		err = start_queue(b, i);
	return err;
}

void wine_vhost_reset(struct wine_bottom *b)
{
	u32 i;

	for (i = 0; i < b->num_queues; i++) {
		struct vhost_user_vring_state s = { i, 0 };

		if (tell(b, VHOST_USER_SET_VRING_ENABLE, &s, sizeof(s), -1) ||
		    ask(b, VHOST_USER_GET_VRING_BASE, &s, sizeof(s), &s,
			sizeof(s)))
			return;		/* nobody answers: nothing to reset */
	}
	tell(b, VHOST_USER_RESET_DEVICE, NULL, 0, -1);
}

bool wine_vhost_channel(struct wine_bottom *b)
{
	struct vhost_user_hdr hdr;
	u8 body[MAX_PAYLOAD];
	u64 ok = 0;

	if (read_full(b->channel, &hdr, sizeof(hdr)) ||
	    hdr.size > sizeof(body) || read_full(b->channel, body, hdr.size))
		return false;
	if (hdr.flags & VHOST_USER_NEED_REPLY)
		send_msg(b->channel, hdr.request, VHOST_USER_REPLY, &ok,
			 sizeof(ok), -1);
	return hdr.request == VHOST_USER_BACKEND_CONFIG_CHANGE_MSG &&
	       wine_vhost_status(b) & WINE_NEEDS_RESET;
}
