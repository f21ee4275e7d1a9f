/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * vrdma_uapi - what a wrong or hostile process gets from /dev/vrdmaN
 *
 * Runs in a guest.  One line for each check that fails; the last line counts.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nd_status.h"
#include "vrdma_uapi.h"

#define PAGE	4096u
#define WAIT_MS	10000

static const char *device = "/dev/vrdma0";
static unsigned int passed, failed;

static void check(bool ok, const char *what, long got)
{
	passed += ok;
	failed += !ok;
	if (!ok)
		printf("FAILED %s: got 0x%lx, errno %s\n", what, got,
		       strerror(errno));
}
/* the call itself fails with this errno */
#define FAILS(call, err) do {						\
	long r_;							\
	errno = 0;							\
	r_ = (long)(call);						\
	check(r_ == -1 && errno == (err), #call " fails " #err, r_);	\
} while (0)
/* the call succeeds and the structure holds this status */
#define SAYS(fd, code, arg, want) do {					\
	int r_;								\
	errno = 0;							\
	r_ = ioctl(fd, VRDMA_IOC_##code, &(arg));			\
	check(!r_ && (arg).status == (uint32_t)(want),			\
	      #code " says " #want, r_ ? r_ : (long)(arg).status);	\
} while (0)
#define IS(a, b) do {							\
	__auto_type got_ = (a);						\
	check(got_ == (b), #a " == " #b, (long)got_);			\
} while (0)

static int fresh(void)
{
	int fd = open(device, O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0) {
		printf("FAILED open %s: %s; modprobe vrdma\n", device,
		       strerror(errno));
		exit(1);
	}
	return fd;
}

static struct vrdma_uapi_open info;

static int opened(void)
{
	int fd = fresh();

	info = (struct vrdma_uapi_open){ .version = VRDMA_UAPI_VERSION };
	SAYS(fd, OPEN, info, STATUS_SUCCESS);
	return fd;
}

/* the next event, within a time */
static struct vrdma_uapi_event event(int fd)
{
	struct vrdma_uapi_event e = { .status = ~0u };
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;

	poll(&p, 1, WAIT_MS);
	n = read(fd, &e, sizeof(e));
	check(n == sizeof(e), "an event comes", n);
	return e;
}

static uint32_t make_cq(int fd)
{
	struct vrdma_uapi_create_cq a = { .depth = 16 };

	SAYS(fd, CREATE_CQ, a, STATUS_SUCCESS);
	return a.id;
}

static struct vrdma_uapi_create_qp make_qp(int fd, uint32_t cq)
{
	struct vrdma_uapi_create_qp a = {
		.recv_cq = cq, .send_cq = cq, .recv_depth = 4, .send_depth = 4,
		.max_recv_sge = 1, .max_send_sge = 1, .qp_context = 77,
	};

	SAYS(fd, CREATE_QP, a, STATUS_SUCCESS);
	return a;
}

static uint32_t make_connector(int fd)
{
	struct vrdma_uapi_create a = { 0 };

	SAYS(fd, CREATE_CONNECTOR, a, STATUS_SUCCESS);
	return a.id;
}

static uint32_t make_mr(int fd)
{
	struct vrdma_uapi_create a = { 0 };

	SAYS(fd, CREATE_MR, a, STATUS_SUCCESS);
	return a.id;
}

static struct vrdma_uapi_create_mw make_mw(int fd)
{
	struct vrdma_uapi_create_mw a = { 0 };

	SAYS(fd, CREATE_MW, a, STATUS_SUCCESS);
	return a;
}

static void free_object(int fd, uint32_t id)
{
	struct vrdma_uapi_object a = { .id = id };

	SAYS(fd, FREE, a, STATUS_SUCCESS);
}

/* --- calls ---------------------------------------------------------------------- */

static void test_codes(void)
{
	struct vrdma_uapi_open o = { .version = 999 };
	struct vrdma_uapi_create_cq cq = { .depth = 16 };
	char page[PAGE] = { 0 };
	int fd = fresh();

	FAILS(ioctl(fd, _IO(VRDMA_IOC_MAGIC, 99), page), EINVAL);
	FAILS(ioctl(fd, _IOWR(VRDMA_IOC_MAGIC, 2, int), page), EINVAL);
	FAILS(ioctl(fd, _IO('x', 1), page), EINVAL);
	FAILS(ioctl(fd, VRDMA_IOC_CREATE_CQ, &cq), EINVAL);	/* not open */
	FAILS(ioctl(fd, VRDMA_IOC_KICK), EINVAL);
	FAILS(read(fd, page, sizeof(page)), EAGAIN);
	FAILS(read(fd, page, 8), EINVAL);
	FAILS(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0), EINVAL);
	SAYS(fd, OPEN, o, STATUS_NOT_SUPPORTED);
	o.version = VRDMA_UAPI_VERSION;
	SAYS(fd, OPEN, o, STATUS_SUCCESS);
	FAILS(ioctl(fd, VRDMA_IOC_OPEN, &o), EINVAL);		/* twice */
	FAILS(ioctl(fd, VRDMA_IOC_CREATE_CQ, NULL), EFAULT);
	FAILS(ioctl(fd, VRDMA_IOC_CREATE_CQ, (void *)-64L), EFAULT);
	close(fd);
}

