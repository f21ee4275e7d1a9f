// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kcheck.c - runs the tests of a suite one by one and tells of each in the log
 *
 * DOC: The lines are KTAP, the kernel's form of TAP: a plan for each suite, a
 * result for each test, `# SKIP` and why for one that cannot run here, and a
 * result for the suite.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/glob.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "kcheck.h"
#include "ndk_test.h"

#define MAX_CASES 8
#define MAX_TESTS 64

struct test {
	const char *name;
	kc_test *fn;
	int from, to;
	const struct kc_case *tc;
};

struct kc_case {
	const char *name;
	int timeout_s;
	kc_fixture *before, *after;
	struct kc_suite *suite;
};

struct kc_suite {
	const char *name;
	struct kc_case cases[MAX_CASES];
	struct test tests[MAX_TESTS];
	int n_cases, n_tests;
	int number, failed; /* of the results so far */
};

/* One test under way; one that failed stays for good */
struct run {
	const struct test *test;
	int i;
	struct task_struct *thread;
	struct completion ended;
	spinlock_t lock;
	bool failed; /* under lock, with why */
	char why[256];
};

static struct run *running; /* one at a time */

/* --- making a suite -------------------------------------------------------- */

Suite *suite_create(const char *name)
{
	struct kc_suite *s = kvzalloc(sizeof(*s), GFP_KERNEL | __GFP_NOFAIL);

	s->name = name;
	return s;
}

TCase *kc_case_add(Suite *s, const char *name, int timeout_s)
{
	struct kc_case *tc = &s->cases[s->n_cases++];

	BUG_ON(s->n_cases > MAX_CASES);
	tc->name = name;
	tc->timeout_s = timeout_s;
	tc->suite = s;
	return tc;
}

void tcase_add_checked_fixture(TCase *tc, kc_fixture *before, kc_fixture *after)
{
	tc->before = before;
	tc->after = after;
}

void kc_test_add(TCase *tc, const char *name, kc_test *fn, int from, int to)
{
	struct kc_suite *s = tc->suite;

	BUG_ON(s->n_tests == MAX_TESTS);
	s->tests[s->n_tests++] = (struct test){ name, fn, from, to, tc };
}

/* --- the end of a test ------------------------------------------------------- */

static void note(struct run *r, const char *file, int line,
		 struct va_format *vaf)
{
	const char *name = strrchr(file, '/');

	spin_lock(&r->lock);
	if (!r->failed)
		snprintf(r->why, sizeof(r->why), "%s:%d: %pV",
			 name ? name + 1 : file, line, vaf);
	r->failed = true;
	spin_unlock(&r->lock);
}

static __noreturn void stay(void)
{
	for (;;) {
		set_current_state(TASK_IDLE);
		schedule();
	}
}

void kc_fail(const char *file, int line, const char *fmt, ...)
{
	struct run *r = running;
	struct va_format vaf;
	va_list args;

	va_start(args, fmt);
	vaf.fmt = fmt;
	vaf.va = &args;
	note(r, file, line, &vaf);
	va_end(args);
	if (current != r->thread)
		return; /* a callback: its caller goes on */
	complete(&r->ended);
	stay();
}

/* --- one test ------------------------------------------------------------------ */

static int run_main(void *arg)
{
	struct run *r = arg;
	const struct kc_case *tc = r->test->tc;

	if (tc->before)
		tc->before();
	r->test->fn(r->i);
	if (tc->after)
		tc->after();
	/* nothing of the module runs in it any more */
	kthread_complete_and_exit(&r->ended, 0);
}

static void result(struct kc_suite *s, const struct test *t, int i,
		   const char *word, const char *note_word, const char *why)
{
	bool loop = t->to - t->from > 1;
	char row[16] = "";

	if (loop)
		snprintf(row, sizeof(row), "[%d]", i);
	pr_info("    %s %d %s:%s%s%s%s\n", word, ++s->number, t->tc->name,
		t->name, row, note_word, why);
}

/* Ended, or stuck in a wait that has no bound or in a loop without end */
static bool run_wait(struct run *r)
{
	int left = r->test->tc->timeout_s * kc_patience;

	/* in pieces, or the kernel takes the wait for a fault of its own */
	while (left-- > 0)
		if (wait_for_completion_timeout(&r->ended, HZ))
			return true;
	return false;
}

static void run_test(struct kc_suite *s, const struct test *t, int i)
{
	struct run *r = kzalloc(sizeof(*r), GFP_KERNEL | __GFP_NOFAIL);
	bool ended;

	r->test = t;
	r->i = i;
	spin_lock_init(&r->lock);
	init_completion(&r->ended);
	running = r;
	r->thread = kthread_create(run_main, r, "%s", t->name);
	if (IS_ERR(r->thread)) {
		s->failed++;
		result(s, t, i, "not ok", " # ", "no thread");
		kfree(r);
		return;
	}
	wake_up_process(r->thread);
	ended = run_wait(r);
	if (ended && !r->failed) {
		result(s, t, i, "ok", "", "");
		kfree(r);
		return;
	}
	/* what it holds may be called back at any time: we all stay */
	__module_get(THIS_MODULE);
	s->failed++;
	result(s, t, i, "not ok", " # ", ended ? r->why : "does not end");
}

static const char *why_not_here(const struct kc_suite *s, const char *name)
{
	const struct kc_elsewhere *e;

	for (e = kc_elsewhere; e->suite; e++)
		if (!strcmp(e->suite, s->name) && !strcmp(e->test, name))
			return e->why;
	return NULL;
}

static bool wanted(const struct test *t)
{
	return glob_match(kc_only, t->name);
}

static int count(const struct kc_suite *s)
{
	int n = 0, k;

	for (k = 0; k < s->n_tests; k++)
		if (wanted(&s->tests[k]))
			n += s->tests[k].to - s->tests[k].from;
	return n;
}

static void run_loop(struct kc_suite *s, const struct test *t)
{
	const char *why = why_not_here(s, t->name);
	int i;

	for (i = t->from; i < t->to; i++)
		if (why)
			result(s, t, i, "ok", " # SKIP ", why);
		else
			run_test(s, t, i);
}

int kc_run(Suite *s)
{
	int failed, k;

	pr_info("    KTAP version 1\n");
	pr_info("    # Subtest: %s\n", s->name);
	pr_info("    1..%d\n", count(s));
	for (k = 0; k < s->n_tests; k++)
		if (wanted(&s->tests[k]))
			run_loop(s, &s->tests[k]);
	failed = s->failed;
	if (!failed)
		kvfree(s);
	return failed ? 1 : 0;
}
