/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel.h - as much of Linux as guest-driver/user/ and the files of
 * guest-driver/linux/ that serve a process see, in a process
 *
 * DOC: cdev.c, request.c and pin.c of the module, and all of user/, are compiled
 * here as they are.  The build makes a header of each <linux/...> that they include,
 * which means this file; what needs code is in kernel.c, and in pages.c what has to do with
 * memory.  A violated rule (a lock that is not held, a warning) ends the test.
 *
 * The process that calls is `current`, of each thread its own (userdev.h).
 */
#ifndef TESTS_USERDEV_KERNEL_H
#define TESTS_USERDEV_KERNEL_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/types.h>

#include <linux/types.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#include "../../guest-driver/windows/compat/portable.h"

#define KERNEL_VERSION(a, b, c) ((a) << 16 | (b) << 8 | (c))
#define LINUX_VERSION_CODE	KERNEL_VERSION(6, 12, 0)
#define THIS_MODULE		NULL
#define PAGE_SHIFT		12
#define PAGE_SIZE		4096ul
#define PAGE_MASK		(~(PAGE_SIZE - 1))

void ud_warned(const char *what, const char *file, int line);
#define WARN_ON_ONCE(c) \
	({ bool bad_ = (c); if (bad_) ud_warned(#c, __FILE__, __LINE__); bad_; })
#define dev_info(dev, ...) ud_log(dev, __VA_ARGS__)
#define dev_warn_ratelimited dev_info
#define dev_err dev_info
struct device;
__attribute__((format(printf, 2, 3)))
void ud_log(struct device *dev, const char *fmt, ...);

/* --- memory ---------------------------------------------------------------- */

#define GFP_KERNEL	   0
#define GFP_KERNEL_ACCOUNT 0
#define GFP_ATOMIC	   0
#define __GFP_ZERO	   0

/* Zeroed or not: counted, and may fail when a test says so (userdev.h) */
void *kzalloc(size_t size, int gfp);
void kfree(const void *p);
#define kmalloc		   kzalloc
#define kvmalloc_array(n, size, gfp) kzalloc((n) * (size), gfp)
#define kvfree		   kfree

/* --- counts ---------------------------------------------------------------- */

typedef struct {
	long counter;
} atomic64_t;
#define atomic64_add_return(n, a) \
	__atomic_add_fetch(&(a)->counter, (long)(n), __ATOMIC_SEQ_CST)
#define atomic64_sub(n, a) \
	((void)__atomic_sub_fetch(&(a)->counter, (long)(n), __ATOMIC_SEQ_CST))

/* --- locks ----------------------------------------------------------------- */

struct mutex {
	pthread_mutex_t m;
};
typedef struct mutex spinlock_t;

#define mutex_init(l)			 pthread_mutex_init(&(l)->m, NULL)
#define mutex_lock(l)			 pthread_mutex_lock(&(l)->m)
#define mutex_unlock(l)			 pthread_mutex_unlock(&(l)->m)
int mutex_lock_killable(struct mutex *l);
void ud_assert_held(struct mutex *l, const char *file, int line);
#define lockdep_assert_held(l)		 ud_assert_held(l, __FILE__, __LINE__)

#define spin_lock_init(l)		 mutex_init(l)
#define spin_lock_irq(l)		 mutex_lock(l)
#define spin_unlock_irq(l)		 mutex_unlock(l)
#define spin_lock_irqsave(l, flags)	 ((flags) = 0, (void)mutex_lock(l))
#define spin_unlock_irqrestore(l, flags) ((void)(flags), (void)mutex_unlock(l))

/* --- waiting --------------------------------------------------------------- */

struct completion {
	bool done;
};
void init_completion(struct completion *c);
void complete(struct completion *c);
void wait_for_completion(struct completion *c);
/* -EINTR: the process was killed */
int wait_for_completion_killable(struct completion *c);

/* Who waits for a file waits for an eventfd */
typedef struct {
	int fd; /* -1: nobody can */
} wait_queue_head_t;
static inline void init_waitqueue_head(wait_queue_head_t *w)
{
	w->fd = -1;
}
void ud_wake(wait_queue_head_t *w);
int ud_sleep(wait_queue_head_t *w); /* for a while; -EINTR */
#define wake_up_poll(w, events) ud_wake(w)
#define wait_event_interruptible(w, cond) \
	({ int e_ = 0; while (!e_ && !(cond)) e_ = ud_sleep(&(w)); e_; })
#define cond_resched() ((void)0)

/* --- work ------------------------------------------------------------------ */

struct work_struct {
	void (*fn)(struct work_struct *w);
	struct workqueue_struct *wq; /* that it was queued on last */
	struct list_head node;
	bool queued;
};
struct delayed_work {
	struct work_struct work;
};
#define INIT_WORK(w, f) ((void)(*(w) = (struct work_struct){ .fn = (f) }))
bool queue_work(struct workqueue_struct *wq, struct work_struct *w);
void flush_work(struct work_struct *w);
struct workqueue_struct *ud_workqueue_new(void);
void ud_workqueue_free(struct workqueue_struct *wq);

/* --- processes ------------------------------------------------------------- */

struct mm_struct {
	atomic64_t pinned_vm; /* pages */
};
struct task_struct {
	struct mm_struct *mm;
	struct mm_struct own;
	unsigned long memlock; /* bytes */
	bool capable;
	bool killed;	       /* atomic */
	unsigned sleepers;     /* atomic: threads that only a kill or the end of
				* what they wait for wakes */
	struct task_struct *next;
};
extern __thread struct task_struct *current;
void ud_processes_free(void);
bool fatal_signal_pending(struct task_struct *t);
#define CAP_IPC_LOCK	0
#define capable(cap)	(current->capable)
#define rlimit(which)	(current->memlock)
#define mmgrab(mm)	((void)(mm))
#define mmdrop(mm)	((void)(mm))
unsigned long copy_from_user(void *to, const void *from, size_t n);
unsigned long copy_to_user(void *to, const void *from, size_t n);

/* --- pages: pages.c -------------------------------------------------------- */

struct page {
	unsigned device;
	u64 gpa;
	/* of a process, pinned or once pinned: pages.c */
	unsigned long at;
	void *room;
	unsigned pins;
	bool writable;
	struct page *next;
};
/* For use at once: of the device that the thread is in */
struct page *pfn_to_page(u64 pfn);
#define page_to_phys(page) ((page)->gpa)
#define page_to_pfn(page) ((unsigned long)(page_to_phys(page) >> PAGE_SHIFT))
#define FOLL_WRITE    0x1
#define FOLL_LONGTERM 0x2
long pin_user_pages_fast(unsigned long start, int n, unsigned int flags,
			 struct page **page);
void unpin_user_pages_dirty_lock(struct page **page, unsigned long n,
				 bool dirty);
static inline struct page *alloc_page(int gfp)
{
	return kzalloc(sizeof(struct page), gfp);
}
#define __free_page(page) kfree(page)

/* The device whose file the thread calls, and what a device's memory is */
extern __thread unsigned ud_device;
struct fe *ud_fe(unsigned device);
/* Forget what was pinned of a device's memory; false: something still is */
bool ud_pages_forget(unsigned device);
void ud_pages_init(void);

/* --- files ----------------------------------------------------------------- */

struct address_space {
	int unused;
};
struct inode {
	int unused;
};
struct file {
	void *private_data;
	unsigned int f_flags;
	struct address_space *f_mapping;
};
#define nonseekable_open(inode, file) ((void)(inode), (void)(file), 0)

typedef unsigned int __poll_t;
typedef struct poll_table poll_table;
#define poll_wait(file, queue, table) ((void)(table))

#define VM_SHARED     0x01
#define VM_DONTCOPY   0x02
#define VM_DONTEXPAND 0x04
#define VM_PFNMAP     0x08
#define VM_IO	      0x10
#define VM_DONTDUMP   0x20
typedef int vm_fault_t;
struct vm_operations_struct;
struct vm_area_struct {
	unsigned long vm_start, vm_end, vm_pgoff, vm_flags;
	int vm_page_prot;
	const struct vm_operations_struct *vm_ops;
	struct file *vm_file;
};
struct vm_fault {
	struct vm_area_struct *vma;
	unsigned long address;
};
struct vm_operations_struct {
	vm_fault_t (*fault)(struct vm_fault *vmf);
};
#define vma_pages(vma)	       (((vma)->vm_end - (vma)->vm_start) >> PAGE_SHIFT)
#define vm_flags_set(vma, f)   ((vma)->vm_flags |= (f))
#define pgprot_noncached(prot) (prot)
int vm_insert_page(struct vm_area_struct *vma, unsigned long at,
		   struct page *page);
/* The device has no notification page: neither is called */
#define vmf_insert_pfn(vma, at, pfn) ((void)(vma), (void)(at), (void)(pfn), 0)
#define unmap_mapping_range(mapping, start, length, even_cows) \
	((void)(mapping))

struct file_operations {
	void *owner;
	int (*open)(struct inode *inode, struct file *f);
	int (*release)(struct inode *inode, struct file *f);
	ssize_t (*read)(struct file *f, char *buf, size_t n, loff_t *pos);
	__poll_t (*poll)(struct file *f, poll_table *pt);
	int (*mmap)(struct file *f, struct vm_area_struct *vma);
	long (*unlocked_ioctl)(struct file *f, unsigned int cmd,
			       unsigned long arg);
	long (*compat_ioctl)(struct file *f, unsigned int cmd,
			     unsigned long arg);
};
#define compat_ptr_ioctl NULL

#define MISC_DYNAMIC_MINOR 255
struct miscdevice {
	int minor;
	const char *name;
	const struct file_operations *fops;
	int mode;
	struct device *parent;
};
int misc_register(struct miscdevice *misc);
void misc_deregister(struct miscdevice *misc);

/* --- what vrl.h only names --------------------------------------------------- */

typedef u64 phys_addr_t;
struct virtio_device;
struct virtqueue;

#endif /* TESTS_USERDEV_KERNEL_H */
