// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later
/*
 * misc.c - /dev/ndk_ping: a run's arguments in, its lines out
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "ping.h"

#define MAX_ARGS	4096	/* bytes */
#define MAX_LINES	4096	/* not read yet: then the run waits */

struct line {
	struct list_head node;
	size_t len, taken;
	char text[];
};

/* --- lines ---------------------------------------------------------------------------- */

static bool lines_full(struct run *run)
{
	return READ_ONCE(run->queued) >= MAX_LINES;
}

static void queue_text(struct run *run, char *text)
{
	struct line *l;
	size_t len;

	if (!text)
		return;
	len = strlen(text);
	l = kmalloc(struct_size(l, text, len + 1), GFP_KERNEL);
	if (l) {
		l->len = len + 1;
		l->taken = 0;
		memcpy(l->text, text, len);
		l->text[len] = '\n';
		wait_event_idle(run->wait,
				!lines_full(run) || READ_ONCE(run->abort));
		spin_lock_irq(&run->slock);
		list_add_tail(&l->node, &run->lines);
		run->queued++;
		spin_unlock_irq(&run->slock);
		wake_up(&run->readers);
	}
	kfree(text);
}

void run_line(struct run *run, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	queue_text(run, kvasprintf(GFP_KERNEL, fmt, args));
	va_end(args);
}

void run_event(struct run *run, const char *fmt, ...)
{
	u64 us = ktime_get_real_ns() / NSEC_PER_USEC;
	u32 rest = do_div(us, USEC_PER_SEC);
	struct va_format vaf;
	va_list args;

	va_start(args, fmt);
	vaf.fmt = fmt;
	vaf.va = &args;
	queue_text(run, kasprintf(GFP_KERNEL, "%llu.%06u ndk_ping %pV", us,
				  rest, &vaf));
	va_end(args);
}

bool run_error(struct run *run, const char *fmt, ...)
{
	struct va_format vaf;
	va_list args;

	va_start(args, fmt);
	vaf.fmt = fmt;
	vaf.va = &args;
	queue_text(run, kasprintf(GFP_KERNEL, "!ndk_ping: %pV", &vaf));
	va_end(args);
	return false;
}

static const struct {
	NTSTATUS status;
	const char *name;
} names[] = {
#define N(s) { STATUS_##s, #s }
	N(SUCCESS), N(TIMEOUT), N(PENDING), N(BUFFER_OVERFLOW),
	N(NO_MORE_ENTRIES), N(ACCESS_VIOLATION), N(INVALID_PARAMETER),
	N(DATA_OVERRUN), N(DATA_ERROR), N(SHARING_VIOLATION),
	N(INSUFFICIENT_RESOURCES), N(DEVICE_NOT_READY), N(IO_TIMEOUT),
	N(NOT_SUPPORTED), N(INTERNAL_ERROR), N(CANCELLED),
	N(REMOTE_RESOURCES), N(INVALID_ADDRESS), N(INVALID_DEVICE_STATE),
	N(INVALID_BUFFER_SIZE), N(TOO_MANY_ADDRESSES),
	N(CONNECTION_DISCONNECTED), N(CONNECTION_REFUSED),
	N(CONNECTION_INVALID), N(CONNECTION_ACTIVE), N(NETWORK_UNREACHABLE),
	N(HOST_UNREACHABLE), N(CONNECTION_ABORTED), N(DEVICE_REMOVED),
#undef N
};

const char *status_name(NTSTATUS status, char *buf, size_t len)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].status == status)
			return names[i].name;
	snprintf(buf, len, "0x%08x", (u32)status);
	return buf;
}

bool run_status_error(struct run *run, const char *what, NTSTATUS status,
		      const char *mend)
{
	run_event(run, "error what=\"%s\" status=%s", what, STATUS_NAME(status));
	return run_error(run, "%s: %s: %s", what, STATUS_NAME(status), mend);
}

/* --- run ---------------------------------------------------------------------------------- */

static int thread_main(void *arg)
{
	struct run *run = arg;

	run_line(run, "exit %d", run_main(run));
	spin_lock_irq(&run->slock);
	run->finished = true;
	spin_unlock_irq(&run->slock);
	wake_up(&run->readers);
	/* whoever closes the file waits here for this thread's end */
	wait_event_idle(run->wait, kthread_should_stop());
	return 0;
}

