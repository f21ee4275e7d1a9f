/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory.c - the guest's memory as the device knows it
 *
 * DOC: A region is contiguous to its consumer and scattered in the guest's
 * memory.  For the device its pieces are mapped once more, side by side, and
 * registered with the consumer's own address (iova), so that requests name
 * what the consumer named.  A region that lies together already is registered
 * where it is.  Each guest's domain is one of its own: that, the range and the
 * rights are what keeps guests apart, not the secrecy of keys.
 *
 * Mapping and pinning take time by the page, so the memory helper does both.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "vrb.h"

struct vrb_mr {
	struct vrb_object o;		/* first */

	/* the helper, then, when it answered, control and worker */
	struct ibv_mr *ibv;
	uint32_t local_key, remote_key;

	/* the helper */
	uint8_t *map;			/* pieces side by side, or NULL */
	uint64_t map_len;
};

static struct vrb_mr *mr_of(struct vrb_object *o)
{
	return (struct vrb_mr *)(void *)o;	/* the first member */
}

static const struct be_mr *model_of(const struct vrb_mr *m)
{
	return m->o.model;
}

/* ------------------------------------------------------------------- mapping */

static uint64_t round_up(uint64_t v, uint64_t unit)
{
	return (v + unit - 1) / unit * unit;
}

/* Where the region's first byte is in its page of the largest unit */
static uint64_t first_in_unit(const struct be_mr *mr, uint64_t unit)
{
	struct be_piece p;

	be_mr_piece(mr, 0, &p);
	return p.fd_offset % unit;
}

static uint64_t largest_unit(const struct be_mr *mr)
{
	uint64_t unit = (uint64_t)sysconf(_SC_PAGESIZE);
	struct be_piece p;

	for (uint64_t off = 0; off < mr->length; off += p.length) {
		be_mr_piece(mr, off, &p);
		if (p.unit > unit)
			unit = p.unit;
	}
	return unit;
}

static int map_failed(struct vrb_mr *m, uint64_t off, uint32_t pieces, int err)
{
	if (err == ENOMEM)
		be_log(BE_WARN, "%s: cannot map a region of %" PRIu64
		       " bytes in %u pieces, as scattered as it is: the limit is "
		       "vm.max_map_count; raise it (sysctl), or give the guest "
		       "huge pages", m->o.vrb->name, model_of(m)->length, pieces);
	else
		be_log(BE_WARN, "%s: cannot map byte %" PRIu64 " of a region: %s",
		       m->o.vrb->name, off, strerror(err));
	return err == ENOMEM ? -ENOMEM : -EINVAL;
}

/* One piece at its place.  Whole units only: what a piece has of one must be
 * where the unit has it. */
static int map_piece(struct vrb_mr *m, uint64_t at, uint64_t off,
		     const struct be_piece *p, uint32_t pieces)
{
	uint64_t before = p->fd_offset % p->unit;
	uint64_t len = round_up(before + p->length, p->unit);
	void *got;

	if ((at - before) % p->unit || (off && before) ||
	    (off + p->length < model_of(m)->length &&
	     (before + p->length) % p->unit)) {
		be_log(BE_WARN, "%s: a region of pages that are scattered inside "
		       "of huge pages (of %" PRIu64 " bytes) cannot be mapped "
		       "side by side: give the guest memory of 4 KiB pages, or "
		       "the consumer memory of huge pages", m->o.vrb->name,
		       p->unit);
		return -EINVAL;
	}
	got = mmap(m->map + at - before, len, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_FIXED | MAP_NORESERVE, p->fd,
		   (off_t)(p->fd_offset - before));
	return got == MAP_FAILED ? map_failed(m, off, pieces, errno) : 0;
}

