/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nd_fake.c - a /dev/vrdmaN for tests of the NDSPI library
 *
 * One lock around everything.  An object stays until its file is closed, so
 * that a late touch of a freed one is seen as a wrong status, not as a crash.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>

#include "nd_fake_int.h"

const unsigned fake_devices = FAKE_DEVICES;
unsigned fake_kicks, fake_ioctls;
bool fake_map_notify;
uint16_t fake_notify_page[2048] __attribute__((aligned(4096)));
uint32_t fake_fail_status;
uint32_t fake_features;
unsigned fake_fail_maps;
unsigned fake_old_rings;
bool fake_lost_in_resize;
void (*fake_in_notify)(void);

struct fake fk = { .lock = PTHREAD_MUTEX_INITIALIZER,
		   .kicked = PTHREAD_COND_INITIALIZER };

/* ---------------------------------------------------------------- finding */

static struct file *file_of(int fd)
{
	for (unsigned i = 0; i < MAX_FILES; i++)
		if (fk.files[i].open && fk.files[i].fds[0] == fd)
			return &fk.files[i];
	ck_abort_msg("a descriptor that is no device: %d", fd);
	return NULL;
}

struct object *fk_find(struct file *f, uint32_t id, enum kind kind)
{
	if (!id || id > MAX_OBJECTS || fk.objects[id - 1].file != f ||
	    fk.objects[id - 1].kind != kind)
		return NULL;
	return &fk.objects[id - 1];
}

struct object *fk_make(struct file *f, enum kind kind)
{
	for (unsigned i = 0; i < MAX_OBJECTS; i++) {
		if (fk.objects[i].kind != FREE_SLOT)
			continue;
		fk.objects[i] = (struct object){ .kind = kind, .file = f,
					      .id = i + 1 };
		return &fk.objects[i];
	}
	ck_abort_msg("the fake has no more objects");
	return NULL;
}

struct object *fk_newest(enum kind kind)
{
	for (int i = MAX_OBJECTS - 1; i >= 0; i--)
		if (fk.objects[i].kind == kind)
			return &fk.objects[i];
	ck_abort_msg("no object of kind %d", kind);
	return NULL;
}

/* ------------------------------------------------------------- the system */

/* a lost file still does these */
static bool works_lost(unsigned long code)
{
	return code == VRDMA_IOC_FREE || code == VRDMA_IOC_CANCEL ||
	       code == VRDMA_IOC_FLUSH || code == VRDMA_IOC_GET_CONNECTION;
}

static int fake_ioctl(int fd, unsigned long code, void *arg)
{
	struct file *f;
	uint32_t status;

	pthread_mutex_lock(&fk.lock);
	f = file_of(fd);
	fake_ioctls++;
	if (code == VRDMA_IOC_KICK) {
		fake_kicks++;
		pthread_cond_broadcast(&fk.kicked);
	} else if (fake_fail_status) {
		*(uint32_t *)arg = fake_fail_status;
		fake_fail_status = 0;
	} else if (f->lost && !works_lost(code)) {
		*(uint32_t *)arg = (uint32_t)ND_DEVICE_REMOVED;
	} else {
		status = fk_dispatch(f, code, arg);
		*(uint32_t *)arg = status;
	}
	pthread_mutex_unlock(&fk.lock);
	return 0;
}

static int fake_open(const char *path, int flags)
{
	struct file *f = NULL;
	unsigned n;

	ck_assert(flags & O_NONBLOCK);
	if (sscanf(path, VRDMA_DEVICE_PATTERN, &n) != 1 || n >= FAKE_DEVICES) {
		errno = ENOENT;
		return -1;
	}
	pthread_mutex_lock(&fk.lock);
	for (fk.newest_file = 0; fk.newest_file < MAX_FILES; fk.newest_file++)
		if (!fk.files[fk.newest_file].open)
			break;
	ck_assert_uint_lt(fk.newest_file, MAX_FILES);
	f = &fk.files[fk.newest_file];
	*f = (struct file){ .open = true, .device = n };
	ck_assert_int_eq(pipe2(f->fds, O_NONBLOCK | O_CLOEXEC), 0);
	f->context = aligned_alloc(PAGE, PAGE);
	memset(f->context, 0, PAGE);
	f->context->worker = VIRTIO_RDMA_WORKER_ASLEEP;
	pthread_mutex_unlock(&fk.lock);
	return f->fds[0];
}

static int fake_close(int fd)
{
	struct file *f;

	pthread_mutex_lock(&fk.lock);
	f = file_of(fd);
	for (unsigned i = 0; i < MAX_OBJECTS; i++)
		if (fk.objects[i].kind != FREE_SLOT && fk.objects[i].file == f) {
			ck_assert_int_eq(fk.objects[i].kind, GONE);
			free(fk.objects[i].buffer);
			fk.objects[i] = (struct object){ 0 };
		}
	close(f->fds[0]);
	if (f->fds[1] >= 0)
		close(f->fds[1]);
	free(f->context);
	f->open = false;
	pthread_mutex_unlock(&fk.lock);
	return 0;
}

static void *fake_mmap(int fd, uint64_t offset, size_t size)
{
	uint32_t id = (uint32_t)(offset >> 32);
	struct object *o = id && id <= MAX_OBJECTS ? &fk.objects[id - 1] : NULL;
	struct file *f;
	void *va = MAP_FAILED;

	pthread_mutex_lock(&fk.lock);
	f = file_of(fd);
	if (fake_fail_maps)
		fake_fail_maps--;
	else if (offset == VRDMA_MMAP_CONTEXT)
		va = f->context;
	else if (offset == VRDMA_MMAP_NOTIFY)
		va = fake_notify_page;
	else if (o && o->file == f && o->size == size)
		va = o->buffer;
	pthread_mutex_unlock(&fk.lock);
	return va;
}

