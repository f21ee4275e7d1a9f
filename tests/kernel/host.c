// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * host.c - the fixture: adapters and memory of this guest, for both sides
 *
 * DOC: What a test opened and allocated is counted, and the teardown asks for
 * all of it.  An adapter's close ends only when every object made from it has
 * ended, so nothing of the core's can be left either.
 */
#include <linux/atomic.h>

#include "fixture.h"
#include "ndk_test.h"
#include "transport.h"
#include "vrdma_ndk.h"

u8 kc_ipv4[4], kc_ipv6[16];
struct fixture fx;

static struct tguest {
	char nothing;
} this_guest;

static atomic_t adapters; /* open */
static int adapters_before, buffers_before;

int test_timeout_ms(void)
{
	return 20000 * kc_patience;
}

/* --- adapters ------------------------------------------------------------- */

struct vrdma_core *tguest_core(struct tguest *g)
{
	return (struct vrdma_core *)g; /* a name: nothing looks inside */
}

NTSTATUS vrdma_open_adapter(struct vrdma_core *core, NDK_VERSION version,
			    uint32_t flags, NDK_ADAPTER **out)
{
	NTSTATUS st = vrdma_ndk_open_adapter(NULL, version, out);

	if (st == STATUS_SUCCESS)
		atomic_inc(&adapters);
	return st;
}

void vrdma_close_adapter(NDK_ADAPTER *adapter)
{
	vrdma_ndk_close_adapter(adapter);
	atomic_dec(&adapters);
}

uint32_t vrdma_core_addresses(struct vrdma_core *core,
			      struct virtio_rdma_addr *out, uint32_t max)
{
	NDK_VERSION v = { VRDMA_NDK_MAJOR, 0 };
	NDK_ADAPTER *a;
	uint32_t n = 0;

	if (vrdma_ndk_open_adapter(NULL, v, &a) == STATUS_SUCCESS) {
		n = vrdma_ndk_addresses(a, out, max);
		vrdma_ndk_close_adapter(a);
	}
	return n;
}

/* A kernel consumer has NDK's two calls, and no policy of its own */
NTSTATUS vrdma_create_qp_ex(NDK_PD *pd, const struct vrdma_qp_params *p,
			    NDK_FN_CREATE_COMPLETION *cc, PVOID ctx,
			    NDK_QP **out)
{
	const NDK_PD_DISPATCH *d = pd->Dispatch;
	void *qp_context = (void *)(uintptr_t)p->qp_context;

	if (p->flags)
		return STATUS_NOT_SUPPORTED;
	if (p->srq)
		return d->NdkCreateQpWithSrq(pd, p->receive_cq, p->initiator_cq,
					     p->srq, qp_context,
					     p->initiator_depth,
					     p->max_initiator_sge,
					     p->inline_size, cc, ctx, out);
	return d->NdkCreateQp(pd, p->receive_cq, p->initiator_cq, qp_context,
			      p->receive_depth, p->initiator_depth,
			      p->max_receive_sge, p->max_initiator_sge,
			      p->inline_size, cc, ctx, out);
}

/* --- fixture --------------------------------------------------------------------- */

const struct test_backend *test_backend(void)
{
	static const struct test_backend one = {
		.name = "kernel",
		.one_daemon = true,
		.tells_aborts = true,
		.tells_solicited = true,
	};

	return &one;
}

bool kc_host_init(void)
{
	struct virtio_rdma_addr addr[VIRTIO_RDMA_MAX_ADDRESSES];
	uint32_t n, i;

	n = vrdma_core_addresses(NULL, addr, ARRAY_SIZE(addr));
	for (i = 0; i < n && i < ARRAY_SIZE(addr); i++)
		if (addr[i].family == VIRTIO_RDMA_AF_INET)
			memcpy(kc_ipv4, addr[i].ip, sizeof(kc_ipv4));
		else
			memcpy(kc_ipv6, addr[i].ip, sizeof(kc_ipv6));
	return n;
}

void fx_setup(void)
{
	fx.g[0] = fx.g[1] = &this_guest;
	adapters_before = atomic_read(&adapters);
	buffers_before = kc_buffers();
}

/* The limits of a test that runs here are those of any device */
void fx_start(const struct daemon_opts *opts, size_t mem)
{
	fx_setup();
}

void fx_new_guest(int i)
{
	ck_abort_msg("%s: not in a kernel", __func__);
}

void fx_teardown(void)
{
	ck_assert_int_eq(atomic_read(&adapters), adapters_before);
	ck_assert_int_eq(kc_buffers(), buffers_before);
}

int run_suite(Suite *s)
{
	return kc_run(s);
}

TCase *add_case(Suite *s, const char *name, int timeout_s)
{
	return kc_case_add(s, name, timeout_s);
}

uint32_t tguest_sends_left(NDK_QP *qp)
{
	return 0;
}

/* --- not here ------------------------------------------------------------------------ */

#define NOT_HERE ck_abort_msg("%s: not in a kernel", __func__)

struct fe *tguest_fe(struct tguest *g)
{
	NOT_HERE;
	return NULL;
}

void tguest_kill(struct tguest *g)
{
	NOT_HERE;
}

void tguest_reset(struct tguest *g)
{
	NOT_HERE;
}

bool tguest_wait_recoveries(struct tguest *g, uint32_t n)
{
	NOT_HERE;
	return false;
}

void fe_leave_out(struct fe *fe, uint32_t features)
{
	NOT_HERE;
}

uint32_t fe_device_features(struct fe *fe)
{
	NOT_HERE;
	return 0;
}

uint64_t fe_gpa_end(struct fe *fe)
{
	NOT_HERE;
	return 0;
}

void test_daemons_kill(void)
{
	NOT_HERE;
}

bool test_daemons_restart(void)
{
	NOT_HERE;
	return false;
}
