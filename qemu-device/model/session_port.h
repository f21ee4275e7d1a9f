/* SPDX-License-Identifier: GPL-2.0-or-later */
/* session_port.h - between a port and its session */
#ifndef VRDMA_SESSION_PORT_H
#define VRDMA_SESSION_PORT_H

#include <stdbool.h>

struct guest;
struct loop;
struct port;
struct session;

/* Takes fd over when it returns 0 */
int session_open(struct port *p, struct guest *g, struct loop *l, int fd);
/* Resets the guest; s is gone */
void session_close(struct session *s);
bool session_hung_up(const struct session *s);
void port_session_ended(struct port *p);

#endif /* VRDMA_SESSION_PORT_H */
