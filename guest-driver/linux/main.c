// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later
/*
 * main.c - the virtio driver: devices come, fail, recover, sleep and go
 *
 * DOC: One way down, one way up
 *
 * dev_down() takes the device out of use: hide the queues, reset, wait for
 * events that run, delete the queues, tell the core, then tell the open files.
 * dev_up() is its opposite.  Probe, remove, suspend, resume and the recovery
 * are made of these two.
 *
 * Recovery.  A back end that died or was offended raises NEEDS_RESET with a
 * configuration interrupt; the kernel's virtio core leaves it to us.  The
 * recovery goes through virtio_device_freeze() and virtio_device_restore(),
 * as suspend and resume do: reset, feature negotiation, queues, DRIVER_OK.
 * When the back end does not answer in time it is tried again, less and less
 * often, until the device works or goes.
 */
#include <linux/delay.h>
#include <linux/idr.h>
#include <linux/inet.h>
#include <linux/module.h>
#include <linux/pm.h>
#include <linux/slab.h>

#include "vrlf.h"

#ifndef CONFIG_PM_SLEEP
#error "vrdma recovers devices by virtio_device_freeze(): CONFIG_PM_SLEEP is needed"
#endif

#define RETRY_MIN_MS	100
#define RETRY_MAX_MS	5000
#define STATUS_GONE	0xff	/* what a read from a vanished PCI device gives */

struct workqueue_struct *vrl_teardown_wq;

static DEFINE_MUTEX(devices_mutex);
static LIST_HEAD(devices);
static DEFINE_IDA(device_ids);
static atomic_t device_count = ATOMIC_INIT(0);
static DECLARE_WAIT_QUEUE_HEAD(device_count_wait);

/* The bits of VRDMA_FEATURES */
static const unsigned int features[] = {
	VIRTIO_RDMA_F_SRQ,
	VIRTIO_RDMA_F_MW,
	VIRTIO_RDMA_F_SEND_INVALIDATE,
	VIRTIO_RDMA_F_FAST_REGISTER,
	VIRTIO_RDMA_F_CQ_RESIZE,
	VIRTIO_RDMA_F_CQ_MODERATION,
	VIRTIO_RDMA_F_SHARED_ENDPOINT,
	VIRTIO_RDMA_F_READ_INVALIDATE,
};

u32 vrl_features(struct vrl_dev *dev)
{
	u32 i, mask = 0;

	for (i = 0; dev->vdev && i < ARRAY_SIZE(features); i++)
		if (virtio_has_feature(dev->vdev, features[i]))
			mask |= 1u << features[i];
	return mask;
}

/* --- lifetime ---------------------------------------------------------------- */

static void dev_free(struct kref *ref)
{
	struct vrl_dev *dev = container_of(ref, struct vrl_dev, ref);

	if (dev->core)
		vrdma_core_destroy(dev->core);
	if (dev->event_wq)
		destroy_workqueue(dev->event_wq);
	if (dev->work_wq)
		destroy_workqueue(dev->work_wq);
	kfree(dev->queues);
	if (dev->id >= 0)
		ida_free(&device_ids, dev->id);
	put_device(dev->log_dev);
	kfree(dev);
	if (atomic_dec_and_test(&device_count))
		wake_up_all(&device_count_wait);
}

void vrl_dev_get(struct vrl_dev *dev)
{
	kref_get(&dev->ref);
}

void vrl_dev_put(struct vrl_dev *dev)
{
	kref_put(&dev->ref, dev_free);
}

static bool has_address(struct vrl_dev *dev, const struct virtio_rdma_addr *want)
{
	struct virtio_rdma_addr a[VIRTIO_RDMA_MAX_ADDRESSES];
	u32 i, n = vrdma_core_addresses(dev->core, a, ARRAY_SIZE(a));

	for (i = 0; i < n; i++)
		if (a[i].family == want->family &&
		    !memcmp(a[i].ip, want->ip, sizeof(a[i].ip)))
			return true;
	return false;
}

static bool parse_address(const char *text, struct virtio_rdma_addr *out)
{
	memset(out, 0, sizeof(*out));
	if (in4_pton(text, -1, out->ip, -1, NULL)) {
		out->family = VIRTIO_RDMA_AF_INET;
		return true;
	}
	if (in6_pton(text, -1, out->ip, -1, NULL)) {
		out->family = VIRTIO_RDMA_AF_INET6;
		return true;
	}
	return false;
}

