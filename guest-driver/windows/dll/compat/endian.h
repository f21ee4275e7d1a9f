/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/* endian.h - Windows is little-endian */
#ifndef ND_WIN_ENDIAN_H
#define ND_WIN_ENDIAN_H

#define htole16(v) ((uint16_t)(v))
#define htole32(v) ((uint32_t)(v))
#define htole64(v) ((uint64_t)(v))
#define le16toh(v) ((uint16_t)(v))
#define le32toh(v) ((uint32_t)(v))
#define le64toh(v) ((uint64_t)(v))

#endif
