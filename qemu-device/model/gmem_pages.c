/* SPDX-License-Identifier: GPL-2.0-or-later */
/* gmem_pages.c - page lists, copied in once and checked; see gmem.h */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gmem.h"

#define TABLE_SHIFT 9 /* log2 of VIRTIO_RDMA_TABLE_ENTRIES */
_Static_assert(1u << TABLE_SHIFT == VIRTIO_RDMA_TABLE_ENTRIES, "table size");

struct reader {
	const struct gmem_map *map;
	struct gmem_pages *out;
	struct gmem_region *last; /* where the page before was */
	uint32_t done;		  /* pages read */
	bool together;		  /* each page followed the one before */
	uint64_t touched[GMEM_MAX_REGIONS / 64]; /* by place in the map */
};

int gmem_charge(struct gmem_account *a, uint64_t n)
{
	if (!a)
		return 0;
	if (atomic_fetch_add(&a->used, n) + n > a->max) {
		atomic_fetch_sub(&a->used, n);
		return -ENOMEM;
	}
	return 0;
}

void gmem_uncharge(struct gmem_account *a, uint64_t n)
{
	if (a)
		atomic_fetch_sub(&a->used, n);
}

static void touch(struct reader *rd, const struct gmem_region *r)
{
	for (uint32_t i = 0; i < rd->map->count; i++)
		if (rd->map->region[i] == r)
			rd->touched[i / 64] |= 1ull << (i % 64);
}

static int add_page(struct reader *rd, uint64_t gpa)
{
	struct gmem_pages *p = rd->out;
	uint64_t size = 1ull << p->page_shift;
	struct gmem_region *r = rd->last;
	uint8_t *host;

	if (gpa & (size - 1))
		return -EINVAL;
	if (r && gpa >= r->gpa && range_within(gpa - r->gpa, size, r->size)) {
		host = r->host + (gpa - r->gpa);
	} else {
		host = gmem_translate(rd->map, gpa, size, &r);
		if (!host)
			return -EFAULT;
		touch(rd, r);
		rd->last = r;
	}
	if (rd->done && host != p->page[rd->done - 1] + size)
		rd->together = false;
	p->page[rd->done++] = host;
	return 0;
}

/* A table of the given level that stands for the next count pages: entries
 * of up to 512^(level - 1) pages each.  Depth at most VIRTIO_RDMA_MAX_LEVELS.
 */
static int read_table(struct reader *rd, uint64_t gpa, unsigned int level,
		      uint32_t count)
{
	vr_le64 table[VIRTIO_RDMA_TABLE_ENTRIES];
	uint32_t span = 1u << TABLE_SHIFT * (level - 1);
	uint32_t n = (count - 1) / span + 1;
	int ret;

	if (gpa % VIRTIO_RDMA_PAGE_SIZE)
		return -EINVAL;
	ret = gmem_copy_in(rd->map, table, gpa, n * sizeof(table[0]));
	for (uint32_t i = 0; i < n && !ret; i++) {
		uint32_t left = count - i * span;

		if (level == 1)
			ret = add_page(rd, vr_from_le64(table[i]));
		else
			ret = read_table(rd, vr_from_le64(table[i]), level - 1,
					 left < span ? left : span);
	}
	return ret;
}

/* One reference on each region that a page lies in */
static int hold_regions(struct reader *rd)
{
	struct gmem_pages *p = rd->out;
	uint32_t n = 0;

	for (uint32_t i = 0; i < GMEM_MAX_REGIONS / 64; i++)
		n += (uint32_t)__builtin_popcountll(rd->touched[i]);
	p->region = calloc(n, sizeof(void *));
	if (!p->region)
		return -ENOMEM;
	for (uint32_t i = 0; i < rd->map->count; i++) {
		if (!(rd->touched[i / 64] >> (i % 64) & 1))
			continue;
		gmem_region_get(rd->map->region[i]);
		p->region[p->region_count++] = rd->map->region[i];
	}
	return 0;
}

