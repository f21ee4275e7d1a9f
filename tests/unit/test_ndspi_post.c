/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_ndspi_post.c - posting into the mapped rings and taking completions
 */
#include <check.h>
#include <string.h>

#include "nd_fake.h"
#include "nd_vrdma.h"
#include "ndutil.h"
#include "vrdma_ring.h"

#define CONTEXT ((VOID *)0xc0ffee)

static IND2Adapter *a;
static IND2CompletionQueue *cq;
static IND2QueuePair *qp;
static HANDLE file;

static void open_adapter(void)
{
	IND2Provider *p;

	DllGetClassObject(NULL, &IID_IND2Provider, (VOID **)&p);
	ck_assert_int_eq(p->lpVtbl->OpenAdapter(p, &IID_IND2Adapter,
						ND_VRDMA_ADAPTER_ID(0),
						(VOID **)&a), ND_SUCCESS);
	p->lpVtbl->Release(p);
	a->lpVtbl->CreateOverlappedFile(a, &file);
	ck_assert_int_eq(a->lpVtbl->CreateCompletionQueue(
				 a, &IID_IND2CompletionQueue, file, 16, 0, 0,
				 (VOID **)&cq), ND_SUCCESS);
	ck_assert_int_eq(a->lpVtbl->CreateQueuePair(
				 a, &IID_IND2QueuePair, (IUnknown *)cq,
				 (IUnknown *)cq, CONTEXT, 3, 5, 2, 3, 100,
				 (VOID **)&qp), ND_SUCCESS);
}

static void setup(void)
{
	fake_install();
	open_adapter();
}

static void teardown(void)
{
	qp->lpVtbl->Release(qp);
	cq->lpVtbl->Release(cq);
	a->lpVtbl->Release(a);
	CloseHandle(file);
	fake_remove();
}

static void connected(void)
{
	fake_qp_record()->state = VIRTIO_RDMA_QP_CONNECTED;
	fake_context()->worker = VIRTIO_RDMA_WORKER_AWAKE;
}

static uint8_t data[2][256];
static const ND2_SGE two[2] = { { data[0], 100, 7 }, { data[1], 28, 9 } };

static HRESULT post_send(const ND2_SGE *sge, ULONG n, ULONG flags)
{
	return qp->lpVtbl->Send(qp, (VOID *)1, sge, n, flags);
}

/* ----------------------------------------------------------- inline statuses */

START_TEST(not_connected)
{
	ck_assert_int_eq(post_send(two, 2, 0), ND_CONNECTION_INVALID);
	ck_assert_int_eq(qp->lpVtbl->Write(qp, NULL, two, 2, 1, 1, 0),
			 ND_CONNECTION_INVALID);
	ck_assert_int_eq(qp->lpVtbl->Read(qp, NULL, two, 1, 1, 1, 0),
			 ND_CONNECTION_INVALID);
	ck_assert_uint_eq(fake_qp_record()->sq_tail, 0);
	/* receives before the connection are what iWARP wants */
	ck_assert_int_eq(qp->lpVtbl->Receive(qp, NULL, two, 2), ND_SUCCESS);
	ck_assert_uint_eq(fake_qp_record()->rq_tail, 1);
}
END_TEST

START_TEST(wrong_arguments)
{
	ND2_SGE sge[4] = { { data, 1u << 20, 1 }, { data, 1, 1 } };

	connected();
	ck_assert_int_eq(post_send(two, 1, ND_OP_FLAG_ALLOW_READ),
			 ND_INVALID_PARAMETER_4);
	ck_assert_int_eq(qp->lpVtbl->Write(qp, NULL, two, 1, 1, 1,
					   ND_OP_FLAG_SEND_AND_SOLICIT_EVENT),
			 ND_INVALID_PARAMETER_6);
	ck_assert_int_eq(qp->lpVtbl->Read(qp, NULL, two, 1, 1, 1,
					  ND_OP_FLAG_INLINE),
			 ND_INVALID_PARAMETER_6);
	ck_assert_int_eq(post_send(sge, 4, 0), ND_DATA_OVERRUN);
	ck_assert_int_eq(qp->lpVtbl->Read(qp, NULL, sge, 3, 1, 1, 0),
			 ND_DATA_OVERRUN);
	ck_assert_int_eq(qp->lpVtbl->Receive(qp, NULL, sge, 3),
			 ND_DATA_OVERRUN);
	ck_assert_int_eq(post_send(sge, 1, 0), ND_SUCCESS); /* the very limit */
	ck_assert_int_eq(post_send(sge, 2, 0), ND_BUFFER_OVERFLOW);
	ck_assert_int_eq(post_send(NULL, 1, 0), ND_INVALID_PARAMETER_2);
	sge[0].BufferLength = sge[1].BufferLength = UINT32_MAX;
	ck_assert_int_eq(post_send(sge, 2, 0), ND_BUFFER_OVERFLOW);
	ck_assert_int_eq(post_send(sge, 2, ND_OP_FLAG_INLINE), ND_BUFFER_OVERFLOW);
	ck_assert_uint_eq(fake_qp_record()->sq_tail, 1);
	ck_assert_uint_eq(fake_qp_record()->rq_tail, 0);
}
END_TEST

