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
/* ... and for how long at most, but for the last: a region of a million pages
 * takes some milliseconds */
#define TURN_NS 500000u

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

/* Page by page: a page lies in one region */
static int hold_part(struct guest *g, struct vq_answer *a,
		     const struct vq_part *p)
{
	uint64_t gpa = p->addr;
	uint32_t left = p->len;

	while (left && a->seg_count < VQ_MAX_SEGS) {
		struct vq_seg *seg = &a->seg[a->seg_count];
		uint32_t n = VIRTIO_RDMA_PAGE_SIZE -
			     (uint32_t)(gpa % VIRTIO_RDMA_PAGE_SIZE);

		if (n > left)
			n = left;
		seg->host = gmem_translate(g->map, gpa, n, &seg->region);
		if (!seg->host)
			return -EFAULT;
		gmem_region_get(seg->region);
		seg->len = n;
		a->room += n;
		a->seg_count++;
		gpa += n;
		left -= n;
	}
	return 0;
}

int vq_hold(struct guest *g, struct vq_answer *a, const struct vq_chain *c)
{
	int ret = 0;

	for (unsigned int i = 0; i < c->in_num && !ret; i++)
		ret = hold_part(g, a, &c->part[c->out_num + i]);
	return ret;
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
	struct list_head *pos, *tmp;
	VuDev *dev;
	bool any = false;

	if (!vq || g->broken)
		return;
	dev = session_dev(g->session);
	list_for_each_safe(pos, tmp, &g->vq->done)
	{
		struct vq_answer *a = answer_of(pos);
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
static int copy_in(struct command *cmd, const struct vq_chain *c, size_t *out)
{
	size_t total = 0;
	int ret = 0;

	for (unsigned int i = 0; i < c->out_num && !ret; i++) {
		const struct vq_part *p = &c->part[i];

		if (total < COMMAND_MAX_REQ) {
			size_t n = COMMAND_MAX_REQ - total;

			ret = gmem_copy_in(cmd->guest->map,
					   cmd->req.bytes + total, p->addr,
					   p->len < n ? p->len : n);
		}
		total += p->len;
	}
	*out = total;
	return ret;
}

static void command_begin(struct guest *g, const struct vq_chain *c)
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
	a->index = c->index;
	list_init(&a->link);
	list_init(&a->cmd.link);
	if (copy_in(&a->cmd, c, &req_len) || vq_hold(g, a, c) ||
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
	uint64_t end = loop_now_ns() + TURN_NS;
	struct vq_chain chain;
	VuVirtq *vq;

	flush_answers(g);
	for (int i = 0; i < COMMANDS_PER_TURN && loop_now_ns() < end; i++) {
		/* a command may have broken the device or ended the session */
		vq = session_queue(g->session, VIRTIO_RDMA_VQ_CONTROL);
		if (!vq || g->broken ||
		    !vq_has_buffer(g, vq, VIRTIO_RDMA_VQ_CONTROL) ||
		    vq_pop(g, vq, VIRTIO_RDMA_VQ_CONTROL, &chain))
			return;
		command_begin(g, &chain);
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
	struct list_head *pos, *tmp;

	list_for_each_safe(pos, tmp, &g->vq->done) answer_free(answer_of(pos));
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