static int start(struct run *run, char *args, size_t len)
{
	struct task_struct *t;
	int rc = ping_options(run, args, len, &run->o);

	if (rc) {
		run_line(run, "exit %d", rc);
		run->finished = true;
		return 0;
	}
	t = kthread_create(thread_main, run, "ndk_ping");
	if (IS_ERR(t))
		return PTR_ERR(t);
	run->thread = t;
	wake_up_process(t);
	return 0;
}

static ssize_t ping_write(struct file *filp, const char __user *user,
			  size_t len, loff_t *pos)
{
	struct run *run = filp->private_data;
	char *args;
	int err = 0;

	if (!len || len > MAX_ARGS)
		return -EINVAL;
	args = memdup_user_nul(user, len);
	if (IS_ERR(args))
		return PTR_ERR(args);
	mutex_lock(&run->lock);
	if (!strcmp(args, "stop\n")) {
		WRITE_ONCE(run->stop, true);
		wake_up_all(&run->wait);
	} else if (run->thread || run->finished) {
		err = -EBUSY;
	} else {
		err = start(run, args, len);
	}
	mutex_unlock(&run->lock);
	kfree(args);
	return err ?: (ssize_t)len;
}

static struct line *take_line(struct run *run, bool *finished)
{
	struct line *l;

	spin_lock_irq(&run->slock);
	l = list_first_entry_or_null(&run->lines, struct line, node);
	if (l) {
		list_del(&l->node);
		run->queued--;
	}
	*finished = run->finished;
	spin_unlock_irq(&run->slock);
	wake_up_all(&run->wait);
	return l;
}

static void untake_line(struct run *run, struct line *l)
{
	spin_lock_irq(&run->slock);
	list_add(&l->node, &run->lines);
	run->queued++;
	spin_unlock_irq(&run->slock);
}

static ssize_t give_line(struct run *run, struct line *l, char __user *user,
			 size_t len)
{
	size_t n = min(len, l->len - l->taken);

	if (copy_to_user(user, l->text + l->taken, n)) {
		untake_line(run, l);
		return -EFAULT;
	}
	l->taken += n;
	if (l->taken < l->len)
		untake_line(run, l);
	else
		kfree(l);
	return n;
}

static bool readable(struct run *run)
{
	bool yes;

	spin_lock_irq(&run->slock);
	yes = !list_empty(&run->lines) || run->finished;
	spin_unlock_irq(&run->slock);
	return yes;
}

static ssize_t ping_read(struct file *filp, char __user *user, size_t len,
			 loff_t *pos)
{
	struct run *run = filp->private_data;
	bool finished;
	struct line *l;
	int err;

	for (;;) {
		l = take_line(run, &finished);
		if (l)
			return give_line(run, l, user, len);
		if (finished)
			return 0;
		err = wait_event_interruptible(run->readers, readable(run));
		if (err)
			return err;
	}
}

static int ping_open(struct inode *inode, struct file *filp)
{
	struct run *run = kzalloc(sizeof(*run), GFP_KERNEL);

	if (!run)
		return -ENOMEM;
	mutex_init(&run->lock);
	spin_lock_init(&run->slock);
	INIT_LIST_HEAD(&run->lines);
	INIT_LIST_HEAD(&run->incoming);
	init_waitqueue_head(&run->readers);
	init_waitqueue_head(&run->wait);
	filp->private_data = run;
	return stream_open(inode, filp);
}

static int ping_release_file(struct inode *inode, struct file *filp)
{
	struct run *run = filp->private_data;
	struct line *l, *tmp;

	WRITE_ONCE(run->abort, true);
	wake_up_all(&run->wait);
	if (run->thread)
		kthread_stop(run->thread);
	list_for_each_entry_safe(l, tmp, &run->lines, node)
		kfree(l);
	kfree(run);
	return 0;
}

static const struct file_operations ping_fops = {
	.owner = THIS_MODULE,
	.open = ping_open,
	.release = ping_release_file,
	.write = ping_write,
	.read = ping_read,
};

static struct miscdevice ping_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ndk_ping",
	.fops = &ping_fops,
	.mode = 0600,
};
module_misc_device(ping_misc);

MODULE_DESCRIPTION("kernel-mode NetworkDirect test consumer");
MODULE_LICENSE("Dual BSD/GPL");
