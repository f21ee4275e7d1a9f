// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * iwscene.c - one guest of a real vrdmad, and a raw iWARP peer
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "iwscene.h"
#include "netns.h"

static void start(const struct daemon_opts *o)
{
	fx.mem = FX_MEM;
	ck_assert(netns_enter());
	ck_assert(daemon_start(&fx.daemon, o));
	fx.g[0] = tguest_start(fx.daemon.socket[0], fx.mem);
	ck_assert_ptr_nonnull(fx.g[0]);
}

void iwscene_setup_with(const char *guest_section)
{
	struct daemon_opts o = {.guests = 1, .guest_section = guest_section};

	start(&o);
}

#define GUEST_SECTION \
	"disconnect-timeout-ms = 5000\nrnr-timeout-ms = 300\n" \
	FX_SMALL FX_FEW_QUEUES

void iwscene_setup(void)
{
	iwscene_setup_with(GUEST_SECTION);
}

void iwscene_setup_poll(uint32_t us)
{
	char line[32];
	struct daemon_opts o = {.guests = 1, .guest_section = GUEST_SECTION,
				.vrdmad_section = line};

	snprintf(line, sizeof(line), "poll-us = %u", us);
	start(&o);
}

/* Everything was given back, in the daemon, too */
void iwscene_teardown(void)
{
	ck_assert_uint_eq(vrdma_core_object_count(tguest_core(fx.g[0])), 0);
	tguest_stop(fx.g[0]);
	fx.g[0] = NULL;
	ck_assert(daemon_alive(&fx.daemon));
	ck_assert_int_eq(daemon_stop(&fx.daemon), 0);
	daemon_cleanup(&fx.daemon);
}

/* --- passive -------------------------------------------------------------------- */

void iwscene_listen(struct iwscene *s, const struct ep_opts *o)
{
	memset(s, 0, sizeof(*s));
	s->p.fd = s->listener = -1;
	ep_init(&s->e, fx.g[0], o);
	listener_start(&s->l, s->e.adapter, sa_v4(0, 0));
}

#define REQUEST "4d504120494420526571204672616d65 58 02 0004 8011 c011"
#define REPLY	"4d504120494420526570204672616d65 58 02 0004 8011 c011"

void iwscene_request(struct iwscene *s, const char *request)
{
	iwpeer_connect(&s->p, 1, sa_port(&s->l.addr));
	iwpeer_hex(&s->p, request ? request : REQUEST);
}

void iwscene_accept(struct iwscene *s)
{
	s->st = ep_accept_start(&s->e, listener_next(&s->l), NULL, &s->op);
}

void iwscene_passive(struct iwscene *s, const struct ep_opts *o)
{
	iwscene_listen(s, o);
	iwscene_request(s, NULL);
	iwscene_accept(s);
	/* C and D, 0x08; reads: one that Accept asks for, and the extra one */
	iwpeer_expect_hex(&s->p, "4d504120494420526570204672616d65 58 02 0004 "
				 "8009 c009");
	iwpeer_rtr(&s->p);
	assert_status(op_wait(&s->op, s->st), STATUS_SUCCESS);
}

/* --- active ----------------------------------------------------------------------- */

void iwscene_connect(struct iwscene *s, const struct ep_opts *o)
{
	struct sa to = sa_v4(IW_PEER_HOST - 1, 0);

	memset(s, 0, sizeof(*s));
	s->p.fd = -1;
	ep_init(&s->e, fx.g[0], o);
	to.in.sin_port = htons(iwpeer_listen(&s->listener, IW_PEER_HOST));
	s->st = ep_connect_start(&s->e, to, "abc", &s->op);
	iwpeer_accept(&s->p, s->listener);
	iwpeer_expect_hex(&s->p, "4d504120494420526571204672616d65 58 02 0007 "
				 "8009 c009 616263");
}

void iwscene_reply(struct iwscene *s, const char *reply)
{
	iwpeer_hex(&s->p, reply ? reply : REPLY);
}

void iwscene_active(struct iwscene *s, const struct ep_opts *o)
{
	iwscene_connect(s, o);
	iwscene_reply(s, "4d504120494420526570204672616d65 58 02 0004 "
			 "8009 c009");
	assert_status(op_wait(&s->op, s->st), STATUS_SUCCESS);
	assert_status(ep_complete(&s->e), STATUS_SUCCESS);
	iwpeer_expect_hex(&s->p,
			  "000e c140 00000001 0000000000000000 ebd34c5f");
}

/* --- the end ------------------------------------------------------------------------ */

void iwscene_told(struct iwscene *s, uint32_t reason, NTSTATUS then)
{
	struct op op;

	ck_assert_msg(wait_count(&s->e.indications, 1, TEST_TIMEOUT_MS),
		      "the guest is not told");
	ck_assert_uint_eq(s->e.reason, reason);
	assert_status(op_wait(&op, ep_disconnect_start(&s->e, &op)), then);
	ck_assert_uint_eq(s->e.indications, 1);
}

void iwscene_end(struct iwscene *s)
{
	struct op op;
	NTSTATUS st = ep_disconnect_start(&s->e, &op);

	iwpeer_expect_eof(&s->p);
	iwpeer_finish(&s->p);
	assert_status(op_wait(&op, st), STATUS_SUCCESS);
	ck_assert_uint_eq(s->e.indications, 0);
}

void iwscene_close(struct iwscene *s)
{
	iwpeer_close(&s->p);
	if (s->e.conn)
		nd_close(s->e.conn);
	s->e.conn = NULL;
	if (s->l.obj)
		listener_stop(&s->l);
	if (s->listener >= 0)
		close(s->listener);
	ep_fini(&s->e);
}

void iwscene_expect_terminate(struct iwscene *s, uint8_t layer, uint8_t type,
			      uint8_t code)
{
	uint8_t f[1024];
	size_t n = iwpeer_next(&s->p, f, sizeof(f));

	ck_assert_uint_ge(n, 24);
	ck_assert_uint_eq(f[2], 0x41);
	ck_assert_uint_eq(f[3], 0x47);
	ck_assert_uint_eq(iwpeer_get32(f + 8), 2);	/* QN */
	ck_assert_uint_eq(iwpeer_get32(f + 12), 1);	/* MSN */
	ck_assert_msg(f[20] == (layer << 4 | type) && f[21] == code,
		      "Terminate %x/%x/%02x, not %x/%x/%02x", f[20] >> 4,
		      f[20] & 0xf, f[21], layer, type, code);
	iwpeer_expect_eof(&s->p);
}