/* Five wanted, eight in the ring: five it is */
START_TEST(queue_full)
{
	int i;

	connected();
	for (i = 0; i < 5; i++)
		ck_assert_int_eq(post_send(two, 1, 0), ND_SUCCESS);
	ck_assert_int_eq(post_send(two, 1, 0), ND_NO_MORE_ENTRIES);
	ck_assert_uint_eq(fake_qp_record()->sq_tail, 5);
	vrdma_publish32(&fake_qp_record()->sq_head, 2);
	for (i = 0; i < 2; i++)
		ck_assert_int_eq(post_send(two, 1, 0), ND_SUCCESS);
	ck_assert_int_eq(post_send(two, 1, 0), ND_NO_MORE_ENTRIES);
	for (i = 0; i < 3; i++)
		ck_assert_int_eq(qp->lpVtbl->Receive(qp, NULL, NULL, 0),
				 ND_SUCCESS);
	ck_assert_int_eq(qp->lpVtbl->Receive(qp, NULL, NULL, 0),
			 ND_NO_MORE_ENTRIES);
}
END_TEST

static HRESULT post_one(uint8_t opcode)
{
	return opcode == VIRTIO_RDMA_OP_RECEIVE
		       ? qp->lpVtbl->Receive(qp, (VOID *)1, NULL, 0)
		       : post_send(two, 1, 0);
}

/* Who saw a completion may post, though the device's head is not there yet */
START_TEST(room_behind_a_completion)
{
	static const struct {
		uint8_t opcode;
		int depth;
	} rows[] = {
		{ VIRTIO_RDMA_OP_SEND, 5 },
		{ VIRTIO_RDMA_OP_RECEIVE, 3 },
	};
	uint8_t opcode = rows[_i].opcode;
	ND2_RESULT r;
	int i;

	connected();
	for (i = 0; i < rows[_i].depth; i++)
		ck_assert_int_eq(post_one(opcode), ND_SUCCESS);
	fake_end_entry(opcode, 0, 1);
	ck_assert_int_eq(post_one(opcode), ND_NO_MORE_ENTRIES);
	ck_assert_uint_eq(cq->lpVtbl->GetResults(cq, &r, 1), 1);
	ck_assert_int_eq(post_one(opcode), ND_SUCCESS);
	ck_assert_int_eq(post_one(opcode), ND_NO_MORE_ENTRIES);
	/* the same in the next lap, behind a ring that was turned to */
	ck_assert_int_eq(cq->lpVtbl->Resize(cq, 64), ND_SUCCESS);
	ck_assert_uint_eq(cq->lpVtbl->GetResults(cq, &r, 1), 0);
	vrdma_publish32(_i ? &fake_qp_record()->rq_head
			   : &fake_qp_record()->sq_head,
			1);
	fake_end_entry(opcode, 1, 1);
	ck_assert_uint_eq(cq->lpVtbl->GetResults(cq, &r, 1), 1);
	ck_assert_int_eq(post_one(opcode), ND_SUCCESS);
	ck_assert_int_eq(post_one(opcode), ND_NO_MORE_ENTRIES);
}
END_TEST

/* ------------------------------------------------------------------- entries */

static void *entry(bool recv, unsigned i)
{
	struct vrdma_uapi_create_qp l = fake_qp_layout();

	return (uint8_t *)fake_qp_buffer() +
	       (recv ? l.recv_offset + i * l.recv_stride :
		       l.send_offset + i * l.send_stride);
}

