// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_virtio_pci.c - the Windows driver's virtio transport, with a device that is right
 * and many that are not
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "virtio_pci.h"

#define BAR		4
#define BAR_SIZE	0x4000u
#define COMMON		0x0000u
#define ISR		0x1000u
#define DEVICE		0x2000u
#define NOTIFY		0x3000u
#define QUEUES		5u
#define MULTIPLIER	4u

/* A device's side of the registers */
static struct dev {
	uint8_t config[256];
	uint64_t features, agreed;
	uint32_t dev_select, drv_select;
	uint8_t status, generation;
	uint16_t num_queues, select, config_vector;
	struct {
		uint16_t size, vector, enable, notify_off;
		uint64_t addr[3];
	} q[QUEUES];
	uint8_t space[64];
	/* what is wrong with it */
	bool never_resets, refuses_features, refuses_vectors, changes, gone;
	uint32_t resets_after;
	/* seen */
	uint32_t notified_at, notified;
	uint32_t stray;			/* accesses outside of all windows */
	uint32_t last_cap;
} d;

static struct vrp p;

/* --- registers ------------------------------------------------------------------------ */

static uint8_t config8(void *ctx, uint32_t offset)
{
	(void)ctx;
	ck_assert_uint_lt(offset, 256);
	return d.gone ? 0xff : d.config[offset];
}

static uint32_t config32(void *ctx, uint32_t offset)
{
	uint32_t v = 0, i;

	for (i = 0; i < 4; i++)
		v |= (uint32_t)config8(ctx, offset + i) << (8 * i);
	return v;
}

static uint64_t bar_size(void *ctx, uint8_t bar)
{
	(void)ctx;
	return bar == BAR ? BAR_SIZE : 0;
}

static uint32_t queue_read(uint32_t reg)
{
	if (d.select >= d.num_queues || d.select >= QUEUES)
		return 0;
	switch (reg) {
	case 24:
		return d.q[d.select].size;
	case 26:
		return d.q[d.select].vector;
	case 28:
		return d.q[d.select].enable;
	case 30:
		return d.q[d.select].notify_off;
	default:
		d.stray++;
		return 0;
	}
}

static uint32_t common_read(uint32_t reg, uint32_t width)
{
	switch (reg) {
	case 4:
		ck_assert_uint_eq(width, 4);
		return d.dev_select < 2 ?
			       (uint32_t)(d.features >> 32 * d.dev_select) : 0;
	case 16:
		return d.config_vector;
	case 18:
		return d.num_queues;
	case 20:
		ck_assert_uint_eq(width, 1);
		if (d.resets_after && !--d.resets_after)
			d.status = 0;
		return d.status;
	case 21:
		return d.generation;
	default:
		return queue_read(reg);
	}
}

static uint32_t reg_read(void *ctx, uint8_t bar, uint32_t offset,
			 uint32_t width)
{
	(void)ctx;
	ck_assert_uint_eq(bar, BAR);
	if (d.gone)
		return 0xffffffff >> (32 - 8 * width);
	if (offset < 56)
		return common_read(offset, width);
	if (offset >= DEVICE && offset < DEVICE + sizeof(d.space)) {
		d.generation += d.changes;
		return d.space[offset - DEVICE];
	}
	d.stray++;
	return 0;
}

static void set_status(uint32_t v)
{
	if (!v && (d.never_resets || d.resets_after))
		return;
	if (d.refuses_features)
		v &= ~(uint32_t)VRP_S_FEATURES_OK;
	d.status = (uint8_t)v;
	if (!v)
		for (uint32_t i = 0; i < QUEUES; i++)
			d.q[i].enable = 0;
}

static void queue_write(uint32_t reg, uint32_t v)
{
	uint64_t *a;

	ck_assert_uint_lt(d.select, d.num_queues);
	switch (reg) {
	case 24:
		d.q[d.select].size = (uint16_t)v;
		return;
	case 26:
		d.q[d.select].vector = d.refuses_vectors ? 0xffff : (uint16_t)v;
		return;
	case 28:
		d.q[d.select].enable = (uint16_t)v;
		return;
	}
	ck_assert(reg >= 32 && reg < 56);
	a = &d.q[d.select].addr[(reg - 32) / 8];
	if (reg % 8)
		*a = (*a & 0xffffffff) | (uint64_t)v << 32;
	else
		*a = (*a & ~0xffffffffull) | v;
}