struct vrl_dev *vrl_dev_find(const char *what)
{
	struct virtio_rdma_addr addr = { 0 };
	struct vrl_dev *dev, *found = NULL;
	bool is_addr = what && parse_address(what, &addr);

	mutex_lock(&devices_mutex);
	list_for_each_entry(dev, &devices, node) {
		if (what && !(is_addr ? has_address(dev, &addr) :
					!strcmp(what, dev->name)))
			continue;
		vrl_dev_get(dev);
		found = dev;
		break;
	}
	mutex_unlock(&devices_mutex);
	return found;
}

/* --- up and down --------------------------------------------------------------- */

static bool dev_gone(struct vrl_dev *dev)
{
	return dev->vdev->config->get_status(dev->vdev) == STATUS_GONE;
}

static void dev_down(struct vrl_dev *dev)
{
	WRITE_ONCE(dev->up, false);
	vrl_queues_hide(dev);
	/* resetting what is not there any more waits for ever */
	if (!dev_gone(dev))
		virtio_reset_device(dev->vdev);
	vrl_queues_quiesce(dev);
	dev->vdev->config->del_vqs(dev->vdev);
	vrdma_core_device_lost(dev->core);
	vrl_files_device_lost(dev);
}

/* The core waits for an answer: let an abort know, and know of it */
static int start_core(struct vrl_dev *dev)
{
	int err;

	mutex_lock(&dev->start_lock);
	dev->starting = true;
	dev->aborted = false;
	mutex_unlock(&dev->start_lock);
	err = vrdma_core_start(dev->core);
	mutex_lock(&dev->start_lock);
	dev->starting = false;
	if (dev->aborted)
		err = -ENODEV;
	mutex_unlock(&dev->start_lock);
	return err;
}

/*
 * A start that waits for a back end which is away would hold up a removal, or
 * the recovery from its next death, until it times out.  Ending it here is a
 * loss of the device like any other: what runs behind the wait finds dev->up
 * false and begins anew, or is being removed.
 */
static void abort_start(struct vrl_dev *dev)
{
	mutex_lock(&dev->start_lock);
	if (dev->starting && !dev->aborted && !dev_gone(dev)) {
		dev->aborted = true;
		vrl_queues_hide(dev);
		virtio_reset_device(dev->vdev);
		vrl_queues_quiesce(dev);
		vrdma_core_device_lost(dev->core);
	}
	mutex_unlock(&dev->start_lock);
}

static void abort_work(struct work_struct *work)
{
	struct vrl_dev *dev = container_of(work, struct vrl_dev, abort);

	if (dev->vdev->config->get_status(dev->vdev) &
	    VIRTIO_CONFIG_S_NEEDS_RESET)
		abort_start(dev);
}

/* -ETIMEDOUT, -ENODEV: the queues are there, but nobody answered */
static int dev_up(struct vrl_dev *dev)
{
	int err = vrl_queues_find(dev);

	if (err) {
		vrl_err(dev, "cannot set up %u virtqueues: %d\n",
			dev->num_queues, err);
		return err;
	}
	virtio_device_ready(dev->vdev);
	err = start_core(dev);
	if (!err) {
		WRITE_ONCE(dev->up, true);
		dev->retry_ms = RETRY_MIN_MS;
	}
	return err;
}

static void recover_later(struct vrl_dev *dev)
{
	if (READ_ONCE(dev->removing))
		return;
	queue_delayed_work(system_freezable_wq, &dev->recover,
			   msecs_to_jiffies(dev->retry_ms));
	dev->retry_ms = min_t(u32, dev->retry_ms * 2, RETRY_MAX_MS);
}

static bool needs_recovery(struct vrl_dev *dev)
{
	u8 status = dev->vdev->config->get_status(dev->vdev);

	if (status == STATUS_GONE)
		return false;		/* remove is on its way */
	return !dev->up || status & VIRTIO_CONFIG_S_NEEDS_RESET;
}

