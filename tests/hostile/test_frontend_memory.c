// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_frontend_memory.c - right vhost-user messages with wrong values: queues,
 * rings, kicks, memory
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixture.h"
#include "siege.h"

/* --- queues ---------------------------------------------------------- */

#define STATE(r, i, n)                                                         \
	{                                                                      \
		VHOST_USER_##r, 8,                                             \
		{                                                              \
			(uint64_t)(n) << 32 | (i)                              \
		}                                                              \
	}
#define RING(i, d, a, u)                                                       \
	{                                                                      \
		VHOST_USER_SET_VRING_ADDR, 40,                                 \
		{                                                              \
			(i), (d), (u), (a), 0                                  \
		}                                                              \
	}
#define AT(x) (EVIL_UADDR + (x))
static const struct {
	uint32_t request, size;
	uint64_t body[5];
} queue_lies[] = {
	STATE(SET_VRING_NUM, 256, 16),
	STATE(SET_VRING_NUM, 0xffffffff, 16),
	STATE(SET_VRING_NUM, 0, 0),
	STATE(SET_VRING_NUM, 0, 3),
	STATE(SET_VRING_NUM, 0, 2048),
	STATE(SET_VRING_NUM, 0, 0x80000000),
	STATE(SET_VRING_BASE, 256, 0),
	STATE(SET_VRING_BASE, 0, 65536),
	STATE(GET_VRING_BASE, 256, 0),
	STATE(GET_VRING_BASE, 0x80000000, 0),
	STATE(SET_VRING_ENABLE, 256, 1),
	STATE(SET_VRING_ENABLE, 0, 2),
	RING(256, AT(0), AT(1024), AT(2048)),
	RING(0xffffffff, AT(0), AT(1024), AT(2048)),
	RING(0, AT(8), AT(1024), AT(2048)),
	RING(0, AT(0), AT(1025), AT(2048)),
	RING(0, AT(0), AT(1024), AT(2050)),
	RING(0, AT(EVIL_MEM - 16), AT(1024), AT(2048)),
	RING(0, AT(0), AT(EVIL_MEM - 2), AT(2048)),
	RING(0, AT(0), AT(1024), AT(EVIL_MEM - 4)),
	RING(0, AT(EVIL_MEM), AT(1024), AT(2048)),
	RING(0, EVIL_UADDR - 16, AT(1024), AT(2048)),
	RING(0, 0, 0, 0),
	RING(0, ~0ull - 15, AT(1024), AT(2048)),
	RING(1, AT(0), AT(1024), AT(2048)),	 /* no size was set */
	{VHOST_USER_SET_VRING_KICK, 8, {0x100}}, /* NOFD */
	{VHOST_USER_SET_VRING_KICK, 8, {0x200}},
	{VHOST_USER_SET_VRING_CALL, 8, {1ull << 63 | 0x100}},
	{VHOST_USER_SET_FEATURES, 8, {1ull << 30}}, /* no VERSION_1 */
	{VHOST_USER_SET_FEATURES, 8, {1ull << 32 | 1ull << 34}},
	{VHOST_USER_SET_PROTOCOL_FEATURES, 8, {1ull << 12}}, /* in-flight */
	{VHOST_USER_SET_PROTOCOL_FEATURES, 8, {~0ull}},
	{VHOST_USER_GET_CONFIG, 12, {8ull << 32}}, /* 8 bytes, 0 sent */
};
#define LIES (int)(sizeof(queue_lies) / sizeof(queue_lies[0]))

static void value_that_cannot_be(int row)
{
	siege_ready();
	evil_say(&evil, queue_lies[row].request, queue_lies[row].body,
		 queue_lies[row].size, NULL, 0);
	siege_hangup("row", (uint32_t)row);
}

START_TEST(values_that_cannot_be)
{
	siege_rows(value_that_cannot_be, LIES);
}
END_TEST

