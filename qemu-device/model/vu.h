/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vu.h - libvhost-user's header, without its static variable called c, which
 * every c of ours would shadow
 */
#ifndef VRDMA_VU_H
#define VRDMA_VU_H

#define c libvhost_user_c
#include "libvhost-user.h"
#undef c

#endif /* VRDMA_VU_H */