static int fake_munmap(void *va, size_t size)
{
	(void)size;
	/* who still looks there is found out */
	pthread_mutex_lock(&fk.lock);
	for (unsigned i = 0; i < MAX_OBJECTS; i++)
		if (fk.objects[i].buffer == va && fk.objects[i].old_ring) {
			memset(va, 0xdd, fk.objects[i].size);
			fake_old_rings--;
		}
	pthread_mutex_unlock(&fk.lock);
	return 0;
}

static const struct nd_sys fake_sys = {
	.open = fake_open, .close = fake_close, .ioctl = fake_ioctl,
	.mmap = fake_mmap, .munmap = fake_munmap, .read = read, .poll = poll,
};

void fake_install(void)
{
	nd_sys = &fake_sys;
	fake_kicks = fake_ioctls = 0;
	fake_map_notify = false;
	fake_fail_status = 0;
	fake_fail_maps = 0;
	fake_old_rings = 0;
	fake_lost_in_resize = false;
	fake_features = VIRTIO_RDMA_FEATURES;
	fake_in_notify = NULL;
	memset(fake_notify_page, 0, sizeof(fake_notify_page));
}

void fake_remove(void)
{
	for (unsigned i = 0; i < MAX_FILES; i++)
		ck_assert_msg(!fk.files[i].open, "a device file is left open");
	nd_sys = &nd_sys_linux;
}

const bool fake_real = false;

struct sockaddr_in fake_v4(unsigned device, uint16_t port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_port = htons(port) };

	sa.sin_addr.s_addr = htonl(0x0a000001 + device);
	return sa;
}

/* --------------------------------------------------------- for single tests */

struct virtio_rdma_qp_record *fake_qp_record(void)
{
	return fk_newest(QP)->buffer;
}

void *fake_qp_buffer(void)
{
	return fk_newest(QP)->buffer;
}

struct vrdma_uapi_create_qp fake_qp_layout(void)
{
	return fk_newest(QP)->qp;
}

struct virtio_rdma_cq_record *fake_cq_record(void)
{
	return fk_newest(CQ)->buffer;
}

struct virtio_rdma_context_page *fake_context(void)
{
	return fk.files[fk.newest_file].context;
}

void fake_complete(uint64_t wr_id, uint8_t opcode, uint8_t status,
		   uint32_t length)
{
	const struct virtio_rdma_cqe e = { .wr_id = wr_id, .opcode = opcode,
					   .qp_context = 0xc0ffee,
					   .status = status,
					   .length = length };

	fk_write_cqe(fk_newest(CQ), &e);
}

void fake_end_entry(uint8_t opcode, uint32_t count, uint64_t wr_id)
{
	const struct object *qp = fk_newest(QP);
	const struct virtio_rdma_cqe e = {
		.wr_id = wr_id,
		.opcode = opcode,
		.qp = qp->qp.handle,
		.wqe_index = (uint16_t)count,
	};

	fk_write_cqe(opcode >= VIRTIO_RDMA_OP_RECEIVE ? qp->recv_cq
						      : qp->send_cq,
		     &e);
}

unsigned fake_notify_requests(void)
{
	return fk_newest(CQ)->notifies;
}

void fake_report_cq(uint32_t status)
{
	fk_end_notifies(fk_newest(CQ), status);
}

void fake_event(uint64_t overlapped, uint32_t status)
{
	fk_event(&fk.files[fk.newest_file], overlapped, status, 0, 0);
}

uint64_t fake_last_overlapped(void)
{
	return fk.last_overlapped;
}

void fake_hang_up(void)
{
	close(fk.files[fk.newest_file].fds[1]);
	fk.files[fk.newest_file].fds[1] = -1;
}

unsigned fake_listeners(void)
{
	unsigned n = 0;

	pthread_mutex_lock(&fk.lock);
	for (unsigned i = 0; i < MAX_OBJECTS; i++)
		n += fk.objects[i].kind == LISTENER && fk.objects[i].state == UP;
	pthread_mutex_unlock(&fk.lock);
	return n;
}

static void lose_object(struct object *o)
{
	if (o->kind == QP)
		fk_flush(o);
	if (o->kind == CONNECTOR) {
		if (o->peer && !o->peer->file->lost)
			fk_indicate(o->peer, VIRTIO_RDMA_R_PEER_GONE);
		fk_indicate(o, VIRTIO_RDMA_R_DEVICE_RESET);
		fk_end_request(o, ND_DEVICE_REMOVED);
	}
	if (o->kind == CQ || o->kind == SRQ)
		fk_end_notifies(o, (uint32_t)ND_DEVICE_REMOVED);
}

void fake_lose_device(unsigned device)
{
	pthread_mutex_lock(&fk.lock);
	for (unsigned i = 0; i < MAX_FILES; i++)
		if (fk.files[i].open && fk.files[i].device == device)
			fk.files[i].lost = true;
	for (unsigned i = 0; i < MAX_OBJECTS; i++)
		if (fk.objects[i].file && fk.objects[i].file->lost)
			lose_object(&fk.objects[i]);
	pthread_mutex_unlock(&fk.lock);
}