START_TEST(a_started_queue_stays_as_it_is)
{
	static const int rows[] = {0, 1, 2, 3, 4};
	struct vhost_user_vring_state num = {0, 32};
	struct vhost_user_vring_addr a = {
		.desc = AT(4096), .avail = AT(8192), .used = AT(12288)};
	struct vhost_user_mem_reg m = {
		.gpa = EVIL_GPA, .size = EVIL_MEM, .uaddr = EVIL_UADDR};
	uint64_t zero = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		siege_ready();
		ck_assert(evil_kick(&evil, 0));
		if (i == 0)
			evil_say(&evil, VHOST_USER_SET_VRING_NUM, &num, 8, NULL,
				 0);
		else if (i == 1)
			evil_say(&evil, VHOST_USER_SET_VRING_ADDR, &a, 40, NULL,
				 0);
		else if (i == 2)
			evil_say(&evil, VHOST_USER_SET_VRING_BASE, &num, 8,
				 NULL, 0);
		else if (i == 3)
			evil_say(&evil, VHOST_USER_SET_VRING_KICK, &zero, 8,
				 &evil.event_fd, 1);
		else /* its memory goes */
			evil_say(&evil, VHOST_USER_REM_MEM_REG, &m, sizeof(m),
				 NULL, 0);
		siege_hangup("step", (uint32_t)i);
		siege_again();
	}
}
END_TEST

START_TEST(kick_without_rings)
{
	uint64_t zero = 0;

	ck_assert(evil_features(&evil));
	evil_say(&evil, VHOST_USER_SET_VRING_KICK, &zero, 8, &evil.event_fd, 1);
	siege_hangup("kick", 0);
}
END_TEST

/* What cannot be watched for kicks */
START_TEST(kick_with_a_strange_descriptor)
{
	int fd = _i == 0   ? open("/dev/null", O_RDWR | O_CLOEXEC)
		 : _i == 1 ? open("/", O_RDONLY | O_CLOEXEC)
			   : dup(evil.mem_fd);
	uint64_t zero = 0;

	siege_ready();
	evil_say(&evil, VHOST_USER_SET_VRING_KICK, &zero, 8, &fd, 1);
	siege_hangup("kind", (uint32_t)_i);
	close(fd);
}
END_TEST

/* A descriptor at its end, or always ready: the loop must not spin or block */
START_TEST(kick_that_is_always_ready)
{
	uint64_t zero = 0;
	int p[2];

	siege_ready();
	ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
	close(p[1]);
	ck_assert(
		evil_say(&evil, VHOST_USER_SET_VRING_KICK, &zero, 8, &p[0], 1));
	close(p[0]);
	ck_assert(evil_alive(&evil));
	siege_neighbours();
}
END_TEST

/* --- memory ---------------------------------------------------------- */

static const struct {
	struct vhost_user_mem_reg m;
	enum { SEALED, UNSEALED, NO_FILE, READ_ONLY } file;
} regions[] = {
	{{0, EVIL_GPA, 0, EVIL_UADDR, 0}, SEALED},
	{{0, EVIL_GPA + 1, 4096, EVIL_UADDR, 0}, SEALED},
	{{0, EVIL_GPA, 4097, EVIL_UADDR, 0}, SEALED},
	{{0, EVIL_GPA, 4096, EVIL_UADDR, 1}, SEALED},
	{{0, EVIL_GPA, EVIL_MEM + 4096, EVIL_UADDR, 0}, SEALED},
	{{0, EVIL_GPA, 4096, EVIL_UADDR, EVIL_MEM}, SEALED},
	{{0, EVIL_GPA, EVIL_MEM, EVIL_UADDR, 4096}, SEALED},
	{{0, EVIL_GPA, 4096, EVIL_UADDR, ~0ull - 4095}, SEALED},
	{{0, EVIL_GPA, 8192, EVIL_UADDR, ~0ull - 4095}, SEALED},
	{{0, EVIL_GPA, 1ull << 63, EVIL_UADDR, 0}, SEALED},
	{{0, ~0ull - 4095, 8192, EVIL_UADDR, 0}, SEALED},
	{{0, EVIL_GPA, 8192, ~0ull - 4095, 0}, SEALED},
	{{0, EVIL_GPA, EVIL_MEM, EVIL_UADDR, 0}, UNSEALED},
	{{0, EVIL_GPA, 4096, EVIL_UADDR, 0}, NO_FILE},
	{{0, EVIL_GPA, 4096, EVIL_UADDR, 0}, READ_ONLY},
};

#define REGIONS (int)(sizeof(regions) / sizeof(regions[0]))

static int region_fd(int file)
{
	char path[64];
	int fd;

	if (file == UNSEALED)
		return evil_memfd(EVIL_MEM, F_SEAL_GROW);
	if (file == NO_FILE)
		return dup(evil.event_fd);
	if (file == SEALED)
		return dup(evil.mem_fd);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", evil.mem_fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	return fd;
}

