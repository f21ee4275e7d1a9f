// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later
/*
 * cdev.c - /dev/vrdmaN: open, ioctl, read, poll, mmap
 *
 * DOC: One row per ioctl
 *
 * The dispatcher copies the argument in, once, checks the row's conditions,
 * takes the file's lock, calls the handler and copies the answer out.  A
 * handler sees a private copy and writes an NT status into its first field.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/version.h>

#include "vrlf.h"

/* --- ioctl ------------------------------------------------------------------------- */

#define ROW_LOST_OK	0x1	/* works when the device is lost */
#define ROW_UNLOCKED	0x2	/* the handler takes the lock itself */
#define ROW_CLOSED	0x4	/* before OPEN */

struct ioctl_row {
	unsigned int cmd;
	unsigned int flags;
	int (*fn)(struct vrl_file *f, void *arg);
};

static int ioc_open(struct vrl_file *f, void *arg)
{
	struct vrdma_uapi_open *a = arg;
	int err = vrl_ioc_open(f, a);

	if (!err && a->status == STATUS_SUCCESS)
		a->notify_mapped =
			vrl_notify_page(f->dev, f->context.wake_queue) != 0;
	return err;
}

static const struct ioctl_row rows[] = {
#define ROW(name, fl, f) [_IOC_NR(VRDMA_IOC_##name)] = { VRDMA_IOC_##name, fl, f }
	ROW(OPEN, ROW_CLOSED, ioc_open),
	ROW(CREATE_CQ, 0, vrl_ioc_create_cq),
	ROW(RESIZE_CQ, 0, vrl_ioc_resize_cq),
	ROW(CREATE_QP, 0, vrl_ioc_create_qp),
	ROW(CREATE_SRQ, 0, vrl_ioc_create_srq),
	ROW(MODIFY_SRQ, 0, vrl_ioc_modify_srq),
	ROW(SRQ_NOTIFY, 0, vrl_ioc_srq_notify),
	ROW(CREATE_MR, 0, vrl_ioc_create_mr),
	ROW(CREATE_MW, 0, vrl_ioc_create_mw),
	ROW(CREATE_CONNECTOR, 0, vrl_ioc_create_connector),
	ROW(CREATE_LISTENER, 0, vrl_ioc_create_listener),
	ROW(FREE, ROW_LOST_OK, vrl_ioc_free),
	ROW(REGISTER, ROW_UNLOCKED, vrl_ioc_register),
	ROW(DEREGISTER, 0, vrl_ioc_deregister),
	ROW(FLUSH, ROW_LOST_OK, vrl_ioc_flush),
	ROW(CQ_NOTIFY, 0, vrl_ioc_cq_notify),
	ROW(BIND, 0, vrl_ioc_bind),
	ROW(CONNECT, 0, vrl_ioc_connect),
	ROW(COMPLETE_CONNECT, 0, vrl_ioc_complete_connect),
	ROW(ACCEPT, 0, vrl_ioc_accept),
	ROW(REJECT, 0, vrl_ioc_reject),
	ROW(GET_CONNECTION, ROW_LOST_OK, vrl_ioc_get_connection),
	ROW(NOTIFY_DISCONNECT, 0, vrl_ioc_notify_disconnect),
	ROW(DISCONNECT, 0, vrl_ioc_disconnect),
	ROW(LISTEN, 0, vrl_ioc_listen),
	ROW(GET_REQUEST, 0, vrl_ioc_get_request),
	ROW(CANCEL, ROW_LOST_OK, vrl_ioc_cancel),
#undef ROW
};

static int run_locked(struct vrl_file *f, const struct ioctl_row *row, void *arg)
{
	u32 *status = arg;
	int err = 0;

	if (mutex_lock_killable(&f->lock))
		return -EINTR;
	if (!f->adapter && !(row->flags & ROW_CLOSED))
		err = -EINVAL;
	else if (f->adapter && !(row->flags & ROW_LOST_OK) &&
		 vrdma_adapter_lost(f->adapter))
		*status = STATUS_DEVICE_REMOVED;
	else
		err = row->fn(f, arg);
	mutex_unlock(&f->lock);
	return err;
}

