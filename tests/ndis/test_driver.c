// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_driver.c - the whole driver of a Windows machine, from DriverEntry to the registers of
 * its PCI function, with a program over its device controls and vrdmad behind the function
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "nt.h"
#include "pcidev.h"
#include "standin.h"
#include "transport.h"
#include "vrdma_ring.h"
#include "vrdma_win.h"

NTSTATUS DriverEntry(DRIVER_OBJECT *driver, UNICODE_STRING *path);

static const NDK_VERSION version = { VRDMA_NDK_MAJOR, VRDMA_NDK_MINOR };

bool standin_fails(void)
{
	return nt_fails();
}

NDIS_STATUS standin_register(void)
{
	return DriverEntry(NULL, NULL);
}

static void load(void)
{
	struct fe *fe = pcidev_plug(test_backend()->daemon(0)->socket[0],
				    64u << 20);

	ck_assert_ptr_nonnull(fe);
	nt_boot(fe);
	standin_load(NULL);
	ndis.resources = pcidev_resources();
}

/* guest 0 is the driver's: what the fixture put there makes room */
static void setup(void)
{
	fx_setup();
	tguest_stop(fx.g[0]);
	fx.g[0] = NULL;
	load();
}

static void teardown(void)
{
	if (ndis.context)
		standin_halt(NdisHaltDeviceDisabled);
	standin_unload();
	ck_assert(!pcidev_in_use());
	nt_halt();
	pcidev_free();
	fx_teardown();
}

static void start(void)
{
	ck_assert_int_eq(standin_start(), NDIS_STATUS_SUCCESS);
	ck_assert_uint_eq(nt_devices(), 1);
}

/* --- a program --------------------------------------------------- */

struct program {
	struct nt_process *p;
	struct nt_file *file, *async;
	uint32_t number;		/* of the device */
	struct vrdma_uapi_open info;
	struct virtio_rdma_context_page *context;
	uint32_t cq, qp, mr, conn, slot;
	struct vrdma_cqring ring;
	struct vrdma_wq sq, rq;
	uint8_t *mem;
	uint32_t token;
};
#define MEM_PAGES 16u

static NTSTATUS call(struct nt_file *f, ULONG code, void *arg, ULONG size)
{
	assert_status(nt_ioctl(f, code, arg, size), STATUS_SUCCESS);
	return (NTSTATUS)*(uint32_t *)arg;
}
#define CALL(g, code, a)	call((g)->file, code, &(a), sizeof(a))
#define BEGIN(g, code, a)	nt_begin((g)->async, code, &(a), sizeof(a))
#define OK(what)		assert_status(what, STATUS_SUCCESS)

static void *map(struct program *g, uint64_t offset, uint64_t size)
{
	struct vrdma_win_map m = { .offset = offset, .size = size };

	OK(CALL(g, VRDMA_WIN_MAP, m));
	return (void *)(uintptr_t)m.address;
}

static void open_files(struct program *g)
{
	struct vrdma_win_cookie c = { 0 };
	NTSTATUS status;

	g->file = nt_open(g->number, &status);
	OK(status);
	g->info = (struct vrdma_uapi_open){ .version = VRDMA_UAPI_VERSION };
	OK(CALL(g, VRDMA_IOC_OPEN, g->info));
	OK(CALL(g, VRDMA_WIN_COOKIE, c));
	g->async = nt_open(g->number, &status);
	OK(status);
	c.status = 0;
	OK(call(g->async, VRDMA_WIN_ATTACH, &c, sizeof(c)));
	g->context = map(g, VRDMA_MMAP_CONTEXT, PAGE_SIZE);
}