/* A reserve that begins where the largest unit does */
static int reserve(struct vrb_mr *m, uint64_t unit, uint64_t first)
{
	uint64_t len = round_up(first + model_of(m)->length, unit) + unit;
	uint8_t *p = mmap(NULL, len, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t skip;

	if (p == MAP_FAILED)
		return map_failed(m, 0, 1, errno);
	skip = round_up((uintptr_t)p, unit) - (uintptr_t)p;
	if (skip)
		munmap(p, skip);
	m->map = p + skip;
	m->map_len = len - skip;
	return 0;
}

static int stitch(struct vrb_mr *m, uint8_t **first_byte)
{
	uint64_t unit = largest_unit(model_of(m));
	uint64_t first = first_in_unit(model_of(m), unit);
	uint32_t pieces = 0;
	struct be_piece p;
	int ret = reserve(m, unit, first);

	for (uint64_t off = 0; off < model_of(m)->length && !ret; off += p.length) {
		be_mr_piece(model_of(m), off, &p);
		ret = map_piece(m, first + off, off, &p, ++pieces);
	}
	*first_byte = m->map + first;
	return ret;
}

static void unmap(struct vrb_mr *m)
{
	if (m->map)
		munmap(m->map, m->map_len);
	m->map = NULL;
}

/* -------------------------------------------------------------- registration */

static const struct {
	uint32_t from;
	int to;
} rights[] = {
	{ VIRTIO_RDMA_ACCESS_LOCAL_WRITE, IBV_ACCESS_LOCAL_WRITE },
	{ VIRTIO_RDMA_ACCESS_REMOTE_READ, IBV_ACCESS_REMOTE_READ },
	{ VIRTIO_RDMA_ACCESS_REMOTE_WRITE, IBV_ACCESS_REMOTE_WRITE },
};

static int rights_of(uint32_t access)
{
	int to = 0;

	for (size_t i = 0; i < sizeof(rights) / sizeof(rights[0]); i++)
		if (access & rights[i].from)
			to |= rights[i].to;
	return to;
}

static int reg_failed(const struct vrb_mr *m, int err)
{
	struct rlimit limit = {0, 0};

	getrlimit(RLIMIT_MEMLOCK, &limit);
	if (err == ENOMEM || err == EPERM || err == EAGAIN) {
		be_log(BE_WARN, "%s: cannot register %" PRIu64 " bytes: %s; "
		       "RLIMIT_MEMLOCK is %" PRIu64 " KiB for all of vrdmad, "
		       "and registered memory is locked: raise it "
		       "(LimitMEMLOCK=, or ulimit -l)", m->o.vrb->name,
		       model_of(m)->length, strerror(err),
		       (uint64_t)limit.rlim_cur / 1024);
		return -ENOMEM;
	}
	be_log(BE_WARN, "%s: cannot register %" PRIu64 " bytes: %s",
	       m->o.vrb->name, model_of(m)->length, strerror(err));
	return -EINVAL;
}

static int reg(struct vrb_mr *m)
{
	const struct be_mr *mr = model_of(m);
	struct be_piece p;
	uint8_t *first;
	int ret = 0;

	be_mr_piece(mr, 0, &p);
	first = p.host;
	if (p.length < mr->length)
		ret = stitch(m, &first);
	if (ret)
		return ret;
	m->ibv = ibv_reg_mr_iova(m->o.ibv_pd, first, mr->length, mr->addr,
				 rights_of(mr->access) | m->o.vrb->bind_right);
	if (!m->ibv)
		return reg_failed(m, errno);
	m->local_key = m->ibv->lkey;
	m->remote_key = m->ibv->rkey;
	return 0;
}

static void unreg(struct vrb_mr *m)
{
	int ret = m->ibv ? ibv_dereg_mr(m->ibv) : 0;

	if (ret)
		be_log(BE_ERROR, "%s: cannot take a region back: %s",
		       m->o.vrb->name, strerror(ret));
	m->ibv = NULL;
	unmap(m);
}

static int make(struct vrb_object *o)
{
	return reg(mr_of(o));
}

static void unmake(struct vrb_object *o)
{
	unreg(mr_of(o));
}

static void made(struct vrb_object *o, int err)
{
	struct be_mr *mr = o->model;

	if (err) {
		mr->priv = NULL;
	} else {
		mr->local_key = mr_of(o)->local_key;
		mr->remote_key = mr_of(o)->remote_key;
	}
	mr->done(mr, err);
}

static void unmade(struct vrb_object *o)
{
	struct be_mr *mr = o->model;

	mr->done(mr, 0);
}

static const struct vrb_object_kind region_kind = {
	.size = sizeof(struct vrb_mr),
	.make = make,
	.unmake = unmake,
	.made = made,
	.unmade = unmade,
};

void vrb_mr_register(struct backend *be, struct be_mr *mr)
{
	(void)be;
	mr->priv = object_make(&region_kind, mr->pd, &mr->pd->mrs, mr);
}

void vrb_mr_deregister(struct backend *be, struct be_mr *mr)
{
	(void)be;
	object_take_back(mr->priv);
}

struct ibv_mr *memory_mr(const struct be_mr *mr)
{
	const struct vrb_mr *m = mr->priv;

	return m ? m->ibv : NULL;
}

/* -------------------------------------------------------------------- domains */

int vrb_pd_create(struct backend *be, struct be_pd **out)
{
	struct vrb *v = vrb_of(be);
	struct be_pd *pd;

	if (v->gone)
		return -ENODEV;
	pd = calloc(1, sizeof(*pd));
	if (!pd)
		return -ENOMEM;
	pd->pd = ibv_alloc_pd(v->ctx);
	if (!pd->pd) {
		be_log(BE_WARN, "%s: cannot create a protection domain: %s",
		       v->name, strerror(errno));
		free(pd);
		return -ENOMEM;
	}
	pd->vrb = v;
	pd->next = v->pds;
	v->pds = pd;
	*out = pd;
	return 0;
}

/* Behind the queue pairs that are on their way out */
static void dealloc(void *arg)
{
	struct be_pd *pd = arg;
	int ret = ibv_dealloc_pd(pd->pd);

	if (ret)
		be_log(BE_ERROR, "%s: cannot destroy a protection domain: %s",
		       pd->vrb->name, strerror(ret));
}

void vrb_pd_destroy(struct be_pd *pd)
{
	struct be_pd **at = &pd->vrb->pds;
	struct vrb *v = pd->vrb;

	while (*at != pd)
		at = &(*at)->next;
	*at = pd->next;
	if (pd->pd)
		slow_call(v->qp_helper, dealloc, pd);
	free(pd);
	device_check_gone(v);
}

/* ------------------------------------------------------------------- removal
 * The structures stay, their consumers have not heard yet; what the device had
 * of them goes, in the order of the helper's jobs.
 */

struct doomed_pd {
	struct slow_job job;
	struct ibv_pd *pd;
};

struct losing {
	struct slow_job job;
	struct vrb *vrb;
	void (*then)(struct vrb *v);
};

/* A structure, or the host could not remove its device */
static void *must_calloc(size_t size)
{
	void *p = calloc(1, size);

	if (!p)
		abort();
	return p;
}

static void lose_pd_job(struct slow_job *job)
{
	struct doomed_pd *d = (struct doomed_pd *)(void *)job;

	ibv_dealloc_pd(d->pd);
	free(d);
}

static void lose_pd(struct vrb *v, struct be_pd *pd)
{
	struct doomed_pd *d;

	if (!pd->pd)
		return;
	d = must_calloc(sizeof(*d));
	d->pd = pd->pd;
	d->job.fn = lose_pd_job;
	pd->pd = NULL;
	slow_run(v->mr_helper, &d->job);
}

static void nothing(struct slow_job *job)
{
	(void)job;
}

static void all_lost(struct slow_job *job)
{
	struct losing *l = (struct losing *)(void *)job;
	struct vrb *v = l->vrb;
	void (*then)(struct vrb *v) = l->then;

	free(l);
	then(v);
}

void memory_lose_all(struct vrb *v, void (*done)(struct vrb *v))
{
	struct losing *l = must_calloc(sizeof(*l));

	for (struct be_pd *pd = v->pds; pd; pd = pd->next) {
		srq_lose_all(pd);
		object_lose_all(pd->mws); /* a bound region cannot go */
		object_lose_all(pd->mrs);
		lose_pd(v, pd);
	}
	l->vrb = v;
	l->then = done;
	l->job.fn = nothing;
	l->job.done = all_lost;
	slow_run(v->mr_helper, &l->job);
}
