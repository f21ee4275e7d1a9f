/*
 * vhost-user-rdma: front end of the virtio RDMA device (id 42)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * DOC: Theory of operation
 *
 * The device model is another process; here are only the PCI face of the
 * device (vhost-user-rdma-pci.c), the configuration space and what keeps
 * QEMU and the guest alive while that process comes and goes.
 *
 * Facts
 *
 * @connected    vhost_dev is initialised.  Set by rdma_connect(), cleared by
 *               rdma_disconnect().  Nothing of vhost_dev may be touched while
 *               it is clear, except that vhost_ops is then NULL.
 * @started      The queues are handed over: notifiers are bound and
 *               vhost_dev_start() succeeded.  Implies @connected.  It is ours,
 *               and not vhost_dev.started, because that one is cleared as soon
 *               as the socket closes while there is still a stop to do.
 * @exposed      A back end was offered this driver's queues since the driver
 *               last reset the device.  It may hold objects made for the
 *               driver, so if it goes away they are lost.
 * @needs_reset  The device does nothing before the driver has reset it.
 *
 * Reset policy
 *
 * Registered memory, queue pairs and connections live in the back end, so a
 * new back end cannot go on where the old one ended.  When an @exposed back
 * end goes, NEEDS_RESET is raised at once (virtio 1.2 2.1.2).  The queues are
 * not started again until the driver has reset the device; it may do so
 * while no back end is there, and then the queues start with the next one.
 * A driver that had not been exposed notices nothing but a delay.
 *
 * NEEDS_RESET on the back end's wish
 *
 * vhost-user has no message for it.  The back end appends a status word to
 * its configuration space, sets bit 0x40 there and sends CONFIG_CHANGE; the
 * tail is not shown to the guest.
 *
 * Waiting
 *
 * Every request to the back end blocks QEMU with the big lock held until it
 * is answered.  The configuration is therefore cached, fetched when a back
 * end connects and when it says that it changed, never when the guest reads.
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/bitops.h"
#include "qemu/main-loop.h"
#include "hw/qdev-properties.h"
#include "hw/qdev-properties-system.h"
#include "hw/virtio/virtio-bus.h"
#include "hw/virtio/vhost-user-rdma.h"
#include "migration/vmstate.h"
#include "standard-headers/linux/vhost_types.h"
#include "standard-headers/linux/virtio_ids.h"
#include "system/runstate.h"

#define RDMA_NUM_VQS_DEFAULT    40
/* control, events, one completion-event queue, one wake-up queue */
#define RDMA_NUM_VQS_MIN        4
/* the queue index of vhost-user's kick, call and err messages has 8 bits */
#define RDMA_NUM_VQS_MAX        256

#define RDMA_CONNECT_TRIES      4

/* what one GET_CONFIG message carries; vhost-user.c asserts it */
#define RDMA_CONFIG_MAX         256

/* virtio 1.2 2.2: bits 0 to 23 belong to the device type */
#define RDMA_DEVICE_FEATURES    MAKE_64BIT_MASK(0, 24)

/*
 * Transport features that are ours to refuse: LOG_ALL is between QEMU and the
 * back end, and a single queue cannot be reset behind the back end's back.
 */
#define RDMA_HIDDEN_FEATURES \
    (BIT_ULL(VHOST_F_LOG_ALL) | BIT_ULL(VIRTIO_F_RING_RESET))

QEMU_BUILD_BUG_ON(sizeof(VHostUserRDMAConfig) !=
                  VIRTIO_RDMA_CONFIG_SIZE +
                  sizeof(struct virtio_rdma_status_tail));
QEMU_BUILD_BUG_ON(sizeof(VHostUserRDMAConfig) > RDMA_CONFIG_MAX);

static void rdma_event(void *opaque, QEMUChrEvent event);

/* ------------------------------------------------------------ needs reset */

static void rdma_raise_needs_reset(VHostUserRDMA *s)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(s);

    s->needs_reset = true;
    if (vdev->status & VIRTIO_CONFIG_S_NEEDS_RESET) {
        return;
    }
    vdev->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
    /* not virtio_error(): that one also blocks the queues for good */
    virtio_notify_config(vdev);
}

/* ---------------------------------------------------------- configuration */

