/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * slow.c - a thread for calls that block
 */
#include <errno.h>
#include <stdlib.h>

#include "vrb.h"

struct slow {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct slow_job *first;		/* under lock */
	struct slow_job **last;		/* under lock */
	bool quit;			/* under lock */
};

static struct slow_job *next_job(struct slow *s)
{
	struct slow_job *job;

	pthread_mutex_lock(&s->lock);
	while (!s->first && !s->quit)
		pthread_cond_wait(&s->more, &s->lock);
	job = s->first;
	if (job) {
		s->first = job->next;
		if (!s->first)
			s->last = &s->first;
	}
	pthread_mutex_unlock(&s->lock);
	return job;
}

static void done_in_control(void *arg)
{
	struct slow_job *job = arg;

	job->done(job);
}

static void *slow_main(void *arg)
{
	struct slow *s = arg;
	struct slow_job *job;

	while ((job = next_job(s))) {
		struct vrb *worker = job->back_to_worker;
		bool back = job->done;

		job->fn(job);
		if (!back)
			continue; /* fn freed it */
		if (worker)
			data_mail(worker, job);
		else
			be_post(done_in_control, job);
	}
	return NULL;
}

int slow_start(const char *name, struct slow **out)
{
	struct slow *s = calloc(1, sizeof(*s));
	int ret;

	if (!s)
		return -ENOMEM;
	s->last = &s->first;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->more, NULL);
	ret = be_thread_start(&s->thread, name, slow_main, s);
	if (ret) {
		pthread_cond_destroy(&s->more);
		pthread_mutex_destroy(&s->lock);
		free(s);
		return ret;
	}
	*out = s;
	return 0;
}

void slow_run(struct slow *s, struct slow_job *job)
{
	job->next = NULL;
	pthread_mutex_lock(&s->lock);
	*s->last = job;
	s->last = &job->next;
	pthread_cond_signal(&s->more);
	pthread_mutex_unlock(&s->lock);
}

void slow_prepare(struct slow_waited *w, void (*fn)(void *arg), void *arg)
{
	*w = (struct slow_waited){.fn = fn, .arg = arg};
	sem_init(&w->ran, 0, 0);
}

void slow_run_waited(struct slow_job *job)
{
	struct slow_waited *w = (struct slow_waited *)(void *)job;

	w->fn(w->arg);
	sem_post(&w->ran);	/* w is the caller's again */
}

void slow_wait(struct slow_waited *w)
{
	while (sem_wait(&w->ran) && errno == EINTR)
		;
	sem_destroy(&w->ran);
}

void slow_call(struct slow *s, void (*fn)(void *arg), void *arg)
{
	struct slow_waited w;

	slow_prepare(&w, fn, arg);
	w.job.fn = slow_run_waited;
	slow_run(s, &w.job);
	slow_wait(&w);
}

void slow_stop(struct slow *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->quit = true;
	pthread_cond_signal(&s->more);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	pthread_cond_destroy(&s->more);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