static void common_write(uint32_t reg, uint32_t v)
{
	switch (reg) {
	case 0:
		d.dev_select = v;
		return;
	case 8:
		d.drv_select = v;
		return;
	case 12:
		d.agreed |= (uint64_t)v << 32 * d.drv_select;
		return;
	case 16:
		d.config_vector = d.refuses_vectors ? 0xffff : (uint16_t)v;
		return;
	case 20:
		set_status(v);
		return;
	case 22:
		d.select = (uint16_t)v;
		return;
	default:
		queue_write(reg, v);
	}
}

static void reg_write(void *ctx, uint8_t bar, uint32_t offset, uint32_t width,
		      uint32_t v)
{
	(void)ctx;
	ck_assert_uint_eq(bar, BAR);
	if (offset < 56) {
		common_write(offset, v);
	} else if (offset >= NOTIFY && offset < BAR_SIZE) {
		ck_assert_uint_eq(width, 2);
		d.notified_at = offset;
		d.notified = v;
	} else {
		d.stray++;
	}
}

static void rest(void *ctx)
{
	(void)ctx;
}

static const struct vrp_ops ops = {
	.config8 = config8,
	.config32 = config32,
	.bar_size = bar_size,
	.read = reg_read,
	.write = reg_write,
	.rest = rest,
};

/* --- the device that is right ------------------------------------------------------------- */

static void put32(uint32_t at, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		d.config[at + (uint32_t)i] = (uint8_t)(v >> 8 * i);
}

static uint32_t add_cap(uint8_t type, uint32_t offset, uint32_t length)
{
	uint32_t at = d.last_cap ? d.last_cap + 0x14 : 0x40;

	if (d.last_cap)
		d.config[d.last_cap + 1] = (uint8_t)at;
	else
		d.config[0x34] = (uint8_t)at;
	d.config[at] = 9;
	d.config[at + 2] = 0x14;
	d.config[at + 3] = type;
	d.config[at + 4] = BAR;
	put32(at + 8, offset);
	put32(at + 12, length);
	put32(at + 16, MULTIPLIER);
	d.last_cap = at;
	return at;
}

static void setup(void)
{
	memset(&d, 0, sizeof(d));
	put32(0, 0x106a1af4);
	d.config[6] = 0x10;
	add_cap(1, COMMON, 56);
	add_cap(3, ISR, 1);
	add_cap(4, DEVICE, sizeof(d.space));
	add_cap(2, NOTIFY, QUEUES * MULTIPLIER);
	d.features = VRP_F_VERSION_1 | 0x1f;
	d.num_queues = QUEUES;
	for (uint16_t i = 0; i < QUEUES; i++) {
		d.q[i].size = 256;
		d.q[i].notify_off = i;
	}
	for (uint8_t i = 0; i < sizeof(d.space); i++)
		d.space[i] = i;
}

static void teardown(void)
{
	ck_assert_uint_eq(d.stray, 0);
}

static const struct vrp_queue good = {
	.size = 256, .vector = 1, .desc = 0x123456789000, .driver = 0x22000,
	.device = 0x33000,
};