static void test_read_only_argument(void)
{
	int fd = opened();
	struct vrdma_uapi_create_cq *ro =
		mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	/* depth 0 fails, the answer cannot be written */
	FAILS(ioctl(fd, VRDMA_IOC_CREATE_CQ, ro), EFAULT);
	munmap(ro, PAGE);
	close(fd);
}

static void test_reserved(void)
{
	int fd = opened();
	struct vrdma_uapi_register r = { .reserved = 1, .overlapped = 1 };
	struct vrdma_uapi_bind b = { .addr.family = VIRTIO_RDMA_AF_INET };
	struct vrdma_uapi_connect c = { .overlapped = 1,
					.addr.family = VIRTIO_RDMA_AF_INET };
	struct vrdma_uapi_reject j = { 0 };
	struct vrdma_uapi_get_request g = { .reserved = 1, .overlapped = 1 };
	struct vrdma_uapi_request q = { 0 };
	struct vrdma_uapi_create_qp p = { .handle = 1 };
	struct vrdma_uapi_modify_srq m = { .reserved = 1 };

	FAILS(ioctl(fd, VRDMA_IOC_REGISTER, &r), EINVAL);
	r = (struct vrdma_uapi_register){ .id = 1 };
	FAILS(ioctl(fd, VRDMA_IOC_REGISTER, &r), EINVAL);	/* overlapped 0 */
	b.reserved = 1;
	FAILS(ioctl(fd, VRDMA_IOC_BIND, &b), EINVAL);
	b.reserved = 0;
	b.addr.reserved = 1;
	FAILS(ioctl(fd, VRDMA_IOC_BIND, &b), EINVAL);
	b.addr.reserved = 0;
	b.addr.family = 9;
	FAILS(ioctl(fd, VRDMA_IOC_BIND, &b), EINVAL);
	c.reserved = 1;
	FAILS(ioctl(fd, VRDMA_IOC_CONNECT, &c), EINVAL);
	FAILS(ioctl(fd, VRDMA_IOC_ACCEPT, &c), EINVAL);
	c.reserved = 0;
	c.priv.length = VIRTIO_RDMA_MAX_PRIVATE + 1;
	FAILS(ioctl(fd, VRDMA_IOC_CONNECT, &c), EINVAL);
	FAILS(ioctl(fd, VRDMA_IOC_ACCEPT, &c), EINVAL);
	j.priv.reserved[2] = 1;
	FAILS(ioctl(fd, VRDMA_IOC_REJECT, &j), EINVAL);
	FAILS(ioctl(fd, VRDMA_IOC_GET_REQUEST, &g), EINVAL);
	FAILS(ioctl(fd, VRDMA_IOC_CREATE_QP, &p), EINVAL);
	FAILS(ioctl(fd, VRDMA_IOC_MODIFY_SRQ, &m), EINVAL);
	FAILS(ioctl(fd, VRDMA_IOC_SRQ_NOTIFY, &q), EINVAL);
	FAILS(ioctl(fd, VRDMA_IOC_CQ_NOTIFY, &q), EINVAL);
	FAILS(ioctl(fd, VRDMA_IOC_DEREGISTER, &q), EINVAL);
	FAILS(ioctl(fd, VRDMA_IOC_DISCONNECT, &q), EINVAL);
	FAILS(ioctl(fd, VRDMA_IOC_NOTIFY_DISCONNECT, &q), EINVAL);
	FAILS(ioctl(fd, VRDMA_IOC_COMPLETE_CONNECT, &q), EINVAL);
	close(fd);
}

/* --- ids --------------------------------------------------------------------------- */

static void no_object(int fd, uint32_t id)
{
	struct vrdma_uapi_object o = { .id = id };
	struct vrdma_uapi_request q = { .id = id, .overlapped = 1 };
	struct vrdma_uapi_register r = { .id = id, .overlapped = 1,
					 .address = 4096, .length = 1 };
	struct vrdma_uapi_create_qp qp = { .recv_cq = id, .send_cq = id };
	struct vrdma_uapi_modify_srq m = { .id = id };
	struct vrdma_uapi_resize_cq z = { .id = id, .depth = 8 };

	SAYS(fd, FREE, o, STATUS_INVALID_HANDLE);
	SAYS(fd, RESIZE_CQ, z, STATUS_INVALID_HANDLE);
	SAYS(fd, CANCEL, o, STATUS_INVALID_HANDLE);
	SAYS(fd, FLUSH, o, STATUS_INVALID_HANDLE);
	SAYS(fd, CQ_NOTIFY, q, STATUS_INVALID_HANDLE);
	SAYS(fd, SRQ_NOTIFY, q, STATUS_INVALID_HANDLE);
	SAYS(fd, MODIFY_SRQ, m, STATUS_INVALID_HANDLE);
	SAYS(fd, DEREGISTER, q, STATUS_INVALID_HANDLE);
	SAYS(fd, DISCONNECT, q, STATUS_INVALID_HANDLE);
	SAYS(fd, REGISTER, r, STATUS_INVALID_HANDLE);
	SAYS(fd, CREATE_QP, qp, STATUS_INVALID_HANDLE);
}