static void recover(struct work_struct *work)
{
	struct vrl_dev *dev = container_of(to_delayed_work(work),
					   struct vrl_dev, recover);
	int err;

	if (READ_ONCE(dev->removing) || !needs_recovery(dev))
		return;
	vrl_warn(dev, "the device asks for a reset: recovering\n");
	err = virtio_device_freeze(dev->vdev);
	/* a failed attempt before this one must not fail the next */
	dev->vdev->failed = false;
	if (!err)
		err = virtio_device_restore(dev->vdev);
	if (!err && dev->up) {
		vrl_info(dev, "recovered\n");
		return;
	}
	vrl_warn(dev, "not recovered yet (%d), trying again in %u ms\n", err,
		 dev->retry_ms);
	recover_later(dev);
}

static void config_changed(struct virtio_device *vdev)
{
	struct vrl_dev *dev = vdev->priv;

	if (READ_ONCE(dev->removing))
		return;
	queue_work(system_long_wq, &dev->abort);
	mod_delayed_work(system_freezable_wq, &dev->recover, 0);
}

static int freeze(struct virtio_device *vdev)
{
	dev_down(vdev->priv);
	return 0;
}

static int restore(struct virtio_device *vdev)
{
	struct vrl_dev *dev = vdev->priv;
	int err = dev_up(dev);

	/* queues are there but nobody answers: not this call's failure */
	if (err == -ETIMEDOUT || err == -ENODEV) {
		recover_later(dev);
		return 0;
	}
	return err;
}

/* --- probe ------------------------------------------------------------------------ */

static int check_transport(struct virtio_device *vdev)
{
	if (!virtio_has_feature(vdev, VIRTIO_F_VERSION_1)) {
		dev_err(&vdev->dev, "vrdma: a legacy device; set disable-legacy=on\n");
		return -ENODEV;
	}
	if (virtio_has_feature(vdev, VIRTIO_F_ACCESS_PLATFORM)) {
		dev_err(&vdev->dev, "vrdma: devices behind an IOMMU are not supported; set iommu_platform=off\n");
		return -ENODEV;
	}
	return 0;
}

static int read_config(struct vrl_dev *dev)
{
	struct virtio_rdma_config cfg;

	virtio_cread_bytes(dev->vdev, 0, &cfg, sizeof(cfg));
	dev->num_queues = vrdma_core_num_queues(&cfg);
	if (!dev->num_queues) {
		dev_err(dev->log_dev,
			"vrdma: the device's layout version is %u, with %u + %u queues; this driver wants version %u\n",
			vr_from_le32(cfg.abi_version),
			vr_from_le16(cfg.num_ceq), vr_from_le16(cfg.num_wakeq),
			VIRTIO_RDMA_ABI_VERSION);
		return -EPROTO;
	}
	dev->first_wake = VIRTIO_RDMA_VQ_WAKE(vr_from_le16(cfg.num_ceq), 0);
	return vrl_queues_alloc(dev);
}

static int alloc_parts(struct vrl_dev *dev)
{
	int err;

	dev->id = ida_alloc(&device_ids, GFP_KERNEL);
	if (dev->id < 0)
		return dev->id;
	snprintf(dev->name, sizeof(dev->name), "vrdma%d", dev->id);
	err = read_config(dev);
	if (err)
		return err;
	dev->event_wq = alloc_workqueue("%s-event", WQ_HIGHPRI | WQ_MEM_RECLAIM,
					0, dev->name);
	dev->work_wq = alloc_workqueue("%s-work", WQ_UNBOUND | WQ_MEM_RECLAIM,
				       0, dev->name);
	if (!dev->event_wq || !dev->work_wq)
		return -ENOMEM;
	return vrdma_core_create(&vrl_os_ops, dev, &dev->core);
}

static struct vrl_dev *dev_new(struct virtio_device *vdev)
{
	struct vrl_dev *dev = kzalloc(sizeof(*dev), GFP_KERNEL);

	if (!dev)
		return NULL;
	kref_init(&dev->ref);
	dev->id = -1;
	dev->vdev = vdev;
	dev->log_dev = get_device(&vdev->dev);
	dev->retry_ms = RETRY_MIN_MS;
	INIT_LIST_HEAD(&dev->node);
	INIT_LIST_HEAD(&dev->files);
	mutex_init(&dev->files_lock);
	mutex_init(&dev->notify_lock);
	mutex_init(&dev->start_lock);
	INIT_DELAYED_WORK(&dev->recover, recover);
	INIT_WORK(&dev->abort, abort_work);
	atomic_inc(&device_count);
	return dev;
}