static int rdma_fetch_config(VHostUserRDMA *s, VHostUserRDMAConfig *config,
                             Error **errp)
{
    return vhost_dev_get_config(&s->vhost_dev, (uint8_t *)config,
                                sizeof(*config), errp);
}

static int rdma_check_config(VHostUserRDMA *s,
                             const VHostUserRDMAConfig *config, Error **errp)
{
    uint32_t version = le32_to_cpu(config->guest.abi_version);
    uint32_t ceqs = le16_to_cpu(config->guest.num_ceq);
    uint32_t vqs = VIRTIO_RDMA_VQ_WAKE(ceqs,
                                       le16_to_cpu(config->guest.num_wakeq));

    if (version != VIRTIO_RDMA_ABI_VERSION) {
        error_setg(errp, "back end has configuration layout %" PRIu32
                   ", this QEMU was built for %d", version,
                   VIRTIO_RDMA_ABI_VERSION);
        return -EPROTO;
    }
    if (vqs > s->num_vqs) {
        error_setg(errp, "back end uses %" PRIu32 " virtqueues, the device has"
                   " %" PRIu16 "; raise num_vqs", vqs, s->num_vqs);
        return -EINVAL;
    }
    return 0;
}

static void rdma_get_config(VirtIODevice *vdev, uint8_t *config)
{
    VHostUserRDMA *s = VHOST_USER_RDMA(vdev);

    memcpy(config, &s->config.guest, sizeof(s->config.guest));
}

/* Runs in the main loop, at any time after rdma_connect(). */
static int rdma_config_changed(struct vhost_dev *dev)
{
    /* dev->vdev is NULL while the queues are not started */
    VHostUserRDMA *s = container_of(dev, VHostUserRDMA, vhost_dev);
    VirtIODevice *vdev = VIRTIO_DEVICE(s);
    VHostUserRDMAConfig config;
    Error *local_err = NULL;

    if (!s->connected) {
        return 0;
    }
    if (rdma_fetch_config(s, &config, &local_err) < 0 ||
        rdma_check_config(s, &config, &local_err) < 0) {
        error_reportf_err(local_err, "vhost-user-rdma: ");
        /* the stream may be out of step: a new connection mends that */
        qemu_chr_fe_disconnect(&s->chardev);
        return -EPROTO;
    }

    s->config = config;
    if (!(vdev->status & VIRTIO_CONFIG_S_DRIVER_OK)) {
        return 0;
    }
    if (le32_to_cpu(config.tail.status) & VIRTIO_CONFIG_S_NEEDS_RESET) {
        rdma_raise_needs_reset(s);
    } else {
        virtio_notify_config(vdev);
    }
    return 0;
}

static const VhostDevConfigOps rdma_config_ops = {
    .vhost_dev_config_notifier = rdma_config_changed,
};

/* --------------------------------------------------------------- features */

static uint64_t rdma_usable_features(VHostUserRDMA *s, uint64_t host_features)
{
    uint64_t mask = RDMA_DEVICE_FEATURES | host_features;

    return s->vhost_dev.features & mask & ~RDMA_HIDDEN_FEATURES;
}

/* Called once, when the device is plugged into its bus after realize. */
static uint64_t rdma_get_features(VirtIODevice *vdev, uint64_t host_features,
                                  Error **errp)
{
    VHostUserRDMA *s = VHOST_USER_RDMA(vdev);

    s->offered_features = rdma_usable_features(s, host_features);
    s->plugged = true;
    if (!virtio_has_feature(s->offered_features, VIRTIO_F_VERSION_1)) {
        error_setg(errp, "vhost-user-rdma: back end does not offer "
                   "VIRTIO_F_VERSION_1");
    }
    return s->offered_features;
}

/*
 * What was offered cannot be taken back: the driver may have acked it, or
 * acks it at its next start.
 */
static int rdma_check_features(VHostUserRDMA *s, Error **errp)
{
    uint64_t missing = s->offered_features & ~s->vhost_dev.features;

    if (s->plugged && missing) {
        error_setg(errp, "back end lacks features 0x%" PRIx64
                   " that the guest was offered", missing);
        return -EINVAL;
    }
    return 0;
}

/* ---------------------------------------------------- starting and stopping */

