/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verbs.c - the backend of one RDMA device: its limits, its start, its end
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vrb.h"
#include "verbs.h"

#define NDK_ROCE_V2	4	/* NDK_RDMA_TECHNOLOGY */
#define NDK_ROCE	3
#define NDK_INFINIBAND	2
#define NDK_IWARP	1
#define MAX_SLOTS	(1u << 16)	/* connections, per worker */
#define LEAST_INLINE	16

int set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

/* ------------------------------------------------------------------- removal
 * In this order: queue pairs and identifiers (their consumers hear that the
 * wire broke), regions and domains, the completion queue, the device's
 * context.  When that is closed, the host is rid of us and can go on.
 */

/* librdmacm has a context of the device, too, and keeps it until it looks again
 * which devices there are.  A driver that cannot part from its users (rxe, siw)
 * waits for that one as for ours. */
static void manager_lets_go(void)
{
	struct ibv_context **devices = rdma_get_devices(NULL);

	if (devices)
		rdma_free_devices(devices);
}

static void context_closed(struct vrb *v)
{
	be_unwatch(v->ctx->async_fd);
	ibv_close_device(v->ctx);
	v->ctx = NULL;
	v->closed = true;
	manager_lets_go();
	be_log(BE_WARN, "%s: nothing of the device is held any more; start "
	       "vrdmad again when it is back", v->name);
}

static void memory_lost(struct vrb *v)
{
	data_close_cq(v, context_closed);
}

void device_check_gone(struct vrb *v)
{
	if (!v->gone || v->losing || v->conns || v->leaving)
		return;
	v->losing = true;
	memory_lose_all(v, memory_lost);
}

/* Those that the worker has are told by it, with their queue pairs */
static void break_setups(struct vrb *v, uint64_t ports)
{
	struct be_conn *c, *next;

	for (c = v->conns; c; c = next) {
		next = c->next;
		if (c->cm_state != CM_ESTABLISHED &&
		    (ports & 1ull << (c->port % 64)))
			cm_break(c, VIRTIO_RDMA_R_RESET);
	}
}

void device_removed(struct vrb *v)
{
	if (v->gone)
		return;
	v->gone = true;
	be_log(BE_WARN, "%s: the device was removed; its connections end",
	       v->name);
	listen_lose_all(v);
	break_setups(v, UINT64_MAX);
	data_lose_ports(v, UINT64_MAX);
	device_check_gone(v);
}

static void port_down(struct vrb *v, int port)
{
	uint64_t bit = 1ull << (port % 64);

	be_log(BE_WARN, "%s: port %d is down; its connections end", v->name,
	       port);
	break_setups(v, bit);
	data_lose_ports(v, bit);
}

/* --------------------------------------------------------------- async events */

/* The device gave the queue pair up.  Its consumer may have no request there
 * that would tell. */
static void qp_broke(struct be_conn *c)
{
	cm_break(c, VIRTIO_RDMA_R_RESET);
}

/* A packet came on a connection whose RTU was lost */
static void qp_heard(struct be_conn *c)
{
	if (c->id)
		rdma_notify(c->id, IBV_EVENT_COMM_EST);
}

static const struct {
	enum ibv_event_type type;
	void (*fn)(struct be_conn *c);
} qp_events[] = {
	{ IBV_EVENT_QP_LAST_WQE_REACHED, data_last_wqe },
	{ IBV_EVENT_QP_FATAL, qp_broke },
	{ IBV_EVENT_QP_REQ_ERR, qp_broke },
	{ IBV_EVENT_QP_ACCESS_ERR, qp_broke },
	{ IBV_EVENT_COMM_EST, qp_heard },
};

static void qp_event(const struct ibv_async_event *ev)
{
	for (size_t i = 0; i < sizeof(qp_events) / sizeof(qp_events[0]); i++)
		if (qp_events[i].type == ev->event_type)
			qp_events[i].fn(ev->element.qp->qp_context);
}

