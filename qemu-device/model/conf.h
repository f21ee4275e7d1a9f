/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf.h - what the operator sets
 */
#ifndef VRDMA_CONF_H
#define VRDMA_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "../../host-backend/backend.h"
#include "log.h"

#define CONF_MAX_GUESTS 64
#define CONF_MAX_WORKERS 64
#define CONF_NAME_LEN	32
#define CONF_PATH_LEN	108 /* sun_path */
#define CONF_FABRIC_LEN 80  /* a prefix, and the name of a device */
#define CONF_ERR_LEN	512

struct guest_conf {
	char name[CONF_NAME_LEN];
	char socket[CONF_PATH_LEN]; /* "" with --fd */
	char fabric[CONF_FABRIC_LEN]; /* "iwarp", "verbs:DEVICE", "none" */
	bool local; /* guests of this vrdmad are reached memory to memory */
	uint32_t naddr;
	struct be_addr addr[VIRTIO_RDMA_MAX_ADDRESSES]; /* port 0 */

	uint32_t weight; /* of its share of a worker */
	uint32_t num_ceq;
	uint32_t num_wakeq;
	uint32_t max_context;
	uint32_t max_pd;
	uint32_t max_cq;
	uint32_t max_mr;
	uint32_t max_mw; /* 0: VIRTIO_RDMA_F_MW is not offered */
	uint32_t max_frmr_pages; /* 0: VIRTIO_RDMA_F_FAST_REGISTER is not offered */
	uint32_t max_qp;
	uint32_t max_srq; /* 0: the feature is not offered */
	uint32_t max_connector;
	uint32_t max_listener;
	uint32_t max_endpoint; /* 0: VIRTIO_RDMA_F_SHARED_ENDPOINT is not offered */
	uint32_t max_cq_depth;
	uint32_t max_send_depth;
	uint32_t max_recv_depth;
	uint32_t max_srq_depth;
	uint32_t max_send_sge;
	uint32_t max_recv_sge;
	uint32_t max_read_sge;
	uint32_t max_inline;
	uint32_t max_transfer;
	uint32_t max_inbound_reads;
	uint32_t max_outbound_reads;
	uint32_t max_backlog; /* of a listener, and its default */
	uint64_t max_mr_size;
	uint64_t max_mr_pages; /* entries of page lists, all together */

	uint32_t disconnect_timeout_ms;
	uint32_t connect_timeout_ms;
	uint32_t rnr_timeout_ms; /* 0: without end */
	bool allow_unsealed_memory;
};

#define CONF_UMASK  0		/* socket_mode: as the umask leaves it */
#define CONF_NO_GID UINT32_MAX	/* socket_gid: as the folder says */

struct conf {
	uint32_t workers;
	uint32_t poll_us;
	enum vlog_level log_level;
	uint32_t socket_mode; /* permission bits of the guests' sockets */
	uint32_t socket_gid;
	uint32_t guest_count;
	struct guest_conf guest[CONF_MAX_GUESTS];
};

void conf_defaults(struct conf *c);
void guest_conf_defaults(struct guest_conf *g);
/* A key of [vrdmad], not of a guest */
bool conf_key_is_global(const char *key);
/* One key of [vrdmad] (g NULL) or of a guest.  0 or -EINVAL with one line in
 * err: what is wrong and what would be right */
int conf_set(struct conf *c, struct guest_conf *g, const char *key,
	     const char *value, char err[CONF_ERR_LEN]);
/* Reads an INI file.  -errno with "FILE:LINE: ..." in err */
int conf_read(struct conf *c, const char *path, char err[CONF_ERR_LEN]);
/* What concerns more than one key or guest; call after the last change */
int conf_check(const struct conf *c, char err[CONF_ERR_LEN]);
/* A table of every key with default, range and meaning, for -h */
void conf_print_keys(void);

#endif /* VRDMA_CONF_H */