static void make_queues(struct program *g)
{
	struct vrdma_uapi_create_cq c = { .depth = 64 };
	struct vrdma_uapi_create_qp q = {
		.recv_depth = 16, .send_depth = 16, .max_recv_sge = 1,
		.max_send_sge = 1,
	};
	void *buffer;

	OK(CALL(g, VRDMA_IOC_CREATE_CQ, c));
	g->cq = q.recv_cq = q.send_cq = c.id;
	vrdma_cqring_init(&g->ring, map(g, c.buffer_offset, c.buffer_size),
			  c.ring_offset, c.depth);
	OK(CALL(g, VRDMA_IOC_CREATE_QP, q));
	g->qp = q.id;
	g->slot = q.slot;
	buffer = map(g, q.buffer_offset, q.buffer_size);
	vrdma_sq_init(&g->sq, buffer, q.send_offset, q.send_depth,
		      q.send_stride, 16);
	vrdma_rq_init(&g->rq, buffer, q.recv_offset, q.recv_depth,
		      q.recv_stride, 16);
}

static NTSTATUS register_at(struct program *g, const void *at, uint64_t length,
			    uint32_t flags)
{
	struct vrdma_uapi_register r = {
		.id = g->mr, .address = (uintptr_t)at, .length = length,
		.flags = flags, .overlapped = 1,
	};

	return nt_io_wait(BEGIN(g, VRDMA_IOC_REGISTER, r));
}

static void make_memory(struct program *g)
{
	struct vrdma_uapi_create c = { 0 };
	struct vrdma_win_mr q = { 0 };

	OK(CALL(g, VRDMA_IOC_CREATE_MR, c));
	q.id = g->mr = c.id;
	g->mem = nt_user_alloc(g->p, MEM_PAGES, false);
	OK(register_at(g, g->mem + 100, MEM_PAGES * PAGE_SIZE - 100,
		       NDK_MR_FLAG_ALLOW_LOCAL_WRITE));
	ck_assert_uint_eq(nt_locked_pages(g->p), MEM_PAGES);
	OK(CALL(g, VRDMA_WIN_QUERY_MR, q));
	g->token = q.local_token;
}

static void program_open(struct program *g, uint32_t number)
{
	memset(g, 0, sizeof(*g));
	g->p = nt_process_new();
	g->number = number;
	nt_enter(g->p);
	open_files(g);
	make_queues(g);
	make_memory(g);
}

static void program_exit(struct program *g)
{
	nt_process_exit(g->p);
	nt_enter(NULL);
}

/* --- its peer --------------------------------------------------- */

static struct ep peer;
static struct listener listener;

static void peer_open(void)
{
	struct ep_opts plain = { 0 };

	ep_init(&peer, fx.g[1], &plain);
	listener_start(&listener, peer.adapter, sa_v4(1, 0));
}

static void peer_close(void)
{
	struct op op;
	NTSTATUS st;

	op_init(&op);
	st = nd_close_start(listener.obj, &op);
	if (peer.conn)
		nd_close(peer.conn);
	peer.conn = NULL;
	OK(op_wait(&op, st));
	ep_fini(&peer);
}

static struct vrdma_uapi_sockaddr peer_address(void)
{
	struct vrdma_uapi_sockaddr a = {
		.family = VIRTIO_RDMA_AF_INET, .port = sa_port(&listener.addr),
	};

	memcpy(a.ip, &listener.addr.in.sin_addr, 4);
	return a;
}

static void connect_to_peer(struct program *g)
{
	struct vrdma_uapi_create c = { 0 };
	struct vrdma_uapi_bind b = { .addr = g->info.address[0] };
	struct vrdma_uapi_connect k = { .qp = g->qp, .overlapped = 1,
					.addr = peer_address() };
	struct vrdma_uapi_request r = { .overlapped = 1 };
	struct nt_io *io;
	struct op op;
	NTSTATUS st;

	OK(CALL(g, VRDMA_IOC_CREATE_CONNECTOR, c));
	g->conn = b.id = k.id = r.id = c.id;
	OK(CALL(g, VRDMA_IOC_BIND, b));
	io = BEGIN(g, VRDMA_IOC_CONNECT, k);
	op_init(&op);
	st = ep_accept_start(&peer, listener_next(&listener), NULL, &op);
	OK(nt_io_wait(io));
	OK(nt_io_wait(BEGIN(g, VRDMA_IOC_COMPLETE_CONNECT, r)));
	OK(op_wait(&op, st));
}