static void handle_async(struct vrb *v, const struct ibv_async_event *ev)
{
	switch (ev->event_type) {
	case IBV_EVENT_DEVICE_FATAL:
		device_removed(v);
		return;
	case IBV_EVENT_PORT_ERR:
		port_down(v, ev->element.port_num);
		return;
	case IBV_EVENT_CQ_ERR:
		/* it has room for everything: the device broke */
		be_log(BE_ERROR, "%s: the completion queue failed", v->name);
		device_removed(v);
		return;
	default:
		qp_event(ev);
		return;
	}
}

static void async_events(void *arg)
{
	struct vrb *v = arg;
	struct ibv_async_event ev;

	while (v->ctx && !ibv_get_async_event(v->ctx, &ev)) {
		be_log(BE_DEBUG, "%s: %s", v->name,
		       ibv_event_type_str(ev.event_type));
		handle_async(v, &ev);
		ibv_ack_async_event(&ev);
	}
}

/* --------------------------------------------------------------------- limits */

static uint32_t least(uint64_t a, uint64_t b)
{
	return (uint32_t)(a < b ? a : b);
}

/* There is nowhere to ask how much inline data a device takes: try */
static uint32_t probe_inline(struct vrb *v)
{
	uint32_t bytes = VIRTIO_RDMA_MAX_INLINE;
	struct ibv_pd *pd = ibv_alloc_pd(v->ctx);
	struct ibv_cq *cq = ibv_create_cq(v->ctx, 16, NULL, NULL, 0);
	struct ibv_qp *qp = NULL;

	for (; pd && cq && bytes >= LEAST_INLINE; bytes /= 2) {
		struct ibv_qp_init_attr init = {
			.send_cq = cq,
			.recv_cq = cq,
			.qp_type = IBV_QPT_RC,
			.cap = {
				.max_send_wr = 4,
				.max_recv_wr = 4,
				.max_send_sge = 1,
				.max_recv_sge = 1,
				.max_inline_data = bytes,
			},
		};

		qp = ibv_create_qp(pd, &init);
		if (qp)
			break;
	}
	if (qp)
		ibv_destroy_qp(qp);
	if (cq)
		ibv_destroy_cq(cq);
	if (pd)
		ibv_dealloc_pd(pd);
	return qp ? bytes : 0;
}

/* Windows are those of type 2: bound by a request, on one queue pair */
static void ask_features(struct vrb *v)
{
	unsigned int flags = v->attr.device_cap_flags;

	if (flags & (IBV_DEVICE_MEM_WINDOW_TYPE_2A |
		     IBV_DEVICE_MEM_WINDOW_TYPE_2B) && v->attr.max_mw > 0) {
		v->be.features |= VIRTIO_RDMA_FEATURE(MW);
		v->bind_right = IBV_ACCESS_MW_BIND;
	}
	if (v->attr.max_srq > 0)
		v->be.features |= VIRTIO_RDMA_FEATURE(SRQ);
	else
		v->be.srq_create = NULL;
	if (flags & IBV_DEVICE_MEM_MGT_EXTENSIONS)
		v->be.features |= VIRTIO_RDMA_FEATURE(SEND_INVALIDATE);
}

/* What a driver says it has and guests could not use.  Seen with Linux 6.12. */
static const struct {
	uint32_t vendor;
	uint32_t without;		/* features */
	const char *why;
} flaws[] = {
	{ 0xffffff, VIRTIO_RDMA_FEATURE(MW) |
		    VIRTIO_RDMA_FEATURE(SEND_INVALIDATE),
	  "rxe holds a queue pair that windows are bound on for a minute when it "
	  "is destroyed, and does not mark what came with an invalidation: no "
	  "windows, no send with invalidate" },
};

