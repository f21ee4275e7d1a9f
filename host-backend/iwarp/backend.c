/* SPDX-License-Identifier: GPL-2.0-or-later */
/* backend.c - the iWARP backend's table, its begin and its end */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "iw.h"
#include "iwarp.h"

#define EVENTS_PER_ROUND 64

/* One event at a time: what it does may free what the next one would name */
static void ctl_events(void *arg)
{
	struct iw *iw = arg;

	for (int i = 0; i < EVENTS_PER_ROUND; i++) {
		struct epoll_event ev;
		struct iw_item *item;

		if (epoll_wait(iw->ctl_epoll, &ev, 1, 0) != 1)
			return;
		item = ev.data.ptr;
		item->event(item, ev.events);
	}
}

static int iw_start(struct backend *be, const struct be_cm_events *ev)
{
	struct iw *iw = iw_of(be);
	int err;

	iw->ev = ev;
	iw->ctl_epoll = epoll_create1(EPOLL_CLOEXEC);
	if (iw->ctl_epoll < 0)
		return -errno;
	err = be_watch(iw->ctl_epoll, ctl_events, iw);
	if (err)
		goto err_epoll;
	err = iw_worker_init(iw);
	if (err)
		goto err_watch;
	be_log(BE_DEBUG, "%s: ready, CRC32C %s", iw->name,
	       iw->opts.crc ? crc32c_name() : "only where a peer asks");
	return 0;

err_watch:
	be_unwatch(iw->ctl_epoll);
err_epoll:
	close(iw->ctl_epoll);
	return err;
}

static void iw_shutdown(struct backend *be)
{
	struct iw *iw = iw_of(be);

	iw_worker_fini(iw);
	be_unwatch(iw->ctl_epoll);
	close(iw->ctl_epoll);
}

#define FEATURES                                                               \
	(VIRTIO_RDMA_FEATURE(SRQ) | VIRTIO_RDMA_FEATURE(MW) |                  \
	 VIRTIO_RDMA_FEATURE(SEND_INVALIDATE) |                                \
	 VIRTIO_RDMA_FEATURE(FAST_REGISTER) |                                  \
	 VIRTIO_RDMA_FEATURE(SHARED_ENDPOINT) |                                \
	 VIRTIO_RDMA_FEATURE(READ_INVALIDATE))

static const struct backend table = {
	.limits = BE_LIMITS_NONE,
	.features = FEATURES,
	.start = iw_start,
	.shutdown = iw_shutdown,
	.listen = iw_listen,
	.unlisten = iw_unlisten,
	.reserve = iw_reserve,
	.unreserve = iw_unreserve,
	.connect = iw_connect,
	.accept = iw_answer,
	.reject = iw_refuse,
	.complete = iw_complete,
	.disconnect = iw_disconnect,
	.abort = iw_abort,
	.attach = iw_attach,
	.absent = iw_absent,
	.run = iw_run,
	.stop = iw_stop,
	.poll = iw_poll,
	.arm = iw_arm,
	.poll_fd = iw_poll_fd,
};

struct backend *iwarp_create(const char *name, const char *rest, char *err,
			     size_t err_size)
{
	struct iw *iw = calloc(1, sizeof(*iw));

	if (!iw) {
		snprintf(err, err_size, "fabric %s: out of memory", name);
		return NULL;
	}
	if (iw_opts_parse(rest, &iw->opts, err, err_size)) {
		free(iw);
		return NULL;
	}
	iw->be = table;
	iw->be.limits.caller_data = MPA_MAX_PRIVATE;
	iw->be.limits.callee_data = MPA_MAX_PRIVATE;
	iw->be.limits.inbound_reads = IW_MAX_READS;
	iw->be.limits.outbound_reads = IW_MAX_READS;
	snprintf(iw->name, sizeof(iw->name), "%s", name);
	iw->be.name = iw->name;
	TAILQ_INIT(&iw->listeners);
	TAILQ_INIT(&iw->all);
	TAILQ_INIT(&iw->busy);
	TAILQ_INIT(&iw->holding);
	TAILQ_INIT(&iw->closing);
	STAILQ_INIT(&iw->mail);
	pthread_mutex_init(&iw->lock, NULL);
	return &iw->be;
}

void iwarp_destroy(struct backend *be)
{
	struct iw *iw = iw_of(be);

	pthread_mutex_destroy(&iw->lock);
	free(iw);
}