static long run_row(struct vrl_file *f, const struct ioctl_row *row,
		    void __user *user, void *arg)
{
	size_t size = _IOC_SIZE(row->cmd);
	int err;

	if (copy_from_user(arg, user, size))
		return -EFAULT;
	if (row->flags & ROW_UNLOCKED)
		err = row->fn(f, arg);
	else
		err = run_locked(f, row, arg);
	if (err)
		return err;
	return copy_to_user(user, arg, size) ? -EFAULT : 0;
}

static long do_kick(struct vrl_file *f)
{
	/* set once, before any queue pair that could have something to kick for */
	NDK_ADAPTER *adapter = smp_load_acquire(&f->adapter);

	if (!adapter)
		return -EINVAL;
	vrl_os_queue_kick(f->dev, f->context.wake_queue);
	return 0;
}

#define SMALL_ARG	64	/* the frequent calls need no allocation */

static long vrl_ioctl(struct file *filp, unsigned int cmd, unsigned long user)
{
	struct vrl_file *f = filp->private_data;
	u64 small[SMALL_ARG / sizeof(u64)];
	const struct ioctl_row *row;
	void *arg = small;
	long ret;

	if (cmd == VRDMA_IOC_KICK)
		return do_kick(f);
	if (_IOC_NR(cmd) >= ARRAY_SIZE(rows) || rows[_IOC_NR(cmd)].cmd != cmd)
		return -EINVAL;
	row = &rows[_IOC_NR(cmd)];
	if (_IOC_SIZE(cmd) > sizeof(small)) {
		arg = kmalloc(_IOC_SIZE(cmd), GFP_KERNEL_ACCOUNT);
		if (!arg)
			return -ENOMEM;
	}
	ret = run_row(f, row, (void __user *)user, arg);
	if (arg != small)
		kfree(arg);
	return ret;
}

/* --- events -------------------------------------------------------------------------- */

static ssize_t vrl_read(struct file *filp, char __user *buf, size_t count,
			loff_t *pos)
{
	return vrl_events_read(filp->private_data, buf, count,
			       filp->f_flags & O_NONBLOCK);
}

static __poll_t vrl_poll(struct file *filp, poll_table *pt)
{
	struct vrl_file *f = filp->private_data;

	poll_wait(filp, &f->wait, pt);
	return vrl_events_wait(f) ? EPOLLIN | EPOLLRDNORM : 0;
}

/* --- mmap ---------------------------------------------------------------------------- */

static void add_vm_flags(struct vm_area_struct *vma, unsigned long flags)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_set(vma, flags);
#else
	vma->vm_flags |= flags;
#endif
}

/* The pages get a reference each, so that the mapping may outlive the object */
static int map_buffer(struct vm_area_struct *vma, const struct vrdma_dma *dma)
{
	unsigned long at = vma->vm_start;
	int err = 0;
	u32 i;

	if (vma_pages(vma) != dma->count)
		return -EINVAL;
	for (i = 0; !err && i < dma->count; i++, at += PAGE_SIZE)
		err = vm_insert_page(vma, at, vrl_dma_page(dma, i));
	return err;
}

static int map_object(struct vrl_file *f, struct vm_area_struct *vma, u64 offset)
{
	const struct vrdma_dma *dma = vrl_find_buffer(f, offset);

	return dma ? map_buffer(vma, dma) : -EINVAL;
}

/*
 * The notification page is filled in by faults, so that it can be taken away
 * when the device goes: afterwards stores land in a page that nobody reads.
 */
static struct page *idle_page;

static vm_fault_t notify_fault(struct vm_fault *vmf)
{
	struct vrl_file *f = vmf->vma->vm_file->private_data;
	unsigned long pfn = page_to_pfn(idle_page);
	vm_fault_t ret;

	/* vrl_files_unmap_notify() sees this entry, or this sees the flag */
	mutex_lock(&f->dev->notify_lock);
	if (!READ_ONCE(f->dev->removing))
		pfn = vrl_notify_page(f->dev, f->context.wake_queue) >>
		      PAGE_SHIFT;
	ret = vmf_insert_pfn(vmf->vma, vmf->address, pfn);
	mutex_unlock(&f->dev->notify_lock);
	return ret;
}