static void without_flaws(struct vrb *v)
{
	for (size_t i = 0; i < sizeof(flaws) / sizeof(flaws[0]); i++) {
		if (flaws[i].vendor != v->attr.vendor_id)
			continue;
		v->be.features &= ~flaws[i].without;
		be_log(BE_INFO, "%s: %s", v->name, flaws[i].why);
	}
	if (!(v->be.features & VIRTIO_RDMA_FEATURE(MW)))
		v->bind_right = 0;
}

static uint32_t technology(const struct vrb *v, const struct ibv_port_attr *port)
{
	if (v->ctx->device->transport_type == IBV_TRANSPORT_IWARP)
		return NDK_IWARP;
	return port->link_layer == IBV_LINK_LAYER_ETHERNET ? NDK_ROCE_V2
							   : NDK_INFINIBAND;
}

static int ask_limits(struct vrb *v)
{
	struct be_limits *l = &v->be.limits;
	struct ibv_device_attr *a = &v->attr;
	struct ibv_port_attr port;
	int ret = ibv_query_device(v->ctx, a);

	if (!ret)
		ret = ibv_query_port(v->ctx, 1, &port);
	if (ret)
		return -ret;
	*l = (struct be_limits){
		.caller_data = PRIVATE_REQ - PRIVATE_TRAILER,
		.callee_data = PRIVATE_REJ - PRIVATE_TRAILER,
		.qp = least((uint32_t)a->max_qp, MAX_SLOTS),
		.mr = (uint32_t)a->max_mr,
		.mw = (uint32_t)a->max_mw,
		.send_sge = (uint32_t)a->max_sge,
		.recv_sge = (uint32_t)a->max_sge,
		.read_sge = (uint32_t)a->max_sge_rd,
		.inline_data = probe_inline(v),
		.transfer = port.max_msg_sz,
		.inbound_reads = least((uint32_t)a->max_qp_rd_atom, 255),
		.outbound_reads = least((uint32_t)a->max_qp_init_rd_atom, 255),
		.mr_size = a->max_mr_size,
		.technology = technology(v, &port),
	};
	ask_features(v);
	without_flaws(v);
	return 0;
}

/* -------------------------------------------------------------- start and end */

static void vrb_shutdown(struct backend *be)
{
	struct vrb *v = vrb_of(be);

	/* what they have in work ends first */
	slow_stop(v->mr_helper);
	slow_stop(v->qp_helper);
	v->mr_helper = v->qp_helper = NULL;
	if (v->cm) {
		be_unwatch(v->cm->fd);
		rdma_destroy_event_channel(v->cm);
	}
	v->cm = NULL;
	if (v->data_started)
		data_stop(v);
	v->data_started = false;
	if (v->ctx) {
		be_unwatch(v->ctx->async_fd);
		ibv_close_device(v->ctx);
	}
	v->ctx = NULL;
	pthread_mutex_destroy(&v->resting.lock);
}

static int start_cm(struct vrb *v)
{
	int err;

	v->cm = rdma_create_event_channel();
	if (!v->cm) {
		err = errno;
		be_log(BE_ERROR, "%s: no connection manager: %s; load the module "
		       "rdma_ucm, and give vrdmad's user read and write "
		       "permission on /dev/infiniband/rdma_cm", v->name,
		       strerror(err));
		return -err;
	}
	if (set_nonblocking(v->cm->fd))
		return -errno;
	return be_watch(v->cm->fd, cm_events, v);
}

static int start_parts(struct vrb *v)
{
	int ret;

	if (set_nonblocking(v->ctx->async_fd))
		return -errno;
	ret = ask_limits(v);
	if (!ret)
		ret = be_watch(v->ctx->async_fd, async_events, v);
	if (!ret) {
		v->data_started = true;
		ret = data_start(v);
	}
	if (!ret)
		ret = start_cm(v);
	if (!ret)
		ret = slow_start("verbs-qp", &v->qp_helper);
	if (!ret)
		ret = slow_start("verbs-mr", &v->mr_helper);
	return ret;
}