/* The same by ADD_MEM_REG and by a table of one */
static void region_that_cannot_be(int row)
{
	struct {
		uint32_t n, pad;
		uint64_t gpa, size, uaddr, offset;
	} t = {1,
	       0,
	       regions[row].m.gpa,
	       regions[row].m.size,
	       regions[row].m.uaddr,
	       regions[row].m.mmap_offset};
	int fd = region_fd(regions[row].file);

	ck_assert(evil_features(&evil));
	evil_say(&evil, VHOST_USER_ADD_MEM_REG, &regions[row].m,
		 sizeof(regions[row].m), &fd, 1);
	siege_hangup("region", (uint32_t)row);
	siege_again();
	evil_say(&evil, VHOST_USER_SET_MEM_TABLE, &t, sizeof(t), &fd, 1);
	siege_hangup("table", (uint32_t)row);
	close(fd);
}

START_TEST(memory_that_cannot_be)
{
	siege_rows(region_that_cannot_be, REGIONS);
}
END_TEST

START_TEST(overlapping_memory)
{
	static const uint64_t gpa[] = {EVIL_GPA, EVIL_GPA - 4096,
				       EVIL_GPA + EVIL_MEM - 4096};
	struct vhost_user_mem_reg m = {
		.gpa = gpa[_i], .size = 8192, .uaddr = EVIL_UADDR - (1u << 30)};

	siege_ready();
	evil_say(&evil, VHOST_USER_ADD_MEM_REG, &m, sizeof(m), &evil.mem_fd, 1);
	siege_hangup("overlap", (uint32_t)_i);
}
END_TEST

START_TEST(memory_that_is_not_there_is_removed)
{
	struct vhost_user_mem_reg m = {.gpa = EVIL_GPA + 4096,
				       .size = EVIL_MEM - 4096,
				       .uaddr = EVIL_UADDR + 4096};

	siege_ready();
	evil_say(&evil, VHOST_USER_REM_MEM_REG, &m, sizeof(m), NULL, 0);
	siege_hangup("region", 0);
}
END_TEST

START_TEST(tables_that_do_not_add_up)
{
	struct {
		uint32_t n, pad;
		uint64_t region[8][4];
	} t = {.n = 2,
	       .region = {{EVIL_GPA, 4096, EVIL_UADDR, 0},
			  {EVIL_GPA, 4096, EVIL_UADDR, 0}}};
	int fds[3] = {evil.mem_fd, evil.mem_fd, evil.mem_fd};
	static const struct {
		uint32_t n, size;
		int fds;
	} row[] =
		{
			{2, 40, 2}, {2, 72, 1},	 {1, 72, 2},
			{0, 40, 1}, {9, 264, 3}, {0xffffffff, 264, 3},
			{2, 72, 2}, /* counts are right, regions overlap */
		};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		t.n = row[i].n;
		evil_say(&evil, VHOST_USER_SET_MEM_TABLE, &t, row[i].size, fds,
			 row[i].fds);
		siege_hangup("row", (uint32_t)i);
		siege_again();
	}
}
END_TEST

/* As many regions as the device says it takes, and one more */
START_TEST(too_many_regions)
{
	uint32_t n = 0;

	ck_assert(evil_features(&evil));
	for (; n < 600; n++) {
		struct vhost_user_mem_reg m = {.gpa = EVIL_GPA + n * 8192ull,
					       .size = 4096,
					       .uaddr = EVIL_UADDR +
							n * 8192ull};

		if (!evil_say(&evil, VHOST_USER_ADD_MEM_REG, &m, sizeof(m),
			      &evil.mem_fd, 1))
			break;
		if (n < 500)
			ck_assert_msg(n % 50 || evil_alive(&evil), "after %u",
				      n);
	}
	siege_hangup("regions", n);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hostile memory");
	TCase *tc = add_case(s, "values", 60);

	tcase_add_checked_fixture(tc, siege_setup, siege_teardown);
	tcase_add_test(tc, values_that_cannot_be);
	tcase_add_test(tc, a_started_queue_stays_as_it_is);
	tcase_add_test(tc, kick_without_rings);
	tcase_add_loop_test(tc, kick_with_a_strange_descriptor, 0, 3);
	tcase_add_test(tc, kick_that_is_always_ready);
	tcase_add_test(tc, memory_that_cannot_be);
	tcase_add_loop_test(tc, overlapping_memory, 0, 3);
	tcase_add_test(tc, memory_that_is_not_there_is_removed);
	tcase_add_test(tc, tables_that_do_not_add_up);
	tcase_add_test(tc, too_many_regions);
	return run_suite(s);
}
