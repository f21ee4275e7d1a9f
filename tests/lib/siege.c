// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * siege.c - two neighbours, and a front end that breaks the protocol
 */
#include "fixture.h"
#include "siege.h"

static struct pair near; /* guests 0 and 1; guest 2 is the bad one */
struct evil evil;
static uint32_t round_nr;

void siege_setup(void)
{
	struct daemon_opts o = {.guests = 3,
				.guest_section = FX_FEW_QUEUES FX_SMALL
				"disconnect-timeout-ms = 2000\n"};

	fx_start(&o, 16u << 20);
	pair_open(&near, 0, 1, NULL);
	evil_open(&evil, fx.daemon.socket[2]);
}

void siege_neighbours(void)
{
	mem_fill(&near.a.mem, ++round_nr);
	assert_status(ep_post_write(&near.a, 1, 0, 65536, &near.b, 0, 0),
		      STATUS_SUCCESS);
	assert_status(ep_next(&near.a).Status, STATUS_SUCCESS);
	ck_assert_int_eq(mem_check(near.b.mem.va, 65536, round_nr, 0), -1);
}

static void place_is_free(void)
{
	struct tguest *g = tguest_start(fx.daemon.socket[2], 4u << 20);

	ck_assert_ptr_nonnull(g);
	vrdma_close_adapter(nd_open(g));
	tguest_stop(g);
}

void siege_teardown(void)
{
	siege_neighbours();
	evil_close(&evil);
	place_is_free();
	ck_assert_uint_eq(near.a.indications + near.b.indications, 0);
	ep_disconnect_both(&near.a, &near.b);
	pair_close(&near);
	fx_teardown();
}

void siege_ready(void) /* all that can go before goes well */
{
	ck_assert(evil_features(&evil));
	ck_assert(evil_memory(&evil));
	ck_assert(evil_ring(&evil, 0));
}

void siege_hangup(const char *what, uint32_t v)
{
	ck_assert_msg(evil_hung_up(&evil), "%s %u: not hung up on", what, v);
	ck_assert_msg(daemon_alive(&fx.daemon), "%s %u: vrdmad died", what, v);
}

void siege_again(void)
{
	evil_close(&evil);
	evil_open(&evil, fx.daemon.socket[2]);
}

/* One vrdmad for all rows of a table: a start each takes longer than the row */
void siege_rows(void (*fn)(int row), int rows)
{
	for (int i = 0; i < rows; i++) {
		fn(i);
		siege_neighbours();
		siege_again();
	}
}