static const struct vm_operations_struct notify_vm_ops = {
	.fault = notify_fault,
};

static int map_notify(struct vrl_file *f, struct vm_area_struct *vma)
{
	if (vma_pages(vma) != 1 ||
	    !vrl_notify_page(f->dev, f->context.wake_queue))
		return -EINVAL;
	add_vm_flags(vma, VM_PFNMAP | VM_IO | VM_DONTDUMP);
	vma->vm_page_prot = pgprot_noncached(vma->vm_page_prot);
	vma->vm_ops = &notify_vm_ops;
	return 0;
}

static int vrl_mmap(struct file *filp, struct vm_area_struct *vma)
{
	struct vrl_file *f = filp->private_data;
	u64 offset = (u64)vma->vm_pgoff << PAGE_SHIFT;
	int err = -EINVAL;

	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	add_vm_flags(vma, VM_DONTCOPY | VM_DONTEXPAND);
	if (mutex_lock_killable(&f->lock))
		return -EINTR;
	if (f->adapter && offset == VRDMA_MMAP_CONTEXT)
		err = map_buffer(vma, f->context.page);
	else if (f->adapter && offset == VRDMA_MMAP_NOTIFY)
		err = map_notify(f, vma);
	else if (f->adapter)
		err = map_object(f, vma, offset);
	mutex_unlock(&f->lock);
	return err;
}

/* --- open and close --------------------------------------------------------------------- */

static int vrl_open(struct inode *inode, struct file *filp)
{
	struct vrl_dev *dev = container_of(filp->private_data, struct vrl_dev,
					   misc);
	struct vrl_file *f = vrl_file_new(dev);

	if (!f)
		return -ENOMEM;
	f->mapping = filp->f_mapping;
	filp->private_data = f;
	mutex_lock(&dev->files_lock);
	list_add_tail(&f->node, &dev->files);
	mutex_unlock(&dev->files_lock);
	return nonseekable_open(inode, filp);
}

static int vrl_release(struct inode *inode, struct file *filp)
{
	struct vrl_file *f = filp->private_data;

	mutex_lock(&f->dev->files_lock);
	list_del_init(&f->node);
	mutex_unlock(&f->dev->files_lock);
	vrl_file_close(f);
	return 0;
}

static const struct file_operations vrl_fops = {
	.owner = THIS_MODULE,
	.open = vrl_open,
	.release = vrl_release,
	.read = vrl_read,
	.poll = vrl_poll,
	.mmap = vrl_mmap,
	.unlocked_ioctl = vrl_ioctl,
	.compat_ioctl = compat_ptr_ioctl,	/* the structures have no pointers */
};

/* --- the device's side --------------------------------------------------------------------- */

void vrl_files_unmap_notify(struct vrl_dev *dev)
{
	struct vrl_file *f;

	/* dev->removing is set: wait for faults that did not see it */
	mutex_lock(&dev->notify_lock);
	mutex_unlock(&dev->notify_lock);
	mutex_lock(&dev->files_lock);
	list_for_each_entry(f, &dev->files, node)
		unmap_mapping_range(f->mapping, VRDMA_MMAP_NOTIFY, PAGE_SIZE, 1);
	mutex_unlock(&dev->files_lock);
}

int vrl_cdev_add(struct vrl_dev *dev)
{
	dev->misc.minor = MISC_DYNAMIC_MINOR;
	dev->misc.name = dev->name;
	dev->misc.fops = &vrl_fops;
	dev->misc.mode = 0666;
	dev->misc.parent = dev->log_dev;
	return misc_register(&dev->misc);
}

void vrl_cdev_remove(struct vrl_dev *dev)
{
	misc_deregister(&dev->misc);
}

int vrl_cdev_init(void)
{
	idle_page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	return idle_page ? 0 : -ENOMEM;
}

void vrl_cdev_exit(void)
{
	__free_page(idle_page);
}
