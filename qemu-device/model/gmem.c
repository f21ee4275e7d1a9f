/* SPDX-License-Identifier: GPL-2.0-or-later */
/* gmem.c - maps of the guest's memory; see gmem.h.  Page lists: gmem_pages.c */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "gmem.h"

/* ----------------------------------------------------------------- regions */

/* What mmap() wants offset and length to be multiples of */
static uint64_t mapping_unit(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) == 0 && fs.f_type == HUGETLBFS_MAGIC)
		return (uint64_t)fs.f_bsize;
	return (uint64_t)sysconf(_SC_PAGESIZE);
}

/* An access beyond the end of the file is a SIGBUS: the file must be long
 * enough now and unable to get shorter. */
static int check_file(int fd, uint64_t end, bool allow_unsealed)
{
	struct stat st;
	int seals;

	/* Before anything that asks the file system, which may be one that
	 * the front end itself serves, and slow to answer */
	seals = fcntl(fd, F_GET_SEALS);
	if (!allow_unsealed && (seals < 0 || !(seals & F_SEAL_SHRINK)))
		return -EPERM;
	if (fstat(fd, &st) < 0)
		return -errno;
	return st.st_size < 0 || (uint64_t)st.st_size < end ? -EINVAL : 0;
}

static int check_desc(const struct gmem_region_desc *d)
{
	uint64_t page = VIRTIO_RDMA_PAGE_SIZE;

	if (!d->size || (d->gpa | d->size | d->mmap_offset) % page)
		return -EINVAL;
	if (!range_within(d->gpa, d->size, UINT64_MAX) ||
	    !range_within(d->mmap_offset, d->size, INT64_MAX))
		return -EINVAL;
	return 0;
}

/*
 * Guests are alike, and the kernel maps one below the other: what has the same
 * guest-physical address in two of them is apart by a sum of their sizes here, and
 * so by a multiple of 256 MiB more often than not.  There AMD's CPUs, whose first
 * level cache tells lines apart by bits 12 to 27 of the virtual address, take the
 * one for the other, and a copy between them runs at three quarters of its speed.
 * So regions have colours, and where memory is mapped has the colour in these bits,
 * as far above the guest's address.
 */
#define COLOUR_UNIT	(2ull << 20)	/* huge pages stay aligned */
#define COLOURS		128u
#define COLOUR_SPAN	(COLOURS * COLOUR_UNIT)

static uint64_t next_colour(void)
{
	static atomic_uint regions;

	return atomic_fetch_add(&regions, 1) % COLOURS * COLOUR_UNIT;
}

