/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * iwscene.h - one guest of a real vrdmad, and a raw iWARP peer at 10.0.0.9
 */
#ifndef TESTS_IWSCENE_H
#define TESTS_IWSCENE_H

#include "fixture.h"
#include "iwpeer.h"

#define IW_PEER_HOST 9

struct iwscene {
	struct ep e;		/* the guest's end */
	struct listener l;
	struct iwpeer p;
	struct op op;		/* its Accept or Connect */
	NTSTATUS st;
	int listener;		/* the peer's, active guest only */
};

/* Check's setup and teardown: network, vrdmad, guest */
void iwscene_setup(void);
void iwscene_setup_with(const char *guest_section);
/* The worker spins so long before it sleeps */
void iwscene_setup_poll(uint32_t us);
void iwscene_teardown(void);

/* The guest listens; nobody has connected */
void iwscene_listen(struct iwscene *s, const struct ep_opts *o);
/* The peer's Request (hex; NULL: enhanced, CRC, both RTRs, depths 17) goes out */
void iwscene_request(struct iwscene *s, const char *request);
/* The guest accepts; the Reply is not read yet */
void iwscene_accept(struct iwscene *s);
/* All of it: a connection whose initiator is the peer */
void iwscene_passive(struct iwscene *s, const struct ep_opts *o);

/* The guest's Connect pends and its Request was read and checked */
void iwscene_connect(struct iwscene *s, const struct ep_opts *o);
/* The peer's Reply (hex; NULL: as another vrdmad says it) */
void iwscene_reply(struct iwscene *s, const char *reply);
/* A connection whose initiator is the guest; its ready-to-receive was read */
void iwscene_active(struct iwscene *s, const struct ep_opts *o);

/* The guest is told so, once, and Disconnect says how it ended */
void iwscene_told(struct iwscene *s, uint32_t reason, NTSTATUS then);
/* Disconnect on both sides, good manners */
void iwscene_end(struct iwscene *s);
void iwscene_close(struct iwscene *s);

/* A Terminate with this triple comes, then FIN */
void iwscene_expect_terminate(struct iwscene *s, uint8_t layer, uint8_t type,
			      uint8_t code);

#endif /* TESTS_IWSCENE_H */