static void ring_bell(struct program *g)
{
	if (vrdma_ring_bell(g->context, g->slot))
		OK(nt_ioctl(g->file, VRDMA_IOC_KICK, NULL, 0));
}

static void post_sge(void *at, const struct program *g, uint32_t offset,
		     uint32_t length)
{
	struct virtio_rdma_sge sge = {
		.addr = vr_to_le64((uintptr_t)g->mem + offset),
		.length = vr_to_le32(length),
		.token = vr_to_le32(g->token),
	};

	memcpy(at, &sge, sizeof(sge));
}

static void post_send(struct program *g, uint32_t offset, uint32_t length)
{
	struct virtio_rdma_send_wqe *e = vrdma_wq_next(&g->sq);

	*e = (struct virtio_rdma_send_wqe){
		.wr_id = vr_to_le64(7), .opcode = VIRTIO_RDMA_OP_SEND,
		.num_sge = 1,
	};
	post_sge(e + 1, g, offset, length);
	vrdma_wq_post(&g->sq);
	ring_bell(g);
}

static void post_receive(struct program *g, uint32_t offset, uint32_t length)
{
	struct virtio_rdma_recv_wqe *e = vrdma_wq_next(&g->rq);

	*e = (struct virtio_rdma_recv_wqe){ .wr_id = vr_to_le64(8),
					    .num_sge = 1 };
	post_sge(e + 1, g, offset, length);
	vrdma_wq_post(&g->rq);
	ring_bell(g);
}

/* One completion, bounded */
static uint8_t next_status(struct program *g)
{
	struct virtio_rdma_cqe e = { .status = 0xff };

	for (int ms = 0; !vrdma_cqring_take(&g->ring, &e); ms++) {
		ck_assert_int_lt(ms, TEST_TIMEOUT_MS);
		poll(NULL, 0, 1);
	}
	return e.status;
}

/* Both ways, of buffers that begin and end inside of a page */
static void messages(struct program *g)
{
	const uint32_t n = 9000;

	for (uint32_t i = 0; i < n; i++)
		g->mem[333 + i] = (uint8_t)(i * 7);
	OK(ep_post_recv(&peer, 1, 0, n));
	post_send(g, 333, n);
	OK(ep_next(&peer).Status);
	ck_assert_uint_eq(next_status(g), VIRTIO_RDMA_WC_SUCCESS);
	ck_assert_mem_eq(peer.mem.va, g->mem + 333, n);
	post_receive(g, 20001, n);
	OK(ep_post_send(&peer, 2, 0, n, 0));
	OK(ep_next(&peer).Status);
	ck_assert_uint_eq(next_status(g), VIRTIO_RDMA_WC_SUCCESS);
	ck_assert_mem_eq(g->mem + 20001, g->mem + 333, n);
}

static struct nt_io *begin_disconnect(struct program *g)
{
	struct vrdma_uapi_request r = { .id = g->conn, .overlapped = 1 };

	return BEGIN(g, VRDMA_IOC_DISCONNECT, r);
}

/* --- it comes and goes --------------------------------------------------- */

/* A direct OID request may come at this level */
static void ask_statistics(void *arg)
{
	NDIS_NDK_STATISTICS_INFO s;
	NDIS_OID_REQUEST r;

	(void)arg;
	ck_assert_int_eq(standin_oid(NdisRequestQueryStatistics,
				     OID_NDK_STATISTICS, &s, sizeof(s), &r),
			 NDIS_STATUS_SUCCESS);
	ck_assert_uint_eq(s.CounterSet.Counter[NDIS_NDK_CONNECT], 0);
}

