// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fe_mem.c - guest memory of the test front end: a sealed memfd
 *
 * Units of pages are handed out in a shuffled order, so that every page list a
 * test makes is as scattered as a guest's memory after a week of uptime, unless
 * fe_mem_contiguous() says otherwise.  A unit is a page of 4 KiB, or a huge one
 * (fe_mem_huge()).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fe_internal.h"

static bool huge, contiguous;

void fe_mem_huge(bool on)
{
	huge = on;
}

void fe_mem_contiguous(bool on)
{
	contiguous = on;
}

static uint64_t unit_size(const struct fe *fe)
{
	return (uint64_t)fe->unit_pages * FE_PAGE;
}

static uint64_t unit_gpa(const struct fe *fe, uint32_t unit)
{
	uint64_t off = unit * unit_size(fe);
	const struct fe_region *low = &fe->region[0];

	if (off < low->size)
		return low->gpa + off;
	return fe->region[1].gpa + (off - low->size);
}

static uint32_t gpa_unit(const struct fe *fe, uint64_t gpa)
{
	const struct fe_region *low = &fe->region[0];
	uint64_t off = gpa >= FE_HIGH_GPA ? gpa - FE_HIGH_GPA + low->size
					  : gpa - low->gpa;

	return (uint32_t)(off / unit_size(fe));
}

/* Fisher-Yates with a fixed seed: scattered, and the same in every run */
static void shuffle(uint32_t *v, uint32_t n)
{
	uint64_t x = 88172645463325252ull;

	for (uint32_t i = n - 1; i > 0; i--) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		uint32_t j = (uint32_t)(x % (i + 1));
		uint32_t t = v[i];

		v[i] = v[j];
		v[j] = t;
	}
}

static int map_region(struct fe *fe, int i, uint64_t gpa, uint64_t size,
		      uint64_t offset)
{
	void *va = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			fe->mem_fd, (off_t)offset);

	if (va == MAP_FAILED)
		return -errno;
	fe->region[i] = (struct fe_region){ gpa, size, offset, va };
	return 0;
}

