/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/* types.h - Linux' names for integers, for kernel and programs on Windows */
#ifndef VRW_LINUX_TYPES_H
#define VRW_LINUX_TYPES_H

#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;
typedef uint8_t __u8;
typedef uint16_t __u16;
typedef uint32_t __u32;
typedef uint64_t __u64;

#endif
