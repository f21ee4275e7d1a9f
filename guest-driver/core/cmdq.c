/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * cmdq.c - commands to the device
 *
 * DOC: Slots.  Memory for requests and answers is a fixed set of slots, some
 * per class.  A command that finds no slot of its class waits in that class's
 * line and is built when it gets one.  CONNECT, ACCEPT, COMPLETE_CONNECT and
 * DISCONNECT may stay with the device until a peer acts or a deadline passes,
 * so none of them shares slots with another, or with the commands that create
 * and destroy.  A DISCONNECT whose peer's came already waits for nobody and has
 * slots of its own: two guests that end more connections than there are slots,
 * each in its own order, would else wait for one another until the deadline.
 *
 * A command is never timed out: its slot is the device's until it answers or
 * is reset, so a late answer cannot hit someone else's command.
 */
#include "vrc.h"

struct class_row {
	uint16_t size;		/* of each half of a slot; two halves in a page */
	uint16_t count;
};

static const struct class_row classes[VRC_CLASS_COUNT] = {
	[VRC_CLASS_SHORT]	= { 128, 48 },
	[VRC_CLASS_BULKY]	= { 1024, 16 },
	[VRC_CLASS_CONNECT]	= { 1024, 64 },
	[VRC_CLASS_ACCEPT]	= { 1024, 64 },
	[VRC_CLASS_COMPLETE]	= { 32, 32 },
	[VRC_CLASS_DISCONNECT]	= { 32, 224 },
	[VRC_CLASS_ANSWER]	= { 32, 32 },
};

struct opcode_row {
	uint16_t req, rsp;
	enum vrc_cmd_class cls;
};

