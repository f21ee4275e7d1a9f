/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * handle.c - file objects: an adapter, or an overlapped file of one
 *
 * DOC: The end of a file object
 *
 * NT sends CLEANUP when the last handle is closed, waits until the driver has
 * ended the file object's requests, and sends CLOSE.  Wine sends CLOSE alone, with
 * requests still pending.  So both do the same work, once: cancel what was
 * issued through the file object and, if it is the adapter's own, take the
 * adapter away.  A request holds its handle.
 *
 * A handle may have been duplicated into a process that lives on.  Memory of the one
 * that registered it must be let go before that one is gone, so its end is an end of
 * the adapter, too.
 *
 * Calls that run when the adapter's handle goes finish first: vrl_file_close()
 * is the last of them.
 */
#include "vrlf.h"

static void space_free(struct kref *ref)
{
	struct address_space *s = container_of(ref, struct address_space, ref);

	vrl_file_put(s->file);
	kfree(s);
}

void vrw_unpinned(struct kref *pins)
{
	struct address_space *s =
		container_of(pins, struct address_space, pins);

	complete(&s->unpinned);
}

void vrw_space_put(struct address_space *s)
{
	kref_put(&s->ref, space_free);
}

static void users_gone(struct kref *users)
{
	struct address_space *s =
		container_of(users, struct address_space, users);

	vrl_file_close(s->file);
	kref_put(&s->pins, vrw_unpinned);
}

static void handle_free(struct kref *ref)
{
	struct vrw_handle *h = container_of(ref, struct vrw_handle, ref);
	struct vrl_dev *dev = h->dev;

	if (h->space)
		kref_put(&h->space->ref, space_free);
	kfree(h);
	vrl_dev_put(dev);
}

void vrw_handle_put(struct vrw_handle *h)
{
	kref_put(&h->ref, handle_free);
}

struct vrw_handle *vrw_handle_new(struct vrl_dev *dev, HANDLE pid)
{
	struct vrw_handle *h = kzalloc(sizeof(*h), GFP_KERNEL);

	if (!h)
		return NULL;
	kref_init(&h->ref);
	INIT_LIST_HEAD(&h->requests);
	vrl_dev_get(dev);
	h->dev = dev;
	h->pid = pid;
	return h;
}

static struct address_space *space_new(struct vrw_handle *h)
{
	struct address_space *s = kzalloc(sizeof(*s), GFP_KERNEL);

	if (!s)
		return NULL;
	s->file = vrl_file_new(h->dev);
	if (!s->file) {
		kfree(s);
		return NULL;
	}
	vrl_file_get(s->file);		/* the first one is vrl_file_close()'s */
	s->file->mapping = s;
	s->pid = h->pid;
	kref_init(&s->ref);
	kref_init(&s->users);
	kref_init(&s->pins);
	init_completion(&s->unpinned);
	mutex_init(&s->lock);
	INIT_LIST_HEAD(&s->maps);
	return s;
}

NTSTATUS vrw_handle_own(struct vrw_handle *h)
{
	NTSTATUS status = STATUS_SUCCESS;

	mutex_lock(&h->dev->files_lock);
	if (h->clean)
		status = STATUS_INVALID_DEVICE_STATE;
	else if (!h->space) {
		h->space = space_new(h);
		if (!h->space)
			status = STATUS_INSUFFICIENT_RESOURCES;
	}
	if (status == STATUS_SUCCESS && !h->space->cookie) {
		h->owner = true;
		h->space->cookie = ++h->dev->next_cookie;
		list_add_tail(&h->space->file->node, &h->dev->files);
	}
	mutex_unlock(&h->dev->files_lock);
	return status;
}

NTSTATUS vrw_handle_attach(struct vrw_handle *h, u64 cookie)
{
	NTSTATUS status = STATUS_INVALID_HANDLE;
	struct vrl_file *f;

	mutex_lock(&h->dev->files_lock);
	if (h->space || h->clean)
		status = STATUS_INVALID_DEVICE_STATE;
	list_for_each_entry(f, &h->dev->files, node) {
		struct address_space *s = f->mapping;

		if (h->space || s->cookie != cookie || s->pid != h->pid ||
		    s->closing)
			continue;
		kref_get(&s->ref);
		h->space = s;
		status = STATUS_SUCCESS;
	}
	mutex_unlock(&h->dev->files_lock);
	return status;
}

struct vrl_file *vrw_handle_enter(struct vrw_handle *h, HANDLE pid)
{
	struct vrl_file *f = NULL;

	mutex_lock(&h->dev->files_lock);
	if (h->space && !h->space->closing && !h->clean && h->pid == pid) {
		kref_get(&h->space->users);
		f = h->space->file;
	}
	mutex_unlock(&h->dev->files_lock);
	return f;
}

void vrw_handle_leave(struct vrw_handle *h)
{
	kref_put(&h->space->users, users_gone);
}

/* --- the end ------------------------------------------------------------------------- */

/* The adapter's, once.  s->ref is held */
static void space_end(struct vrl_dev *dev, struct address_space *s)
{
	bool first;

	mutex_lock(&dev->files_lock);
	first = !s->closing;
	s->closing = true;
	mutex_unlock(&dev->files_lock);
	if (first) {
		vrw_unmap_all(s);
		mutex_lock(&dev->files_lock);
		list_del_init(&s->file->node);
		mutex_unlock(&dev->files_lock);
		kref_put(&s->users, users_gone);
	}
	if (dev->bottom->waits_for_pins)
		wait_for_completion(&s->unpinned);
}

void vrw_handle_cleanup(struct vrw_handle *h)
{
	bool first;

	mutex_lock(&h->dev->files_lock);
	first = !h->clean;
	h->clean = true;
	mutex_unlock(&h->dev->files_lock);
	if (!first || !h->space)
		return;
	vrw_requests_cancel(h);
	if (h->owner)
		space_end(h->dev, h->space);
}

static struct address_space *space_of(struct vrl_dev *dev, HANDLE pid)
{
	struct address_space *s = NULL;
	struct vrl_file *f;

	mutex_lock(&dev->files_lock);
	list_for_each_entry(f, &dev->files, node)
		if (f->mapping->pid == pid)
			s = f->mapping;
	if (s)
		kref_get(&s->ref);
	mutex_unlock(&dev->files_lock);
	return s;
}

/* One that ends already leaves the list before its end has been waited for */
void vrw_files_process_gone(struct vrl_dev *dev, HANDLE pid)
{
	struct address_space *s;

	while ((s = space_of(dev, pid))) {
		space_end(dev, s);
		vrw_space_put(s);
	}
}
