/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * core.c - the device's life as the miniport sees it
 */
#include "vrc.h"

#define START_TIMEOUT_MS	30000
#define LOG_WINDOW_MS		1000
#define LOG_PER_WINDOW		10

/* --- logging ----------------------------------------------------------------- */

/* Lock not held.  A few lines a second, whatever a device or consumer does. */
bool vrc_log_allowed(struct vrdma_core *c)
{
	uint64_t now = c->ops->now_ms(c->os);

	vrc_lock(c);
	if (now - c->log_window >= LOG_WINDOW_MS) {
		c->log_window = now;
		c->log_count = 0;
	}
	now = c->log_count++;
	vrc_unlock(c);
	return now < LOG_PER_WINDOW;
}

/* --- tasks ---------------------------------------------------------------------- */

void vrc_task_init(struct vrc_task *t, void (*fn)(struct vrc_task *))
{
	t->fn = fn;
	t->queued = false;
	vrc_list_init(&t->link);
}

/* False: it was queued already */
bool vrc_task_queue_locked(struct vrdma_core *c, struct vrc_task *t)
{
	if (t->queued)
		return false;
	t->queued = true;
	vrc_list_add_tail(&c->tasks, &t->link);
	c->ops->work_queue(c->os, &c->work);
	return true;
}

static void run_tasks(void *arg)
{
	struct vrdma_core *c = arg;

	for (;;) {
		struct vrc_task *t = NULL;

		vrc_lock(c);
		if (!vrc_list_empty(&c->tasks)) {
			t = VRC_CONTAINER(c->tasks.next, struct vrc_task, link);
			vrc_list_del(&t->link);
			t->queued = false;
		}
		vrc_unlock(c);
		if (!t)
			return;
		t->fn(t);
	}
}

/* --- configuration ----------------------------------------------------------------- */

/* The table is an array of pointers; none may be missing */
static bool ops_complete(const struct vrdma_os_ops *ops)
{
	uint8_t raw[sizeof(*ops)];
	size_t i;

	memcpy(raw, ops, sizeof(raw));
	for (i = 0; i < sizeof(raw); i += sizeof(void *)) {
		uintptr_t p;

		memcpy(&p, raw + i, sizeof(p));
		if (!p)
			return false;
	}
	return true;
}

struct limit_row {
	const char *name;
	size_t offset;
	uint32_t low, high;
};

