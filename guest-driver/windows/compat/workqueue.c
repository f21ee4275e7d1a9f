/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * workqueue.c - work items on threads of our own
 *
 * DOC: NT's work items want a device object and run in threads that belong to
 * everybody; what runs here may block for as long as a device has to answer.
 */
#include "kernel.h"

LONG vrw_pool_blocks;

struct workqueue_struct {
	spinlock_t lock;
	/* under lock */
	struct list_head queue;
	struct work_struct *running[VRW_MAX_WORKERS];
	struct list_head waiters;	/* struct flush_waiter */
	bool stop;
	/* constant */
	KSEMAPHORE wake;
	unsigned int threads;
	void *thread[VRW_MAX_WORKERS];
	LONG next;			/* number of the next thread to start */
};

struct flush_waiter {
	struct list_head node;
	struct completion moved;	/* some item ended */
};

static bool is_running(const struct workqueue_struct *wq,
		       const struct work_struct *w)
{
	unsigned int i;

	for (i = 0; i < wq->threads; i++)
		if (wq->running[i] == w)
			return true;
	return false;
}

/* lock held.  An item that runs elsewhere stays: that thread takes it next */
static struct work_struct *pick(struct workqueue_struct *wq, unsigned int me)
{
	struct work_struct *w;

	list_for_each_entry(w, &wq->queue, node) {
		if (is_running(wq, w))
			continue;
		list_del_init(&w->node);
		w->queued = false;
		wq->running[me] = w;
		return w;
	}
	return NULL;
}

static void wake_waiters(struct workqueue_struct *wq)
{
	struct flush_waiter *f;

	list_for_each_entry(f, &wq->waiters, node)
		complete(&f->moved);
}

/* Runs all that there is; true: the thread is to go on */
static bool run_queue(struct workqueue_struct *wq, unsigned int me)
{
	struct work_struct *w;
	bool more;

	spin_lock_irq(&wq->lock);
	while ((w = pick(wq, me))) {
		spin_unlock_irq(&wq->lock);
		w->fn(w);		/* w may be gone now */
		spin_lock_irq(&wq->lock);
		wq->running[me] = NULL;
		wake_waiters(wq);
	}
	more = !wq->stop;
	spin_unlock_irq(&wq->lock);
	return more;
}

static VOID NTAPI worker(PVOID arg)
{
	struct workqueue_struct *wq = arg;
	unsigned int me = (unsigned int)InterlockedIncrement(&wq->next) - 1;

	do {
		KeWaitForSingleObject(&wq->wake, Executive, KernelMode, FALSE,
				      NULL);
	} while (run_queue(wq, me));
	PsTerminateSystemThread(STATUS_SUCCESS);
}

struct workqueue_struct *vrw_workqueue_new(unsigned int threads)
{
	struct workqueue_struct *wq = kzalloc(sizeof(*wq), GFP_KERNEL);
	unsigned int i;

	if (!wq)
		return NULL;
	spin_lock_init(&wq->lock);
	INIT_LIST_HEAD(&wq->queue);
	INIT_LIST_HEAD(&wq->waiters);
	KeInitializeSemaphore(&wq->wake, 0, MAXLONG);
	wq->threads = min_t(unsigned int, threads, VRW_MAX_WORKERS);
	for (i = 0; i < wq->threads; i++) {
		wq->thread[i] = vrw_thread_start(worker, wq);
		if (!wq->thread[i]) {
			vrw_workqueue_free(wq);
			return NULL;
		}
	}
	return wq;
}

void vrw_workqueue_free(struct workqueue_struct *wq)
{
	unsigned int i;

	if (!wq)
		return;
	spin_lock_irq(&wq->lock);
	wq->stop = true;
	spin_unlock_irq(&wq->lock);
	KeReleaseSemaphore(&wq->wake, IO_NO_INCREMENT, (LONG)wq->threads,
			   FALSE);
	for (i = 0; i < wq->threads; i++)
		if (wq->thread[i])
			vrw_thread_join(wq->thread[i]);
	kfree(wq);
}

bool queue_work(struct workqueue_struct *wq, struct work_struct *w)
{
	unsigned long flags;
	bool fresh;

	spin_lock_irqsave(&wq->lock, flags);
	fresh = !w->queued;
	if (fresh) {
		w->queued = true;
		w->wq = wq;
		list_add_tail(&w->node, &wq->queue);
	}
	spin_unlock_irqrestore(&wq->lock, flags);
	if (fresh)
		KeReleaseSemaphore(&wq->wake, IO_NO_INCREMENT, 1, FALSE);
	return fresh;
}

void flush_work(struct work_struct *w)
{
	struct workqueue_struct *wq = w->wq;
	struct flush_waiter f;

	if (!wq)
		return;
	init_completion(&f.moved);
	spin_lock_irq(&wq->lock);
	list_add_tail(&f.node, &wq->waiters);
	while (w->queued || is_running(wq, w)) {
		KeClearEvent(&f.moved.event);
		spin_unlock_irq(&wq->lock);
		wait_for_completion(&f.moved);
		spin_lock_irq(&wq->lock);
	}
	list_del(&f.node);
	spin_unlock_irq(&wq->lock);
}

/* --- threads ------------------------------------------------------------------- */

void *vrw_thread_start(PKSTART_ROUTINE fn, void *arg)
{
	void *thread = NULL;
	HANDLE h;

	if (!NT_SUCCESS(PsCreateSystemThread(&h, THREAD_ALL_ACCESS, NULL, NULL,
					     NULL, fn, arg)))
		return NULL;
	/* type NULL is legal in kernel mode */
	ObReferenceObjectByHandle(h, SYNCHRONIZE, NULL, KernelMode, &thread,
				  NULL);
	ZwClose(h);
	return thread;
}

void vrw_thread_join(void *thread)
{
	KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, NULL);
	ObDereferenceObject(thread);
}
