/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * iwpeer.h - an iWARP peer without manners: any bytes out, exact bytes in
 *
 * DOC: Made from the RFCs alone, with nothing of the backend's, so that the two
 * check each other.  Every wait is bounded and fails the running Check test.
 */
#ifndef TESTS_IWPEER_H
#define TESTS_IWPEER_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct iwpeer {
	int fd;
	bool crc;	/* FPDUs have one, both ways */
};

/* 10.0.0.host:port.  listen: port 0 picks one, which is returned */
void iwpeer_connect(struct iwpeer *p, int host, uint16_t port);
uint16_t iwpeer_listen(int *fd, int host);
void iwpeer_accept(struct iwpeer *p, int listener);
void iwpeer_close(struct iwpeer *p);
void iwpeer_reset(struct iwpeer *p);		/* RST */
void iwpeer_finish(struct iwpeer *p);		/* FIN */

void iwpeer_send(struct iwpeer *p, const void *bytes, size_t len);
void iwpeer_hex(struct iwpeer *p, const char *text);
/* Exactly these; the other ends of a stream */
void iwpeer_read(struct iwpeer *p, void *to, size_t len);
void iwpeer_expect_hex(struct iwpeer *p, const char *text);
void iwpeer_expect_eof(struct iwpeer *p);
void iwpeer_expect_reset(struct iwpeer *p);
/* Nothing comes for so long */
void iwpeer_expect_silence(struct iwpeer *p, int ms);

/* Completes head (from the ULPDU length on, which is set if it is 0) and
 * payload to an FPDU; its size.  out has room for 64 more. */
size_t iwpeer_seal(const struct iwpeer *p, uint8_t *out, const void *head,
		   size_t head_len, const void *payload, size_t len);
void iwpeer_fpdu(struct iwpeer *p, const void *head, size_t head_len,
		 const void *payload, size_t len);
/* Headers, without length: that is set by the two above */
size_t iwpeer_tagged(uint8_t *head, uint16_t control, uint32_t stag,
		     uint64_t to);
size_t iwpeer_untagged(uint8_t *head, uint16_t control, uint32_t qn,
		       uint32_t msn, uint32_t mo);
size_t iwpeer_read_request(uint8_t *head, uint32_t msn, uint32_t sink,
			   uint32_t size, uint32_t stag, uint64_t to);
void iwpeer_rtr(struct iwpeer *p);
/* The next FPDU, its CRC checked: length field first, without pad and CRC.
 * How many bytes */
size_t iwpeer_next(struct iwpeer *p, uint8_t *out, size_t max);

uint32_t iwpeer_get32(const uint8_t *p);
uint64_t iwpeer_get64(const uint8_t *p);

#endif /* TESTS_IWPEER_H */