static int rdma_bind_notifiers(VHostUserRDMA *s, Error **errp)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(s);
    BusState *qbus = BUS(qdev_get_parent_bus(DEVICE(vdev)));
    VirtioBusClass *k = VIRTIO_BUS_GET_CLASS(qbus);
    int ret;

    if (!k->set_guest_notifiers) {
        error_setg(errp, "binding does not support guest notifiers");
        return -ENOSYS;
    }

    ret = vhost_dev_enable_notifiers(&s->vhost_dev, vdev);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "cannot enable host notifiers");
        return ret;
    }

    ret = k->set_guest_notifiers(qbus->parent, s->num_vqs, true);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "cannot bind guest notifiers");
        vhost_dev_disable_notifiers(&s->vhost_dev, vdev);
    }
    return ret;
}

static void rdma_unbind_notifiers(VHostUserRDMA *s)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(s);
    BusState *qbus = BUS(qdev_get_parent_bus(DEVICE(vdev)));
    VirtioBusClass *k = VIRTIO_BUS_GET_CLASS(qbus);
    int ret;

    ret = k->set_guest_notifiers(qbus->parent, s->num_vqs, false);
    if (ret < 0) {
        error_report("vhost-user-rdma: cannot unbind guest notifiers: %s",
                     strerror(-ret));
    }
    vhost_dev_disable_notifiers(&s->vhost_dev, vdev);
}

static int rdma_start(VHostUserRDMA *s, Error **errp)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(s);
    int i, ret;

    ret = rdma_bind_notifiers(s, errp);
    if (ret < 0) {
        return ret;
    }

    s->vhost_dev.acked_features = vdev->guest_features;
    /*
     * Masking is not used, virtio-pci does the right thing.  Unmasked before
     * the start, so that no completion meets the wrong call descriptor.
     */
    for (i = 0; i < s->num_vqs; i++) {
        vhost_virtqueue_mask(&s->vhost_dev, vdev, i, false);
    }

    /* from here a queue may be served, even when the start fails later */
    s->exposed = true;
    ret = vhost_dev_start(&s->vhost_dev, vdev, true);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "cannot start the queues");
        rdma_unbind_notifiers(s);
        return ret;
    }
    s->started = true;
    return 0;
}

static void rdma_stop(VHostUserRDMA *s)
{
    if (!s->started) {
        return;
    }
    s->started = false;
    vhost_dev_stop(&s->vhost_dev, VIRTIO_DEVICE(s), true);
    rdma_unbind_notifiers(s);
}

static bool rdma_should_run(VHostUserRDMA *s, uint8_t status)
{
    return s->connected && !s->needs_reset &&
           virtio_device_should_start(VIRTIO_DEVICE(s), status);
}

static void rdma_set_status(VirtIODevice *vdev, uint8_t status)
{
    VHostUserRDMA *s = VHOST_USER_RDMA(vdev);
    Error *local_err = NULL;

    if (!s->connected) {
        return;
    }
    if (!virtio_device_should_start(vdev, status)) {
        rdma_stop(s);
    } else if (!s->started && rdma_should_run(s, status) &&
               rdma_start(s, &local_err) < 0) {
        error_reportf_err(local_err, "vhost-user-rdma: ");
        qemu_chr_fe_disconnect(&s->chardev);
    }
}

/* virtio_reset() has stopped the queues and sends RESET_DEVICE (get_vhost). */
static void rdma_reset(VirtIODevice *vdev)
{
    VHostUserRDMA *s = VHOST_USER_RDMA(vdev);

    s->exposed = false;
    s->needs_reset = false;
}

/* A kick while no back end has the queues: every start begins with one. */
static void rdma_handle_output(VirtIODevice *vdev, VirtQueue *vq)
{
}

static struct vhost_dev *rdma_get_vhost(VirtIODevice *vdev)
{
    return &VHOST_USER_RDMA(vdev)->vhost_dev;
}

/* ------------------------------------------------------------- connection */

/* On failure vhost_dev is zero again. */
static int rdma_init_vhost(VHostUserRDMA *s, Error **errp)
{
    struct vhost_dev *dev = &s->vhost_dev;

    dev->num_queues = s->num_vqs;
    dev->nvqs = s->num_vqs;
    dev->vqs = s->vhost_vqs;
    dev->vq_index = 0;
    /* without it vhost-user never sends the device status */
    dev->vq_index_end = s->num_vqs;
    /* before the init: the back end's channel is open when that returns */
    vhost_dev_set_config_notifier(dev, &rdma_config_ops);
    s->vhost_user.supports_config = true;

    return vhost_dev_init(dev, &s->vhost_user, VHOST_BACKEND_TYPE_USER, 0,
                          errp);
}