START_TEST(comes_and_goes)
{
	NDK_ADAPTER *a;

	for (int i = 0; i < 3; i++) {
		start();
		nt_at(DISPATCH_LEVEL, ask_statistics, NULL);
		OK(standin_open(version, &a));
		standin_close(a);
		ck_assert_uint_eq(ndis.general.PermanentMacAddress[0], 2);
		ck_assert_uint_eq(ndis.general.PermanentMacAddress[5], 1);
		standin_halt(NdisHaltDeviceDisabled);
		ck_assert(!pcidev_in_use());
	}
}
END_TEST

/*
 * Each call that may fail, one after the other: memory, threads, the bar, the interrupt, the
 * control device, NDIS' own.  What fails in the device's first start makes it fail,
 * or is mended by its second; nothing is left in either case.
 */
START_TEST(initialize_fails_at_each_step)
{
	uint32_t n, failed = 0;

	for (n = 1;; n++) {
		nt_fail_at(n);
		if (standin_start() == NDIS_STATUS_SUCCESS) {
			bool over = nt_failable() < n;

			nt_fail_at(0);
			standin_halt(NdisHaltDeviceDisabled);
			if (over)
				break;
		} else {
			ndis.context = NULL;
			failed++;
		}
		nt_fail_at(0);
		ck_assert_int_eq(ndis.work_items, 0);
	}
	ck_assert_uint_ge(failed, 15);
	start();
}
END_TEST

/* DriverEntry, which the fixture has run: once more, from the start */
START_TEST(driver_entry_fails_at_each_step)
{
	uint32_t n;

	standin_unload();
	for (n = 1;; n++) {
		nt_fail_at(n);
		if (standin_register() == NDIS_STATUS_SUCCESS)
			break;
		nt_halt();
	}
	ck_assert_uint_ge(n, 6);	/* pool, four threads, processes */
	nt_fail_at(0);
	start();
}
END_TEST

START_TEST(no_device_behind_it)
{
	pcidev_pull();
	ck_assert_int_ne(standin_start(), NDIS_STATUS_SUCCESS);
	ndis.context = NULL;
}
END_TEST

START_TEST(a_line_is_not_enough)
{
	pcidev_set_messages(0);
	ck_assert_int_ne(standin_start(), NDIS_STATUS_SUCCESS);
	ndis.context = NULL;
	ck_assert(!pcidev_in_use());
}
END_TEST

/* --- a program's way --------------------------------------------------- */

static void one_connection(uint32_t messages_of_interrupts)
{
	static struct program g;
	struct nt_io *io;
	struct op op;
	NTSTATUS st;

	pcidev_set_messages(messages_of_interrupts);
	start();
	peer_open();
	program_open(&g, 0);
	connect_to_peer(&g);
	messages(&g);
	io = begin_disconnect(&g);
	ck_assert(wait_count(&peer.indications, 1, TEST_TIMEOUT_MS));
	ck_assert(!nt_io_done(io));	/* the peer has not said so */
	op_init(&op);
	st = ep_disconnect_start(&peer, &op);
	OK(op_wait(&op, st));
	OK(nt_io_wait(io));
	program_exit(&g);
	peer_close();
}

START_TEST(connects_with_messages)
{
	static const uint32_t n[] = { 1, 2, 8, 65 };

	one_connection(n[_i]);
}
END_TEST

