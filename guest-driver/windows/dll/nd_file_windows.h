/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * nd_file_windows.h - one open \\.\vrdmaN
 *
 * DOC: Overlapped requests are NT's own
 *
 * The adapter has a handle for calls that end at once.  CreateOverlappedFile gives
 * another one, attached to the same adapter in the driver, and a request goes
 * down that one with the consumer's OVERLAPPED: NT writes its status there, sets
 * its event and posts its packet.  So there is no table of requests here, and an
 * adapter's ends are told nobody but the consumer; where the library has to know
 * (tokens of a region) it asks the driver.
 */
#ifndef ND_FILE_WINDOWS_H
#define ND_FILE_WINDOWS_H

struct nd_file {
	/* constant after open */
	HANDLE device;
	unsigned number;
	uint64_t cookie;		/* for ATTACH */
	struct vrdma_uapi_open info;
	struct virtio_rdma_context_page *context;
	int64_t ram;			/* Wine's file of guest memory, or -1 */

	pthread_mutex_t lock;
	atomic_bool removed;
};

/* The codes do not tell how large a structure is: its type does */
HRESULT nd_call_sized(struct nd_file *file, unsigned long code, void *arg,
		      size_t size);
HRESULT nd_start_sized(struct nd_owner *owner, unsigned long code, void *arg,
		       size_t size, OVERLAPPED *ov);
#define nd_call(file, code, arg) \
	nd_call_sized((file), (code), (arg), sizeof(*(arg)))
#define nd_start(owner, code, arg, overlapped, ov, end)			\
	((void)(overlapped), (void)(end),				\
	 nd_start_sized((owner), (code), (arg), sizeof(*(arg)), (ov)))

/* wine.c: nothing happens on Windows */
void nd_wine_open(struct nd_file *file);
void nd_wine_close(struct nd_file *file);
/* Make a range guest memory, and hold on to it until done */
HRESULT nd_wine_share(struct nd_file *file, uint64_t address, uint64_t length);
void nd_wine_done(struct nd_file *file);

/* notify.c: a Notify of cq has ended with success */
void nd_cq_notified(struct nd_owner *cq);

#endif /* ND_FILE_WINDOWS_H */