static bool shift_allowed(unsigned int shift, unsigned int shifts)
{
	switch (shift) {
	case VIRTIO_RDMA_PAGE_SHIFT:
		return shifts & GMEM_SHIFT_4K;
	case VIRTIO_RDMA_LARGE_SHIFT:
		return shifts & GMEM_SHIFT_2M;
	default:
		return false;
	}
}

static int check_list(const struct virtio_rdma_page_list *list,
		      uint32_t expected, unsigned int shifts)
{
	uint64_t room = 1;

	if (list->reserved || list->levels > VIRTIO_RDMA_MAX_LEVELS ||
	    !shift_allowed(list->page_shift, shifts))
		return -EINVAL;
	room <<= TABLE_SHIFT * list->levels;
	if (!expected || vr_from_le32(list->page_count) != expected ||
	    expected > room)
		return -EINVAL;
	return 0;
}

int gmem_read_page_list(const struct gmem_map *m,
			const struct virtio_rdma_page_list *list,
			uint32_t expected, unsigned int shifts,
			struct gmem_account *account, struct gmem_pages *out)
{
	struct reader rd = {.map = m, .out = out, .together = true};
	int ret;

	memset(out, 0, sizeof(*out));
	ret = check_list(list, expected, shifts);
	if (ret)
		return ret;
	if (!m)
		return -EFAULT;
	ret = gmem_charge(account, expected);
	if (ret)
		return ret;
	out->account = account;
	out->charged = expected;
	out->count = expected;
	out->page_shift = list->page_shift;
	out->page = malloc((size_t)expected * sizeof(*out->page));
	if (!out->page) {
		ret = -ENOMEM;
		goto err;
	}
	if (list->levels == 0)
		ret = add_page(&rd, vr_from_le64(list->root));
	else
		ret = read_table(&rd, vr_from_le64(list->root), list->levels,
				 expected);
	if (!ret)
		ret = hold_regions(&rd);
	if (ret)
		goto err;
	if (rd.together) {
		out->linear = out->page[0];
		free(out->page);
		out->page = NULL;
	}
	return 0;

err:
	gmem_pages_put(out);
	return ret;
}

const struct gmem_region *gmem_pages_region(const struct gmem_pages *p,
					    const uint8_t *host)
{
	for (uint32_t i = 0; i < p->region_count; i++) {
		const struct gmem_region *r = p->region[i];

		/* one object may not be compared with another by pointers */
		if ((uintptr_t)host - (uintptr_t)r->host < r->size)
			return r;
	}
	return NULL;
}

int gmem_pages_of_region(struct gmem_region *r, struct gmem_pages *out)
{
	memset(out, 0, sizeof(*out));
	out->region = malloc(sizeof(*out->region));
	if (!out->region)
		return -ENOMEM;
	gmem_region_get(r);
	out->region[0] = r;
	out->region_count = 1;
	out->count = (uint32_t)(r->size >> VIRTIO_RDMA_PAGE_SHIFT);
	out->page_shift = VIRTIO_RDMA_PAGE_SHIFT;
	out->linear = r->host;
	return 0;
}

void gmem_pages_put(struct gmem_pages *p)
{
	for (uint32_t i = 0; i < p->region_count; i++)
		gmem_region_put(p->region[i]);
	free(p->region);
	free(p->page);
	gmem_uncharge(p->account, p->charged);
	memset(p, 0, sizeof(*p));
}

enum virtio_rdma_status gmem_status(int err)
{
	switch (err) {
	case 0:
		return VIRTIO_RDMA_S_OK;
	case -EINVAL:
		return VIRTIO_RDMA_S_INVALID_PARAMETER;
	case -EFAULT:
		return VIRTIO_RDMA_S_ACCESS_VIOLATION;
	case -ENOMEM:
		return VIRTIO_RDMA_S_NO_RESOURCES;
	default:
		return VIRTIO_RDMA_S_INTERNAL_ERROR;
	}
}