static void test_ids(void)
{
	int fd = opened(), other = opened();
	uint32_t cq = make_cq(fd), mr = make_mr(fd);
	struct vrdma_uapi_create_qp qp = { .recv_cq = cq, .send_cq = cq };
	struct vrdma_uapi_request q = { .id = mr, .overlapped = 1 };

	no_object(fd, 0);
	no_object(fd, 0x7fffffff);
	no_object(fd, ~0u);
	/* another file's id names nothing here; another type's neither */
	SAYS(other, CREATE_QP, qp, STATUS_INVALID_HANDLE);
	SAYS(fd, CQ_NOTIFY, q, STATUS_INVALID_HANDLE);
	free_object(fd, mr);
	no_object(fd, mr);
	close(other);
	close(fd);
}

static void test_windows(void)
{
	int fd = opened();
	struct vrdma_uapi_create_mw a = make_mw(fd), b = make_mw(fd);
	struct vrdma_uapi_request q = { .id = a.id, .overlapped = 1 };
	struct vrdma_uapi_register r = { .id = a.id, .overlapped = 1,
					 .address = 4096, .length = 1 };

	check(a.handle != b.handle && a.token >> 8 != b.token >> 8,
	      "two windows are two to the device", a.token);
	check(info.config.max_mw && info.features & VIRTIO_RDMA_FEATURE(MW),
	      "windows are announced", info.features);
	/* neither a region nor anything that could be waited for */
	SAYS(fd, REGISTER, r, STATUS_INVALID_HANDLE);
	SAYS(fd, DEREGISTER, q, STATUS_INVALID_HANDLE);
	free_object(fd, a.id);
	no_object(fd, a.id);
	/* the other one goes with the file */
	close(fd);
}

static void test_limits(void)
{
	int fd = opened();
	uint32_t cq = make_cq(fd);
	struct vrdma_uapi_create_cq c = { .depth = 0 };
	struct vrdma_uapi_create_qp q = {
		.recv_cq = cq, .send_cq = cq, .recv_depth = ~0u,
		.send_depth = 1, .max_recv_sge = 1, .max_send_sge = 1,
	};

	SAYS(fd, CREATE_CQ, c, STATUS_INVALID_PARAMETER);
	c.depth = ~0u;
	SAYS(fd, CREATE_CQ, c, STATUS_INVALID_PARAMETER);
	SAYS(fd, CREATE_QP, q, STATUS_INVALID_PARAMETER);
	q.recv_depth = 1;
	q.max_send_sge = 1000;
	SAYS(fd, CREATE_QP, q, STATUS_INVALID_PARAMETER);
	q.max_send_sge = 1;
	q.max_inline = 1u << 30;
	SAYS(fd, CREATE_QP, q, STATUS_INVALID_PARAMETER);
	close(fd);
}

/* --- mmap ----------------------------------------------------------------------------- */

static void test_mmap(void)
{
	int fd = opened();
	uint32_t cq = make_cq(fd);
	struct vrdma_uapi_create_qp qp = make_qp(fd, cq);
	size_t size = qp.buffer_size;
	uint32_t *rec, *context;

#define MAP(len, flags, off) mmap(NULL, len, PROT_READ | PROT_WRITE, flags, fd, off)
	FAILS(MAP(size, MAP_PRIVATE, qp.buffer_offset), EINVAL);
	FAILS(MAP(size + PAGE, MAP_SHARED, qp.buffer_offset), EINVAL);
	FAILS(MAP(size, MAP_SHARED, qp.buffer_offset + PAGE), EINVAL);
	FAILS(MAP(size, MAP_SHARED, 0x7fffffff000), EINVAL);
	FAILS(MAP(2 * PAGE, MAP_SHARED, VRDMA_MMAP_CONTEXT), EINVAL);
	FAILS(MAP(2 * PAGE, MAP_SHARED, VRDMA_MMAP_NOTIFY), EINVAL);
	rec = MAP(size, MAP_SHARED, qp.buffer_offset);
	check(rec != MAP_FAILED, "map a queue pair", 0);
	IS(rec[2], (uint32_t)VIRTIO_RDMA_QP_INIT);	/* record.state */
	context = MAP(PAGE, MAP_SHARED, VRDMA_MMAP_CONTEXT);
	check(context != MAP_FAILED, "map the context page", 0);
	if (info.notify_mapped) {
		uint8_t *n = MAP(PAGE, MAP_SHARED, VRDMA_MMAP_NOTIFY);

		check(n != MAP_FAILED, "map the notification page", 0);
		*(volatile uint16_t *)(n + info.notify_offset) =
			(uint16_t)info.notify_value;
		munmap(n, PAGE);
	} else {
		FAILS(MAP(PAGE, MAP_SHARED, VRDMA_MMAP_NOTIFY), EINVAL);
	}
	IS(ioctl(fd, VRDMA_IOC_KICK), 0);
	/* the mapping outlives the object, the offset does not */
	free_object(fd, qp.id);
	memset(rec, 0xff, size);
	FAILS(MAP(size, MAP_SHARED, qp.buffer_offset), EINVAL);
	close(fd);
	memset(rec, 0xee, size);
	munmap(rec, size);
	munmap(context, PAGE);
}

