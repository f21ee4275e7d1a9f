// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * frontend.c - the vhost-user session of the test front end
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fe_internal.h"

#define REPLY_TIMEOUT_MS	20000
#define MAX_PAYLOAD		512
/* Device bits, PROTOCOL_FEATURES (30), VERSION_1 (32).  Not EVENT_IDX: the ring
 * here asks for every notification */
#define WANTED_FEATURES	(0xffffffull | (1ull << 30) | (1ull << 32))
#define WANTED_PROTOCOL	((1ull << VHOST_USER_PROTOCOL_F_MQ) |		\
			 (1ull << VHOST_USER_PROTOCOL_F_REPLY_ACK) |	\
			 (1ull << VHOST_USER_PROTOCOL_F_BACKEND_REQ) |	\
			 (1ull << VHOST_USER_PROTOCOL_F_CONFIG) |	\
			 (1ull << VHOST_USER_PROTOCOL_F_RESET_DEVICE) |	\
			 (1ull << VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS))

static bool has(const struct fe *fe, int bit)
{
	return fe->protocol & (1ull << bit);
}

/* --- messages ----------------------------------------------------------- */

static int send_msg(int sock, uint32_t request, uint32_t flags,
		    const void *payload, uint32_t size, const int *fds, int nfds)
{
	struct vhost_user_hdr hdr = { request, VHOST_USER_VERSION | flags, size };
	struct iovec iov[2] = { { &hdr, sizeof(hdr) },
				{ (void *)(uintptr_t)payload, size } };
	union {
		char buf[CMSG_SPACE(8 * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = size ? 2 : 1 };

	if (nfds) {
		struct cmsghdr *c;

		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE((size_t)nfds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN((size_t)nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, (size_t)nfds * sizeof(int));
	}
	if (sendmsg(sock, &msg, MSG_NOSIGNAL) !=
	    (ssize_t)(sizeof(hdr) + size))
		return -EPIPE;
	return 0;
}

static int read_full(int fd, void *buf, size_t len)
{
	uint8_t *p = buf;

	while (len) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (poll(&pfd, 1, REPLY_TIMEOUT_MS) != 1)
			return -ETIMEDOUT;
		n = read(fd, p, len);
		if (n <= 0)
			return -EPIPE;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int read_reply(int sock, uint32_t request, void *payload, uint32_t size)
{
	struct vhost_user_hdr hdr;
	uint8_t body[MAX_PAYLOAD];
	int err = read_full(sock, &hdr, sizeof(hdr));

	if (err)
		return err;
	if (hdr.request != request || !(hdr.flags & VHOST_USER_REPLY) ||
	    hdr.size > sizeof(body))
		return -EPROTO;
	err = read_full(sock, body, hdr.size);
	if (err)
		return err;
	memcpy(payload, body, size < hdr.size ? size : hdr.size);
	return 0;
}

/* A message and, with REPLY_ACK, the wait until it was carried out */
static int tell(struct fe *fe, uint32_t request, const void *payload,
		uint32_t size, const int *fds, int nfds)
{
	bool ack = has(fe, VHOST_USER_PROTOCOL_F_REPLY_ACK);
	uint64_t result = 0;
	int err;

	pthread_mutex_lock(&fe->sock_lock);
	err = send_msg(fe->sock, request, ack ? VHOST_USER_NEED_REPLY : 0,
		       payload, size, fds, nfds);
	if (!err && ack)
		err = read_reply(fe->sock, request, &result, sizeof(result));
	pthread_mutex_unlock(&fe->sock_lock);
	return err ? err : result ? -EREMOTEIO : 0;
}

static int ask(struct fe *fe, uint32_t request, const void *payload,
	       uint32_t size, void *answer, uint32_t answer_size)
{
	int err;

	pthread_mutex_lock(&fe->sock_lock);
	err = send_msg(fe->sock, request, 0, payload, size, NULL, 0);
	if (!err)
		err = read_reply(fe->sock, request, answer, answer_size);
	pthread_mutex_unlock(&fe->sock_lock);
	return err;
}

static int tell_u64(struct fe *fe, uint32_t request, uint64_t v)
{
	return tell(fe, request, &v, sizeof(v), NULL, 0);
}

int fe_send_raw(struct fe *fe, uint32_t request, uint32_t flags,
		const void *payload, uint32_t size, const int *fds, int nfds)
{
	int err;

	pthread_mutex_lock(&fe->sock_lock);
	err = send_msg(fe->sock, request, flags, payload, size, fds, nfds);
	pthread_mutex_unlock(&fe->sock_lock);
	return err;
}

/* --- the thread --------------------------------------------------------- */

static void drain(int fd)
{
	uint64_t v;

	if (read(fd, &v, sizeof(v)) < 0)
		return;		/* somebody was quicker */
}

static void on_channel(struct fe *fe)
{
	struct vhost_user_hdr hdr;
	uint8_t body[MAX_PAYLOAD];
	uint64_t ok = 0;

	if (read_full(fe->channel, &hdr, sizeof(hdr)) ||
	    hdr.size > sizeof(body) || read_full(fe->channel, body, hdr.size))
		return;
	if (hdr.flags & VHOST_USER_NEED_REPLY)
		send_msg(fe->channel, hdr.request, VHOST_USER_REPLY, &ok,
			 sizeof(ok), NULL, 0);
	if (hdr.request != VHOST_USER_BACKEND_CONFIG_CHANGE_MSG)
		return;
	if (fe_read_status(fe) & FE_NEEDS_RESET)
		fe->ev->needs_reset(fe->arg);
}

static bool socket_is_gone(struct fe *fe)
{
	char c;

	return recv(fe->sock, &c, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void serve(struct fe *fe, const struct pollfd *p, uint32_t n)
{
	if (p[2].revents & POLLIN)
		on_channel(fe);
	for (uint32_t i = 3; i < n; i++) {
		if (!(p[i].revents & POLLIN))
			continue;
		drain(p[i].fd);
		fe->ev->queue(fe->arg, i - 3);
	}
	/* POLLRDHUP first, POLLIN may be an answer that another thread reads */
	if ((p[1].revents & (POLLHUP | POLLRDHUP | POLLERR)) &&
	    socket_is_gone(fe) &&
	    !__atomic_exchange_n(&fe->dead, true, __ATOMIC_ACQ_REL))
		fe->ev->needs_reset(fe->arg);
}

static void *thread_main(void *arg)
{
	struct fe *fe = arg;
	struct pollfd p[3 + FE_MAX_QUEUES];
	uint32_t n = 3 + fe->num_queues;

	while (!__atomic_load_n(&fe->quit, __ATOMIC_ACQUIRE)) {
		bool dead = __atomic_load_n(&fe->dead, __ATOMIC_ACQUIRE);

		p[0] = (struct pollfd){ .fd = fe->wake_fd, .events = POLLIN };
		p[1] = (struct pollfd){ .fd = dead ? -1 : fe->sock,
					.events = POLLRDHUP };
		p[2] = (struct pollfd){ .fd = dead ? -1 : fe->channel,
					.events = POLLIN };
		for (uint32_t i = 0; i < fe->num_queues; i++)
			p[3 + i] = (struct pollfd){ .fd = fe->vq[i].call_fd,
						    .events = POLLIN };
		if (poll(p, n, -1) > 0)
			serve(fe, p, n);
	}
	return NULL;
}

/* --- life ---------------------------------------------------------------- */

struct fe *fe_new(size_t mem_size, const struct fe_events *ev, void *arg)
{
	struct fe *fe = calloc(1, sizeof(*fe));

	if (!fe)
		return NULL;
	fe->ev = ev;
	fe->arg = arg;
	fe->sock = fe->channel = fe->wake_fd = fe->mem_fd = -1;
	pthread_mutex_init(&fe->mem_lock, NULL);
	pthread_mutex_init(&fe->sock_lock, NULL);
	pthread_mutex_init(&fe->vq_lock, NULL);
	if (fe_mem_init(fe, mem_size)) {
		fe_mem_fini(fe);
		free(fe);
		return NULL;
	}
	for (uint32_t i = 0; i < FE_MAX_QUEUES; i++)
		fe_vq_init(fe, i);
	return fe;
}

void fe_free(struct fe *fe)
{
	fe_hangup(fe);
	for (uint32_t i = 0; i < FE_MAX_QUEUES; i++)
		fe_vq_fini(fe, i);
	fe_mem_fini(fe);
	free(fe);
}

static int open_socket(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	strcpy(sa.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa))) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

static int open_channel(struct fe *fe)
{
	int sv[2], err;

	if (!has(fe, VHOST_USER_PROTOCOL_F_BACKEND_REQ))
		return -EPROTO;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv))
		return -errno;
	fe->channel = sv[0];
	err = tell(fe, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, &sv[1], 1);
	close(sv[1]);
	return err;
}

static int set_call(struct fe *fe, uint32_t i)
{
	uint64_t idx = i;

	return tell(fe, VHOST_USER_SET_VRING_CALL, &idx, sizeof(idx),
		    &fe->vq[i].call_fd, 1);
}

/* As many as the device has and two more, since QEMU starts spare ones too;
 * all of GET_QUEUE_NUM would make a start ten times as long */
static int count_queues(struct fe *fe)
{
	struct virtio_rdma_config cfg;
	uint64_t max = 0;
	uint32_t used, had = fe->num_queues;
	int err;

	err = ask(fe, VHOST_USER_GET_QUEUE_NUM, NULL, 0, &max, sizeof(max));
	if (!err)
		err = fe_read_config(fe, &cfg);
	if (err)
		return err;
	used = VIRTIO_RDMA_VQ_WAKE(vr_from_le16(cfg.num_ceq),
				   vr_from_le16(cfg.num_wakeq)) + 2;
	if (used > max)
		used = (uint32_t)max;
	fe->num_queues = used < FE_MAX_QUEUES ? used : FE_MAX_QUEUES;
	for (; had < fe->num_queues; had++)
		fe_vq_clear(&fe->vq[had]);
	return 0;
}

static int handshake(struct fe *fe)
{
	uint64_t v = 0;
	int err;

	fe->protocol = 0;
	err = ask(fe, VHOST_USER_GET_FEATURES, NULL, 0, &fe->features,
		  sizeof(fe->features));
	if (!err)
		err = ask(fe, VHOST_USER_GET_PROTOCOL_FEATURES, NULL, 0, &v,
			  sizeof(v));
	if (err)
		return err;
	v &= WANTED_PROTOCOL;
	err = tell_u64(fe, VHOST_USER_SET_PROTOCOL_FEATURES, v);
	fe->protocol = v;
	if (!err)
		err = count_queues(fe);
	if (err)
		return err;
	err = open_channel(fe);
	if (!err)
		err = tell(fe, VHOST_USER_SET_OWNER, NULL, 0, NULL, 0);
	for (uint32_t i = 0; !err && i < fe->num_queues; i++)
		err = set_call(fe, i);
	return err;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

int fe_connect(struct fe *fe, const char *path)
{
	int err;

	fe_hangup(fe);
	fe->sock = open_socket(path);
	if (fe->sock < 0)
		return fe->sock;
	err = handshake(fe);
	if (err)
		goto err_close;
	fe->wake_fd = eventfd(0, EFD_CLOEXEC);
	fe->quit = fe->dead = fe->mem_sent = false;
	err = -pthread_create(&fe->thread, NULL, thread_main, fe);
	if (!err)
		return 0;
	close_fd(&fe->wake_fd);
err_close:
	close_fd(&fe->channel);
	close_fd(&fe->sock);
	return err;
}

void fe_hangup(struct fe *fe)
{
	uint64_t one = 1;

	if (fe->sock < 0)
		return;
	__atomic_store_n(&fe->quit, true, __ATOMIC_RELEASE);
	if (write(fe->wake_fd, &one, sizeof(one)) == sizeof(one))
		pthread_join(fe->thread, NULL);
	close_fd(&fe->wake_fd);
	close_fd(&fe->channel);
	close_fd(&fe->sock);
	fe->started = false;
}

bool fe_connected(struct fe *fe)
{
	return fe->sock >= 0 && !__atomic_load_n(&fe->dead, __ATOMIC_ACQUIRE);
}

/* --- start and stop ------------------------------------------------------ */

static int add_region(struct fe *fe, const struct fe_region *r)
{
	struct vhost_user_mem_reg m = {
		.gpa = r->gpa, .size = r->size,
		.uaddr = (uintptr_t)r->va, .mmap_offset = r->offset,
	};

	return tell(fe, VHOST_USER_ADD_MEM_REG, &m, sizeof(m), &fe->mem_fd, 1);
}

int fe_plug(struct fe *fe, uint64_t gpa, uint64_t size, int fd)
{
	/* nothing of it is addressed by the front end's own address */
	struct vhost_user_mem_reg m = { .gpa = gpa, .size = size, .uaddr = gpa };

	return tell(fe, VHOST_USER_ADD_MEM_REG, &m, sizeof(m), &fd, 1);
}

int fe_unplug(struct fe *fe, uint64_t gpa, uint64_t size)
{
	struct vhost_user_mem_reg m = { .gpa = gpa, .size = size, .uaddr = gpa };

	return tell(fe, VHOST_USER_REM_MEM_REG, &m, sizeof(m), NULL, 0);
}

void fe_place_queue(struct fe *fe, uint32_t queue, uint16_t size, uint64_t desc,
		    uint64_t driver, uint64_t device)
{
	struct fe_vq *vq = &fe->vq[queue];

	vq->placed.size = size;
	vq->placed.desc = (uintptr_t)fe_mem_at(fe, desc);
	vq->placed.driver = (uintptr_t)fe_mem_at(fe, driver);
	vq->placed.device = (uintptr_t)fe_mem_at(fe, device);
}

static void use_placed(const struct fe_vq *vq,
		       struct vhost_user_vring_state *num,
		       struct vhost_user_vring_addr *addr)
{
	if (!vq->placed.size)
		return;
	num->num = vq->placed.size;
	addr->desc = vq->placed.desc;
	addr->avail = vq->placed.driver;
	addr->used = vq->placed.device;
}

static int start_queue(struct fe *fe, uint32_t i, uint16_t base)
{
	struct fe_vq *vq = &fe->vq[i];
	struct vhost_user_vring_state num = { i, FE_RING_SIZE };
	struct vhost_user_vring_state idx = { i, base };
	struct vhost_user_vring_addr addr = {
		.index = i,
		.desc = (uintptr_t)vq->ring->desc,
		.avail = (uintptr_t)&vq->ring->avail_flags,
		.used = (uintptr_t)&vq->ring->used_flags,
	};
	uint64_t which = i;
	int err;

	use_placed(vq, &num, &addr);
	err = tell(fe, VHOST_USER_SET_VRING_NUM, &num, sizeof(num), NULL, 0);
	if (!err)
		err = tell(fe, VHOST_USER_SET_VRING_BASE, &idx, sizeof(idx),
			   NULL, 0);
	if (!err)
		err = tell(fe, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr),
			   NULL, 0);
	fe_kick(fe, i);		/* QEMU hands the eventfd over signalled */
	if (!err)
		err = tell(fe, VHOST_USER_SET_VRING_KICK, &which, sizeof(which),
			   &vq->kick_fd, 1);
	return err ? err : set_call(fe, i);
}

static int enable_all(struct fe *fe, uint32_t on)
{
	int err = 0;

	for (uint32_t i = 0; !err && i < fe->num_queues; i++) {
		struct vhost_user_vring_state s = { i, on };

		err = tell(fe, VHOST_USER_SET_VRING_ENABLE, &s, sizeof(s), NULL,
			   0);
	}
	return err;
}

/* resume: where the device stopped reading, which is ahead of what it used by
 * the commands under way; QEMU keeps the same two indices */
static int start_queues(struct fe *fe, bool resume)
{
	int err = 0;

	for (uint32_t i = 0; !err && i < fe->num_queues; i++)
		err = start_queue(fe, i, resume ? fe->vq[i].paused_at :
						  fe->vq[i].ring->used_idx);
	if (!err)
		err = enable_all(fe, 1);
	fe->started = !err;
	return err;
}

int fe_start(struct fe *fe)
{
	int err = tell_u64(fe, VHOST_USER_SET_FEATURES, fe_features(fe));

	/* as QEMU: once a connection, not again when a driver reloads */
	for (int i = 0; !err && !fe->mem_sent && i < FE_REGIONS; i++)
		err = add_region(fe, &fe->region[i]);
	fe->mem_sent = !err;
	return err ? err : start_queues(fe, false);
}

void fe_pause(struct fe *fe)
{
	if (!fe->started || !fe_connected(fe))
		return;
	enable_all(fe, 0);
	for (uint32_t i = 0; i < fe->num_queues; i++) {
		struct vhost_user_vring_state s = { i, 0 };

		if (ask(fe, VHOST_USER_GET_VRING_BASE, &s, sizeof(s), &s,
			sizeof(s)))
			s.num = fe->vq[i].ring->used_idx;
		fe->vq[i].paused_at = (uint16_t)s.num;
	}
	fe->started = false;
}

int fe_resume(struct fe *fe)
{
	return start_queues(fe, true);
}

void fe_reset(struct fe *fe)
{
	if (fe_connected(fe)) {
		fe_pause(fe);
		tell(fe, VHOST_USER_RESET_DEVICE, NULL, 0, NULL, 0);
	}
	fe_forget(fe);
	fe->started = false;
}

void fe_forget(struct fe *fe)
{
	pthread_mutex_lock(&fe->vq_lock);
	for (uint32_t i = 0; i < fe->num_queues; i++)
		fe_vq_clear(&fe->vq[i]);
	pthread_mutex_unlock(&fe->vq_lock);
	for (uint32_t i = 0; i < FE_MAX_QUEUES; i++)
		fe->vq[i].placed.size = 0;
}

/* --- configuration ------------------------------------------------------- */

uint64_t fe_features(struct fe *fe)
{
	return fe->features & WANTED_FEATURES & ~fe->left_out;
}

void fe_leave_out(struct fe *fe, uint64_t features)
{
	fe->left_out = features;
}

uint64_t fe_device_features(struct fe *fe)
{
	return fe->features;
}

static int get_config(struct fe *fe, void *buf, uint32_t size)
{
	struct vhost_user_config c = { .size = size };
	int err;

	err = ask(fe, VHOST_USER_GET_CONFIG, &c, 12 + size, &c, 12 + size);
	if (!err)
		memcpy(buf, c.region, size);
	return err;
}

int fe_read_config(struct fe *fe, struct virtio_rdma_config *config)
{
	return get_config(fe, config, sizeof(*config));
}

uint32_t fe_read_status(struct fe *fe)
{
	struct {
		struct virtio_rdma_config config;
		struct virtio_rdma_status_tail tail;
	} all = { 0 };

	if (get_config(fe, &all, sizeof(all)))
		return 0;
	return vr_from_le32(all.tail.status);
}