START_TEST(send_entry)
{
	const struct virtio_rdma_send_wqe *w = entry(false, 0);
	const struct virtio_rdma_sge *s = (void *)(w + 1);

	connected();
	ck_assert_int_eq(post_send(two, 2, ND_OP_FLAG_SILENT_SUCCESS |
				      ND_OP_FLAG_READ_FENCE |
				      ND_OP_FLAG_SEND_AND_SOLICIT_EVENT),
			 ND_SUCCESS);
	ck_assert_uint_eq(w->wr_id, 1);
	ck_assert_uint_eq(w->opcode, VIRTIO_RDMA_OP_SEND);
	ck_assert_uint_eq(w->num_sge, 2);
	ck_assert_uint_eq(w->flags, VIRTIO_RDMA_WR_SILENT |
				    VIRTIO_RDMA_WR_READ_FENCE |
				    VIRTIO_RDMA_WR_SOLICIT);
	ck_assert_uint_eq(w->inline_length | w->remote_addr | w->remote_token |
			  w->reserved, 0);
	ck_assert_uint_eq(s[1].addr, (uintptr_t)data[1]);
	ck_assert_uint_eq(s[1].length, 28);
	ck_assert_uint_eq(s[1].token, 9);
}
END_TEST

START_TEST(write_and_read_entries)
{
	const struct virtio_rdma_send_wqe *w = entry(false, 0);
	const struct virtio_rdma_send_wqe *r = entry(false, 1);

	connected();
	ck_assert_int_eq(qp->lpVtbl->Write(qp, (VOID *)5, two, 1,
					   0x1122334455667788, 0xabcd, 0),
			 ND_SUCCESS);
	ck_assert_int_eq(qp->lpVtbl->Read(qp, (VOID *)6, two, 1, 99, 98,
					  ND_OP_FLAG_READ_FENCE), ND_SUCCESS);
	ck_assert_uint_eq(w->opcode, VIRTIO_RDMA_OP_WRITE);
	ck_assert_uint_eq(w->remote_addr, 0x1122334455667788);
	ck_assert_uint_eq(w->remote_token, 0xabcd);
	ck_assert_uint_eq(r->opcode, VIRTIO_RDMA_OP_READ);
	ck_assert_uint_eq(r->flags, VIRTIO_RDMA_WR_READ_FENCE);
	ck_assert_uint_eq(r->wr_id, 6);
}
END_TEST

/* More pieces than the queue pair has elements, gathered in the entry */
START_TEST(inline_entry)
{
	const struct virtio_rdma_send_wqe *w = entry(false, 0);
	ND2_SGE sge[5] = { { data[0], 40, 0 }, { NULL, 0, 0 },
			   { data[1], 30, 0 }, { data[0] + 40, 20, 0 },
			   { data[1] + 30, 10, 0 } };
	const uint8_t *in = (const void *)(w + 1);
	size_t i;

	for (i = 0; i < sizeof(data[0]); i++) {
		data[0][i] = (uint8_t)(i * 7 + 1);
		data[1][i] = (uint8_t)(i * 11 + 3);
	}
	connected();
	ck_assert_int_eq(post_send(sge, 5, ND_OP_FLAG_INLINE), ND_SUCCESS);
	memset(&data[0], 0, 40); /* the buffer is free once the call returned */
	ck_assert_uint_eq(w->num_sge, 0);
	ck_assert_uint_eq(w->inline_length, 100);
	ck_assert_uint_eq(w->flags, VIRTIO_RDMA_WR_INLINE);
	ck_assert_uint_eq(in[39], (uint8_t)(39 * 7 + 1));
	ck_assert_mem_eq(in + 40, data[1], 30);
	ck_assert_mem_eq(in + 70, data[0] + 40, 20);
	ck_assert_mem_eq(in + 90, data[1] + 30, 10);
	sge[4].BufferLength = 11;
	ck_assert_int_eq(post_send(sge, 5, ND_OP_FLAG_INLINE), ND_BUFFER_OVERFLOW);
}
END_TEST

START_TEST(receive_entry)
{
	const struct virtio_rdma_recv_wqe *w = entry(true, 0);
	const struct virtio_rdma_sge *s = (void *)(w + 1);

	ck_assert_int_eq(qp->lpVtbl->Receive(qp, (VOID *)77, two, 2),
			 ND_SUCCESS);
	ck_assert_uint_eq(w->wr_id, 77);
	ck_assert_uint_eq(w->num_sge, 2);
	ck_assert_uint_eq(s[0].addr, (uintptr_t)data[0]);
	ck_assert_uint_eq(s[0].token, 7);
}
END_TEST

/* ---------------------------------------------------------------- the bell */

