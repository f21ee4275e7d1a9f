/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * lx.h - system calls of the Linux under Wine
 *
 * DOC: Code of a Windows binary that runs under Wine is code of a Linux process.
 * The numbers and structures below are those of x86-64 Linux.  A result below 0 is
 * -errno; a call that Wine's own signals interrupted is made again.
 */
#ifndef VRW_LX_H
#define VRW_LX_H

#include <stdint.h>

#define LX_EAGAIN	11

enum lx_nr {
	LX_read = 0,
	LX_write = 1,
	LX_open = 2,
	LX_close = 3,
	LX_poll = 7,
	LX_mmap = 9,
	LX_munmap = 11,
	LX_pwrite64 = 18,
	LX_getpid = 39,
	LX_socket = 41,
	LX_connect = 42,
	LX_recvfrom = 45,
	LX_sendmsg = 46,
	LX_socketpair = 53,
	LX_kill = 62,
	LX_fcntl = 72,
	LX_ftruncate = 77,
	LX_fallocate = 285,
	LX_eventfd2 = 290,
	LX_memfd_create = 319,
};

static inline int64_t lx_once(enum lx_nr nr, int64_t a, int64_t b, int64_t c,
			      int64_t d, int64_t e, int64_t f)
{
	register int64_t r10 __asm__("r10") = d;
	register int64_t r8 __asm__("r8") = e;
	register int64_t r9 __asm__("r9") = f;
	int64_t r;

	__asm__ volatile("syscall" : "=a"(r)
			 : "a"((int64_t)nr), "D"(a), "S"(b), "d"(c), "r"(r10),
			   "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return r;
}

static inline int64_t lx(enum lx_nr nr, int64_t a, int64_t b, int64_t c,
			 int64_t d, int64_t e, int64_t f)
{
	int64_t r;

	do {
		r = lx_once(nr, a, b, c, d, e, f);
	} while (r == -4);	/* EINTR */
	return r;
}

#define LX_P(p) ((int64_t)(uintptr_t)(p))

struct lx_iovec {
	void *base;
	uint64_t len;
};

struct lx_msghdr {
	void *name;
	uint32_t namelen;
	struct lx_iovec *iov;
	uint64_t iovlen;
	void *control;
	uint64_t controllen;
	int flags;
};

/* of one message that carries a file descriptor */
struct lx_rights {
	uint64_t len;
	int level;
	int type;
	int fd;
	int pad;
};

struct lx_pollfd {
	int fd;
	int16_t events;
	int16_t revents;
};

struct lx_sockaddr_un {
	uint16_t family;
	char path[108];
};

#define LX_PROT_RW	3
#define LX_MAP_SHARED	0x01
#define LX_MAP_FIXED	0x10
#define LX_MAP_NORESERVE 0x4000
#define LX_O_RDWR	2
#define LX_CLOEXEC	02000000
#define LX_NONBLOCK	04000
#define LX_AF_UNIX	1
#define LX_SOCK_STREAM	1
#define LX_SOL_SOCKET	1
#define LX_SCM_RIGHTS	1
#define LX_MSG_PEEK	0x02
#define LX_MSG_DONTWAIT	0x40
#define LX_MSG_NOSIGNAL	0x4000
#define LX_POLLIN	0x001
#define LX_POLLERR	0x008
#define LX_POLLHUP	0x010
#define LX_POLLRDHUP	0x2000
#define LX_F_ADD_SEALS	1033
#define LX_F_SEAL_SHRINK 0x2
#define LX_MFD_CLOEXEC	1
#define LX_MFD_SEALING	2
#define LX_PUNCH_HOLE	3	/* and keep the size */

#endif /* VRW_LX_H */
