// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fabric.c - libfabric's tcp and shm providers as peers
 *
 * DOC: Two processes on the loopback of a network of their own, as in tcp.c.  One
 * writes into the other's memory with DEPTH writes on their way, as guests.c
 * does; its fi_pingpong has one message on its way and is no stream.  What a
 * completion means is left to the provider, which is the cheaper for it.
 *
 *	bandwidth SIZE		MB/s; over BENCH_PROVIDER: tcp (default) or shm
 */
#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_rma.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "measure.h"
#include "netns.h"

#define DEPTH 64

/* What one side tells the other beside the fabric */
struct card {
	char name[128];
	uint64_t addr;
	uint64_t key;
};

struct side {
	struct fi_info *info;
	struct fid_fabric *fabric;
	struct fid_domain *domain;
	struct fid_cq *cq;
	struct fid_av *av;
	struct fid_ep *ep;
	struct fid_mr *mr;
	fi_addr_t peer;
	int fd;				/* to the other process */
};

static uint8_t buf[MEASURE_MAX_SIZE];

static void must(int ret, const char *doing)
{
	if (ret >= 0)
		return;
	fprintf(stderr, "%s: %s\n", doing, fi_strerror(-ret));
	exit(1);
}

static struct fi_info *provider(void)
{
	struct fi_info *hints = fi_allocinfo(), *found = NULL;
	const char *name = getenv("BENCH_PROVIDER");
	bool tcp;

	if (!name)
		name = "tcp";
	tcp = !strcmp(name, "tcp");

	hints->caps = FI_MSG | FI_RMA;
	hints->ep_attr->type = FI_EP_RDM;
	hints->domain_attr->mr_mode = FI_MR_VIRT_ADDR | FI_MR_PROV_KEY |
				      FI_MR_ALLOCATED;
	hints->domain_attr->threading = FI_THREAD_DOMAIN;
	hints->fabric_attr->prov_name = strdup(name);
	must(fi_getinfo(FI_VERSION(1, 17), tcp ? "10.0.0.1" : NULL, NULL,
			tcp ? FI_SOURCE : 0, hints, &found), "fi_getinfo");
	fi_freeinfo(hints);
	return found;
}

static void open_side(struct side *s)
{
	struct fi_cq_attr cq = { .size = 4 * DEPTH,
				 .format = FI_CQ_FORMAT_CONTEXT };
	struct fi_av_attr av = { .type = FI_AV_TABLE };

	s->info = provider();
	must(fi_fabric(s->info->fabric_attr, &s->fabric, NULL), "fi_fabric");
	must(fi_domain(s->fabric, s->info, &s->domain, NULL), "fi_domain");
	must(fi_cq_open(s->domain, &cq, &s->cq, NULL), "fi_cq_open");
	must(fi_av_open(s->domain, &av, &s->av, NULL), "fi_av_open");
	must(fi_endpoint(s->domain, s->info, &s->ep, NULL), "fi_endpoint");
	must(fi_ep_bind(s->ep, &s->cq->fid, FI_TRANSMIT | FI_RECV), "fi_ep_bind");
	must(fi_ep_bind(s->ep, &s->av->fid, 0), "fi_ep_bind");
	must(fi_enable(s->ep), "fi_enable");
	must(fi_mr_reg(s->domain, buf, sizeof(buf), FI_REMOTE_WRITE | FI_WRITE,
		       0, 1, 0, &s->mr, NULL), "fi_mr_reg");
}

static struct card swap_cards(struct side *s)
{
	bool virtual = s->info->domain_attr->mr_mode & FI_MR_VIRT_ADDR;
	struct card mine = { .addr = virtual ? (uintptr_t)buf : 0,
			     .key = fi_mr_key(s->mr) }, theirs;
	size_t len = sizeof(mine.name);

	must(fi_getname(&s->ep->fid, mine.name, &len), "fi_getname");
	if (send(s->fd, &mine, sizeof(mine), 0) != sizeof(mine) ||
	    recv(s->fd, &theirs, sizeof(theirs), MSG_WAITALL) != sizeof(theirs))
		must(-FI_EIO, "the other process");
	if (fi_av_insert(s->av, theirs.name, 1, &s->peer, 0, NULL) != 1)
		must(-FI_EINVAL, "fi_av_insert");
	return theirs;
}

static uint64_t reap(struct side *s)
{
	struct fi_cq_entry e[16];
	ssize_t n = fi_cq_read(s->cq, e, 16);

	if (n == -FI_EAGAIN) {
		sched_yield();	/* its peer may need this CPU */
		return 0;
	}
	must((int)n, "fi_cq_read");
	return (uint64_t)n;
}

static double bandwidth(struct side *s, const struct card *to, size_t size)
{
	uint64_t posted = 0, ended = 0, start = now_ns();
	bool on = true;

	while (on || ended < posted) {
		ssize_t r = -FI_EAGAIN;

		if (on && posted - ended < DEPTH)
			r = fi_write(s->ep, buf, size, fi_mr_desc(s->mr), s->peer,
				     to->addr, to->key, NULL);
		if (!r)
			posted++;
		else if (r != -FI_EAGAIN)
			must((int)r, "fi_write");
		ended += reap(s);
		on = on && now_ns() - start < measure_ns();
	}
	return (double)size * (double)ended * 1000 / (double)(now_ns() - start);
}

/* The provider moves only when it is called */
static void __attribute__((noreturn)) serve(struct side *s)
{
	uint8_t word;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	open_side(s);
	(void)swap_cards(s);
	while (recv(s->fd, &word, 1, MSG_DONTWAIT) < 0)
		for (int i = 0; i < 64; i++)
			(void)reap(s);
	_exit(0);
}

int main(int argc, char **argv)
{
	struct side s = { 0 };
	struct measure m;
	struct card to;
	int fd[2];

	if (!measure_args(argc, argv, "bandwidth ", &m))
		return 2;
	if (!netns_enter())
		return 1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd))
		must(-FI_EIO, "socketpair");
	memset(buf, 1, sizeof(buf));
	if (!fork()) {
		close(fd[0]);
		s.fd = fd[1];
		serve(&s);
	}
	close(fd[1]);
	s.fd = fd[0];
	open_side(&s);
	to = swap_cards(&s);
	measure_print(&m, bandwidth(&s, &to, m.size));
	close(s.fd);
	wait(NULL);
	return 0;
}