/* like: what the address is to be like, but for the colour */
static void *map_coloured(uint64_t len, int flags, int fd, uint64_t offset,
			  uint64_t like)
{
	uint8_t *all = mmap(NULL, len + COLOUR_SPAN, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint8_t *at, *end = all + len + COLOUR_SPAN;

	if (all == MAP_FAILED)
		return MAP_FAILED;
	at = all + (like + next_colour() - (uintptr_t)all) % COLOUR_SPAN;
	if (mmap(at, len, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd,
		 (off_t)offset) == MAP_FAILED) {
		munmap(all, len + COLOUR_SPAN);
		return MAP_FAILED;
	}
	if (at > all)
		munmap(all, (size_t)(at - all));
	if (at + len < end)
		munmap(at + len, (size_t)(end - (at + len)));
	return at;
}

/* unit: of the file's pages; one of a larger kind has its own alignment */
static void *map_region(uint64_t len, uint64_t unit, int fd, uint64_t offset,
			uint64_t gpa)
{
	int flags = MAP_SHARED;

	/* Huge pages are reserved here, if the front end has not done so: it
	 * is refused, then, instead of a SIGBUS when the pool is empty. */
	if (unit == (uint64_t)sysconf(_SC_PAGESIZE))
		flags |= MAP_NORESERVE;
	if (COLOUR_UNIT % unit)
		return mmap(NULL, len, PROT_READ | PROT_WRITE, flags, fd,
			    (off_t)offset);
	return map_coloured(len, flags, fd, offset, gpa / unit * unit);
}

static struct gmem_region *region_create(const struct gmem_region_desc *d,
					 bool allow_unsealed, int *err)
{
	uint64_t unit, skip, len;
	struct gmem_region *r;

	*err = check_desc(d);
	if (!*err)
		*err = check_file(d->fd, d->mmap_offset + d->size,
				  allow_unsealed);
	if (*err)
		return NULL;
	unit = mapping_unit(d->fd);
	skip = d->mmap_offset % unit;
	len = (skip + d->size + unit - 1) / unit * unit;

	*err = -ENOMEM;
	r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	r->fd = fcntl(d->fd, F_DUPFD_CLOEXEC, 0);
	if (r->fd < 0) {
		*err = -errno;
		free(r);
		return NULL;
	}
	r->mapping = map_region(len, unit, d->fd, d->mmap_offset - skip,
				d->gpa - skip);
	if (r->mapping == MAP_FAILED) {
		*err = -errno;
		close(r->fd);
		free(r);
		return NULL;
	}
	/* guest memory does not belong in a core file of ours */
	madvise(r->mapping, len, MADV_DONTDUMP);
	r->mapping_size = len;
	r->gpa = d->gpa;
	r->size = d->size;
	r->host = (uint8_t *)r->mapping + skip;
	r->fd_offset = d->mmap_offset;
	r->unit = unit;
	atomic_init(&r->refs, 1);
	*err = 0;
	return r;
}

void gmem_region_get(struct gmem_region *r)
{
	atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
}

void gmem_region_put(struct gmem_region *r)
{
	if (atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1)
		return;
	munmap(r->mapping, r->mapping_size);
	close(r->fd);
	free(r);
}

/* -------------------------------------------------------------------- maps */

static struct gmem_map *map_alloc(uint32_t count)
{
	struct gmem_map *m;

	m = calloc(1, sizeof(*m) + count * sizeof(void *));
	if (!m)
		return NULL;
	atomic_init(&m->refs, 1);
	m->count = count;
	return m;
}

/* Place of the first region that ends behind gpa */
static uint32_t map_lower(const struct gmem_map *m, uint64_t gpa)
{
	uint32_t lo = 0, hi = m ? m->count : 0;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		const struct gmem_region *r = m->region[mid];

		if (gpa >= r->gpa && gpa - r->gpa >= r->size)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool overlaps(const struct gmem_map *m, uint32_t at,
		     const struct gmem_region_desc *d)
{
	const struct gmem_region *r;

	if (!m || at == m->count)
		return false;
	r = m->region[at];
	return r->gpa <= d->gpa || r->gpa - d->gpa < d->size;
}

int gmem_map_add(const struct gmem_map *old, const struct gmem_region_desc *d,
		 bool allow_unsealed, struct gmem_map **out)
{
	uint32_t count = old ? old->count : 0;
	struct gmem_region *r;
	struct gmem_map *m;
	uint32_t at;
	int ret;

	if (count == GMEM_MAX_REGIONS)
		return -ENOSPC;
	at = map_lower(old, d->gpa);
	if (overlaps(old, at, d))
		return -EINVAL;
	r = region_create(d, allow_unsealed, &ret);
	if (!r)
		return ret;
	m = map_alloc(count + 1);
	if (!m) {
		gmem_region_put(r);
		return -ENOMEM;
	}
	m->region[at] = r;
	for (uint32_t i = 0; i < count; i++) {
		gmem_region_get(old->region[i]);
		m->region[i < at ? i : i + 1] = old->region[i];
	}
	*out = m;
	return 0;
}

int gmem_map_remove(const struct gmem_map *old, uint64_t gpa, uint64_t size,
		    struct gmem_map **out)
{
	uint32_t at = map_lower(old, gpa), n = 0;
	struct gmem_map *m;

	if (!old || at == old->count || old->region[at]->gpa != gpa ||
	    old->region[at]->size != size)
		return -ENOENT;
	m = map_alloc(old->count - 1);
	if (!m)
		return -ENOMEM;
	for (uint32_t i = 0; i < old->count; i++) {
		if (i == at)
			continue;
		gmem_region_get(old->region[i]);
		m->region[n++] = old->region[i];
	}
	*out = m;
	return 0;
}

struct gmem_map *gmem_map_get(struct gmem_map *m)
{
	atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
	return m;
}

void gmem_map_put(struct gmem_map *m)
{
	if (!m ||
	    atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (uint32_t i = 0; i < m->count; i++)
		gmem_region_put(m->region[i]);
	free(m);
}

/* ---------------------------------------------------------------- accesses */

static struct gmem_region *find_region(const struct gmem_map *m, uint64_t gpa)
{
	uint32_t at = map_lower(m, gpa);

	if (!m || at == m->count || gpa < m->region[at]->gpa)
		return NULL;
	return m->region[at];
}

void *gmem_translate(const struct gmem_map *m, uint64_t gpa, uint64_t len,
		     struct gmem_region **region)
{
	struct gmem_region *r = find_region(m, gpa);

	if (!r || !len || !range_within(gpa - r->gpa, len, r->size))
		return NULL;
	if (region)
		*region = r;
	return r->host + (gpa - r->gpa);
}

/* Host pointer of gpa and, in *len, how much of it lies together */
static uint8_t *piece(const struct gmem_map *m, uint64_t gpa, size_t *len)
{
	struct gmem_region *r = find_region(m, gpa);

	if (!r)
		return NULL;
	if (!range_within(gpa - r->gpa, *len, r->size))
		*len = r->size - (gpa - r->gpa);
	return r->host + (gpa - r->gpa);
}

bool gmem_covers(const struct gmem_map *m, uint64_t gpa, uint64_t len)
{
	while (len) {
		size_t n = len;

		if (!piece(m, gpa, &n))
			return false;
		gpa += n;
		len -= n;
	}
	return true;
}

int gmem_copy_in(const struct gmem_map *m, void *dst, uint64_t gpa, size_t len)
{
	uint8_t *to = dst;

	while (len) {
		size_t n = len;
		const uint8_t *from = piece(m, gpa, &n);

		if (!from)
			return -EFAULT;
		memcpy(to, from, n);
		to += n;
		gpa += n;
		len -= n;
	}
	return 0;
}

int gmem_copy_out(const struct gmem_map *m, uint64_t gpa, const void *src,
		  size_t len)
{
	const uint8_t *from = src;

	while (len) {
		size_t n = len;
		uint8_t *to = piece(m, gpa, &n);

		if (!to)
			return -EFAULT;
		memcpy(to, from, n);
		from += n;
		gpa += n;
		len -= n;
	}
	return 0;
}