/* Another depth is another buffer; the old mapping stays with the process, and
 * its record says that there is another one */
static void test_cq_resize(void)
{
	int fd = opened();
	struct vrdma_uapi_create_cq c = { .depth = 16 };
	struct vrdma_uapi_resize_cq z = { .depth = 0 };
	struct virtio_rdma_cq_record *old, *new;
	size_t size;

	SAYS(fd, CREATE_CQ, c, STATUS_SUCCESS);
	z.id = c.id;
	SAYS(fd, RESIZE_CQ, z, STATUS_INVALID_PARAMETER);
	z.depth = ~0u;
	SAYS(fd, RESIZE_CQ, z, STATUS_INVALID_PARAMETER);
	old = MAP(c.buffer_size, MAP_SHARED, c.buffer_offset);
	check(old != MAP_FAILED, "map a completion queue", 0);
	old->arm = VIRTIO_RDMA_ARM_ANY;
	old->interval = 77;
	z.depth = 16;			/* it has that */
	SAYS(fd, RESIZE_CQ, z, STATUS_SUCCESS);
	IS(old->moved, 0u);
	z.depth = 1000;
	SAYS(fd, RESIZE_CQ, z, STATUS_SUCCESS);
	IS(z.depth, 1024u);
	IS(old->moved, 1u);
	IS(old->arm, 0u);
	memset(old, 0xff, c.buffer_size);
	FAILS(MAP(c.buffer_size, MAP_SHARED, c.buffer_offset), EINVAL);
	size = z.buffer_size;
	new = MAP(size, MAP_SHARED, c.buffer_offset);
	check(new != MAP_FAILED, "map the other buffer", 0);
	IS(new->head, 0u);
	IS(new->moved, 0u);
	IS(new->arm, (uint32_t)VIRTIO_RDMA_ARM_ANY);
	IS(new->interval, 77u);
	z.depth = 4;
	SAYS(fd, RESIZE_CQ, z, STATUS_SUCCESS);
	IS(new->moved, 1u);
	free_object(fd, c.id);
	memset(new, 0xee, size);
	close(fd);
	munmap(old, c.buffer_size);
	munmap(new, size);
}

/* A process that writes nonsense into everything it maps hurts itself only */
static void test_scribble(void)
{
	int fd = opened();
	uint32_t cq = make_cq(fd);
	struct vrdma_uapi_create_qp qp = make_qp(fd, cq);
	uint8_t *m = MAP(qp.buffer_size, MAP_SHARED, qp.buffer_offset);
	uint8_t *c = MAP(PAGE, MAP_SHARED, VRDMA_MMAP_CONTEXT);
	struct vrdma_uapi_object o = { .id = qp.id };

	memset(m, 0xa5, qp.buffer_size);
	memset(c + 64, 0xff, PAGE - 64);
	IS(ioctl(fd, VRDMA_IOC_KICK), 0);
	SAYS(fd, FLUSH, o, STATUS_SUCCESS);
	close(fd);
	munmap(m, qp.buffer_size);
	munmap(c, PAGE);
	fd = opened();
	make_qp(fd, make_cq(fd));
	close(fd);
}

/* --- shared receive queues --------------------------------------------------------------- */

static struct vrdma_uapi_create_srq make_srq(int fd, uint32_t threshold)
{
	struct vrdma_uapi_create_srq a = { .depth = 8, .max_sge = 1,
					   .threshold = threshold };

	SAYS(fd, CREATE_SRQ, a, STATUS_SUCCESS);
	return a;
}

static void test_srq_limits(void)
{
	int fd = opened(), other = opened();
	struct vrdma_uapi_create_srq s = { .depth = 0, .max_sge = 1 };
	uint32_t cq = make_cq(fd);
	struct vrdma_uapi_create_qp q = {
		.recv_cq = cq, .send_cq = cq, .send_depth = 1,
		.max_send_sge = 1, .srq = cq,
	};
	struct vrdma_uapi_modify_srq m = { .depth = ~0u };

	SAYS(fd, CREATE_SRQ, s, STATUS_INVALID_PARAMETER);
	s.depth = ~0u;
	SAYS(fd, CREATE_SRQ, s, STATUS_INVALID_PARAMETER);
	s.depth = 1;
	s.max_sge = 1000;
	SAYS(fd, CREATE_SRQ, s, STATUS_INVALID_PARAMETER);
	m.id = make_srq(fd, 0).id;
	SAYS(fd, MODIFY_SRQ, m, STATUS_INVALID_PARAMETER);
	SAYS(other, MODIFY_SRQ, m, STATUS_INVALID_HANDLE);
	SAYS(fd, CREATE_QP, q, STATUS_INVALID_HANDLE);	/* that is a CQ */
	q.srq = m.id;
	q.recv_depth = 1;
	SAYS(fd, CREATE_QP, q, STATUS_INVALID_PARAMETER);
	q.recv_depth = 0;
	SAYS(fd, CREATE_QP, q, STATUS_SUCCESS);
	free_object(fd, m.id);		/* its end waits for the QP's */
	free_object(fd, q.id);
	close(other);
	close(fd);
}

