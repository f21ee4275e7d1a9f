// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fe_mem.c - guest memory of the test front end: a sealed memfd
 *
 * Pages are handed out in a shuffled order, so that every page list a test
 * makes is as scattered as a guest's memory after a week of uptime.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fe_internal.h"

static uint64_t page_gpa(const struct fe *fe, uint32_t page)
{
	uint64_t off = (uint64_t)page * FE_PAGE;
	const struct fe_region *low = &fe->region[0];

	if (off < low->size)
		return low->gpa + off;
	return fe->region[1].gpa + (off - low->size);
}

static uint32_t gpa_page(const struct fe *fe, uint64_t gpa)
{
	const struct fe_region *low = &fe->region[0];

	if (gpa >= FE_HIGH_GPA)
		return (uint32_t)((gpa - FE_HIGH_GPA + low->size) / FE_PAGE);
	return (uint32_t)((gpa - low->gpa) / FE_PAGE);
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
	return 0;
}

int fe_mem_init(struct fe *fe, size_t size)
{
	uint32_t pages = (uint32_t)(size / FE_PAGE);
	uint64_t half = size / 2;
	int err;

	fe->mem_size = size;
	fe->mem_fd = memfd_create("guest-ram", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fe->mem_fd < 0)
		return -errno;
	if (ftruncate(fe->mem_fd, (off_t)size) ||
	    fcntl(fe->mem_fd, F_ADD_SEALS,
		  F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL))
		return -errno;
	err = map_region(fe, 0, FE_LOW_GPA, half, 0);
	if (!err)
		err = map_region(fe, 1, FE_HIGH_GPA, size - half, half);
	if (err)
		return err;
	fe->free_page = malloc(pages * sizeof(*fe->free_page));
	if (!fe->free_page)
		return -ENOMEM;
	for (uint32_t i = 0; i < pages; i++)
		fe->free_page[i] = i;
	shuffle(fe->free_page, pages);
	fe->num_free = pages;
	return window_init(fe);
}

void fe_mem_fini(struct fe *fe)
{
	for (int i = 0; i < FE_REGIONS; i++)
		if (fe->region[i].va)
			munmap(fe->region[i].va, fe->region[i].size);
	if (fe->window)
		munmap(fe->window, FE_WINDOW_PAGES * FE_PAGE);
	free(fe->gpa_of);
	free(fe->free_page);
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

/* Physical pages and a place in the window; NULL: one of them ran out */
static uint8_t *take_pages(struct fe *fe, uint32_t count, uint64_t *gpa)
{
	uint8_t *va = NULL;

	pthread_mutex_lock(&fe->mem_lock);
	if (fe->num_free >= count &&
	    FE_WINDOW_PAGES - fe->window_next >= count) {
		for (uint32_t i = 0; i < count; i++) {
			gpa[i] = page_gpa(fe, fe->free_page[--fe->num_free]);
			fe->gpa_of[fe->window_next + i] = gpa[i];
		}
		va = fe->window + fe->window_next * FE_PAGE;
		fe->window_next += count;
	}
	pthread_mutex_unlock(&fe->mem_lock);
	return va;
}

static void give_pages(struct fe *fe, uint32_t count, const uint64_t *gpa)
{
	pthread_mutex_lock(&fe->mem_lock);
	for (uint32_t i = 0; i < count; i++)
		fe->free_page[fe->num_free++] = gpa_page(fe, gpa[i]);
	pthread_mutex_unlock(&fe->mem_lock);
}

/* Leave a hole that traps, so that use after free is seen */
static void close_window(uint8_t *va, uint32_t count)
{
	mmap(va, (size_t)count * FE_PAGE, PROT_NONE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

void *fe_pages_alloc(struct fe *fe, uint32_t count, uint64_t *gpa)
{
	uint8_t *va = count ? take_pages(fe, count, gpa) : NULL;

	if (!va)
		return NULL;
	for (uint32_t i = 0; i < count; i++) {
		off_t off = (off_t)gpa_page(fe, gpa[i]) * FE_PAGE;

		if (mmap(va + (size_t)i * FE_PAGE, FE_PAGE,
			 PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			 fe->mem_fd, off) == MAP_FAILED) {
			fe_pages_free(fe, va, count, gpa);
			return NULL;
		}
	}
	memset(va, 0, (size_t)count * FE_PAGE);
	return va;
}

void fe_pages_free(struct fe *fe, void *va, uint32_t count, const uint64_t *gpa)
{
	close_window(va, count);
	give_pages(fe, count, gpa);
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
