// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * device.c - the devices, and the descriptors of their files
 *
 * DOC: What main.c, os.c and notify.c of the module are for it: vrl_dev's life, what
 * files call.  Behind the descriptor of a file is an eventfd; after whatever may have
 * taken events it is read, and written when there still are some.
 */
#include <check.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "fixture.h"
#include "kernel.h"
#include "userdev.h"
#include "vrlf.h"

#define MAX_FD 1024

struct workqueue_struct *vrl_teardown_wq;

/* --- devices --------------------------------------------------------------------- */

static struct userdev {
	struct vrl_dev dev;
	struct tguest *guest; /* NULL: there is none */
	const struct file_operations *fops;
} devices[USERDEV_MAX];

static pthread_mutex_t unused_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t unused_cond = PTHREAD_COND_INITIALIZER;

static struct userdev *of(struct vrl_dev *dev)
{
	return container_of(dev, struct userdev, dev);
}

struct fe *ud_fe(unsigned device)
{
	return tguest_fe(devices[device].guest);
}

void vrl_dev_get(struct vrl_dev *dev)
{
	kref_get(&dev->ref);
}

static void dev_unused(struct kref *ref)
{
	pthread_mutex_lock(&unused_lock);
	container_of(ref, struct vrl_dev, ref)->removing = true;
	pthread_cond_broadcast(&unused_cond);
	pthread_mutex_unlock(&unused_lock);
}

void vrl_dev_put(struct vrl_dev *dev)
{
	kref_put(&dev->ref, dev_unused);
}

/* Until its files are gone; bounded by the test's patience */
static bool wait_unused(struct vrl_dev *dev)
{
	struct timespec t;
	int err = 0;
	bool ok;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += TEST_TIMEOUT_MS / 1000;
	pthread_mutex_lock(&unused_lock);
	while (!dev->removing && !err)
		err = pthread_cond_timedwait(&unused_cond, &unused_lock, &t);
	ok = dev->removing;
	pthread_mutex_unlock(&unused_lock);
	return ok;
}

phys_addr_t vrl_notify_page(struct vrl_dev *dev, u32 queue)
{
	(void)dev;
	(void)queue;
	return 0;
}

void vrl_os_queue_kick(void *os, u32 queue)
{
	fe_kick(tguest_fe(of(os)->guest), queue);
}

int misc_register(struct miscdevice *misc)
{
	of(container_of(misc, struct vrl_dev, misc))->fops = misc->fops;
	return 0;
}

void misc_deregister(struct miscdevice *misc)
{
	of(container_of(misc, struct vrl_dev, misc))->fops = NULL;
}

static void on_lost(void *arg)
{
	vrl_files_device_lost(arg);
}

void userdev_add(unsigned number, struct tguest *g)
{
	struct userdev *d = &devices[number];
	struct vrl_dev *dev = &d->dev;

	if (!vrl_teardown_wq) {
		vrl_teardown_wq = ud_workqueue_new();
		ck_assert(!vrl_cdev_init());
		ud_pages_init();
	}
	memset(d, 0, sizeof(*d));
	d->guest = g;
	kref_init(&dev->ref);
	mutex_init(&dev->files_lock);
	mutex_init(&dev->notify_lock);
	INIT_LIST_HEAD(&dev->files);
	snprintf(dev->name, sizeof(dev->name), "vrdma%u", number);
	dev->core = tguest_core(g);
	tguest_on_lost(g, on_lost, dev);
	ck_assert(!vrl_cdev_add(dev));
}

void userdev_lose(unsigned number)
{
	tguest_reset(devices[number].guest);
}

static bool any_left(void)
{
	for (unsigned i = 0; i < USERDEV_MAX; i++)
		if (devices[i].guest)
			return true;
	return false;
}

void userdev_remove(unsigned number)
{
	struct userdev *d = &devices[number];

	vrl_dev_put(&d->dev);
	ck_assert_msg(wait_unused(&d->dev), "a file of vrdma%u is still open, "
		      "or does not end", number);
	vrl_cdev_remove(&d->dev);
	tguest_on_lost(d->guest, NULL, NULL);
	ck_assert_msg(ud_pages_forget(number), "a page is still pinned");
	d->guest = NULL;
	if (any_left())
		return;
	ud_workqueue_free(vrl_teardown_wq);
	vrl_teardown_wq = NULL;
	vrl_cdev_exit();
	ud_processes_free();
	ck_assert_int_eq(userdev_blocks(), 0);
}

/* --- descriptors ------------------------------------------------------------------- */

struct ud_file {
	struct kref ref; /* the descriptor's, and calls that run */
	struct file file;
	unsigned device;
	int fd;
};

static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static struct ud_file *table[MAX_FD]; /* table_lock */

/* Who asks for a path or a descriptor that is not ours */
static int errno_is(int err)
{
	errno = err;
	return -1;
}

static struct ud_file *file_get(int fd)
{
	struct ud_file *f = NULL;

	if (fd < 0 || fd >= MAX_FD)
		return NULL;
	pthread_mutex_lock(&table_lock);
	f = table[fd];
	if (f)
		kref_get(&f->ref);
	pthread_mutex_unlock(&table_lock);
	return f;
}

static const struct file_operations *enter(struct ud_file *f)
{
	ud_device = f->device;
	return devices[f->device].fops;
}

static void file_last(struct kref *ref)
{
	struct ud_file *f = container_of(ref, struct ud_file, ref);
	struct vrl_file *v = f->file.private_data;

	/* what wakes whoever waits for it has the lock */
	spin_lock_irq(&v->slock);
	v->wait.fd = -1;
	spin_unlock_irq(&v->slock);
	close(f->fd);
	enter(f)->release(NULL, &f->file);
	free(f);
}