START_TEST(memory_is_locked_and_let_go)
{
	struct vrdma_uapi_create c = { 0 };
	static struct program g;
	struct vrdma_uapi_request r = { .overlapped = 1 };
	uint8_t *ro;

	start();
	program_open(&g, 0);
	r.id = g.mr;
	OK(nt_io_wait(BEGIN(&g, VRDMA_IOC_DEREGISTER, r)));
	ck_assert_uint_eq(nt_locked_pages(g.p), 0);
	ro = nt_user_alloc(g.p, 2, true);
	OK(CALL(&g, VRDMA_IOC_CREATE_MR, c));
	g.mr = c.id;
	assert_status(register_at(&g, (void *)0x1000, 4096, 0),
		      STATUS_ACCESS_VIOLATION);
	assert_status(register_at(&g, g.mem, (MEM_PAGES + 1) * PAGE_SIZE, 0),
		      STATUS_ACCESS_VIOLATION);
	assert_status(register_at(&g, ro, 4096, NDK_MR_FLAG_ALLOW_LOCAL_WRITE),
		      STATUS_ACCESS_VIOLATION);
	assert_status(register_at(&g, ro, 4096, NDK_MR_FLAG_RDMA_READ_SINK),
		      STATUS_ACCESS_VIOLATION);
	ck_assert_uint_eq(nt_locked_pages(g.p), 0);
	OK(register_at(&g, ro + 1, 4096, NDK_MR_FLAG_ALLOW_LOCAL_READ));
	ck_assert_uint_eq(nt_locked_pages(g.p), 2);
	program_exit(&g);
}
END_TEST

/* Each thing of a Register or MAP that may fail */
START_TEST(program_fails_at_each_step)
{
	static struct program g;
	struct vrdma_win_map m;
	uint32_t n, failed = 0;
	NTSTATUS st;

	start();
	program_open(&g, 0);
	for (n = 1;; n++) {
		struct vrdma_uapi_request r = { .id = g.mr, .overlapped = 1 };

		OK(nt_io_wait(BEGIN(&g, VRDMA_IOC_DEREGISTER, r)));
		ck_assert_uint_eq(nt_locked_pages(g.p), 0);
		nt_fail_at(n);
		st = register_at(&g, g.mem, PAGE_SIZE, 0);
		if (st == STATUS_SUCCESS && nt_failable() < n)
			break;
		nt_fail_at(0);
		if (st == STATUS_SUCCESS)
			continue;	/* something else's failed */
		assert_status(st, STATUS_INSUFFICIENT_RESOURCES);
		failed++;
		OK(register_at(&g, g.mem, PAGE_SIZE, 0));
	}
	ck_assert_uint_ge(failed, 4);
	for (n = 1, failed = 0;; n++) {
		nt_fail_at(n);
		m = (struct vrdma_win_map){ .offset = VRDMA_MMAP_CONTEXT,
					    .size = PAGE_SIZE };
		st = CALL(&g, VRDMA_WIN_MAP, m);
		if (st == STATUS_SUCCESS)
			break;
		assert_status(st, STATUS_INSUFFICIENT_RESOURCES);
		failed++;
	}
	ck_assert_uint_eq(failed, 3);	/* the entry, the MDL, the mapping */
	nt_fail_at(0);
	program_exit(&g);
}
END_TEST

/* With memory registered, rings mapped, and requests that nobody answers */
START_TEST(killed_in_the_middle)
{
	struct vrdma_uapi_request r = { .overlapped = 1 };
	static struct program g;
	struct nt_io *io[2];

	start();
	peer_open();
	program_open(&g, 0);
	connect_to_peer(&g);
	post_receive(&g, 0x1000, 4096);
	r.id = g.conn;
	io[0] = BEGIN(&g, VRDMA_IOC_NOTIFY_DISCONNECT, r);
	io[1] = begin_disconnect(&g);
	program_exit(&g);
	ck_assert_int_ne(nt_io_wait(io[0]), STATUS_PENDING);
	ck_assert_int_ne(nt_io_wait(io[1]), STATUS_PENDING);
	ck_assert(wait_count(&peer.indications, 1, TEST_TIMEOUT_MS));
	peer_close();
}
END_TEST

/* The handle that keeps the adapter is a copy in a process that lives on */
START_TEST(killed_with_its_handle_elsewhere)
{
	struct vrdma_win_cookie c = { 0 };
	static struct program g;
	struct nt_process *other = nt_process_new();
	struct nt_file *file;

	start();
	peer_open();
	program_open(&g, 0);
	connect_to_peer(&g);
	file = g.file;
	nt_give(file, other);
	nt_enter(NULL);
	program_exit(&g);	/* aborts if anything is locked or mapped */
	ck_assert(wait_count(&peer.indications, 1, TEST_TIMEOUT_MS));
	nt_enter(other);
	assert_status(nt_ioctl(file, VRDMA_WIN_COOKIE, &c, sizeof(c)),
		      STATUS_INVALID_DEVICE_STATE);
	nt_process_exit(other);
	peer_close();
}
END_TEST

