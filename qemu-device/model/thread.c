/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * thread.c - threads beside the control thread
 */
#include <signal.h>

#include "../../host-backend/backend.h"

/* Signals are the control thread's; a fault is whose it is */
static void block_signals(sigset_t *old)
{
	static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
	sigset_t all;

	sigfillset(&all);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		sigdelset(&all, faults[i]);
	pthread_sigmask(SIG_SETMASK, &all, old);
}

int be_thread_start(pthread_t *thread, const char *name, void *(*fn)(void *arg),
		    void *arg)
{
	sigset_t old;
	int ret;

	block_signals(&old);
	ret = pthread_create(thread, NULL, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!ret)
		pthread_setname_np(*thread, name);
	return -ret;
}