static void file_put(struct ud_file *f)
{
	kref_put(&f->ref, file_last);
}

/* Readable while events wait.  One that comes in between writes by itself */
static void sync_events(struct ud_file *f)
{
	struct vrl_file *v = f->file.private_data;
	uint64_t n;

	if (read(f->fd, &n, sizeof(n)) < 0)
		return; /* it was not readable */
	if (enter(f)->poll(&f->file, NULL) & EPOLLIN)
		ud_wake(&v->wait);
}

static int new_file(unsigned device, int flags)
{
	struct ud_file *f = calloc(1, sizeof(*f));
	struct vrl_file *v;
	int err;

	kref_init(&f->ref);
	f->device = device;
	f->file.f_flags = (unsigned)flags;
	f->file.private_data = &devices[device].dev.misc;
	err = enter(f)->open(NULL, &f->file);
	if (err) {
		free(f);
		return errno_is(-err);
	}
	f->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ck_assert_int_ge(f->fd, 0);
	ck_assert_int_lt(f->fd, MAX_FD);
	v = f->file.private_data;
	v->wait.fd = f->fd;
	pthread_mutex_lock(&table_lock);
	table[f->fd] = f;
	pthread_mutex_unlock(&table_lock);
	return f->fd;
}

int userdev_open(const char *path, int flags, ...)
{
	unsigned n;
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	if (sscanf(path, VRDMA_DEVICE_PATTERN, &n) != 1)
		return open(path, flags, mode);
	if (n >= USERDEV_MAX || !devices[n].fops)
		return errno_is(ENOENT);
	return new_file(n, flags);
}

int userdev_close(int fd)
{
	struct ud_file *f = file_get(fd);

	if (!f)
		return close(fd);
	pthread_mutex_lock(&table_lock);
	table[fd] = NULL;
	pthread_mutex_unlock(&table_lock);
	file_put(f); /* the table's */
	file_put(f);
	return 0;
}

int userdev_ioctl(int fd, unsigned long code, ...)
{
	struct ud_file *f = file_get(fd);
	va_list ap;
	void *arg;
	long ret;

	va_start(ap, code);
	arg = code == VRDMA_IOC_KICK ? NULL : va_arg(ap, void *);
	va_end(ap);
	if (!f)
		return ioctl(fd, code, arg);
	ret = enter(f)->unlocked_ioctl(&f->file, (unsigned)code,
				       (unsigned long)arg);
	file_put(f);
	return ret < 0 ? errno_is((int)-ret) : (int)ret;
}

ssize_t userdev_read(int fd, void *buf, size_t n)
{
	struct ud_file *f = file_get(fd);
	ssize_t ret;

	if (!f)
		return read(fd, buf, n);
	ret = enter(f)->read(&f->file, buf, n, NULL);
	sync_events(f);
	file_put(f);
	return ret < 0 ? errno_is((int)-ret) : ret;
}

static void *map_file(struct ud_file *f, size_t size, int flags, off_t offset)
{
	void *at = mmap(NULL, size, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct vm_area_struct vma = {
		.vm_start = (unsigned long)at,
		.vm_end = (unsigned long)at + size,
		.vm_pgoff = (unsigned long)offset >> PAGE_SHIFT,
		.vm_flags = flags & MAP_SHARED ? VM_SHARED : 0,
		.vm_file = &f->file,
	};
	int err = at == MAP_FAILED ? -errno : enter(f)->mmap(&f->file, &vma);

	if (!err)
		return at;
	if (at != MAP_FAILED)
		munmap(at, size);
	errno_is(-err);
	return MAP_FAILED;
}

void *userdev_mmap(void *at, size_t size, int prot, int flags, int fd,
		   off_t offset)
{
	struct ud_file *f = fd < 0 ? NULL : file_get(fd);
	void *ret;

	if (!f)
		return mmap(at, size, prot, flags, fd, offset);
	ret = map_file(f, size, flags, offset);
	file_put(f);
	return ret;
}

FILE *userdev_fopen(const char *path, const char *mode)
{
	FILE *f;

	if (strcmp(path, "/proc/self/status"))
		return fopen(path, mode);
	f = tmpfile();
	fprintf(f, "VmPin:\t%8ld kB\n",
		__atomic_load_n(&current->mm->pinned_vm.counter,
				__ATOMIC_SEQ_CST) * (long)(PAGE_SIZE / 1024));
	rewind(f);
	return f;
}

/* --- NDSPI's table --------------------------------------------------------------------- */

static int sys_open(const char *path, int flags)
{
	return userdev_open(path, flags);
}

static int sys_ioctl(int fd, unsigned long code, void *arg)
{
	return userdev_ioctl(fd, code, arg);
}

static void *sys_mmap(int fd, uint64_t offset, size_t size)
{
	return userdev_mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			    (off_t)offset);
}

const struct nd_sys userdev_sys = {
	.open = sys_open,
	.close = userdev_close,
	.ioctl = sys_ioctl,
	.mmap = sys_mmap,
	.munmap = munmap,
	.read = userdev_read,
	.poll = poll,
};

/* --- fixture ---------------------------------------------------------------------------- */

void userdev_setup(void)
{
	fx_setup();
	for (unsigned i = 0; i < 2; i++)
		userdev_add(i, fx.g[i]);
}

void userdev_teardown(void)
{
	for (unsigned i = 0; i < 2; i++)
		userdev_remove(i);
	fx_teardown();
}
