/* SPDX-License-Identifier: GPL-2.0-or-later */
/* frames.c - whole FPDUs that carry no guest memory */
#include <string.h>

#include "iw.h"

size_t iw_frame_seal(uint8_t *fpdu, size_t len, bool crc)
{
	uint32_t pad = rdmap_pad((uint32_t)len - 2);

	memset(fpdu + len, 0, pad + RDMAP_CRC);
	len += pad;
	if (crc)
		crc32c_store(crc32c_update(CRC32C_INIT, fpdu, len), fpdu + len);
	return len + RDMAP_CRC;
}

size_t iw_frame_write(uint8_t out[IW_MAX_FRAME], bool crc)
{
	const struct rdmap_header h = {
		.opcode = RDMAP_WRITE,
		.last = true,
		.stag = iw_stag(0),
	};

	return iw_frame_seal(out, rdmap_encode(&h, out), crc);
}

size_t iw_frame_read(uint8_t out[IW_MAX_FRAME], uint32_t msn, uint32_t stag,
		     bool crc)
{
	const struct rdmap_header h = {
		.opcode = RDMAP_READ_REQUEST,
		.last = true,
		.msn = msn,
		.read = {.sink_stag = stag, .source_stag = iw_stag(0)},
	};

	return iw_frame_seal(out, rdmap_encode(&h, out), crc);
}

size_t iw_frame_answer(uint8_t out[IW_MAX_FRAME], uint32_t stag, uint64_t to,
		       bool crc)
{
	const struct rdmap_header h = {
		.opcode = RDMAP_READ_RESPONSE,
		.last = true,
		.stag = stag,
		.to = to,
	};

	return iw_frame_seal(out, rdmap_encode(&h, out), crc);
}

size_t iw_frame_terminate(uint8_t out[IW_MAX_FRAME],
			  const struct rdmap_terminate *t, bool crc)
{
	struct rdmap_header h = {
		.opcode = RDMAP_TERMINATE,
		.last = true,
		.msn = 1,
	};
	size_t n = rdmap_terminate_encode(t, out + RDMAP_UNTAGGED);

	h.payload = (uint32_t)n;
	return iw_frame_seal(out, rdmap_encode(&h, out) + n, crc);
}