/* Another depth is another buffer, with what was queued */
static void test_srq_mmap(void)
{
	int fd = opened();
	struct vrdma_uapi_create_srq s = make_srq(fd, 0);
	struct vrdma_uapi_modify_srq m = { .id = s.id };
	struct virtio_rdma_srq_record *old, *new;
	uint8_t *entry;

	m.depth = 512;
	FAILS(MAP(s.buffer_size, MAP_PRIVATE, s.buffer_offset), EINVAL);
	FAILS(MAP(s.buffer_size + PAGE, MAP_SHARED, s.buffer_offset), EINVAL);
	old = MAP(s.buffer_size, MAP_SHARED, s.buffer_offset);
	check(old != MAP_FAILED, "map a shared receive queue", 0);
	memset((char *)old + s.ring_offset, 0x11, 2 * s.stride);
	old->tail = 2;
	SAYS(fd, MODIFY_SRQ, m, STATUS_SUCCESS);
	IS(m.depth, 512u);
	check(m.buffer_size > s.buffer_size, "a larger buffer",
	      (long)m.buffer_size);
	memset(old, 0xff, s.buffer_size);
	FAILS(MAP(s.buffer_size, MAP_SHARED, s.buffer_offset), EINVAL);
	new = MAP(m.buffer_size, MAP_SHARED, s.buffer_offset);
	check(new != MAP_FAILED, "map the other buffer", 0);
	IS(new->tail, 2u);
	IS(new->head, 0u);
	entry = (uint8_t *)new + m.ring_offset;
	IS(entry[0], 0x11);
	IS(entry[2 * s.stride - 1], 0x11);
	IS(entry[2 * s.stride], 0);
	m.depth = 1;			/* fewer than are queued */
	SAYS(fd, MODIFY_SRQ, m, STATUS_BUFFER_OVERFLOW);
	new->tail = 0x80000000;		/* nonsense */
	SAYS(fd, MODIFY_SRQ, m, STATUS_INVALID_PARAMETER);
	free_object(fd, s.id);
	FAILS(MAP(m.buffer_size, MAP_SHARED, s.buffer_offset), EINVAL);
	memset(new, 0xee, m.buffer_size);
	close(fd);
	munmap(old, s.buffer_size);
	munmap(new, m.buffer_size);
}

static void test_srq_notify(void)
{
	int fd = opened();
	struct vrdma_uapi_request q = { .id = make_srq(fd, 0).id,
					.overlapped = 21 };
	struct vrdma_uapi_object o = { .id = q.id };
	struct vrdma_uapi_modify_srq m = { .id = q.id, .threshold = 2 };
	struct vrdma_uapi_event e;

	/* without a threshold there is nothing to tell */
	SAYS(fd, SRQ_NOTIFY, q, STATUS_PENDING);
	SAYS(fd, CANCEL, o, STATUS_SUCCESS);
	IS(event(fd).status, (uint32_t)STATUS_CANCELLED);
	/* it comes while two wait; it is empty: fewer than two */
	SAYS(fd, SRQ_NOTIFY, q, STATUS_PENDING);
	q.overlapped = 22;
	SAYS(fd, SRQ_NOTIFY, q, STATUS_PENDING);
	SAYS(fd, MODIFY_SRQ, m, STATUS_SUCCESS);
	e = event(fd);
	IS(e.status, 0u);
	IS(e.overlapped, 21u);
	IS(e.id, q.id);
	IS(event(fd).overlapped, 22u);
	/* each Notify arms */
	SAYS(fd, SRQ_NOTIFY, q, STATUS_PENDING);
	IS(event(fd).status, 0u);
	q.id = make_srq(fd, 0).id;
	SAYS(fd, SRQ_NOTIFY, q, STATUS_PENDING);
	free_object(fd, q.id);
	IS(event(fd).status, (uint32_t)STATUS_CANCELLED);
	q.id = make_srq(fd, 0).id;
	SAYS(fd, SRQ_NOTIFY, q, STATUS_PENDING);
	close(fd);
}

/* A nonsensical count is an error of that queue, which is told once waited for */
static void test_srq_scribble(void)
{
	int fd = opened();
	struct vrdma_uapi_create_srq s = make_srq(fd, 0);
	struct vrdma_uapi_request q = { .id = s.id, .overlapped = 23 };
	uint8_t *m = MAP(s.buffer_size, MAP_SHARED, s.buffer_offset);
	struct virtio_rdma_context_page *c =
		MAP(PAGE, MAP_SHARED, VRDMA_MMAP_CONTEXT);

	SAYS(fd, SRQ_NOTIFY, q, STATUS_PENDING);
	memset(m, 0xa5, s.buffer_size);
	memset(c->summary, 0xff, sizeof(c->summary));
	memset(c->work, 0xff, sizeof(c->work));
	IS(ioctl(fd, VRDMA_IOC_KICK), 0);
	IS(event(fd).status, (uint32_t)STATUS_INTERNAL_ERROR);
	SAYS(fd, SRQ_NOTIFY, q, STATUS_INTERNAL_ERROR);
	close(fd);
	munmap(m, s.buffer_size);
	munmap(c, PAGE);
	fd = opened();
	make_srq(fd, 1);
	close(fd);
}

