/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vq.c - the control queue: requests in, answers out
 *
 * DOC: An answer may be due long after its request, with the machine paused in
 * between or its memory changed.  So what is kept of a chain is its index and
 * our own references to its buffer, never a pointer of the library.  Answers
 * that come while the queue is stopped wait for its next start.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "vq_int.h"

/* Commands of one guest in a row, before others have their turn */
#define COMMANDS_PER_TURN 64

void guest_needs_reset(struct guest *g, const char *fmt, ...)
{
	char text[200];
	va_list ap;

	if (g->broken)
		return;
	g->broken = true;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	glog(g, VL_WARN, "device needs reset: %s", text);
	session_config_changed(g->session);
}

/* ----------------------------------------------------------------- buffers */

/* The library has told the driver from which index on it wants a kick.  That
 * has to be visible before the index is read again, or both sides could wait
 * for each other (virtio 1.2 2.7.10). */
static void full_barrier(void)
{
#ifdef __SANITIZE_THREAD__
	static unsigned int word; /* TSan knows no fences */

	__atomic_fetch_add(&word, 1, __ATOMIC_SEQ_CST);
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/* virtio 1.2 2.7.6: no more chains can be available than the ring has entries
 */
bool vq_has_buffer(struct guest *g, VuVirtq *vq, unsigned int qidx)
{
	uint16_t idx, ready;

	full_barrier();
	idx = vr_from_le16(
		__atomic_load_n(&vq->vring.avail->idx, __ATOMIC_ACQUIRE));
	ready = (uint16_t)(idx - vq->last_avail_idx);

	if (ready > vq->vring.num) {
		guest_needs_reset(g, "queue %u: available index %u is %u ahead",
				  qidx, idx, ready);
		return false;
	}
	return ready != 0;
}

/* The library's pointer back to a guest address */
static bool address_of(VuDev *dev, const void *host, uint64_t *gpa)
{
	for (uint32_t i = 0; i < dev->nregions; i++) {
		const VuDevRegion *r = &dev->regions[i];
		uint64_t start = r->mmap_addr + r->mmap_offset;
		uint64_t at = (uintptr_t)host;

		if (at >= start && at - start < r->size) {
			*gpa = r->gpa + (at - start);
			return true;
		}
	}
	return false;
}

int vq_hold_sg(struct guest *g, struct vq_answer *a, const struct iovec *sg,
	       unsigned int count)
{
	for (unsigned int i = 0; i < count && a->seg_count < VQ_MAX_SEGS; i++) {
		struct vq_seg *seg = &a->seg[a->seg_count];
		uint32_t len = sg[i].iov_len < VIRTIO_RDMA_PAGE_SIZE
				       ? (uint32_t)sg[i].iov_len
				       : VIRTIO_RDMA_PAGE_SIZE;
		uint64_t gpa;

		if (!len)
			continue;
		if (!address_of(session_dev(g->session), sg[i].iov_base, &gpa))
			return -EFAULT;
		seg->host = gmem_translate(g->map, gpa, len, &seg->region);
		if (!seg->host)
			return -EFAULT;
		gmem_region_get(seg->region);
		seg->len = len;
		a->room += len;
		a->seg_count++;
		if (len != sg[i].iov_len)
			break; /* what follows would not be contiguous */
	}
	return 0;
}

void vq_drop_segs(struct vq_answer *a)
{
	for (uint32_t i = 0; i < a->seg_count; i++)
		gmem_region_put(a->seg[i].region);
	a->seg_count = 0;
	a->room = 0;
}

void vq_copy_out(struct vq_answer *a, const void *src, uint32_t len)
{
	const uint8_t *from = src;

	for (uint32_t i = 0; i < a->seg_count && len; i++) {
		uint32_t n = a->seg[i].len < len ? a->seg[i].len : len;

		memcpy(a->seg[i].host, from, n);
		from += n;
		len -= n;
	}
}

/* ----------------------------------------------------------------- answers */

static struct vq_answer *answer_of(struct list_head *l)
{
	return container_of(l, struct vq_answer, link);
}

static void answer_free(struct vq_answer *a)
{
	list_del(&a->link);
	vq_drop_segs(a);
	free(a);
}

static void flush_answers(struct guest *g)
{
	VuVirtq *vq = session_queue(g->session, VIRTIO_RDMA_VQ_CONTROL);
	VuDev *dev;
	bool any = false;

	if (!vq || g->broken)
		return;
	dev = session_dev(g->session);
	while (!list_empty(&g->vq->done)) {
		struct vq_answer *a = answer_of(g->vq->done.next);
		VuVirtqElement elem = {.index = a->index};

		vq_copy_out(a, &a->cmd.rsp, a->len);
		vu_queue_push(dev, vq, &elem, a->len);
		answer_free(a);
		any = true;
	}
	if (any)
		vu_queue_notify(dev, vq);
}

/* An answer's body has a meaning with these only */
static bool has_body(enum virtio_rdma_status status)
{
	return status == VIRTIO_RDMA_S_OK ||
	       status == VIRTIO_RDMA_S_CONNECTION_REFUSED;
}

static uint32_t answer_len(const struct vq_answer *a,
			   enum virtio_rdma_status status)
{
	const struct command_row *row = command_row(a->cmd.opcode);
	uint32_t len = sizeof(struct virtio_rdma_rsp);

	if (row && has_body(status))
		len = row->rsp_size;
	return len < a->room ? len : a->room;
}

void command_done(struct command *cmd, enum virtio_rdma_status status,
		  uint32_t handle)
{
	struct vq_answer *a = cmd->answer;
	struct guest *g = cmd->guest;

	if (a->epoch != g->epoch) {
		answer_free(a); /* the driver forgot it with the reset */
		return;
	}
	cmd->rsp.hdr.status = vr_to_le32(status);
	cmd->rsp.hdr.handle = vr_to_le32(handle);
	a->len = answer_len(a, status);
	list_add_tail(&a->link, &g->vq->done);
	flush_answers(g);
}

/* ---------------------------------------------------------------- requests */

/* The request as it is now, whole: it is never looked at again */
static size_t copy_in(struct command *cmd, const VuVirtqElement *e)
{
	size_t total = 0;

	for (unsigned int i = 0; i < e->out_num; i++) {
		size_t len = e->out_sg[i].iov_len;

		if (total < COMMAND_MAX_REQ) {
			size_t n = COMMAND_MAX_REQ - total;

			memcpy(cmd->req.bytes + total, e->out_sg[i].iov_base,
			       len < n ? len : n);
		}
		total += len;
	}
	return total;
}

static void command_begin(struct guest *g, const VuVirtqElement *e)
{
	struct vq_answer *a = calloc(1, sizeof(*a));
	size_t req_len;

	if (!a) {
		guest_needs_reset(g, "no memory for a command");
		return;
	}
	a->cmd.guest = g;
	a->cmd.answer = a;
	a->epoch = g->epoch;
	a->index = e->index;
	list_init(&a->link);
	list_init(&a->cmd.link);
	req_len = copy_in(&a->cmd, e);
	if (vq_hold_sg(g, a, e->in_sg, e->in_num) ||
	    a->room < sizeof(struct virtio_rdma_rsp)) {
		guest_needs_reset(g,
				  "control queue: a request without room for "
				  "an answer");
		answer_free(a);
		return;
	}
	a->cmd.opcode = vr_from_le16(a->cmd.req.hdr.opcode);
	a->cmd.handle = vr_from_le32(a->cmd.req.hdr.handle);
	command_dispatch(&a->cmd, req_len, a->room);
}

static void process_control(struct guest *g)
{
	VuVirtq *vq;
	VuVirtqElement *e;

	flush_answers(g);
	for (int i = 0; i < COMMANDS_PER_TURN; i++) {
		/* a command may have broken the device or ended the session */
		vq = session_queue(g->session, VIRTIO_RDMA_VQ_CONTROL);
		if (!vq || g->broken ||
		    !vq_has_buffer(g, vq, VIRTIO_RDMA_VQ_CONTROL))
			return;
		e = vu_queue_pop(session_dev(g->session), vq, sizeof(*e));
		if (!e)
			return;
		command_begin(g, e);
		free(e);
	}
	loop_timer_set_ms(g->loop, &g->vq->again, 0);
}

static void control_again(void *arg)
{
	process_control(arg);
}

void vq_process(struct guest *g, unsigned int qidx)
{
	if (g->broken)
		return;
	if (qidx == VIRTIO_RDMA_VQ_CONTROL)
		process_control(g);
	else if (qidx == VIRTIO_RDMA_VQ_EVENT)
		vq_flush_events(g);
	else if (qidx < VIRTIO_RDMA_VQ_CEQ(g->conf->num_ceq))
		vq_flush_cq_events(g, qidx - VIRTIO_RDMA_VQ_CEQ(0));
}

/* -------------------------------------------------------------- life cycle */

int vq_state_init(struct guest *g)
{
	struct vq_state *v = calloc(1, sizeof(*v));
	int ret;

	if (!v)
		return -ENOMEM;
	list_init(&v->done);
	loop_timer_init(&v->again, control_again, g);
	ret = vq_events_init(g, v);
	if (ret) {
		free(v);
		return ret;
	}
	g->vq = v;
	return 0;
}

void vq_reset(struct guest *g)
{
	while (!list_empty(&g->vq->done))
		answer_free(answer_of(g->vq->done.next));
	vq_events_reset(g, g->vq);
	loop_timer_cancel(g->loop, &g->vq->again);
}

void vq_state_fini(struct guest *g)
{
	vq_reset(g);
	vq_events_fini(g, g->vq);
	free(g->vq);
	g->vq = NULL;
}