/* The last handle is closed by another process while the first one lives */
START_TEST(closed_from_elsewhere)
{
	static struct program g;
	struct nt_process *other = nt_process_new();

	start();
	program_open(&g, 0);
	nt_give(g.file, other);
	nt_give(g.async, other);
	nt_enter(other);
	nt_process_exit(other);
	ck_assert_uint_eq(nt_locked_pages(g.p), 0);
	program_exit(&g);
}
END_TEST

START_TEST(requests_are_cancelled)
{
	struct vrdma_uapi_request r = { .overlapped = 1 };
	static struct program g;
	struct nt_io *io;

	start();
	peer_open();
	program_open(&g, 0);
	connect_to_peer(&g);
	r.id = g.conn;
	io = BEGIN(&g, VRDMA_IOC_NOTIFY_DISCONNECT, r);
	nt_io_cancel(io);
	assert_status(nt_io_wait(io), STATUS_CANCELLED);
	io = begin_disconnect(&g);
	nt_io_cancel(io);
	assert_status(nt_io_wait(io), STATUS_CANCELLED);
	program_exit(&g);
	peer_close();
}
END_TEST

/* --- the device goes --------------------------------------------------- */

static void surprise(void)
{
	NET_DEVICE_PNP_EVENT e = {
		.DevicePnPEvent = NdisDevicePnPEventSurpriseRemoved,
	};

	pcidev_pull();
	ndis.chars.DevicePnPEventNotifyHandler(ndis.context, &e);
}

START_TEST(pulled_out_under_a_disconnect)
{
	struct vrdma_uapi_create c = { 0 };
	static struct program g;
	struct nt_io *io;
	NTSTATUS st;

	start();
	peer_open();
	program_open(&g, 0);
	connect_to_peer(&g);
	io = begin_disconnect(&g);
	ck_assert(!nt_io_done(io));
	surprise();
	ck_assert(nt_io_wait(io) != STATUS_SUCCESS);
	assert_status(CALL(&g, VRDMA_IOC_CREATE_MR, c), STATUS_DEVICE_REMOVED);
	standin_halt(NdisHaltDeviceSurpriseRemoved);
	/* the handle is open, and the device is not there for anybody else */
	ck_assert_uint_eq(nt_devices(), 1);
	ck_assert_ptr_null(nt_open(0, &st));
	assert_status(CALL(&g, VRDMA_IOC_CREATE_MR, c), STATUS_DEVICE_REMOVED);
	ring_bell(&g);
	program_exit(&g);
	peer_close();
}
END_TEST

/* Disabled and enabled under a program: the new one has another number */
START_TEST(halted_under_an_open_handle)
{
	static struct program old, new;
	struct vrdma_uapi_create c = { 0 };
	NTSTATUS st;

	start();
	peer_open();
	program_open(&old, 0);
	connect_to_peer(&old);
	standin_halt(NdisHaltDeviceDisabled);
	ck_assert(!pcidev_in_use());
	ck_assert_int_eq(standin_start(), NDIS_STATUS_SUCCESS);
	ck_assert_uint_eq(nt_devices(), 2);
	nt_enter(NULL);
	ck_assert_ptr_null(nt_open(0, &st));
	program_open(&new, 1);
	nd_close(peer.conn);
	peer.conn = NULL;
	ep_renew(&peer);
	connect_to_peer(&new);
	messages(&new);
	nt_enter(old.p);
	assert_status(CALL(&old, VRDMA_IOC_CREATE_MR, c),
		      STATUS_DEVICE_REMOVED);
	program_exit(&old);
	program_exit(&new);
	peer_close();
}
END_TEST

