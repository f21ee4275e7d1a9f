/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * private.c - private data with its exact length, through a manager that pads
 */
#include <string.h>

#include "vrb.h"

#define TRAILER_MAGIC	0xd7
#define TRAILER_VERSION 1

void private_put(uint8_t *to, size_t room, const struct be_private *priv)
{
	uint8_t *trailer = to + room - PRIVATE_TRAILER;

	memset(to, 0, room);
	memcpy(to, priv->data, priv->length);
	trailer[0] = TRAILER_MAGIC;
	trailer[1] = TRAILER_VERSION;
	trailer[2] = (uint8_t)(priv->length >> 8);
	trailer[3] = (uint8_t)priv->length;
}

/* Ours ends with the trailer, and what lies between data and trailer is zero:
 * a stranger's data hardly looks like that */
static bool has_trailer(const uint8_t *from, size_t length, uint16_t *exact)
{
	const uint8_t *trailer;

	if (length < PRIVATE_TRAILER)
		return false;
	trailer = from + length - PRIVATE_TRAILER;
	if (trailer[0] != TRAILER_MAGIC || trailer[1] != TRAILER_VERSION)
		return false;
	*exact = (uint16_t)(trailer[2] << 8 | trailer[3]);
	if (*exact > length - PRIVATE_TRAILER)
		return false;
	for (const uint8_t *p = from + *exact; p < trailer; p++)
		if (*p)
			return false;
	return true;
}

void private_get(struct be_private *priv, const void *from, size_t length)
{
	uint16_t exact;

	memset(priv, 0, sizeof(*priv));
	if (!from || !length)
		return;
	if (length > sizeof(priv->data))
		length = sizeof(priv->data);
	if (has_trailer(from, length, &exact))
		length = exact;
	priv->length = (uint16_t)length;
	memcpy(priv->data, from, length);
}

/* The manager rejects by itself, too, when an identifier that has not answered
 * is destroyed, and then with no data: which comes as zeros */
void private_get_reject(struct be_private *priv, const void *from, size_t length)
{
	static const uint8_t zero[PRIVATE_REJ];

	if (from && length <= sizeof(zero) && memcmp(from, zero, length) == 0)
		length = 0;
	private_get(priv, from, length);
}