START_TEST(all_the_way)
{
	uint64_t got;
	uint8_t b[8];

	ck_assert_int_eq(vrp_probe(&p, &ops, NULL), 0);
	ck_assert_int_eq(vrp_reset(&p), 0);
	ck_assert_int_eq(vrp_negotiate(&p, 0x105, &got), 0);
	ck_assert_uint_eq(got, VRP_F_VERSION_1 | 5);
	ck_assert_uint_eq(d.agreed, got);
	ck_assert_uint_eq(d.status, VRP_S_ACKNOWLEDGE | VRP_S_DRIVER |
				    VRP_S_FEATURES_OK);
	ck_assert_uint_eq(vrp_num_queues(&p), QUEUES);
	ck_assert_int_eq(vrp_config_vector(&p, 0), 0);
	vrp_notify(&p, 3);			/* not set up: nothing */
	ck_assert_uint_eq(d.notified_at, 0);
	ck_assert_int_eq(vrp_queue_setup(&p, 3, &good), 0);
	ck_assert_uint_eq(d.q[3].addr[0], good.desc);
	ck_assert_uint_eq(d.q[3].addr[1], good.driver);
	ck_assert_uint_eq(d.q[3].addr[2], good.device);
	ck_assert_uint_eq(d.q[3].enable, 1);
	vrp_driver_ok(&p);
	ck_assert(d.status & VRP_S_DRIVER_OK);
	vrp_notify(&p, 3);
	ck_assert_uint_eq(d.notified_at, NOTIFY + 3 * MULTIPLIER);
	ck_assert_uint_eq(d.notified, 3);
	ck_assert_int_eq(vrp_config_read(&p, 5, b, sizeof(b)), 0);
	ck_assert_mem_eq(b, d.space + 5, sizeof(b));
	ck_assert(!vrp_gone(&p));
	/* after a reset a queue is not notified any more, and may be set up again */
	ck_assert_int_eq(vrp_reset(&p), 0);
	d.notified_at = 0;
	vrp_notify(&p, 3);
	ck_assert_uint_eq(d.notified_at, 0);
	ck_assert_int_eq(vrp_queue_setup(&p, 3, &good), 0);
}
END_TEST

START_TEST(first_of_a_kind_counts)
{
	add_cap(1, 0x1004, 56);
	ck_assert_int_eq(vrp_probe(&p, &ops, NULL), 0);
	ck_assert_uint_eq(p.common.offset, COMMON);
}
END_TEST

/* --- capabilities that lie --------------------------------------------------------------- */

static uint32_t cap_of(uint8_t type)
{
	uint32_t at = d.config[0x34];

	while (d.config[at + 3] != type)
		at = d.config[at + 1];
	return at;
}

static void probe_says(int want)
{
	ck_assert_int_eq(vrp_probe(&p, &ops, NULL), want);
	setup();
}

START_TEST(capabilities)
{
	static const uint8_t needed[] = { 1, 2, 4 };

	d.config[6] = 0;
	probe_says(-ENODEV);
	d.config[0x34] = 0;
	probe_says(-ENODEV);
	d.config[0x34] = 0x20;		/* into the header */
	probe_says(-ENODEV);
	for (size_t i = 0; i < sizeof(needed); i++) {
		d.config[cap_of(needed[i]) + 3] = 77;
		probe_says(-ENODEV);
		d.config[cap_of(needed[i]) + 4] = 6;	/* to be ignored */
		probe_says(-ENODEV);
		d.config[cap_of(needed[i]) + 4] = 0;	/* a bar without memory */
		probe_says(-EINVAL);
		d.config[cap_of(needed[i]) + 2] = 12;	/* too short */
		probe_says(-EINVAL);
		put32(cap_of(needed[i]) + 8, BAR_SIZE);
		probe_says(-EINVAL);
		put32(cap_of(needed[i]) + 8, 0xfffffffc);
		probe_says(-EINVAL);
		put32(cap_of(needed[i]) + 8, 0x2002);	/* not aligned */
		probe_says(-EINVAL);
		put32(cap_of(needed[i]) + 12, BAR_SIZE + 1);
		probe_says(-EINVAL);
		put32(cap_of(needed[i]) + 12, 0xffffffff);
		probe_says(-EINVAL);
		put32(cap_of(needed[i]) + 12, 0);
		probe_says(-EINVAL);
	}
	put32(cap_of(1) + 12, 55);
	probe_says(-ENODEV);
	d.config[d.last_cap + 1] = d.config[0x34];	/* in circles */
	probe_says(-EINVAL);
	d.config[cap_of(2) + 2] = 16;			/* no multiplier */
	probe_says(-EINVAL);
	d.config[d.last_cap + 1] = 0xfc;		/* at the very end */
	probe_says(0);
}
END_TEST