static void test_srq(void)
{
	struct vrdma_uapi_create_srq s = { .depth = 1 };
	int fd = opened();
	bool offered = info.config.max_srq_depth;

	if (!offered)
		SAYS(fd, CREATE_SRQ, s, STATUS_NOT_SUPPORTED);
	close(fd);
	if (!offered)
		return;
	test_srq_limits();
	test_cq_resize();
	test_srq_mmap();
	test_srq_notify();
	test_srq_scribble();
}

/* --- memory ------------------------------------------------------------------------------ */

static long vm_pin_kib(void)
{
	char line[128];
	long kib = -1;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmPin: %ld", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib;
}

static uint32_t do_register(int fd, uint32_t id, void *at, uint64_t len,
			    uint32_t flags)
{
	struct vrdma_uapi_register r = {
		.id = id, .address = (uintptr_t)at, .length = len,
		.flags = flags, .overlapped = 5,
	};
	struct vrdma_uapi_event e;

	if (ioctl(fd, VRDMA_IOC_REGISTER, &r))
		return ~0u;
	if (r.status != (uint32_t)STATUS_PENDING)
		return r.status;
	e = event(fd);
	IS(e.overlapped, 5u);
	IS(e.id, id);
	if (!e.status)
		check(e.data[0] && (!(flags & 6) || e.data[1]), "tokens", 0);
	return e.status;
}

static uint32_t do_deregister(int fd, uint32_t id)
{
	struct vrdma_uapi_request q = { .id = id, .overlapped = 6 };

	if (ioctl(fd, VRDMA_IOC_DEREGISTER, &q))
		return ~0u;
	return q.status == (uint32_t)STATUS_PENDING ? event(fd).status :
						      q.status;
}

static void test_register(void)
{
	int fd = opened();
	uint32_t id = make_mr(fd), s;
	size_t len = 64 * PAGE;
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *ro = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);

	IS(do_register(fd, id, NULL, 10, 1), (uint32_t)STATUS_ACCESS_VIOLATION);
	IS(do_register(fd, id, p, 0, 1), (uint32_t)STATUS_INVALID_BUFFER_SIZE);
	IS(do_register(fd, id, p, 10, 0x40), (uint32_t)STATUS_INVALID_PARAMETER);
	IS(do_register(fd, id, p, UINT64_MAX / 4, 1),
	   (uint32_t)STATUS_INVALID_PARAMETER);
	IS(do_register(fd, id, p, UINT64_MAX, 1),
	   (uint32_t)STATUS_ACCESS_VIOLATION);
	IS(do_register(fd, id, (void *)(UINT64_MAX & ~4095ull), PAGE, 1),
	   (uint32_t)STATUS_ACCESS_VIOLATION);
	IS(do_register(fd, id, (void *)0x10000, PAGE, 1),
	   (uint32_t)STATUS_ACCESS_VIOLATION);
	IS(do_register(fd, id, ro, PAGE, 1), (uint32_t)STATUS_ACCESS_VIOLATION);
	s = do_register(fd, id, ro, PAGE, 0);	/* by kernel version */
	check(!s || s == (uint32_t)STATUS_ACCESS_VIOLATION, "read-only", s);
	if (!s)
		IS(do_deregister(fd, id), 0u);
	IS(vm_pin_kib(), 0);
	IS(do_register(fd, id, p + 100, len - 100, 7), 0u);
	IS(vm_pin_kib(), (long)(len / 1024));
	IS(do_register(fd, id, p, PAGE, 1), (uint32_t)STATUS_INVALID_DEVICE_STATE);
	munmap(p, len);				/* the pins hold the pages */
	IS(do_deregister(fd, id), 0u);
	IS(vm_pin_kib(), 0);
	IS(do_deregister(fd, id), (uint32_t)STATUS_INVALID_DEVICE_STATE);
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		 -1, 0);
	IS(do_register(fd, id, p, len, 7), 0u);
	free_object(fd, id);			/* while registered */
	close(fd);
	munmap(p, len);
	munmap(ro, PAGE);
}

/* In a child: not root, and a limit */
static void test_memlock(void)
{
	struct rlimit lim = { 16 * PAGE, 16 * PAGE };
	int status = 1;
	pid_t pid = fork();

	if (!pid) {
		int fd;
		char *p = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		uint32_t id, a, b;

		if (setrlimit(RLIMIT_MEMLOCK, &lim) || setuid(1000))
			_exit(2);
		fd = opened();
		id = make_mr(fd);
		a = do_register(fd, id, p, 17 * PAGE, 1);
		b = do_register(fd, id, p, 16 * PAGE, 1);
		_exit(failed || a != (uint32_t)STATUS_INSUFFICIENT_RESOURCES ||
		      b);
	}
	waitpid(pid, &status, 0);
	check(WIFEXITED(status) && !WEXITSTATUS(status),
	      "RLIMIT_MEMLOCK holds", status);
}