#define LIMIT(field, lo, hi) \
	{ #field, offsetof(struct virtio_rdma_config, field), lo, hi }

/* What the layout can carry; a device that says otherwise is not ours */
static const struct limit_row limit_table[] = {
	LIMIT(max_cq_depth, 1, VIRTIO_RDMA_MAX_CQ_DEPTH),
	LIMIT(max_send_depth, 1, VIRTIO_RDMA_MAX_DEPTH),
	LIMIT(max_recv_depth, 1, VIRTIO_RDMA_MAX_DEPTH),
	LIMIT(max_srq_depth, 0, VIRTIO_RDMA_MAX_DEPTH),
	LIMIT(max_send_sge, 1, VIRTIO_RDMA_MAX_SGE),
	LIMIT(max_recv_sge, 1, VIRTIO_RDMA_MAX_SGE),
	LIMIT(max_read_sge, 1, VIRTIO_RDMA_MAX_SGE),
	LIMIT(max_frmr_pages, 0, VIRTIO_RDMA_TABLE_ENTRIES),
	LIMIT(max_inline, 0, VIRTIO_RDMA_MAX_INLINE),
	LIMIT(max_caller_data, 0, VIRTIO_RDMA_MAX_PRIVATE),
	LIMIT(max_callee_data, 0, VIRTIO_RDMA_MAX_PRIVATE),
	LIMIT(max_context, 1, UINT32_MAX),
	LIMIT(max_transfer, 1, UINT32_MAX),
};

static bool limits_fit(struct vrdma_core *c)
{
	size_t i;

	for (i = 0; i < VRC_ARRAY_SIZE(limit_table); i++) {
		const struct limit_row *row = &limit_table[i];
		vr_le32 raw;
		uint32_t v;

		memcpy(&raw, (const uint8_t *)&c->cfg + row->offset,
		       sizeof(raw));
		v = vr_from_le32(raw);
		if (v >= row->low && v <= row->high)
			continue;
		vrc_log(c, VRDMA_LOG_ERR,
			"device configuration: %s is %u, not in %u..%u; the host's vrdmad and this driver do not fit together",
			row->name, v, row->low, row->high);
		return false;
	}
	return true;
}

uint32_t vrdma_core_num_queues(const struct virtio_rdma_config *cfg)
{
	uint32_t ceq = vr_from_le16(cfg->num_ceq);
	uint32_t wake = vr_from_le16(cfg->num_wakeq);

	if (vr_from_le32(cfg->abi_version) != VIRTIO_RDMA_ABI_VERSION ||
	    !ceq || !wake || 2 + ceq + wake > VRC_MAX_QUEUES)
		return 0;
	return 2 + ceq + wake;
}

static void clear_flag(struct virtio_rdma_config *cfg, uint32_t flag)
{
	cfg->adapter_flags =
		vr_to_le32(vr_from_le32(cfg->adapter_flags) & ~flag);
}

static int read_config(struct vrdma_core *c)
{
	c->ops->config_read(c->os, 0, &c->cfg, sizeof(c->cfg));
	if (!vrdma_core_num_queues(&c->cfg)) {
		vrc_log(c, VRDMA_LOG_ERR,
			"device configuration: layout version %u (driver: %u), %u + %u queues; update the host's vrdmad or this driver",
			vr_from_le32(c->cfg.abi_version),
			VIRTIO_RDMA_ABI_VERSION, vr_from_le16(c->cfg.num_ceq),
			vr_from_le16(c->cfg.num_wakeq));
		return -VRC_EPROTO;
	}
	if (!limits_fit(c))
		return -VRC_EPROTO;
	c->features = c->ops->features(c->os) & VRDMA_FEATURES;
	/* for all who see only the configuration: it has what can be used */
	if (!(c->features & VIRTIO_RDMA_FEATURE(MW)))
		c->cfg.max_mw = 0;
	if (!(c->features & VIRTIO_RDMA_FEATURE(SRQ)))
		c->cfg.max_srq = c->cfg.max_srq_depth = 0;
	if (!(c->features & VIRTIO_RDMA_FEATURE(FAST_REGISTER)))
		c->cfg.max_frmr_pages = 0;
	if (!(c->features & VIRTIO_RDMA_FEATURE(CQ_RESIZE)))
		clear_flag(&c->cfg, NDK_ADAPTER_FLAG_CQ_RESIZE_SUPPORTED);
	if (!(c->features & VIRTIO_RDMA_FEATURE(CQ_MODERATION)))
		clear_flag(&c->cfg,
			   NDK_ADAPTER_FLAG_CQ_INTERRUPT_MODERATION_SUPPORTED);
	if (!(c->features & VIRTIO_RDMA_FEATURE(READ_INVALIDATE)))
		clear_flag(&c->cfg,
			   NDK_ADAPTER_FLAG_RDMA_READ_LOCAL_INVALIDATE_SUPPORTED);
	c->num_ceq = vr_from_le16(c->cfg.num_ceq);
	c->num_wakeq = vr_from_le16(c->cfg.num_wakeq);
	return 0;
}

/* --- addresses -------------------------------------------------------------------------- */

static void query_done(struct vrc_cmd *cmd, uint32_t wire, const void *rsp)
{
	struct vrdma_core *c = VRC_CONTAINER(cmd, struct vrdma_core, query);
	const struct virtio_rdma_rsp_query_addresses *r = rsp;

	vrc_lock(c);
	c->num_addrs = 0;
	if (wire == VIRTIO_RDMA_S_OK) {
		c->num_addrs = vrc_min(vr_from_le32(r->count),
				       VIRTIO_RDMA_MAX_ADDRESSES);
		memcpy(c->addrs, r->addr, sizeof(c->addrs));
	}
	c->query_status = wire;
	c->query_done = true;
	c->ops->event_set(c->os, &c->query_event);
	vrc_unlock(c);
}

static int query_addresses(struct vrdma_core *c, uint32_t epoch)
{
	bool done;

	c->query_done = false;
	c->ops->event_clear(c->os, &c->query_event);
	vrc_cmd_init(&c->query, NULL, query_done);
	if (vrc_cmd_submit(c, epoch, &c->query, VIRTIO_RDMA_CMD_QUERY_ADDRESSES,
			   0))
		return -VRC_ENODEV;
	c->ops->event_wait(c->os, &c->query_event, START_TIMEOUT_MS);
	vrc_lock(c);
	done = c->query_done;
	vrc_unlock(c);
	if (!done) {
		vrc_log(c, VRDMA_LOG_ERR,
			"device does not answer: no addresses after %u ms",
			START_TIMEOUT_MS);
		return -VRC_ETIMEDOUT;
	}
	if (c->query_status == VRC_S_DEVICE_LOST)
		return -VRC_ENODEV;
	return c->query_status == VIRTIO_RDMA_S_OK ? 0 : -VRC_EPROTO;
}

uint32_t vrdma_core_addresses(struct vrdma_core *c,
			      struct virtio_rdma_addr *out, uint32_t max)
{
	uint32_t n;

	vrc_lock(c);
	n = c->num_addrs;
	if (out)
		memcpy(out, c->addrs, sizeof(*out) * vrc_min(n, max));
	vrc_unlock(c);
	return n;
}

/* --- life ---------------------------------------------------------------------------------- */

static void init_lists(struct vrdma_core *c)
{
	uint32_t i;

	vrc_list_init(&c->objects);
	vrc_list_init(&c->tasks);
	for (i = 0; i < VRC_QP_BUCKETS; i++)
		vrc_list_init(&c->qp_hash[i]);
}

int vrdma_core_create(const struct vrdma_os_ops *ops, void *os,
		      struct vrdma_core **out)
{
	struct vrdma_core *c;

	if (!ops_complete(ops))
		return -VRC_EINVAL;
	c = ops->alloc(os, sizeof(*c));
	if (!c)
		return -VRC_ENOMEM;
	c->ops = ops;
	c->os = os;
	init_lists(c);
	vrc_orphan_init(c);
	if (vrc_cmdq_init(c)) {
		ops->free(os, c);
		return -VRC_ENOMEM;
	}
	ops->lock_init(os, &c->lock);
	ops->event_init(os, &c->query_event);
	ops->work_init(os, &c->work, run_tasks, c);
	*out = c;
	return 0;
}

int vrdma_core_start(struct vrdma_core *c)
{
	uint32_t epoch;
	int err;

	if (vrdma_core_alive(c))
		return -VRC_EINVAL;
	vrc_events_fini(c);
	err = read_config(c);
	if (err)
		return err;
	err = vrc_events_init(c);
	if (err)
		return err;
	vrc_lock(c);
	epoch = ++c->epoch;
	c->num_orphans = 0;
	c->alive = true;
	vrc_unlock(c);
	vrc_events_post(c);
	return query_addresses(c, epoch);
}

bool vrdma_core_alive(struct vrdma_core *c)
{
	bool alive;

	vrc_lock(c);
	alive = c->alive;
	vrc_unlock(c);
	return alive;
}

uint32_t vrdma_core_object_count(struct vrdma_core *c)
{
	uint32_t n;

	vrc_lock(c);
	n = c->num_objects;
	vrc_unlock(c);
	return n;
}

void vrdma_core_destroy(struct vrdma_core *c)
{
	c->ops->work_fini(c->os, &c->work);
	vrc_events_fini(c);
	vrc_cmdq_fini(c);
	vrc_ids_free(c);
	c->ops->event_fini(c->os, &c->query_event);
	c->ops->lock_fini(c->os, &c->lock);
	c->ops->free(c->os, c);
}

/* --- used chains ---------------------------------------------------------------------------- */

/* Events of one queue are handled one after the other, in order, even when
 * several CPUs are told of them */
static bool gate_enter(struct vrdma_core *c, uint32_t queue)
{
	struct vrc_gate *g;
	bool mine = false;

	vrc_lock(c);
	if (c->alive && queue < 2 + c->num_ceq) {
		g = &c->gates[queue];
		mine = !g->busy;
		g->busy = true;
		g->again = !mine;
	}
	vrc_unlock(c);
	return mine;
}

static bool gate_leave(struct vrdma_core *c, uint32_t queue)
{
	struct vrc_gate *g = &c->gates[queue];
	bool again;

	vrc_lock(c);
	again = g->again;
	g->again = false;
	g->busy = again;
	vrc_unlock(c);
	return !again;
}

void vrdma_core_queue_event(struct vrdma_core *c, uint32_t queue)
{
	if (!gate_enter(c, queue))
		return;
	do {
		if (queue == VIRTIO_RDMA_VQ_CONTROL)
			vrc_cmdq_event(c);
		else
			vrc_event_queue(c, queue);
	} while (!gate_leave(c, queue));
}

/* --- the device is gone ----------------------------------------------------------------------- */

/* A hold on the next object behind at, of the epoch that ended.  One that is
 * being created has no requests, and its creation fails by itself. */
static struct vrc_obj *next_object(struct vrdma_core *c, struct vrc_obj *at,
				   NDK_OBJECT_TYPE type)
{
	struct vrc_list *l;
	struct vrc_obj *obj = NULL;

	vrc_lock(c);
	for (l = at ? at->link.next : c->objects.next; l != &c->objects;
	     l = l->next) {
		struct vrc_obj *o = VRC_CONTAINER(l, struct vrc_obj, link);

		if (o->cls->type == type && o->epoch == c->epoch && o->holds &&
		    o->state != VRC_OBJ_CREATING) {
			obj = o;
			obj->holds++;
			break;
		}
	}
	vrc_unlock(c);
	return obj;
}

static void for_each(struct vrdma_core *c, NDK_OBJECT_TYPE type,
		     void (*fn)(struct vrc_obj *obj))
{
	struct vrc_obj *obj = next_object(c, NULL, type), *next;

	while (obj) {
		fn(obj);
		next = next_object(c, obj, type);
		vrc_obj_put(obj);
		obj = next;
	}
}

static void cq_lost(struct vrc_obj *obj)
{
	vrc_cq_lost(VRC_CONTAINER(obj, struct vrc_cq, obj));
}

static void qp_lost(struct vrc_obj *obj)
{
	vrc_qp_lost(VRC_CONTAINER(obj, struct vrc_qp, obj));
}

static void pd_lost(struct vrc_obj *obj)
{
	vrc_pd_retry(VRC_CONTAINER(obj, struct vrc_pd, obj));
}

static void srq_lost(struct vrc_obj *obj)
{
	vrc_srq_lost(VRC_CONTAINER(obj, struct vrc_srq, obj));
}

static void srq_notify(struct vrc_obj *obj)
{
	vrc_srq_notify(VRC_CONTAINER(obj, struct vrc_srq, obj),
		       STATUS_INTERNAL_ERROR);
}

static void conn_lost(struct vrc_obj *obj)
{
	vrc_conn_disconnected(VRC_CONTAINER(obj, struct vrc_connector, obj),
			      VIRTIO_RDMA_R_DEVICE_RESET);
}

static void cq_notify(struct vrc_obj *obj)
{
	vrc_cq_lost_notify(VRC_CONTAINER(obj, struct vrc_cq, obj));
}

/*
 * Order: first the completions, so that a Disconnect that fails finds its
 * flushed requests in the CQ; then the commands, then the indications of what
 * was established, last the callbacks of queues.
 */
void vrdma_core_device_lost(struct vrdma_core *c)
{
	bool was_alive;

	vrc_lock(c);
	was_alive = c->alive;
	c->alive = false;
	vrc_unlock(c);
	if (!was_alive)
		return;
	for_each(c, NdkObjectTypeCq, cq_lost);
	for_each(c, NdkObjectTypeQp, qp_lost);
	for_each(c, NdkObjectTypeSrq, srq_lost);
	vrc_cmdq_lost(c);
	for_each(c, NdkObjectTypePd, pd_lost);
	for_each(c, NdkObjectTypeConnector, conn_lost);
	for_each(c, NdkObjectTypeSrq, srq_notify);
	for_each(c, NdkObjectTypeCq, cq_notify);
	vrc_lock(c);
	c->num_addrs = 0;
	vrc_unlock(c);
}