/* --- a device that does not do its part ----------------------------------------------------- */

static void probe_good(void)
{
	setup();
	ck_assert_int_eq(vrp_probe(&p, &ops, NULL), 0);
}

START_TEST(resets)
{
	probe_good();
	d.status = 7;
	d.resets_after = 50;
	ck_assert_int_eq(vrp_reset(&p), 0);
	d.status = 7;
	d.never_resets = true;
	ck_assert_int_eq(vrp_reset(&p), -ETIMEDOUT);
	d.gone = true;
	ck_assert_int_eq(vrp_reset(&p), -ENODEV);
	ck_assert(vrp_gone(&p));
}
END_TEST

START_TEST(features)
{
	uint64_t got;

	probe_good();
	d.features = 0x1f;
	ck_assert_int_eq(vrp_negotiate(&p, 1, &got), -EPROTO);
	probe_good();
	d.features |= VRP_F_ACCESS_PLATFORM;
	ck_assert_int_eq(vrp_negotiate(&p, 1, &got), -EPROTO);
	probe_good();
	d.refuses_features = true;
	ck_assert_int_eq(vrp_negotiate(&p, 1, &got), -EPROTO);
	vrp_failed(&p);
	ck_assert(d.status & VRP_S_FAILED);
}
END_TEST

static void setup_says(struct vrp_queue q, uint16_t index, int want)
{
	ck_assert_int_eq(vrp_queue_setup(&p, index, &q), want);
	if (want && index < QUEUES)
		ck_assert_uint_eq(d.q[index].enable, 0);
	probe_good();
}

START_TEST(queues)
{
	struct vrp_queue q = good;

	probe_good();
	setup_says(good, QUEUES, -EINVAL);
	setup_says(good, 0xffff, -EINVAL);
	q.size = 0;
	setup_says(q, 0, -EINVAL);
	q.size = 100;
	setup_says(q, 0, -EINVAL);
	q.size = 512;
	setup_says(q, 0, -EINVAL);
	d.q[1].size = 0;			/* "not available" */
	setup_says(good, 1, -EINVAL);
	d.q[1].notify_off = QUEUES;		/* outside of the window */
	setup_says(good, 1, -EINVAL);
	d.q[1].notify_off = 0xffff;
	setup_says(good, 1, -EINVAL);
	d.refuses_vectors = true;
	setup_says(good, 1, -EIO);
	d.refuses_vectors = true;
	ck_assert_int_eq(vrp_config_vector(&p, 0), -EIO);
	probe_good();
	ck_assert_int_eq(vrp_queue_setup(&p, 1, &good), 0);
	ck_assert_int_eq(vrp_queue_setup(&p, 1, &good), -EINVAL);
	vrp_notify(&p, 0xffff);
	/* a device without end announces more than fit here */
	d.num_queues = 0xffff;
	ck_assert_int_eq(vrp_queue_setup(&p, VRP_MAX_QUEUES, &good), -EINVAL);
}
END_TEST

START_TEST(configuration)
{
	uint8_t b[sizeof(d.space) + 1];

	probe_good();
	ck_assert_int_eq(vrp_config_read(&p, 0, b, sizeof(d.space)), 0);
	ck_assert_int_eq(vrp_config_read(&p, 0, b, sizeof(b)), -EINVAL);
	ck_assert_int_eq(vrp_config_read(&p, sizeof(d.space), b, 0), 0);
	ck_assert_int_eq(vrp_config_read(&p, 0xffffffff, b, 2), -EINVAL);
	d.changes = true;
	ck_assert_int_eq(vrp_config_read(&p, 0, b, 4), -EIO);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("virtio_pci");
	TCase *tc;

#define CASE(name)							\
	tc = add_case(s, #name, 20);					\
	tcase_add_checked_fixture(tc, setup, teardown);			\
	tcase_add_test(tc, name)
	CASE(all_the_way);
	CASE(first_of_a_kind_counts);
	CASE(capabilities);
	CASE(resets);
	CASE(features);
	CASE(queues);
	CASE(configuration);
	return run_suite(s);
}
