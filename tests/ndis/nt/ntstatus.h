/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ntstatus.h - all that are used are ndk.h's and <ntddk.h>'s */