/* Twice on the way out: a configuration interrupt from before the reset may
 * have seen dev->removing late */
static void cancel_works(struct vrl_dev *dev)
{
	cancel_work_sync(&dev->abort);
	cancel_delayed_work_sync(&dev->recover);
}

static int probe(struct virtio_device *vdev)
{
	struct vrl_dev *dev;
	int err = check_transport(vdev);

	if (err)
		return err;
	dev = dev_new(vdev);
	if (!dev)
		return -ENOMEM;
	vdev->priv = dev;
	err = alloc_parts(dev);
	if (err)
		goto fail;
	err = dev_up(dev);
	if (err && err != -ETIMEDOUT)
		goto fail_down;
	vrl_notify_probe(dev);
	err = vrl_cdev_add(dev);
	if (err)
		goto fail_down;
	mutex_lock(&devices_mutex);
	list_add_tail(&dev->node, &devices);
	mutex_unlock(&devices_mutex);
	if (!dev->up)
		recover_later(dev);
	vrl_info(dev, "%u virtqueues, layout version %u\n", dev->num_queues,
		 VIRTIO_RDMA_ABI_VERSION);
	return 0;

fail_down:
	WRITE_ONCE(dev->removing, true);
	cancel_works(dev);
	dev_down(dev);
	cancel_works(dev);
fail:
	dev->vdev = NULL;
	vrl_dev_put(dev);
	return err;
}

/* Closing what processes left behind goes on for a while: let it, when the
 * device answers, rather than cut it short */
#define DRAIN_MS	5000

static void drain_teardowns(struct vrl_dev *dev)
{
	unsigned long end = jiffies + msecs_to_jiffies(DRAIN_MS);

	while (READ_ONCE(dev->up) && vrdma_core_object_count(dev->core) &&
	       list_empty(&dev->files) && time_before(jiffies, end))
		usleep_range(1000, 2000);
}

static void remove(struct virtio_device *vdev)
{
	struct vrl_dev *dev = vdev->priv;

	WRITE_ONCE(dev->removing, true);
	mutex_lock(&devices_mutex);
	list_del_init(&dev->node);
	mutex_unlock(&devices_mutex);
	vrl_cdev_remove(dev);
	abort_start(dev);
	cancel_works(dev);
	drain_teardowns(dev);
	dev_down(dev);
	cancel_works(dev);
	vrl_files_unmap_notify(dev);
	vrl_info(dev, "removed\n");
	dev->vdev = NULL;
	vrl_dev_put(dev);
}

static const struct virtio_device_id id_table[] = {
	{ VIRTIO_ID_RDMA, VIRTIO_DEV_ANY_ID },
	{ 0 },
};
MODULE_DEVICE_TABLE(virtio, id_table);

static struct virtio_driver vrl_driver = {
	.driver.name = "vrdma",
	.driver.owner = THIS_MODULE,
	.id_table = id_table,
	.feature_table = features,
	.feature_table_size = ARRAY_SIZE(features),
	.probe = probe,
	.remove = remove,
	.config_changed = config_changed,
	.freeze = freeze,
	.restore = restore,
};

static int __init vrl_init(void)
{
	int err;

	vrl_teardown_wq = alloc_workqueue("vrdma-teardown", WQ_UNBOUND, 0);
	if (!vrl_teardown_wq)
		return -ENOMEM;
	err = vrl_cdev_init();
	if (err)
		goto fail_wq;
	err = register_virtio_driver(&vrl_driver);
	if (err)
		goto fail_cdev;
	return 0;

fail_cdev:
	vrl_cdev_exit();
fail_wq:
	destroy_workqueue(vrl_teardown_wq);
	return err;
}

static void __exit vrl_exit(void)
{
	unregister_virtio_driver(&vrl_driver);
	/* files of dead processes may still be closing; the last of a device
	 * frees it */
	wait_event(device_count_wait, !atomic_read(&device_count));
	destroy_workqueue(vrl_teardown_wq);
	vrl_cdev_exit();
	vrl_osmem_exit();
	ida_destroy(&device_ids);
}

module_init(vrl_init);
module_exit(vrl_exit);

MODULE_DESCRIPTION("virtio RDMA device (NetworkDirect)");
MODULE_LICENSE("Dual BSD/GPL");
