// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later
/*
 * wait.c - waiting inside an ioctl, and closing any NDK object
 */
#include <linux/slab.h>

#include "vrlf.h"

enum { SYNC_WAITING, SYNC_DONE, SYNC_ABANDONED };

struct vrl_sync {
	struct completion done;
	atomic_t state;
	NTSTATUS status;
	NDK_OBJECT_HEADER *object;
};

struct vrl_sync *vrl_sync_new(void)
{
	struct vrl_sync *s = kzalloc(sizeof(*s), GFP_KERNEL_ACCOUNT);

	if (s)
		init_completion(&s->done);
	return s;
}

void vrl_sync_created(void *sync, NTSTATUS status, NDK_OBJECT_HEADER *object)
{
	struct vrl_sync *s = sync;

	s->status = status;
	s->object = object;
	if (atomic_cmpxchg(&s->state, SYNC_WAITING, SYNC_DONE) == SYNC_WAITING) {
		complete(&s->done);
		return;
	}
	if (status == STATUS_SUCCESS && object)
		vrl_ndk_discard(object);
	kfree(s);
}

void vrl_sync_done(void *sync, NTSTATUS status)
{
	vrl_sync_created(sync, status, NULL);
}

/* status: what the NDK call returned; with SUCCESS it stored the object itself.
 * object_out: void **, or NULL for a request. */
NTSTATUS vrl_sync_wait(struct vrl_sync *s, NTSTATUS status, void *object_out)
{
	if (status == STATUS_PENDING) {
		if (wait_for_completion_killable(&s->done)) {
			if (atomic_cmpxchg(&s->state, SYNC_WAITING,
					   SYNC_ABANDONED) == SYNC_WAITING)
				return STATUS_CANCELLED;
			wait_for_completion(&s->done);
		}
		status = s->status;
		if (object_out && status == STATUS_SUCCESS)
			*(void **)object_out = s->object;
	}
	kfree(s);
	return status;
}

NTSTATUS vrl_ndk_close(void *object, NDK_FN_CLOSE_COMPLETION *done, void *ctx)
{
	NDK_PD *any = object;	/* header and table lie alike in all */
	NDK_FN_CLOSE_OBJECT *const *slot = (const void *)any->Dispatch;

	return slot[0](&any->Header, done, ctx);
}

static void discarded(void *ctx)
{
}

void vrl_ndk_discard(void *object)
{
	vrl_ndk_close(object, discarded, NULL);
}