START_TEST(no_call_while_awake)
{
	struct virtio_rdma_context_page *c = fake_context();
	uint32_t slot = fake_qp_layout().slot;
	ND2_RESULT r;
	unsigned before;

	connected();
	before = fake_ioctls;
	ck_assert_int_eq(post_send(two, 1, 0), ND_SUCCESS);
	ck_assert_int_eq(qp->lpVtbl->Receive(qp, NULL, two, 1), ND_SUCCESS);
	ck_assert_uint_eq(cq->lpVtbl->GetResults(cq, &r, 1), 0);
	ck_assert_uint_eq(fake_ioctls, before);
	ck_assert(c->work[slot / 64] & 1ull << (slot % 64));
	ck_assert(c->summary[0] & 1ull << (slot / 64));
}
END_TEST

START_TEST(kick_when_asleep)
{
	connected();
	fake_context()->worker = VIRTIO_RDMA_WORKER_ASLEEP;
	ck_assert_int_eq(post_send(two, 1, 0), ND_SUCCESS);
	ck_assert_uint_eq(fake_kicks, 1);
}
END_TEST

START_TEST(notification_page)
{
	teardown();
	fake_install();
	fake_map_notify = true;
	open_adapter();
	connected();
	ck_assert_int_eq(post_send(two, 1, 0), ND_SUCCESS);
	ck_assert_uint_eq(fake_notify_page[8], 0);
	fake_context()->worker = VIRTIO_RDMA_WORKER_ASLEEP;
	ck_assert_int_eq(post_send(two, 1, 0), ND_SUCCESS);
	ck_assert_uint_eq(fake_notify_page[8], 0x1234);
	ck_assert_uint_eq(fake_kicks, 0);
}
END_TEST

/* ------------------------------------------------------------- completions */

static const struct {
	uint8_t opcode;
	ND2_REQUEST_TYPE type;
} types[] = {
	{ VIRTIO_RDMA_OP_SEND, Nd2RequestTypeSend },
	{ VIRTIO_RDMA_OP_WRITE, Nd2RequestTypeWrite },
	{ VIRTIO_RDMA_OP_READ, Nd2RequestTypeRead },
	{ VIRTIO_RDMA_OP_BIND, Nd2RequestTypeBind },
	{ VIRTIO_RDMA_OP_INVALIDATE, Nd2RequestTypeInvalidate },
	{ VIRTIO_RDMA_OP_RECEIVE, Nd2RequestTypeReceive },
	{ VIRTIO_RDMA_OP_RECEIVE_INVALIDATE, Nd2RequestTypeReceive },
	{ 0xee, Nd2RequestTypeReceive },	/* a device gone mad: no crash */
};

START_TEST(result)
{
	ND2_RESULT r;
	bool recv = types[_i].type == Nd2RequestTypeReceive;

	fake_complete(0x1234567890, types[_i].opcode, 0, 55);
	ck_assert_uint_eq(cq->lpVtbl->GetResults(cq, &r, 1), 1);
	ck_assert_int_eq(r.Status, ND_SUCCESS);
	ck_assert_int_eq(r.RequestType, types[_i].type);
	ck_assert_uint_eq(r.BytesTransferred, recv ? 55 : 0);
	ck_assert_ptr_eq(r.QueuePairContext, CONTEXT);
	ck_assert_uint_eq((uintptr_t)r.RequestContext, 0x1234567890);
}
END_TEST

/* Three laps, taken in uneven pieces; the head tells the device */
START_TEST(laps)
{
	uint64_t next = 1, seen = 1;
	ND2_RESULT r[3];
	ULONG i, n;

	while (seen < 50) {
		while (next < seen + 16 && next < 50)
			fake_complete(next++, VIRTIO_RDMA_OP_SEND, 0, 0);
		n = cq->lpVtbl->GetResults(cq, r, 3);
		ck_assert_uint_gt(n, 0);
		for (i = 0; i < n; i++)
			ck_assert_uint_eq((uintptr_t)r[i].RequestContext,
					  seen++);
		ck_assert_uint_eq(fake_cq_record()->head, seen - 1);
	}
	ck_assert_uint_eq(cq->lpVtbl->GetResults(cq, r, 3), 0);
}
END_TEST

static const struct {
	uint8_t wc;
	HRESULT status;
} statuses[] = {
	{ VIRTIO_RDMA_WC_CANCELLED, ND_CANCELED },
	{ VIRTIO_RDMA_WC_LOCAL_LENGTH, ND_DATA_OVERRUN },
	{ VIRTIO_RDMA_WC_LOCAL_PROTECTION, ND_ACCESS_VIOLATION },
	{ VIRTIO_RDMA_WC_LOCAL_REQUEST, ND_INTERNAL_ERROR },
	{ VIRTIO_RDMA_WC_REMOTE_ACCESS, ND_ACCESS_VIOLATION },
	{ VIRTIO_RDMA_WC_REMOTE_REQUEST, ND_X_DATA_ERROR },
	{ VIRTIO_RDMA_WC_REMOTE_OPERATION, ND_X_DATA_ERROR },
	{ VIRTIO_RDMA_WC_TIMED_OUT, ND_IO_TIMEOUT },
	{ VIRTIO_RDMA_WC_ABORTED, ND_X_REQUEST_ABORTED },
	{ VIRTIO_RDMA_WC_INTERNAL, ND_INTERNAL_ERROR },
	{ VIRTIO_RDMA_WC_COUNT, ND_INTERNAL_ERROR },
	{ 0x7f, ND_INTERNAL_ERROR },
};

