// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later
/*
 * ndk_entry.c - kernel consumers open and close adapters here
 *
 * DOC: The adapter is the core's object and knows nothing of Linux devices, so
 * who holds which device is kept in a list.
 */
#include <linux/export.h>
#include <linux/slab.h>

#include "vrl.h"
#include "vrdma_ndk.h"

struct opened {
	struct list_head node;
	NDK_ADAPTER *adapter;
	struct vrl_dev *dev;		/* reference */
};

static DEFINE_MUTEX(opened_mutex);
static LIST_HEAD(opened_list);

NTSTATUS vrdma_ndk_open_adapter(const char *which, NDK_VERSION version,
				NDK_ADAPTER **adapter)
{
	struct opened *o;
	NTSTATUS status = STATUS_INVALID_ADDRESS;

	o = kzalloc(sizeof(*o), GFP_KERNEL);
	if (!o)
		return STATUS_INSUFFICIENT_RESOURCES;
	o->dev = vrl_dev_find(which);
	if (!o->dev)
		goto fail;
	status = vrdma_open_adapter(o->dev->core, version, 0, &o->adapter);
	if (status != STATUS_SUCCESS)
		goto fail_put;
	mutex_lock(&opened_mutex);
	list_add(&o->node, &opened_list);
	mutex_unlock(&opened_mutex);
	*adapter = o->adapter;
	return STATUS_SUCCESS;

fail_put:
	vrl_dev_put(o->dev);
fail:
	kfree(o);
	return status;
}
EXPORT_SYMBOL_GPL(vrdma_ndk_open_adapter);

static struct opened *find_opened(NDK_ADAPTER *adapter)
{
	struct opened *o;

	lockdep_assert_held(&opened_mutex);
	list_for_each_entry(o, &opened_list, node)
		if (o->adapter == adapter)
			return o;
	return NULL;
}

void vrdma_ndk_close_adapter(NDK_ADAPTER *adapter)
{
	struct opened *o;

	mutex_lock(&opened_mutex);
	o = find_opened(adapter);
	if (o)
		list_del(&o->node);
	mutex_unlock(&opened_mutex);
	if (WARN_ON_ONCE(!o))
		return;
	vrdma_close_adapter(adapter);
	vrl_dev_put(o->dev);
	kfree(o);
}
EXPORT_SYMBOL_GPL(vrdma_ndk_close_adapter);

unsigned int vrdma_ndk_addresses(NDK_ADAPTER *adapter,
				 struct virtio_rdma_addr *out, unsigned int max)
{
	unsigned int n = 0;
	struct opened *o;

	mutex_lock(&opened_mutex);
	o = find_opened(adapter);
	if (o)
		n = vrdma_core_addresses(o->dev->core, out, max);
	mutex_unlock(&opened_mutex);
	return n;
}
EXPORT_SYMBOL_GPL(vrdma_ndk_addresses);