static int vrb_start(struct backend *be, const struct be_cm_events *ev)
{
	struct vrb *v = vrb_of(be);
	int ret;

	v->ev = ev;
	pthread_mutex_init(&v->resting.lock, NULL);
	ret = start_parts(v);
	if (ret)
		vrb_shutdown(be);
	else
		be_log(BE_INFO, "%s: %u queue pairs, %u bytes inline, messages "
		       "of %u bytes", v->name, be->limits.qp,
		       be->limits.inline_data, be->limits.transfer);
	return ret;
}

static bool vrb_busy(const struct backend *be)
{
	const struct vrb *v = (const struct vrb *)be;

	return v->conns || v->leaving || (v->losing && !v->closed);
}

static const struct backend vrb_ops = {
	/* more by what the device has, see ask_features() */
	.features = VIRTIO_RDMA_FEATURE(SHARED_ENDPOINT),
	.busy = vrb_busy,
	.start = vrb_start,
	.shutdown = vrb_shutdown,
	.listen = vrb_listen,
	.unlisten = vrb_unlisten,
	.reserve = vrb_reserve,
	.unreserve = vrb_unreserve,
	.connect = vrb_connect,
	.accept = vrb_accept,
	.reject = vrb_reject,
	.complete = vrb_complete,
	.disconnect = vrb_disconnect,
	.abort = vrb_abort,
	.pd_create = vrb_pd_create,
	.pd_destroy = vrb_pd_destroy,
	.mr_register = vrb_mr_register,
	.mr_deregister = vrb_mr_deregister,
	.srq_create = vrb_srq_create,
	.srq_destroy = vrb_srq_destroy,
	.srq_posted = vrb_srq_posted,
	.mw_create = vrb_mw_create,
	.mw_destroy = vrb_mw_destroy,
	.attach = vrb_attach,
	.absent = vrb_absent,
	.run = vrb_run,
	.stop = vrb_stop,
	.poll = vrb_poll,
	.arm = vrb_arm,
	.poll_fd = vrb_poll_fd,
};

/* ----------------------------------------------------------------- the device */

static struct ibv_context *open_named(const char *device, char *err,
				      size_t err_size)
{
	struct ibv_device **list = ibv_get_device_list(NULL);
	struct ibv_context *ctx = NULL;
	bool found = false;

	for (int i = 0; list && list[i] && !found; i++) {
		found = strcmp(ibv_get_device_name(list[i]), device) == 0;
		if (found)
			ctx = ibv_open_device(list[i]);
	}
	if (!found)
		snprintf(err, err_size, "fabric verbs:%s: there is no such RDMA "
			 "device; `ibv_devices` lists those there are (a software "
			 "one: rdma link add NAME type rxe netdev INTERFACE)",
			 device);
	else if (!ctx)
		snprintf(err, err_size, "fabric verbs:%s: cannot open it: %s; "
			 "vrdmad's user needs read and write permission on "
			 "/dev/infiniband/uverbs* and rdma_cm", device,
			 strerror(errno));
	if (list)
		ibv_free_device_list(list);
	return ctx;
}

struct backend *verbs_backend(const char *name, const char *device, char *err,
			      size_t err_size)
{
	struct vrb *v = calloc(1, sizeof(*v));

	if (!v) {
		snprintf(err, err_size, "fabric %s: out of memory", name);
		return NULL;
	}
	v->be = vrb_ops;
	snprintf(v->name, sizeof(v->name), "%s", name);
	snprintf(v->device, sizeof(v->device), "%s", device);
	v->be.name = v->name;
	v->w.mail_fd = v->w.epoll = -1;
	v->ctx = open_named(device, err, err_size);
	if (v->ctx)
		return &v->be;
	free(v);
	return NULL;
}

void verbs_backend_free(struct backend *be)
{
	struct vrb *v = vrb_of(be);

	if (v->ctx)
		ibv_close_device(v->ctx);
	free(v);
}