START_TEST(completion_status)
{
	ND2_RESULT r;

	fake_complete(1, VIRTIO_RDMA_OP_SEND, statuses[_i].wc, 0);
	ck_assert_uint_eq(cq->lpVtbl->GetResults(cq, &r, 1), 1);
	ck_assert_int_eq(r.Status, statuses[_i].status);
}
END_TEST

/* ----------------------------------------------------------- error and loss */

START_TEST(late_posts_are_cancelled)
{
	ND2_RESULT r[2];

	connected();
	ck_assert_int_eq(qp->lpVtbl->Flush(qp), ND_SUCCESS);
	ck_assert_int_eq(post_send(two, 1, 0), ND_SUCCESS);
	ck_assert_int_eq(qp->lpVtbl->Receive(qp, (VOID *)2, two, 1),
			 ND_SUCCESS);
	ck_assert_uint_eq(cq->lpVtbl->GetResults(cq, r, 2), 2);
	ck_assert_int_eq(r[0].Status, ND_CANCELED);
	ck_assert_int_eq(r[1].Status, ND_CANCELED);
	ck_assert_uint_eq((uintptr_t)r[1].RequestContext, 2);
}
END_TEST

START_TEST(lost_device)
{
	ND2_RESULT r[4];
	VOID *mr;

	connected();
	ck_assert_int_eq(post_send(two, 1, 0), ND_SUCCESS);
	fake_lose_device(0);
	ck_assert_uint_eq(cq->lpVtbl->GetResults(cq, r, 4), 1);
	ck_assert_int_eq(r[0].Status, ND_CANCELED);
	/* the first post that finds the state asks the kernel, and ends */
	ck_assert_int_eq(post_send(two, 1, 0), ND_SUCCESS);
	ck_assert_uint_eq(cq->lpVtbl->GetResults(cq, r, 4), 1);
	ck_assert_int_eq(r[0].Status, ND_CANCELED);
	/* from the first call that is told so on, posts are told so too */
	ck_assert_int_eq(a->lpVtbl->CreateMemoryRegion(
				 a, &IID_IND2MemoryRegion, file, &mr),
			 ND_DEVICE_REMOVED);
	ck_assert_int_eq(post_send(two, 1, 0), ND_DEVICE_REMOVED);
	ck_assert_int_eq(qp->lpVtbl->Receive(qp, NULL, two, 1),
			 ND_DEVICE_REMOVED);
	ck_assert_uint_eq(cq->lpVtbl->GetResults(cq, r, 4), 0);
}
END_TEST

/* Nobody will ever look at it: it must not have been posted */
START_TEST(post_to_nobody)
{
	connected();
	fake_qp_record()->state = VIRTIO_RDMA_QP_ERROR;
	fake_fail_status = (uint32_t)ND_DEVICE_REMOVED;
	ck_assert_int_eq(post_send(two, 1, 0), ND_DEVICE_REMOVED);
	ck_assert_uint_eq(fake_qp_record()->sq_tail, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ndspi_post");
	TCase *t = tcase_create("post");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, not_connected);
	tcase_add_test(t, wrong_arguments);
	tcase_add_test(t, queue_full);
	tcase_add_loop_test(t, room_behind_a_completion, 0, 2);
	tcase_add_test(t, send_entry);
	tcase_add_test(t, write_and_read_entries);
	tcase_add_test(t, inline_entry);
	tcase_add_test(t, receive_entry);
	tcase_add_test(t, no_call_while_awake);
	tcase_add_test(t, kick_when_asleep);
	tcase_add_test(t, notification_page);
	tcase_add_loop_test(t, result, 0, sizeof(types) / sizeof(types[0]));
	tcase_add_test(t, laps);
	tcase_add_loop_test(t, completion_status, 0,
			    sizeof(statuses) / sizeof(statuses[0]));
	tcase_add_test(t, late_posts_are_cancelled);
	tcase_add_test(t, lost_device);
	tcase_add_test(t, post_to_nobody);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