static int rdma_connect(VHostUserRDMA *s, Error **errp)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(s);
    VHostUserRDMAConfig config;
    int ret;

    if (s->connected) {
        return 0;
    }

    ret = rdma_init_vhost(s, errp);
    if (ret < 0) {
        return ret;
    }
    ret = rdma_check_features(s, errp);
    if (ret < 0) {
        goto err_vhost;
    }
    ret = rdma_fetch_config(s, &config, errp);
    if (ret < 0) {
        goto err_vhost;
    }
    ret = rdma_check_config(s, &config, errp);
    if (ret < 0) {
        goto err_vhost;
    }

    s->config = config;
    s->connected = true;
    if (rdma_should_run(s, vdev->status)) {
        ret = rdma_start(s, errp);
        if (ret < 0) {
            goto err_connected;
        }
    }
    return 0;

err_connected:
    s->connected = false;
err_vhost:
    vhost_dev_cleanup(&s->vhost_dev);
    return ret;
}

static void rdma_set_handlers(VHostUserRDMA *s)
{
    qemu_chr_fe_set_handlers(&s->chardev, NULL, NULL, rdma_event, NULL, s,
                             NULL, true);
}

static void rdma_clear_handlers(VHostUserRDMA *s)
{
    qemu_chr_fe_set_handlers(&s->chardev, NULL, NULL, NULL, NULL, NULL, NULL,
                             false);
}

static void rdma_disconnect(void *opaque)
{
    VHostUserRDMA *s = opaque;

    if (s->connected) {
        s->connected = false;
        rdma_stop(s);
        vhost_dev_cleanup(&s->vhost_dev);
    }
    if (s->exposed) {
        rdma_raise_needs_reset(s);
    }
    /* last: a back end that is there already connects from inside it */
    rdma_set_handlers(s);
}

/*
 * The socket may close in the middle of a request, and the code on the stack
 * then counts on vhost_dev: do the work from a bottom half.
 */
static void rdma_closed(VHostUserRDMA *s)
{
    if (runstate_check(RUN_STATE_SHUTDOWN)) {
        return;
    }
    rdma_clear_handlers(s);
    s->vhost_dev.started = false;
    qemu_bh_schedule(s->close_bh);
}

static void rdma_opened(VHostUserRDMA *s)
{
    Error *local_err = NULL;

    if (rdma_connect(s, &local_err) == 0) {
        s->refused = false;
        return;
    }
    /* a reconnecting chardev tries for ever: complain once */
    if (s->refused) {
        error_free(local_err);
    } else {
        error_reportf_err(local_err, "vhost-user-rdma: ");
    }
    s->refused = true;
    qemu_chr_fe_disconnect(&s->chardev);
}

static void rdma_event(void *opaque, QEMUChrEvent event)
{
    VHostUserRDMA *s = opaque;

    switch (event) {
    case CHR_EVENT_OPENED:
        rdma_opened(s);
        break;
    case CHR_EVENT_CLOSED:
        rdma_closed(s);
        break;
    case CHR_EVENT_BREAK:
    case CHR_EVENT_MUX_IN:
    case CHR_EVENT_MUX_OUT:
        break;
    }
}

/* ---------------------------------------------------------------- life */

/*
 * A reconnecting chardev connects behind our back: wait for it, the device
 * needs the back end's features and configuration to exist at all.
 */
static int rdma_first_connect(VHostUserRDMA *s, Error **errp)
{
    Error *local_err = NULL;
    int tries = RDMA_CONNECT_TRIES;

    while (tries--) {
        if (local_err) {
            error_reportf_err(local_err, "vhost-user-rdma: trying again: ");
            local_err = NULL;
        }
        if (qemu_chr_fe_wait_connected(&s->chardev, &local_err) < 0) {
            continue;
        }
        if (rdma_connect(s, &local_err) == 0) {
            return 0;
        }
        qemu_chr_fe_disconnect(&s->chardev);
    }
    error_propagate(errp, local_err);
    return -ENOTCONN;
}

