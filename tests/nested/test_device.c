// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_device.c - what a real device does to its users, and they to it
 *
 * DOC: Large regions, memory that comes and goes under way, a port that goes
 * down, a device that the host takes away.  A is guest 0 on rxe0, B guest 1 on
 * rxe1, each with a vrdmad of its own (VRDMA_BACKEND=verbs).  Runs as root, where
 * tests/nested/link.py has joined the two (make nested); each test begins by
 * mending what the one before may have left broken.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "evil.h"
#include "fixture.h"
#include "pattern.h"
#include "run.h"
#include "transport.h"

#define MIB	(1u << 20)
#define GIB	(1u << 30)
#define PAGE	4096u

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void must_run(const char *path, const char *const words[])
{
	struct ran r;

	run_program(&r, path, words);
	ck_assert_msg(r.status == 0, "%s %s: status %d: %s%s", path, words[0],
		      r.status, r.out, r.err);
}

static void link_is(const char *verb)
{
	must_run("/usr/bin/python3", WORDS("tests/nested/link.py", verb));
}

static void start(void)
{
	link_is("up");
	fx_setup();
}

/* A's vrdmad, as the operator reads it */
static void log_names(const char *what)
{
	static char text[1 << 20];
	const struct daemon *d = test_backend()->daemon(0);
	FILE *f = fopen(d->log, "r");
	size_t n;

	ck_assert_ptr_nonnull(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	ck_assert_msg(strstr(text, what), "vrdmad does not speak of %s:\n%s",
		      what, text);
}

/* The host's number of this name: its value before, for number_is() again */
static unsigned long number_is(const char *path, unsigned long value)
{
	unsigned long before = 0;
	FILE *f = fopen(path, "r+");

	ck_assert_msg(f && fscanf(f, "%lu", &before) == 1, "cannot read %s",
		      path);
	rewind(f);
	ck_assert_msg(fprintf(f, "%lu\n", value) > 0 && !fclose(f),
		      "cannot write %lu to %s", value, path);
	return before;
}

/* --- large regions --------------------------------------------------------- */

#define MAP_COUNT  "/proc/sys/vm/max_map_count"
#define HUGE_PAGES "/proc/sys/vm/nr_hugepages"

/* For a region of so many pages, once in the test and once in vrdmad; not for two */
#define MAPS_FOR_ONE 400000ul

static void stamp(uint8_t *page, uint64_t number)
{
	memcpy(page, &number, sizeof(number));
	number = ~number;
	memcpy(page + PAGE - sizeof(number), &number, sizeof(number));
}

static bool is_stamped(const uint8_t *page, uint64_t number)
{
	uint64_t last = ~number;

	return !memcmp(page, &number, sizeof(number)) &&
	       !memcmp(page + PAGE - sizeof(last), &last, sizeof(last));
}

static void ends_well(struct ep *e)
{
	assert_status(ep_next(e).Status, STATUS_SUCCESS);
}

/* Two pages of each MiB, others in each: all that an emulated wire has time for */
#define TWO (2 * PAGE)

static uint64_t sample(uint64_t mib)
{
	return mib * MIB + mib * 37 % (MIB / PAGE - 1) * PAGE;
}

static bool is_sampled(uint64_t off)
{
	uint64_t from = sample(off / MIB);

	return off >= from && off < from + TWO;
}

static void write_sample(struct pair *p, const struct mem *big, uint64_t off)
{
	NDK_SGE sge = ep_sge(&p->b, 0, TWO);

	stamp(p->b.mem.va, off / PAGE);
	stamp(p->b.mem.va + PAGE, off / PAGE + 1);
	assert_status(p->b.qp->Dispatch->NdkWrite(p->b.qp, ID(1), &sge, 1,
						  (uintptr_t)big->va + off,
						  big->remote, 0),
		      STATUS_SUCCESS);
	ends_well(&p->b);
}

static void read_sample(struct pair *p, const struct mem *big, uint64_t off)
{
	NDK_SGE sge = ep_sge(&p->b, 0, TWO);

	memset(p->b.mem.va, 0, TWO);
	assert_status(p->b.qp->Dispatch->NdkRead(p->b.qp, ID(2), &sge, 1,
						 (uintptr_t)big->va + off,
						 big->remote, 0),
		      STATUS_SUCCESS);
	ends_well(&p->b);
	ck_assert(is_stamped(p->b.mem.va, off / PAGE) &&
		  is_stamped(p->b.mem.va + PAGE, off / PAGE + 1));
}

/* B writes into A's region and reads it; all other pages are as they were */
static void sample_from_b(struct pair *p, const struct mem *big)
{
	for (uint64_t mib = 0; mib < big->size / MIB; mib++)
		write_sample(p, big, sample(mib));
	for (uint64_t off = 0; off < big->size; off += PAGE) {
		const uint8_t *page = big->va + off;

		if (is_sampled(off))
			ck_assert_msg(is_stamped(page, off / PAGE),
				      "page %llu is not itself",
				      (unsigned long long)off / PAGE);
		else
			ck_assert_uint_eq(*(const uint64_t *)(const void *)page,
					  0);
	}
	for (uint64_t mib = 0; mib < big->size / MIB; mib += 64)
		read_sample(p, big, sample(mib));
}

static void big_guest(bool huge)
{
	fx.mem = GIB + 256u * MIB;
	fe_mem_huge(huge);
	fx_new_guest(0);
	fe_mem_huge(false);
}

static void end_pair(struct pair *p)
{
	ep_disconnect_both(&p->a, &p->b);
	pair_close(p);
}

/* The same memory once more */
static NTSTATUS register_twin(struct mem *m, NDK_PD *pd)
{
	NDK_MR *mr = NULL;
	struct op op;
	NTSTATUS st;

	op_init(&op);
	st = pd->Dispatch->NdkCreateMr(pd, FALSE, op_created, &op, &mr);
	assert_status(st, STATUS_SUCCESS);
	op_init(&op);
	st = mr->Dispatch->NdkRegisterMr(mr, &m->mdl, m->size, MEM_ALL,
					 op_ended, &op);
	st = op_wait(&op, st);
	nd_close(mr);
	return st;
}

START_TEST(scattered_pages)
{
	unsigned long before = number_is(MAP_COUNT, MAPS_FOR_ONE);
	struct pair p;
	struct mem big;

	big_guest(false);
	pair_open(&p, 0, 1, NULL);
	mem_init(&big, fx.g[0], p.a.pd, GIB, MEM_ALL);
	sample_from_b(&p, &big);
	assert_status(register_twin(&big, p.a.pd),
		      STATUS_INSUFFICIENT_RESOURCES);
	log_names("vm.max_map_count");
	mem_fini(&big);
	end_pair(&p);
	number_is(MAP_COUNT, before);
}
END_TEST

START_TEST(huge_pages)
{
	/* of 2 MiB; the kernel may find fewer */
	unsigned long before = number_is(HUGE_PAGES, 640);
	struct pair p;
	struct mem big;

	big_guest(true);
	pair_open(&p, 0, 1, NULL);
	mem_init(&big, fx.g[0], p.a.pd, GIB, MEM_ALL);
	sample_from_b(&p, &big);
	mem_fini(&big);
	end_pair(&p);
	number_is(HUGE_PAGES, before);
}
END_TEST

/* --- memory that comes and goes ---------------------------------------------- */

#define PLUGGED_AT   (8ull << 30)
#define PLUGGED_SIZE (16 * MIB)
#define PIECE	     65536u

static int plugged_fd;
static uint8_t *plugged;

static void plug(void)
{
	plugged_fd = evil_memfd(PLUGGED_SIZE, F_SEAL_GROW | F_SEAL_SHRINK |
					      F_SEAL_SEAL);
	plugged = mmap(NULL, PLUGGED_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		       plugged_fd, 0);
	ck_assert_ptr_ne(plugged, MAP_FAILED);
	ck_assert_int_eq(fe_plug(tguest_fe(fx.g[0]), PLUGGED_AT, PLUGGED_SIZE,
				 plugged_fd), 0);
}

/* What A writes B has */
static void works(struct pair *p, uint32_t seed)
{
	mem_fill(&p->a.mem, seed);
	assert_status(ep_post_write(&p->a, 1, 0, PIECE, &p->b, 0, 0),
		      STATUS_SUCCESS);
	ends_well(&p->a);
	ck_assert_int_eq(mem_check(p->b.mem.va, PIECE, seed, 0), -1);
}

/* From physical memory, as a kernel consumer names it */
static NTSTATUS write_plugged(struct pair *p, uint64_t id, uint64_t off)
{
	NDK_SGE sge = { .Length = PIECE };
	UINT32 token;

	p->a.pd->Dispatch->NdkGetPrivilegedMemoryRegionToken(p->a.pd, &token);
	sge.LogicalAddress.QuadPart = (int64_t)(PLUGGED_AT + off);
	sge.MemoryRegionToken = token;
	return p->a.qp->Dispatch->NdkWrite(p->a.qp, ID(id), &sge, 1,
					   (uintptr_t)p->b.mem.va,
					   p->b.mem.remote, 0);
}

/* The guest may name it at once, though the device does not know it yet */
static void write_at_once(struct pair *p)
{
	pattern_fill(plugged, PIECE, 7);
	assert_status(write_plugged(p, 1, 0), STATUS_SUCCESS);
	ends_well(&p->a);
	ck_assert_int_eq(mem_check(p->b.mem.va, PIECE, 7, 0), -1);
}

START_TEST(memory_is_pulled_out_under_way)
{
	struct ep_opts o = { .depth = 256, .mem = PIECE, .cq_depth = 1024 };
	uint32_t posted = 0, good = 0;
	struct pair p, other;

	pair_open(&p, 0, 1, &o);
	pair_open(&other, 0, 1, NULL);
	plug();
	write_at_once(&p);
	while (posted < 256 &&
	       write_plugged(&p, posted, posted % 64 * PIECE) == STATUS_SUCCESS)
		posted++;
	ck_assert_int_eq(fe_unplug(tguest_fe(fx.g[0]), PLUGGED_AT,
				   PLUGGED_SIZE), 0);
	/* every request ends once: those in time well, one by its fault, the
	 * rest with the queue pair */
	for (uint32_t i = 0; i < posted; i++) {
		NDK_RESULT_EX r = ep_next(&p.a);

		ck_assert_uint_eq((uintptr_t)r.RequestContext, i);
		if (r.Status == STATUS_SUCCESS)
			ck_assert_uint_eq(good++, i);
	}
	printf("%u of %u writes before the memory was gone\n", good, posted);
	ck_assert(ep_idle(&p.a));
	/* of what is still there nothing is touched */
	works(&other, 9);
	end_pair(&other);
	pair_close(&p);
	munmap(plugged, PLUGGED_SIZE);
	close(plugged_fd);
}
END_TEST

/* A region keeps its memory until it is deregistered */
START_TEST(regions_outlive_their_memory)
{
	struct pair p;

	pair_open(&p, 0, 1, NULL);
	plug();
	for (int i = 0; i < 20; i++) {
		mem_fill(&p.a.mem, (uint32_t)i);
		assert_status(ep_post_write(&p.a, 1, 0, PIECE, &p.b, 0, 0),
			      STATUS_SUCCESS);
		if (i == 10)
			ck_assert_int_eq(fe_unplug(tguest_fe(fx.g[0]),
						   PLUGGED_AT, PLUGGED_SIZE), 0);
		ends_well(&p.a);
		ck_assert_int_eq(mem_check(p.b.mem.va, PIECE, (uint32_t)i, 0), -1);
	}
	end_pair(&p);
	munmap(plugged, PLUGGED_SIZE);
	close(plugged_fd);
}
END_TEST

/* --- ports and devices that go ------------------------------------------------ */

#define RECEIVES 8

/* A connection with something to lose on either side */
static void busy_pair(struct pair *p)
{
	pair_open(p, 0, 1, NULL);
	for (int i = 0; i < RECEIVES; i++) {
		assert_status(ep_post_recv(&p->a, (uint64_t)i, 0, 64),
			      STATUS_SUCCESS);
		assert_status(ep_post_recv(&p->b, (uint64_t)i, 0, 64),
			      STATUS_SUCCESS);
	}
}

/* Told once; each receive ends once, and nothing else is told */
static void has_failed(struct ep *e)
{
	struct op op;
	NTSTATUS st;

	ck_assert(wait_count(&e->indications, 1, TEST_TIMEOUT_MS));
	ck_assert_uint_eq(e->reason, VIRTIO_RDMA_R_RESET);
	st = ep_disconnect_start(e, &op);
	assert_status(op_wait(&op, st), STATUS_CONNECTION_ABORTED);
	for (uint64_t i = 0; i < RECEIVES; i++) {
		NDK_RESULT_EX r = ep_next(e);

		ck_assert_uint_eq((uintptr_t)r.RequestContext, i);
		assert_status(r.Status, STATUS_CANCELLED);
	}
	ck_assert(ep_idle(e));
	ck_assert_uint_eq(e->indications, 1);
}

/* rxe stays dead when its packets met a port that was down, with any consumer
 * (seen with rping, too); so here nobody connects again */
START_TEST(port_goes_down)
{
	struct pair p;
	struct ep a;

	busy_pair(&p);
	/* a cable that is pulled is pulled at both ends */
	must_run("/usr/sbin/ip", WORDS("link", "set", "rx0", "down"));
	has_failed(&p.a);
	has_failed(&p.b);
	log_names("port 1 is down");
	pair_close(&p);
	ep_init(&a, fx.g[0], NULL);
	ep_fini(&a);
}
END_TEST

START_TEST(port_was_down)
{
	struct pair p;

	must_run("/usr/sbin/ip", WORDS("link", "set", "rx0", "down"));
	link_is("mend");
	pair_open(&p, 0, 1, NULL);
	works(&p, 5);
	end_pair(&p);
}
END_TEST

static void connect_fails(struct ep *a, const struct sa *to)
{
	struct op op;
	NTSTATUS st = ep_connect_start(a, *to, NULL, &op);

	assert_status(op_wait(&op, st), STATUS_NETWORK_UNREACHABLE);
}

START_TEST(device_is_taken_away)
{
	struct ep a;
	struct pair p;
	struct op op;
	NTSTATUS st;

	busy_pair(&p);
	/* it returns when nobody holds the device any more */
	must_run("/usr/bin/rdma", WORDS("link", "delete", "rxe0"));
	has_failed(&p.a);
	/* B's device is there; nobody answers its DREQ any more */
	st = ep_disconnect_start(&p.b, &op);
	op_wait(&op, st);
	log_names("the device was removed");
	/* A's device in the guest is there, and has nobody to talk to */
	ep_init(&a, fx.g[0], NULL);
	connect_fails(&a, &p.l.addr);
	ep_fini(&a);
	pair_close(&p);
}
END_TEST

static void lost(void)
{
	fx_teardown();
	link_is("down");
}

int main(void)
{
	Suite *s = suite_create("device");
	TCase *tc = add_case(s, "large", 120);

	tcase_add_checked_fixture(tc, start, fx_teardown);
	tcase_add_test(tc, scattered_pages);
	tcase_add_test(tc, huge_pages);
	tc = add_case(s, "plugged", 60);
	tcase_add_checked_fixture(tc, start, fx_teardown);
	tcase_add_test(tc, memory_is_pulled_out_under_way);
	tcase_add_test(tc, regions_outlive_their_memory);
	tc = add_case(s, "lost", 60);
	tcase_add_checked_fixture(tc, start, lost);
	tcase_add_test(tc, port_was_down);
	tcase_add_test(tc, port_goes_down);
	tcase_add_test(tc, device_is_taken_away);
	return run_suite(s);
}