#define ROW(op, q, r, c) \
	[VIRTIO_RDMA_CMD_##op] = { sizeof(struct q), sizeof(struct r), \
				   VRC_CLASS_##c }

static const struct opcode_row opcodes[VIRTIO_RDMA_CMD_COUNT] = {
	ROW(QUERY_ADDRESSES, virtio_rdma_cmd, virtio_rdma_rsp_query_addresses,
	    BULKY),
	ROW(CREATE_CONTEXT, virtio_rdma_cmd_create_context, virtio_rdma_rsp,
	    SHORT),
	ROW(DESTROY_CONTEXT, virtio_rdma_cmd, virtio_rdma_rsp, SHORT),
	ROW(CREATE_PD, virtio_rdma_cmd_create_pd, virtio_rdma_rsp, SHORT),
	ROW(DESTROY_PD, virtio_rdma_cmd, virtio_rdma_rsp, SHORT),
	ROW(CREATE_CQ, virtio_rdma_cmd_create_cq, virtio_rdma_rsp, SHORT),
	ROW(DESTROY_CQ, virtio_rdma_cmd, virtio_rdma_rsp, SHORT),
	ROW(RESIZE_CQ, virtio_rdma_cmd_resize_cq, virtio_rdma_rsp, SHORT),
	ROW(REGISTER_MR, virtio_rdma_cmd_register_mr,
	    virtio_rdma_rsp_register_mr, SHORT),
	ROW(DEREGISTER_MR, virtio_rdma_cmd, virtio_rdma_rsp, SHORT),
	ROW(CREATE_FRMR, virtio_rdma_cmd_create_frmr,
	    virtio_rdma_rsp_register_mr, SHORT),
	ROW(CREATE_MW, virtio_rdma_cmd_create_mw, virtio_rdma_rsp_create_mw,
	    SHORT),
	ROW(DESTROY_MW, virtio_rdma_cmd, virtio_rdma_rsp, SHORT),
	ROW(CREATE_QP, virtio_rdma_cmd_create_qp, virtio_rdma_rsp, SHORT),
	ROW(DESTROY_QP, virtio_rdma_cmd, virtio_rdma_rsp, SHORT),
	ROW(FLUSH_QP, virtio_rdma_cmd, virtio_rdma_rsp, SHORT),
	ROW(CREATE_SRQ, virtio_rdma_cmd_create_srq, virtio_rdma_rsp, SHORT),
	ROW(MODIFY_SRQ, virtio_rdma_cmd_modify_srq, virtio_rdma_rsp, SHORT),
	ROW(DESTROY_SRQ, virtio_rdma_cmd, virtio_rdma_rsp, SHORT),
	ROW(LISTEN, virtio_rdma_cmd_listen, virtio_rdma_rsp_listen, SHORT),
	ROW(CLOSE_LISTENER, virtio_rdma_cmd, virtio_rdma_rsp, SHORT),
	ROW(CONTROL_LISTENER, virtio_rdma_cmd_control_listener,
	    virtio_rdma_rsp, SHORT),
	ROW(CREATE_ENDPOINT, virtio_rdma_cmd_create_endpoint,
	    virtio_rdma_rsp_create_endpoint, SHORT),
	ROW(CLOSE_ENDPOINT, virtio_rdma_cmd, virtio_rdma_rsp, SHORT),
	ROW(CREATE_CONNECTOR, virtio_rdma_cmd_create_connector,
	    virtio_rdma_rsp, SHORT),
	ROW(CONNECT, virtio_rdma_cmd_connect, virtio_rdma_rsp_connect, CONNECT),
	ROW(COMPLETE_CONNECT, virtio_rdma_cmd, virtio_rdma_rsp, COMPLETE),
	ROW(ACCEPT, virtio_rdma_cmd_accept, virtio_rdma_rsp_accept, ACCEPT),
	ROW(REJECT, virtio_rdma_cmd_reject, virtio_rdma_rsp, BULKY),
	ROW(DISCONNECT, virtio_rdma_cmd, virtio_rdma_rsp, DISCONNECT),
	ROW(CLOSE_CONNECTOR, virtio_rdma_cmd, virtio_rdma_rsp, SHORT),
};

static const struct opcode_row *row_of(const struct vrc_cmd *cmd)
{
	return &opcodes[cmd->opcode];
}

static enum vrc_cmd_class class_of(const struct vrc_cmd *cmd)
{
	return cmd->ends_soon ? VRC_CLASS_ANSWER : row_of(cmd)->cls;
}

/* --- slots ------------------------------------------------------------------ */

static uint32_t pages_of_class(const struct class_row *row)
{
	uint32_t per_page = VIRTIO_RDMA_PAGE_SIZE / (2u * row->size);

	return (row->count + per_page - 1) / per_page;
}

static void carve(struct vrdma_core *c, enum vrc_cmd_class cls,
		  struct vrc_slot *slots, uint8_t *mem)
{
	const struct class_row *row = &classes[cls];
	uint32_t i;

	/* a slot's size divides the page, so none crosses a page border */
	for (i = 0; i < row->count; i++) {
		slots[i].cls = cls;
		slots[i].req = mem + i * 2u * row->size;
		slots[i].rsp = slots[i].req + row->size;
		vrc_list_add_tail(&c->cmdq.free[cls], &slots[i].link);
	}
}

int vrc_cmdq_init(struct vrdma_core *c)
{
	uint32_t pages = 0, slots = 0, at_page = 0, at_slot = 0, i;
	struct vrc_cmdq *q = &c->cmdq;

	vrc_list_init(&q->sent);
	for (i = 0; i < VRC_CLASS_COUNT; i++) {
		vrc_list_init(&q->free[i]);
		vrc_list_init(&q->waiting[i]);
		pages += pages_of_class(&classes[i]);
		slots += classes[i].count;
	}
	q->slots = vrc_alloc(c, sizeof(*q->slots) * slots);
	if (!q->slots)
		return -VRC_ENOMEM;
	if (c->ops->dma_alloc(c->os, pages, &q->dma)) {
		vrc_free(c, q->slots);
		return -VRC_ENOMEM;
	}
	for (i = 0; i < VRC_CLASS_COUNT; i++) {
		carve(c, (enum vrc_cmd_class)i, q->slots + at_slot,
		      (uint8_t *)q->dma.va +
			      (size_t)at_page * VIRTIO_RDMA_PAGE_SIZE);
		at_slot += classes[i].count;
		at_page += pages_of_class(&classes[i]);
	}
	return 0;
}

void vrc_cmdq_fini(struct vrdma_core *c)
{
	c->ops->dma_free(c->os, &c->cmdq.dma);
	vrc_free(c, c->cmdq.slots);
}

static struct vrc_slot *slot_take(struct vrc_cmdq *q, enum vrc_cmd_class cls)
{
	struct vrc_slot *s;

	if (vrc_list_empty(&q->free[cls]))
		return NULL;
	s = VRC_CONTAINER(q->free[cls].next, struct vrc_slot, link);
	vrc_list_del(&s->link);
	return s;
}

static struct vrc_cmd *slot_give_back(struct vrc_cmdq *q, struct vrc_slot *s)
{
	struct vrc_cmd *cmd = s->cmd;

	vrc_list_del(&s->link);
	s->cmd = NULL;
	vrc_list_add_head(&q->free[s->cls], &s->link);
	if (cmd)
		cmd->state = VRC_CMD_IDLE;
	return cmd;
}

/* --- submitting --------------------------------------------------------------- */

static void build(struct vrc_slot *s, struct vrc_cmd *cmd)
{
	const struct opcode_row *row = row_of(cmd);
	struct virtio_rdma_cmd *hdr = (void *)s->req;

	memset(s->req, 0, row->req);
	memset(s->rsp, 0, row->rsp);
	hdr->opcode = vr_to_le16(cmd->opcode);
	hdr->handle = vr_to_le32(cmd->handle);
	if (cmd->fill)
		cmd->fill(cmd, s->req);
}

/* False: the virtqueue is full, try again when something completed */
static bool send_in(struct vrdma_core *c, struct vrc_slot *s,
		    struct vrc_cmd *cmd)
{
	const struct opcode_row *row = row_of(cmd);
	struct vrdma_buf out = { .va = s->req, .length = row->req };
	struct vrdma_buf in = { .va = s->rsp, .length = row->rsp };

	build(s, cmd);
	if (c->ops->queue_add(c->os, VIRTIO_RDMA_VQ_CONTROL, &out, &in, s))
		return false;
	s->cmd = cmd;
	cmd->state = VRC_CMD_SENT;
	vrc_list_add_tail(&c->cmdq.sent, &s->link);
	return true;
}

/* Move what waits into slots; true when the device is to be notified */
static bool pump(struct vrdma_core *c, enum vrc_cmd_class cls)
{
	struct vrc_cmdq *q = &c->cmdq;
	bool sent = false;

	while (!vrc_list_empty(&q->waiting[cls])) {
		struct vrc_cmd *cmd = VRC_CONTAINER(q->waiting[cls].next,
						    struct vrc_cmd, link);
		struct vrc_slot *s = slot_take(q, cls);

		if (!s)
			break;
		if (!send_in(c, s, cmd)) {
			vrc_list_add_head(&q->free[cls], &s->link);
			break;
		}
		vrc_list_del(&cmd->link);
		sent = true;
	}
	return sent;
}

static void pump_all(struct vrdma_core *c)
{
	bool sent = false;
	int i;

	for (i = 0; i < VRC_CLASS_COUNT; i++)
		sent |= pump(c, (enum vrc_cmd_class)i);
	if (sent)
		c->ops->queue_kick(c->os, VIRTIO_RDMA_VQ_CONTROL);
}

void vrc_cmd_init(struct vrc_cmd *cmd, vrc_fill_fn *fill, vrc_done_fn *done)
{
	memset(cmd, 0, sizeof(*cmd));
	cmd->fill = fill;
	cmd->done = done;
	vrc_list_init(&cmd->link);
}

/*
 * 0: done() will be called once, maybe before this returns; the caller has
 * taken the hold that keeps cmd alive until then.  -ENODEV: the epoch is over,
 * done() will not be called.
 */
int vrc_cmd_submit_locked(struct vrdma_core *c, uint32_t epoch,
			  struct vrc_cmd *cmd, uint16_t opcode,
			  uint32_t handle)
{
	enum vrc_cmd_class cls;

	if (!c->alive || epoch != c->epoch)
		return -VRC_ENODEV;
	cmd->opcode = opcode;
	cmd->handle = handle;
	cmd->state = VRC_CMD_QUEUED;
	cls = class_of(cmd);
	vrc_list_add_tail(&c->cmdq.waiting[cls], &cmd->link);
	if (pump(c, cls))
		c->ops->queue_kick(c->os, VIRTIO_RDMA_VQ_CONTROL);
	return 0;
}

int vrc_cmd_submit(struct vrdma_core *c, uint32_t epoch, struct vrc_cmd *cmd,
		   uint16_t opcode, uint32_t handle)
{
	int err;

	vrc_lock(c);
	err = vrc_cmd_submit_locked(c, epoch, cmd, opcode, handle);
	vrc_unlock(c);
	return err;
}

/* True: it had not reached the device and will not; the caller ends it */
bool vrc_cmd_take_back_locked(struct vrdma_core *c, struct vrc_cmd *cmd)
{
	(void)c;
	if (cmd->state != VRC_CMD_QUEUED)
		return false;
	vrc_list_del(&cmd->link);
	cmd->state = VRC_CMD_IDLE;
	return true;
}

/* The peer's notification came: out of the line of those that wait for one */
void vrc_cmd_ends_soon_locked(struct vrdma_core *c, struct vrc_cmd *cmd)
{
	if (cmd->state != VRC_CMD_QUEUED || cmd->ends_soon)
		return;
	cmd->ends_soon = true;
	vrc_list_del(&cmd->link);
	vrc_list_add_tail(&c->cmdq.waiting[VRC_CLASS_ANSWER], &cmd->link);
	if (pump(c, VRC_CLASS_ANSWER))
		c->ops->queue_kick(c->os, VIRTIO_RDMA_VQ_CONTROL);
}

/* --- answers ------------------------------------------------------------------- */

union answer {
	struct virtio_rdma_rsp hdr;
	struct virtio_rdma_rsp_query_addresses query;
	struct virtio_rdma_rsp_connect connect;
};

static bool has_full_answer(uint16_t opcode, uint32_t wire)
{
	return wire == VIRTIO_RDMA_S_OK ||
	       ((opcode == VIRTIO_RDMA_CMD_CONNECT ||
		 opcode == VIRTIO_RDMA_CMD_ACCEPT) &&
		wire == VIRTIO_RDMA_S_CONNECTION_REFUSED);
}

/* An answer too short for what it claims is a broken device's */
static uint32_t answer_status(const struct vrc_cmd *cmd,
			      const union answer *a, uint32_t written)
{
	uint32_t wire = vr_from_le32(a->hdr.status);

	if (written < sizeof(a->hdr) || wire >= VIRTIO_RDMA_S_COUNT)
		return VIRTIO_RDMA_S_INTERNAL_ERROR;
	if (has_full_answer(cmd->opcode, wire) && written < row_of(cmd)->rsp)
		return VIRTIO_RDMA_S_INTERNAL_ERROR;
	return wire;
}

/* Take one used chain; its answer is copied out before its slot is free */
static struct vrc_cmd *take_answer(struct vrdma_core *c, union answer *a,
				   uint32_t *wire)
{
	uint32_t written = 0;
	struct vrc_slot *s = c->ops->queue_get(c->os, VIRTIO_RDMA_VQ_CONTROL,
					       &written);

	if (!s || !s->cmd)
		return NULL;
	memset(a, 0, sizeof(*a));
	memcpy(a, s->rsp, row_of(s->cmd)->rsp);
	*wire = answer_status(s->cmd, a, written);
	return slot_give_back(&c->cmdq, s);
}

void vrc_cmdq_event(struct vrdma_core *c)
{
	union answer a;
	uint32_t wire;

	for (;;) {
		struct vrc_cmd *cmd;

		vrc_lock(c);
		cmd = c->alive ? take_answer(c, &a, &wire) : NULL;
		if (cmd)
			pump_all(c);
		vrc_unlock(c);
		if (!cmd)
			return;
		cmd->done(cmd, wire, &a);
	}
}

/* --- the device is gone ------------------------------------------------------------ */

static struct vrc_cmd *take_any(struct vrc_cmdq *q)
{
	struct vrc_cmd *cmd;
	int i;

	if (!vrc_list_empty(&q->sent))
		return slot_give_back(q, VRC_CONTAINER(q->sent.next,
						       struct vrc_slot, link));
	for (i = 0; i < VRC_CLASS_COUNT; i++) {
		if (vrc_list_empty(&q->waiting[i]))
			continue;
		cmd = VRC_CONTAINER(q->waiting[i].next, struct vrc_cmd, link);
		vrc_list_del(&cmd->link);
		cmd->state = VRC_CMD_IDLE;
		return cmd;
	}
	return NULL;
}

void vrc_cmdq_lost(struct vrdma_core *c)
{
	static const union answer nothing;

	for (;;) {
		struct vrc_cmd *cmd;

		vrc_lock(c);
		cmd = take_any(&c->cmdq);
		vrc_unlock(c);
		if (!cmd)
			return;
		cmd->done(cmd, VRC_S_DEVICE_LOST, &nothing);
	}
}