static bool rdma_check_properties(VHostUserRDMA *s, Error **errp)
{
    if (!qemu_chr_fe_backend_connected(&s->chardev)) {
        error_setg(errp, "vhost-user-rdma: property 'chardev' is missing");
        return false;
    }
    if (s->num_vqs < RDMA_NUM_VQS_MIN || s->num_vqs > RDMA_NUM_VQS_MAX) {
        error_setg(errp, "vhost-user-rdma: num_vqs is %" PRIu16
                   ", it must be from %d to %d", s->num_vqs,
                   RDMA_NUM_VQS_MIN, RDMA_NUM_VQS_MAX);
        return false;
    }
    return true;
}

static void rdma_add_queues(VHostUserRDMA *s)
{
    int i;

    s->vqs = g_new0(VirtQueue *, s->num_vqs);
    s->vhost_vqs = g_new0(struct vhost_virtqueue, s->num_vqs);
    for (i = 0; i < s->num_vqs; i++) {
        /* 10.0 makes it 1024 whatever is asked; the driver may use less */
        s->vqs[i] = virtio_add_queue(VIRTIO_DEVICE(s), VIRTQUEUE_MAX_SIZE,
                                     rdma_handle_output);
    }
}

static void rdma_delete_queues(VHostUserRDMA *s)
{
    int i;

    for (i = 0; i < s->num_vqs; i++) {
        virtio_delete_queue(s->vqs[i]);
    }
    g_clear_pointer(&s->vhost_vqs, g_free);
    g_clear_pointer(&s->vqs, g_free);
}

static void rdma_device_realize(DeviceState *dev, Error **errp)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(dev);
    VHostUserRDMA *s = VHOST_USER_RDMA(dev);

    if (!rdma_check_properties(s, errp) ||
        !vhost_user_init(&s->vhost_user, &s->chardev, errp)) {
        return;
    }
    virtio_init(vdev, VIRTIO_ID_RDMA, sizeof(s->config.guest));
    rdma_add_queues(s);

    if (rdma_first_connect(s, errp) < 0) {
        rdma_delete_queues(s);
        virtio_cleanup(vdev);
        vhost_user_cleanup(&s->vhost_user);
        return;
    }
    s->close_bh = qemu_bh_new(rdma_disconnect, s);
    rdma_set_handlers(s);
}

static void rdma_device_unrealize(DeviceState *dev)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(dev);
    VHostUserRDMA *s = VHOST_USER_RDMA(dev);

    virtio_set_status(vdev, 0);
    rdma_clear_handlers(s);
    g_clear_pointer(&s->close_bh, qemu_bh_delete);
    /* does nothing to a vhost_dev that is zero */
    vhost_dev_cleanup(&s->vhost_dev);
    s->connected = false;
    rdma_delete_queues(s);
    virtio_cleanup(vdev);
    vhost_user_cleanup(&s->vhost_user);
}

/* Guest memory is registered with a process that does not migrate. */
static const VMStateDescription rdma_vmstate = {
    .name = "vhost-user-rdma",
    .unmigratable = 1,
};

static const Property rdma_properties[] = {
    DEFINE_PROP_CHR("chardev", VHostUserRDMA, chardev),
    DEFINE_PROP_UINT16("num_vqs", VHostUserRDMA, num_vqs,
                       RDMA_NUM_VQS_DEFAULT),
};

static void rdma_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    VirtioDeviceClass *vdc = VIRTIO_DEVICE_CLASS(klass);

    device_class_set_props(dc, rdma_properties);
    dc->desc = "virtio RDMA, device model in a vhost-user back end";
    dc->vmsd = &rdma_vmstate;
    set_bit(DEVICE_CATEGORY_NETWORK, dc->categories);
    vdc->realize = rdma_device_realize;
    vdc->unrealize = rdma_device_unrealize;
    vdc->get_features = rdma_get_features;
    vdc->get_config = rdma_get_config;
    vdc->set_status = rdma_set_status;
    vdc->reset = rdma_reset;
    vdc->get_vhost = rdma_get_vhost;
}

static const TypeInfo rdma_info = {
    .name = TYPE_VHOST_USER_RDMA,
    .parent = TYPE_VIRTIO_DEVICE,
    .instance_size = sizeof(VHostUserRDMA),
    .class_init = rdma_class_init,
};

static void rdma_register_types(void)
{
    type_register_static(&rdma_info);
}

type_init(rdma_register_types)
