/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * irp.c - device controls of \\.\vrdmaN
 *
 * DOC: One row per call
 *
 * The dispatcher checks the sizes against the row, which makes the buffer a
 * private copy of what the handler expects, finds the file, takes its lock and
 * calls the handler.  A handler writes an NT status into its first field.
 *
 * A row with an overlapped field is a request: its IRP is marked pending before
 * anything starts, and whatever status the handler ends with without having
 * started it is given to the IRP, not to the caller.  The handler works on a copy,
 * since the IRP and its buffer may be gone before it returns.
 */
#include "vrdma_win.h"
#include "vrlf.h"

NTSTATUS vrw_irp_end(IRP *irp, NTSTATUS status, ULONG_PTR information)
{
	irp->IoStatus.Status = status;
	irp->IoStatus.Information = information;
	IoCompleteRequest(irp, IO_NO_INCREMENT);
	return status;
}

/* --- handlers that Linux has elsewhere, or not at all --------------------------- */

static int ioc_cookie(struct vrl_file *f, void *arg)
{
	struct vrdma_win_cookie *a = arg;

	if (a->reserved)
		return -EINVAL;
	a->cookie = f->mapping->cookie;
	a->status = STATUS_SUCCESS;
	return 0;
}

static int ioc_map(struct vrl_file *f, void *arg)
{
	return vrw_ioc_map(f, arg);
}

static int ioc_unmap(struct vrl_file *f, void *arg)
{
	return vrw_ioc_unmap(f, arg);
}

static int ioc_query_mr(struct vrl_file *f, void *arg)
{
	struct vrdma_win_mr *a = arg;
	struct vrl_obj *obj = vrl_obj_find(f, a->id, VRL_MR);
	const struct vrl_pin *pin;
	NDK_MR *ndk;
	bool busy;

	if (a->reserved)
		return -EINVAL;
	a->status = STATUS_INVALID_HANDLE;
	if (!obj)
		return 0;
	pin = vrl_mr_registered(obj, &ndk, &busy);
	a->status = busy ? STATUS_PENDING : STATUS_SUCCESS;
	a->address = pin ? pin->address : 0;
	a->length = pin ? pin->length : 0;
	a->flags = pin ? pin->flags : 0;
	a->local_token = pin ? ndk->Dispatch->NdkGetLocalTokenFromMr(ndk) : 0;
	a->remote_token = pin ? ndk->Dispatch->NdkGetRemoteTokenFromMr(ndk) : 0;
	return 0;
}

static int ioc_cq_report(struct vrl_file *f, void *arg)
{
	struct vrdma_uapi_object *a = arg;
	struct vrl_obj *obj = vrl_obj_find(f, a->id, VRL_CQ);

	a->status = obj ? STATUS_SUCCESS : STATUS_INVALID_HANDLE;
	if (obj)
		vrl_req_complete_all(obj, STATUS_SUCCESS);
	return 0;
}

static int ioc_abandon(struct vrl_file *f, void *arg)
{
	struct vrdma_uapi_object *a = arg;
	struct vrdma_uapi_request r = {
		.id = a->id, .overlapped = VRW_NO_IRP,
	};
	int err = vrl_ioc_disconnect(f, &r);

	a->status = r.status;
	return err;
}

/* --- the table ------------------------------------------------------------------- */

#define ROW_LOST_OK	0x1	/* works when the device is lost */
#define ROW_UNLOCKED	0x2	/* the handler takes the lock itself */
#define ROW_CLOSED	0x4	/* before OPEN */

struct row {
	u16 size;			/* of the structure, in and out */
	u16 overlapped;			/* its offset, 0: ends at once */
	u16 flags;
	int (*fn)(struct vrl_file *f, void *arg);
};

#define ROW(NAME, type, flags, fn) \
	[VRW_CTL_NR(NAME)] = { sizeof(struct type), 0, flags, fn }
#define REQUEST(NAME, type, flags, fn)					\
	[VRW_CTL_NR(NAME)] = { sizeof(struct type),			\
			       offsetof(struct type, overlapped), flags, fn }