/* --- connectors and listeners ----------------------------------------------------------------- */

static void test_connector(void)
{
	int fd = opened();
	uint32_t id = make_connector(fd);
	struct vrdma_uapi_create_qp qp = make_qp(fd, make_cq(fd));
	struct vrdma_uapi_request q = { .id = id, .overlapped = 1 };
	struct vrdma_uapi_connect c = { .id = id, .qp = qp.id, .overlapped = 1 };
	struct vrdma_uapi_reject j = { .id = id };
	struct vrdma_uapi_bind b = { .id = id, .addr = info.address[0] };
	struct vrdma_uapi_connection d = { .id = id };

	SAYS(fd, NOTIFY_DISCONNECT, q, STATUS_CONNECTION_INVALID);
	SAYS(fd, DISCONNECT, q, STATUS_CONNECTION_INVALID);
	SAYS(fd, COMPLETE_CONNECT, q, STATUS_CONNECTION_INVALID);
	SAYS(fd, ACCEPT, c, STATUS_CONNECTION_INVALID);
	SAYS(fd, REJECT, j, STATUS_CONNECTION_INVALID);
	SAYS(fd, GET_CONNECTION, d, STATUS_SUCCESS);
	IS(d.valid, 0u);
	b.addr.ip[3] ^= 0x55;
	SAYS(fd, BIND, b, STATUS_INVALID_ADDRESS);
	b.addr.ip[3] ^= 0x55;
	SAYS(fd, BIND, b, STATUS_SUCCESS);
	SAYS(fd, BIND, b, STATUS_ADDRESS_ALREADY_ASSOCIATED);
	/* nobody listens there */
	c.addr = info.address[0];
	c.addr.port = 9;
	SAYS(fd, CONNECT, c, STATUS_PENDING);
	IS(event(fd).status, (uint32_t)STATUS_CONNECTION_REFUSED);
	SAYS(fd, NOTIFY_DISCONNECT, q, STATUS_CONNECTION_INVALID);
	close(fd);
}

static uint32_t make_listener(int fd)
{
	struct vrdma_uapi_create a = { 0 };
	struct vrdma_uapi_bind b = { .addr = info.address[0] };
	struct vrdma_uapi_get_request g = { .overlapped = 1 };

	SAYS(fd, CREATE_LISTENER, a, STATUS_SUCCESS);
	b.id = g.listener = a.id;
	g.connector = make_connector(fd);
	SAYS(fd, GET_REQUEST, g, STATUS_INVALID_DEVICE_STATE);
	SAYS(fd, LISTEN, b, STATUS_ADDRESS_NOT_ASSOCIATED);
	SAYS(fd, BIND, b, STATUS_SUCCESS);
	SAYS(fd, LISTEN, b, STATUS_SUCCESS);
	check(b.addr.port, "a port is given", b.addr.port);
	SAYS(fd, LISTEN, b, STATUS_INVALID_DEVICE_STATE);
	free_object(fd, g.connector);
	return a.id;
}

static void test_listener(void)
{
	int fd = opened();
	uint32_t l = make_listener(fd), c = make_connector(fd);
	struct vrdma_uapi_get_request g = { .listener = l, .connector = c,
					    .overlapped = 11 };
	struct vrdma_uapi_object o = { .id = l };
	struct vrdma_uapi_event e;

	SAYS(fd, GET_REQUEST, g, STATUS_PENDING);
	SAYS(fd, GET_REQUEST, g, STATUS_INVALID_DEVICE_STATE);	/* taken */
	SAYS(fd, CANCEL, o, STATUS_SUCCESS);
	e = event(fd);
	IS(e.status, (uint32_t)STATUS_CANCELLED);
	IS(e.overlapped, 11u);
	IS(e.id, l);
	/* the connector it was to fill goes */
	SAYS(fd, GET_REQUEST, g, STATUS_PENDING);
	free_object(fd, c);
	IS(event(fd).status, (uint32_t)STATUS_CANCELLED);
	/* the listener goes */
	g.connector = make_connector(fd);
	SAYS(fd, GET_REQUEST, g, STATUS_PENDING);
	free_object(fd, l);
	IS(event(fd).status, (uint32_t)STATUS_CANCELLED);
	close(fd);
}

/* --- requests */

static void test_many_requests(void)
{
	int fd = opened();
	struct vrdma_uapi_request q = { .id = make_cq(fd), .overlapped = 1 };
	struct vrdma_uapi_object o = { .id = q.id };
	unsigned int n = 0, got = 0;
	struct vrdma_uapi_event e[64];
	ssize_t r;

	while (!ioctl(fd, VRDMA_IOC_CQ_NOTIFY, &q) &&
	       q.status == (uint32_t)STATUS_PENDING && n < 1000000)
		n++;
	IS(q.status, (uint32_t)STATUS_INSUFFICIENT_RESOURCES);
	check(n >= 1024, "many requests may wait", n);
	SAYS(fd, CANCEL, o, STATUS_SUCCESS);
	while ((r = read(fd, e, sizeof(e))) > 0)
		got += (unsigned int)r / sizeof(e[0]);
	IS(got, n);
	/* and closing with all of them waiting */
	q.status = 0;
	for (n = 0; n < 1000; n++)
		ioctl(fd, VRDMA_IOC_CQ_NOTIFY, &q);
	close(fd);
}