static NDIS_STATUS set_power(NDIS_DEVICE_POWER_STATE state)
{
	NDIS_OID_REQUEST r;

	return standin_oid(NdisRequestSetInformation, OID_PNP_SET_POWER, &state,
			   sizeof(state), &r);
}

static void again(struct program *g)
{
	struct vrdma_uapi_create c = { 0 };

	assert_status(CALL(g, VRDMA_IOC_CREATE_MR, c), STATUS_DEVICE_REMOVED);
	program_exit(g);
	nd_close(peer.conn);
	peer.conn = NULL;
	ep_renew(&peer);
	program_open(g, 0);
	connect_to_peer(g);
	messages(g);
}

START_TEST(sleeps_and_wakes)
{
	static struct program g;

	start();
	peer_open();
	program_open(&g, 0);
	connect_to_peer(&g);
	ck_assert_int_eq(set_power(NdisDeviceStateD3), NDIS_STATUS_SUCCESS);
	ck_assert_int_eq(set_power(NdisDeviceStateD3), NDIS_STATUS_SUCCESS);
	ck_assert_int_eq(set_power(NdisDeviceStateD0), NDIS_STATUS_SUCCESS);
	again(&g);
	ck_assert_int_eq(set_power(NdisDeviceStateD3), NDIS_STATUS_SUCCESS);
	program_exit(&g);
	peer_close();
}
END_TEST

static void wait_until_open(void)
{
	NDK_ADAPTER *a;

	for (int ms = 0; standin_open(version, &a) != STATUS_SUCCESS; ms++) {
		ck_assert_int_lt(ms, TEST_TIMEOUT_MS);
		poll(NULL, 0, 1);
	}
	standin_close(a);
}

static void wait_resets(uint32_t more_than)
{
	for (int ms = 0; pcidev_resets() <= more_than; ms++) {
		ck_assert_int_lt(ms, TEST_TIMEOUT_MS);
		poll(NULL, 0, 1);
	}
}

START_TEST(asks_for_a_reset)
{
	static struct program g;
	uint32_t resets;

	start();
	peer_open();
	program_open(&g, 0);
	connect_to_peer(&g);
	resets = pcidev_resets();
	pcidev_needs_reset();
	wait_resets(resets + 1);	/* down, and up */
	wait_until_open();
	again(&g);
	program_exit(&g);
	peer_close();
}
END_TEST

/* Then it must not reach memory, until it is reset after all */
START_TEST(takes_no_reset)
{
	NDK_ADAPTER *a;

	start();
	pcidev_hang(true);
	pcidev_needs_reset();
	for (int ms = 0; pcidev_is_master(); ms++) {
		ck_assert_int_lt(ms, TEST_TIMEOUT_MS);
		poll(NULL, 0, 1);
	}
	pcidev_hang(false);
	wait_until_open();
	ck_assert(pcidev_is_master());
	OK(standin_open(version, &a));
	standin_close(a);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("driver");
	TCase *tc;

#define CASE(name)							\
	tc = add_case(s, #name, 60);					\
	tcase_add_checked_fixture(tc, setup, teardown);			\
	tcase_add_test(tc, name)
	CASE(comes_and_goes);
	CASE(initialize_fails_at_each_step);
	CASE(driver_entry_fails_at_each_step);
	CASE(no_device_behind_it);
	CASE(a_line_is_not_enough);
	tc = add_case(s, "connects_with_messages", 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, connects_with_messages, 0, 4);
	CASE(memory_is_locked_and_let_go);
	CASE(program_fails_at_each_step);
	CASE(killed_in_the_middle);
	CASE(killed_with_its_handle_elsewhere);
	CASE(closed_from_elsewhere);
	CASE(requests_are_cancelled);
	CASE(pulled_out_under_a_disconnect);
	CASE(halted_under_an_open_handle);
	CASE(sleeps_and_wakes);
	CASE(asks_for_a_reset);
	CASE(takes_no_reset);
	return run_suite(s);
}