static int window_init(struct fe *fe)
{
	fe->gpa_of = calloc(FE_WINDOW_PAGES, sizeof(*fe->gpa_of));
	if (!fe->gpa_of)
		return -ENOMEM;
	fe->window = mmap(NULL, FE_WINDOW_PAGES * FE_PAGE, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (fe->window == MAP_FAILED) {
		fe->window = NULL;
		return -ENOMEM;
	}
	/* its first page is where a unit may be mapped */
	fe->window_next = -((uintptr_t)fe->window / FE_PAGE) % fe->unit_pages;
	return 0;
}

static int units_init(struct fe *fe)
{
	uint32_t units = (uint32_t)(fe->mem_size / unit_size(fe));

	fe->free_unit = malloc(units * sizeof(*fe->free_unit));
	if (!fe->free_unit)
		return -ENOMEM;
	/* a stack: what lies last is handed out first */
	for (uint32_t i = 0; i < units; i++)
		fe->free_unit[i] = units - 1 - i;
	if (!contiguous)
		shuffle(fe->free_unit, units);
	fe->num_free = units;
	return 0;
}

int fe_mem_init(struct fe *fe, size_t size)
{
	uint64_t half = size / 2 / FE_HUGE_PAGE * FE_HUGE_PAGE;
	int err;

	fe->mem_size = size;
	fe->unit_pages = huge ? FE_HUGE_PAGE / FE_PAGE : 1;
	fe->mem_fd = memfd_create("guest-ram", MFD_CLOEXEC | MFD_ALLOW_SEALING |
				  (huge ? MFD_HUGETLB | MFD_HUGE_2MB : 0u));
	if (fe->mem_fd < 0)
		return -errno;
	if (ftruncate(fe->mem_fd, (off_t)size) ||
	    fcntl(fe->mem_fd, F_ADD_SEALS,
		  F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL))
		return -errno;
	err = map_region(fe, 0, FE_LOW_GPA, half, 0);
	if (!err)
		err = map_region(fe, 1, FE_HIGH_GPA, size - half, half);
	if (!err)
		err = units_init(fe);
	return err ? err : window_init(fe);
}

void fe_mem_fini(struct fe *fe)
{
	for (int i = 0; i < FE_REGIONS; i++)
		if (fe->region[i].va)
			munmap(fe->region[i].va, fe->region[i].size);
	if (fe->window)
		munmap(fe->window, FE_WINDOW_PAGES * FE_PAGE);
	free(fe->gpa_of);
	free(fe->free_unit);
	if (fe->mem_fd >= 0)
		close(fe->mem_fd);
}

void *fe_mem_at(struct fe *fe, uint64_t gpa)
{
	for (int i = 0; i < FE_REGIONS; i++) {
		const struct fe_region *r = &fe->region[i];

		if (gpa >= r->gpa && gpa - r->gpa < r->size)
			return r->va + (gpa - r->gpa);
	}
	return NULL;
}

static uint32_t units_of(const struct fe *fe, uint32_t pages)
{
	return (pages + fe->unit_pages - 1) / fe->unit_pages;
}

/* Physical pages and a place in the window; NULL: one of them ran out */
static uint8_t *take_pages(struct fe *fe, uint32_t count, uint64_t *gpa)
{
	uint32_t units = units_of(fe, count), u = fe->unit_pages;
	uint8_t *va = NULL;

	pthread_mutex_lock(&fe->mem_lock);
	if (fe->num_free >= units &&
	    FE_WINDOW_PAGES - fe->window_next >= (uint64_t)units * u) {
		for (uint32_t i = 0; i < count; i++) {
			if (i % u == 0)
				gpa[i] = unit_gpa(fe, fe->free_unit[--fe->num_free]);
			else
				gpa[i] = gpa[i - 1] + FE_PAGE;
			fe->gpa_of[fe->window_next + i] = gpa[i];
		}
		va = fe->window + fe->window_next * FE_PAGE;
		fe->window_next += (uint64_t)units * u;
	}
	pthread_mutex_unlock(&fe->mem_lock);
	return va;
}

static void give_pages(struct fe *fe, uint32_t count, const uint64_t *gpa)
{
	pthread_mutex_lock(&fe->mem_lock);
	/* the last first, so that the next to ask gets them in the same order */
	for (uint32_t n = units_of(fe, count); n > 0; n--)
		fe->free_unit[fe->num_free++] =
			gpa_unit(fe, gpa[(n - 1) * fe->unit_pages]);
	pthread_mutex_unlock(&fe->mem_lock);
}

/* Leave a hole that traps, so that use after free is seen */
static void close_window(const struct fe *fe, uint8_t *va, uint32_t count)
{
	mmap(va, units_of(fe, count) * unit_size(fe), PROT_NONE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

/* Units from page i on that lie together in the file */
static uint32_t run_of_units(const struct fe *fe, uint32_t i, uint32_t count,
			     const uint64_t *gpa)
{
	uint32_t first = gpa_unit(fe, gpa[i]), n = 1;

	while (i + n * fe->unit_pages < count &&
	       gpa_unit(fe, gpa[i + n * fe->unit_pages]) == first + n)
		n++;
	return n;
}

void *fe_pages_alloc(struct fe *fe, uint32_t count, uint64_t *gpa)
{
	uint8_t *va = count ? take_pages(fe, count, gpa) : NULL;
	uint64_t size = unit_size(fe);
	uint32_t units;

	if (!va)
		return NULL;
	for (uint32_t i = 0; i < count; i += units * fe->unit_pages) {
		units = run_of_units(fe, i, count, gpa);
		if (mmap(va + (size_t)i * FE_PAGE, units * size,
			 PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED | MAP_POPULATE, fe->mem_fd,
			 (off_t)(gpa_unit(fe, gpa[i]) * size)) == MAP_FAILED) {
			fe_pages_free(fe, va, count, gpa);
			return NULL;
		}
	}
	memset(va, 0, (size_t)count * FE_PAGE);
	return va;
}

void fe_pages_free(struct fe *fe, void *va, uint32_t count, const uint64_t *gpa)
{
	close_window(fe, va, count);
	give_pages(fe, count, gpa);
}

int fe_map_page(struct fe *fe, void *va, uint64_t gpa, bool writable)
{
	uint64_t at = gpa_unit(fe, gpa) * unit_size(fe) + gpa % unit_size(fe);
	int prot = PROT_READ | (writable ? PROT_WRITE : 0);

	if (syscall(SYS_mmap, va, FE_PAGE, prot,
		    MAP_SHARED | MAP_FIXED | MAP_POPULATE, fe->mem_fd, at) < 0)
		return -errno;
	return 0;
}

uint64_t fe_gpa(struct fe *fe, const void *va)
{
	uint64_t off = (uint64_t)((const uint8_t *)va - fe->window);

	return fe->gpa_of[off / FE_PAGE] + off % FE_PAGE;
}

uint64_t fe_gpa_end(struct fe *fe)
{
	return fe->region[1].gpa + fe->region[1].size;
}