static const struct row rows[] = {
	ROW(VRDMA_IOC_OPEN, vrdma_uapi_open, ROW_CLOSED, vrl_ioc_open),
	ROW(VRDMA_IOC_CREATE_CQ, vrdma_uapi_create_cq, 0, vrl_ioc_create_cq),
	ROW(VRDMA_IOC_RESIZE_CQ, vrdma_uapi_resize_cq, 0, vrl_ioc_resize_cq),
	ROW(VRDMA_IOC_CREATE_QP, vrdma_uapi_create_qp, 0, vrl_ioc_create_qp),
	ROW(VRDMA_IOC_CREATE_SRQ, vrdma_uapi_create_srq, 0,
	    vrl_ioc_create_srq),
	ROW(VRDMA_IOC_MODIFY_SRQ, vrdma_uapi_modify_srq, 0,
	    vrl_ioc_modify_srq),
	REQUEST(VRDMA_IOC_SRQ_NOTIFY, vrdma_uapi_request, 0,
		vrl_ioc_srq_notify),
	ROW(VRDMA_IOC_CREATE_MR, vrdma_uapi_create, 0, vrl_ioc_create_mr),
	ROW(VRDMA_IOC_CREATE_MW, vrdma_uapi_create_mw, 0, vrl_ioc_create_mw),
	ROW(VRDMA_IOC_CREATE_CONNECTOR, vrdma_uapi_create, 0,
	    vrl_ioc_create_connector),
	ROW(VRDMA_IOC_CREATE_LISTENER, vrdma_uapi_create, 0,
	    vrl_ioc_create_listener),
	ROW(VRDMA_IOC_FREE, vrdma_uapi_object, ROW_LOST_OK, vrl_ioc_free),
	REQUEST(VRDMA_IOC_REGISTER, vrdma_uapi_register, ROW_UNLOCKED,
		vrl_ioc_register),
	REQUEST(VRDMA_IOC_DEREGISTER, vrdma_uapi_request, 0,
		vrl_ioc_deregister),
	ROW(VRDMA_IOC_FLUSH, vrdma_uapi_object, ROW_LOST_OK, vrl_ioc_flush),
	REQUEST(VRDMA_IOC_CQ_NOTIFY, vrdma_uapi_request, 0, vrl_ioc_cq_notify),
	ROW(VRDMA_IOC_BIND, vrdma_uapi_bind, 0, vrl_ioc_bind),
	REQUEST(VRDMA_IOC_CONNECT, vrdma_uapi_connect, 0, vrl_ioc_connect),
	REQUEST(VRDMA_IOC_COMPLETE_CONNECT, vrdma_uapi_request, 0,
		vrl_ioc_complete_connect),
	REQUEST(VRDMA_IOC_ACCEPT, vrdma_uapi_connect, 0, vrl_ioc_accept),
	ROW(VRDMA_IOC_REJECT, vrdma_uapi_reject, 0, vrl_ioc_reject),
	ROW(VRDMA_IOC_GET_CONNECTION, vrdma_uapi_connection, ROW_LOST_OK,
	    vrl_ioc_get_connection),
	REQUEST(VRDMA_IOC_NOTIFY_DISCONNECT, vrdma_uapi_request, 0,
		vrl_ioc_notify_disconnect),
	REQUEST(VRDMA_IOC_DISCONNECT, vrdma_uapi_request, 0,
		vrl_ioc_disconnect),
	ROW(VRDMA_IOC_LISTEN, vrdma_uapi_bind, 0, vrl_ioc_listen),
	REQUEST(VRDMA_IOC_GET_REQUEST, vrdma_uapi_get_request, 0,
		vrl_ioc_get_request),
	ROW(VRDMA_IOC_CANCEL, vrdma_uapi_object, ROW_LOST_OK, vrl_ioc_cancel),
	ROW(VRDMA_WIN_COOKIE, vrdma_win_cookie, ROW_LOST_OK, ioc_cookie),
	ROW(VRDMA_WIN_MAP, vrdma_win_map, 0, ioc_map),
	ROW(VRDMA_WIN_UNMAP, vrdma_win_unmap, ROW_LOST_OK, ioc_unmap),
	ROW(VRDMA_WIN_QUERY_MR, vrdma_win_mr, 0, ioc_query_mr),
	ROW(VRDMA_WIN_CQ_REPORT, vrdma_uapi_object, ROW_LOST_OK,
	    ioc_cq_report),
	ROW(VRDMA_WIN_ABANDON, vrdma_uapi_object, 0, ioc_abandon),
};

static const struct row *find_row(ULONG code)
{
	ULONG nr = VRW_CTL_NR(code);

	if (code != VRW_CTL(nr) || nr >= ARRAY_SIZE(rows) || !rows[nr].fn)
		return NULL;
	return &rows[nr];
}

/* --- running ----------------------------------------------------------------------- */

static NTSTATUS errno_status(int err)
{
	switch (err) {
	case 0:
		return STATUS_SUCCESS;
	case -ENOMEM:
		return STATUS_INSUFFICIENT_RESOURCES;
	case -ENODEV:
		return STATUS_DEVICE_REMOVED;
	default:
		return STATUS_INVALID_PARAMETER;
	}
}

static int run_locked(struct vrl_file *f, const struct row *row, void *arg)
{
	u32 *status = arg;
	int err = 0;

	mutex_lock(&f->lock);
	if (!f->adapter && !(row->flags & ROW_CLOSED))
		err = -EINVAL;
	else if (f->adapter && !(row->flags & ROW_LOST_OK) &&
		 vrdma_adapter_lost(f->adapter))
		*status = (u32)STATUS_DEVICE_REMOVED;
	else
		err = row->fn(f, arg);
	mutex_unlock(&f->lock);
	return err;
}

