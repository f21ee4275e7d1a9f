/*
 * vhost-user-rdma: front end of the virtio RDMA device (id 42)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_VHOST_USER_RDMA_H
#define HW_VIRTIO_VHOST_USER_RDMA_H

#include "hw/virtio/virtio.h"
#include "hw/virtio/vhost.h"
#include "hw/virtio/vhost-user.h"
#include "hw/virtio/virtio_rdma.h"
#include "chardev/char-fe.h"
#include "qom/object.h"

#define TYPE_VHOST_USER_RDMA "vhost-user-rdma"
OBJECT_DECLARE_SIMPLE_TYPE(VHostUserRDMA, VHOST_USER_RDMA)

/* What the back end's configuration space holds: the guest's part first. */
typedef struct VHostUserRDMAConfig {
    struct virtio_rdma_config guest;
    struct virtio_rdma_status_tail tail;
} VHostUserRDMAConfig;

struct VHostUserRDMA {
    VirtIODevice parent_obj;

    /* properties, constant after realize */
    CharBackend chardev;
    uint16_t num_vqs;

    /* constant after realize */
    VirtQueue **vqs;
    struct vhost_virtqueue *vhost_vqs;
    VhostUserState vhost_user;
    QEMUBH *close_bh;

    /* of the present connection; vhost_dev is all zero between two */
    struct vhost_dev vhost_dev;

    /* outlive a connection */
    uint64_t offered_features;      /* to the guest, since the device exists */
    VHostUserRDMAConfig config;     /* as the back end last sent it */

    /*
     * Four facts that change apart from each other; the rules are at the
     * head of vhost-user-rdma.c.
     */
    bool connected;
    bool started;
    bool exposed;
    bool needs_reset;

    bool plugged;                   /* offered_features is fixed */
    bool refused;                   /* the last back end was turned away */
};

#endif
