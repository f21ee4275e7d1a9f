/* SPDX-License-Identifier: GPL-2.0-or-later */
/* be_control.h - the loop behind be_post(), be_watch() and be_timer_new() */
#ifndef VRDMA_BE_CONTROL_H
#define VRDMA_BE_CONTROL_H

struct loop;

/* Control thread, before the first backend starts */
void be_control_set_loop(struct loop *loop);

#endif /* VRDMA_BE_CONTROL_H */