/* What the caller may not do at all, else the status in arg */
static NTSTATUS run(struct vrw_handle *h, HANDLE pid, const struct row *row,
		    void *arg)
{
	struct vrl_file *f;
	int err;

	if (row->flags & ROW_CLOSED) {
		NTSTATUS status = vrw_handle_own(h);

		if (status != STATUS_SUCCESS)
			return status;
	}
	f = vrw_handle_enter(h, pid);
	if (!f)
		return STATUS_INVALID_DEVICE_STATE;
	if (row->flags & ROW_UNLOCKED)
		err = f->adapter ? row->fn(f, arg) : -EINVAL;
	else
		err = run_locked(f, row, arg);
	vrw_handle_leave(h);
	return errno_status(err);
}

static NTSTATUS run_request(struct vrw_handle *h, HANDLE pid,
			    const struct row *row, IRP *irp)
{
	NTSTATUS status = STATUS_INSUFFICIENT_RESOURCES;
	u8 *arg = kmalloc(row->size, GFP_KERNEL);
	u64 self = (ULONG_PTR)irp;

	IoMarkIrpPending(irp);
	if (arg) {
		memcpy(arg, irp->AssociatedIrp.SystemBuffer, row->size);
		memcpy(arg + row->overlapped, &self, sizeof(self));
		status = run(h, pid, row, arg);
		if (status == STATUS_SUCCESS)
			status = (NTSTATUS)*(u32 *)(void *)arg;
	}
	kfree(arg);
	if (status != STATUS_PENDING)
		vrw_irp_end(irp, status, 0);
	return STATUS_PENDING;
}

static NTSTATUS run_row(struct vrw_handle *h, HANDLE pid, const struct row *row,
			IRP *irp)
{
	IO_STACK_LOCATION *s = IoGetCurrentIrpStackLocation(irp);
	NTSTATUS status;

	if (s->Parameters.DeviceIoControl.InputBufferLength != row->size ||
	    (!row->overlapped &&
	     s->Parameters.DeviceIoControl.OutputBufferLength < row->size))
		return vrw_irp_end(irp, STATUS_INVALID_BUFFER_SIZE, 0);
	if (row->overlapped)
		return run_request(h, pid, row, irp);
	status = run(h, pid, row, irp->AssociatedIrp.SystemBuffer);
	return vrw_irp_end(irp, status,
			   status == STATUS_SUCCESS ? row->size : 0);
}

static NTSTATUS do_kick(struct vrw_handle *h, HANDLE pid)
{
	struct vrl_file *f = vrw_handle_enter(h, pid);
	NTSTATUS status = STATUS_INVALID_DEVICE_STATE;

	if (!f)
		return status;
	/* set once, before any queue pair that could have something to kick for */
	if (smp_load_acquire(&f->adapter)) {
		f->dev->bottom->queue_kick(f->dev, f->context.wake_queue);
		status = STATUS_SUCCESS;
	}
	vrw_handle_leave(h);
	return status;
}

static NTSTATUS do_attach(struct vrw_handle *h, IRP *irp)
{
	IO_STACK_LOCATION *s = IoGetCurrentIrpStackLocation(irp);
	struct vrdma_win_cookie *a = irp->AssociatedIrp.SystemBuffer;

	if (s->Parameters.DeviceIoControl.InputBufferLength != sizeof(*a) ||
	    s->Parameters.DeviceIoControl.OutputBufferLength < sizeof(*a))
		return vrw_irp_end(irp, STATUS_INVALID_BUFFER_SIZE, 0);
	if (a->reserved)
		return vrw_irp_end(irp, STATUS_INVALID_PARAMETER, 0);
	a->status = (u32)vrw_handle_attach(h, a->cookie);
	return vrw_irp_end(irp, STATUS_SUCCESS, sizeof(*a));
}

static NTSTATUS do_bottom(struct vrl_dev *dev, HANDLE pid, IRP *irp)
{
	IO_STACK_LOCATION *s = IoGetCurrentIrpStackLocation(irp);
	ULONG size = s->Parameters.DeviceIoControl.OutputBufferLength;
	NTSTATUS status = dev->bottom->ioctl(
		dev, s->Parameters.DeviceIoControl.IoControlCode, pid,
		irp->AssociatedIrp.SystemBuffer,
		s->Parameters.DeviceIoControl.InputBufferLength, &size);

	return vrw_irp_end(irp, status, status == STATUS_SUCCESS ? size : 0);
}

NTSTATUS NTAPI vrw_device_control(DEVICE_OBJECT *device, IRP *irp)
{
	IO_STACK_LOCATION *s = IoGetCurrentIrpStackLocation(irp);
	ULONG code = s->Parameters.DeviceIoControl.IoControlCode;
	HANDLE pid = PsGetProcessId(IoGetRequestorProcess(irp));
	struct vrw_handle *h = s->FileObject->FsContext;
	const struct row *row;

	(void)device;
	if (code == VRDMA_IOC_KICK)
		return vrw_irp_end(irp, do_kick(h, pid), 0);
	if (code == VRDMA_WIN_ATTACH)
		return do_attach(h, irp);
	row = find_row(code);
	return row ? run_row(h, pid, row, irp) : do_bottom(h->dev, pid, irp);
}
