/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gmem.h - the guest's memory
 *
 * DOC: A map is an immutable, refcounted, sorted list of refcounted regions.
 * A change of the guest's memory makes a new map that shares the regions that
 * stay.  Whoever keeps a host pointer keeps a reference on its region, so
 * registered memory outlives a change of the memory table: an access after
 * it hits memory that the guest no longer has, never memory of somebody else.
 *
 * The host pointers are made from the front end's descriptors, not taken from
 * the vhost-user library, whose mappings come and go with the messages.
 *
 * Everything here works on any thread that holds a reference on the map.
 */
#ifndef VRDMA_GMEM_H
#define VRDMA_GMEM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../include/virtio_rdma.h"

/* The one range test: [off, off + len) lies in [0, size).  Never adds. */
static inline bool range_within(uint64_t off, uint64_t len, uint64_t size)
{
	return off <= size && len <= size - off;
}

/* A region as the front end describes it */
struct gmem_region_desc {
	uint64_t gpa;
	uint64_t size;
	uint64_t mmap_offset;
	int fd; /* borrowed; the mapping holds the memory */
};

struct gmem_pages;

struct gmem_region {
	atomic_uint refs;
	/* constant after create */
	uint64_t gpa;
	uint64_t size;
	uint8_t *host; /* of gpa */
	void *mapping;
	size_t mapping_size;
	int fd;		    /* ours; for who maps parts of it once more */
	uint64_t fd_offset; /* of gpa in fd */
	uint64_t unit;	    /* what mmap() of fd wants multiples of */
};

#define GMEM_MAX_REGIONS 512 /* as many as the vhost-user library */

struct gmem_map {
	atomic_uint refs;
	/* constant after create */
	uint32_t count;
	struct gmem_region *region[]; /* by gpa, none overlaps another */
};

/* Entries of page lists that a guest makes us keep; any thread */
struct gmem_account {
	_Atomic uint64_t used;
	uint64_t max;
};
/* n entries more: 0 or -ENOMEM; and n less.  NULL counts nothing */
int gmem_charge(struct gmem_account *a, uint64_t n);
void gmem_uncharge(struct gmem_account *a, uint64_t n);

/* ------------------------------------------------------------------- maps */
/* Makes *out out of old (NULL: empty) and one more region.  -EINVAL: size,
 * alignment or overlap; -EPERM: the memory could be shrunk under us (no
 * F_SEAL_SHRINK and not allow_unsealed); -ENOSPC, -errno of mmap. */
int gmem_map_add(const struct gmem_map *old, const struct gmem_region_desc *d,
		 bool allow_unsealed, struct gmem_map **out);
/* Without the region with exactly this gpa and size; -ENOENT */
int gmem_map_remove(const struct gmem_map *old, uint64_t gpa, uint64_t size,
		    struct gmem_map **out);
struct gmem_map *gmem_map_get(struct gmem_map *m);
void gmem_map_put(struct gmem_map *m); /* NULL is fine */

/* The region that the page at host lies in, of those that p holds */
const struct gmem_region *gmem_pages_region(const struct gmem_pages *p,
					    const uint8_t *host);
/* The whole of r as pages, with a reference on it; 0 or -ENOMEM */
int gmem_pages_of_region(struct gmem_region *r, struct gmem_pages *out);

void gmem_region_get(struct gmem_region *r);
void gmem_region_put(struct gmem_region *r);

/* ---------------------------------------------------------------- accesses */
/* Host pointer of [gpa, gpa + len), which must lie in one region, or NULL.
 * len 0 is never found.  *region (may be NULL) is not referenced. */
void *gmem_translate(const struct gmem_map *m, uint64_t gpa, uint64_t len,
		     struct gmem_region **region);
/* 0 or -EFAULT; may span regions that lie side by side */
/* True when all of [gpa, gpa + len) is there, in whatever regions */
bool gmem_covers(const struct gmem_map *m, uint64_t gpa, uint64_t len);
int gmem_copy_in(const struct gmem_map *m, void *dst, uint64_t gpa, size_t len);
int gmem_copy_out(const struct gmem_map *m, uint64_t gpa, const void *src,
		  size_t len);

/* -------------------------------------------------------------- page lists */
/* Pages of a ring, a context page or a memory region, with a reference on
 * each region that they touch */
struct gmem_pages {
	/* what an access needs */
	uint8_t *linear; /* all pages lie together here, else NULL */
	uint8_t **page;	 /* host address of each; NULL when linear */
	uint32_t page_shift;
	uint32_t count;

	uint32_t region_count;
	struct gmem_region **region;
	struct gmem_account *account;
	uint64_t charged;
};

/* True when pages of 4 KiB are what an object of size bytes needs, and not one
 * more: what is read for it is then bounded by what it is */
static inline bool gmem_count_exact(uint32_t count, uint64_t size)
{
	return count == (size + VIRTIO_RDMA_PAGE_SIZE - 1) / VIRTIO_RDMA_PAGE_SIZE;
}

#define GMEM_SHIFT_4K (1u << 0) /* page_shift 12 may be used */
#define GMEM_SHIFT_2M (1u << 1) /* page_shift 21 may be used */

/*
 * Copies the tables in once and checks everything: reserved field, levels,
 * page_shift in shifts, page_count == expected (at least 1), alignment, each
 * page within one region.
 *
 * 0, or: -EINVAL (malformed: INVALID_PARAMETER), -EFAULT (outside guest
 * memory: ACCESS_VIOLATION), -ENOMEM (over the guest's account:
 * NO_RESOURCES).  *out is usable only after 0.  account may be NULL.
 */
int gmem_read_page_list(const struct gmem_map *m,
			const struct virtio_rdma_page_list *list,
			uint32_t expected, unsigned int shifts,
			struct gmem_account *account, struct gmem_pages *out);
/* Any thread; zeroes *p.  A zeroed *p is fine. */
void gmem_pages_put(struct gmem_pages *p);
/* The command status that goes with an error of gmem_read_page_list() */
enum virtio_rdma_status gmem_status(int err);

static inline uint64_t gmem_pages_size(const struct gmem_pages *p)
{
	return (uint64_t)p->count << p->page_shift;
}

/* Host pointer of byte off, off < gmem_pages_size() */
static inline void *gmem_pages_at(const struct gmem_pages *p, uint64_t off)
{
	if (p->linear)
		return p->linear + off;
	return p->page[off >> p->page_shift] +
	       (off & ((1ull << p->page_shift) - 1));
}

#endif /* VRDMA_GMEM_H */