/* --- nonsense */

struct nonsense {
	int fd;
	unsigned int seed;
};

static void *nonsense(void *arg)
{
	static const unsigned int size[] = {
		0, sizeof(struct vrdma_uapi_open),
		sizeof(struct vrdma_uapi_create_cq),
		sizeof(struct vrdma_uapi_create_qp),
		sizeof(struct vrdma_uapi_create),
		sizeof(struct vrdma_uapi_create),
		sizeof(struct vrdma_uapi_create),
		sizeof(struct vrdma_uapi_object),
		sizeof(struct vrdma_uapi_register),
		sizeof(struct vrdma_uapi_request),
		sizeof(struct vrdma_uapi_object),
		sizeof(struct vrdma_uapi_request),
		sizeof(struct vrdma_uapi_bind),
		sizeof(struct vrdma_uapi_connect),
		sizeof(struct vrdma_uapi_request),
		sizeof(struct vrdma_uapi_connect),
		sizeof(struct vrdma_uapi_reject),
		sizeof(struct vrdma_uapi_connection),
		sizeof(struct vrdma_uapi_request),
		sizeof(struct vrdma_uapi_request),
		sizeof(struct vrdma_uapi_bind),
		sizeof(struct vrdma_uapi_get_request),
		sizeof(struct vrdma_uapi_object), 0,
		sizeof(struct vrdma_uapi_create_mw),
		sizeof(struct vrdma_uapi_create_srq),
		sizeof(struct vrdma_uapi_modify_srq),
		sizeof(struct vrdma_uapi_request),
		sizeof(struct vrdma_uapi_resize_cq),
	};
	const unsigned int calls = sizeof(size) / sizeof(size[0]) - 1;
	struct nonsense *t = arg;
	uint32_t buf[256];
	unsigned int i, k;

	for (i = 0; i < 4000; i++) {
		unsigned int nr = 1 + (unsigned int)rand_r(&t->seed) % calls;

		memset(buf, 0, sizeof(buf));
		/* small numbers hit ids and counts; some words stay zero */
		for (k = 1; k < size[nr] / 4 && k < 12; k++)
			if (rand_r(&t->seed) % 3)
				buf[k] = (uint32_t)rand_r(&t->seed) % 24;
		if (rand_r(&t->seed) % 8 == 0)
			buf[1 + rand_r(&t->seed) % 8] = (uint32_t)rand_r(&t->seed);
		ioctl(t->fd, _IOC(size[nr] ? _IOC_READ | _IOC_WRITE : _IOC_NONE,
				  VRDMA_IOC_MAGIC, nr, size[nr]), buf);
		if (i % 64 == 0) {
			ssize_t r = read(t->fd, buf, sizeof(buf));
			(void)r;
		}
	}
	return NULL;
}

/* Two threads on one file; the device and a well-behaved process live on */
static void test_nonsense(unsigned int seed)
{
	struct nonsense t[2] = { { .seed = seed }, { .seed = seed + 1 } };
	pthread_t id[2];
	int i, fd = opened();

	t[0].fd = t[1].fd = fd;
	for (i = 0; i < 2; i++)
		pthread_create(&id[i], NULL, nonsense, &t[i]);
	for (i = 0; i < 2; i++)
		pthread_join(id[i], NULL);
	close(fd);
	fd = opened();
	make_qp(fd, make_cq(fd));
	close(fd);
}

static unsigned int seed = 1;

static void test_random(void)
{
	test_nonsense(seed);
}

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	{ "codes", test_codes },
	{ "read-only-argument", test_read_only_argument },
	{ "reserved", test_reserved },
	{ "ids", test_ids },
	{ "windows", test_windows },
	{ "limits", test_limits },
	{ "mmap", test_mmap },
	{ "scribble", test_scribble },
	{ "srq", test_srq },
	{ "register", test_register },
	{ "memlock", test_memlock },
	{ "connector", test_connector },
	{ "listener", test_listener },
	{ "many-requests", test_many_requests },
	{ "nonsense", test_random },
};

int main(int argc, char **argv)
{
	size_t i;

	if (argc > 1 && !strcmp(argv[1], "-h")) {
		puts("usage: vrdma_uapi [SEED [DEVICE [TEST]]]\n\nChecks what "
		     "/dev/vrdma0 answers to wrong calls; SEED (1) is of the\n"
		     "random ones.  Exit status: 0 all as it should be, 1 not.");
		return 0;
	}
	if (argc > 1)
		seed = (unsigned int)strtoul(argv[1], NULL, 0);
	if (argc > 2)
		device = argv[2];
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		if (argc <= 3 || !strcmp(argv[3], tests[i].name))
			tests[i].run();
	printf("%u passed, %u failed\n", passed, failed);
	return failed || !passed;
}
