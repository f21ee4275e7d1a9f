// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * main.c - loading the module runs the tests
 *
 *	modprobe ndk_test [suites=cq,data] [only='arm*'] [patience=3]
 *
 * The results are in the log (see kcheck.c); the load succeeds whatever they are.
 * A module whose tests all passed can be unloaded.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/string.h>

#include "ndk_test.h"

int kc_patience = 3;
module_param_named(patience, kc_patience, int, 0);
MODULE_PARM_DESC(patience, "bounds of waits, in times of those in user space");

char *kc_only = "*";
module_param_named(only, kc_only, charp, 0);
MODULE_PARM_DESC(only, "names of tests, with wildcards");

static char *chosen = "";
module_param_named(suites, chosen, charp, 0);
MODULE_PARM_DESC(suites, "names of suites, with commas (all)");

#define SUITES(X) \
	X(calls) X(close) X(connect) X(cq) X(cq_moderation) X(cq_resize) X(data) \
	X(endpoints) X(fast) X(lifetime) X(misuse) X(posts) X(property) X(quiesce) \
	X(regions) X(scheme) \
	X(srq) X(windows)

#define DECLARE(name) int ndk_suite_##name(void);
SUITES(DECLARE)

static const struct {
	const char *name;
	int (*run)(void);
} suites[] = {
#define ROW(name) {#name, ndk_suite_##name},
	SUITES(ROW)
};

#define RESET	"no reset of the device"
#define DEATH	"no death of the guest or its vrdmad"
#define CONFIG	"another configuration of vrdmad"
#define POLICY	"the flush of NDSPI's queue pairs"

const struct kc_elsewhere kc_elsewhere[] = {
	{"close", "daemon_in_each_state", DEATH},
	{"cq moderation", "device_lost", DEATH},
	{"cq moderation", "not_negotiated", RESET},
	{"cq resize", "device_lost", DEATH},
	{"cq resize", "not_negotiated", RESET},
	{"data", "a_gigabyte_of_scattered_pages_registers",
	 "more memory than a guest has"},
	{"endpoints", "guest_is_switched_off", DEATH},
	{"endpoints", "none_are_offered", CONFIG},
	{"fast", "device_is_reset", RESET},
	{"fast", "none_are_offered", CONFIG},
	{"quiesce", "ndspi_policy", POLICY},
	{"scheme", "ndspi_policy_flushes_after_the_indication", POLICY},
	{"shared receive queues", "peers_die", DEATH},
	{"shared receive queues", "device_lost", DEATH},
	{"shared receive queues", "not_negotiated", RESET},
	{"shared receive queues", "not_configured", CONFIG},
	{"windows", "device_is_reset", RESET},
	{"windows", "daemon_is_killed", DEATH},
	{"windows", "none_are_offered", CONFIG},
	{}
};

/* In the list of names with commas? */
static bool is_chosen(const char *name)
{
	size_t len = strlen(name);
	const char *s = chosen, *end;

	for (; *s; s = *end ? end + 1 : end) {
		end = strchrnul(s, ',');
		if ((size_t)(end - s) == len && !memcmp(s, name, len))
			return true;
	}
	return !*chosen;
}

static int __init ndk_test_init(void)
{
	size_t k;
	int n = 0;

	if (!kc_host_init())
		return -ENODEV;
	for (k = 0; k < ARRAY_SIZE(suites); k++)
		n += is_chosen(suites[k].name);
	pr_info("KTAP version 1\n");
	pr_info("1..%d\n", n);
	for (k = 0, n = 0; k < ARRAY_SIZE(suites); k++)
		if (is_chosen(suites[k].name))
			pr_info("%s %d %s\n",
				suites[k].run() ? "not ok" : "ok", ++n,
				suites[k].name);
	return 0;
}

static void __exit ndk_test_exit(void)
{
}

module_init(ndk_test_init);
module_exit(ndk_test_exit);

MODULE_DESCRIPTION("tests of kernel-mode NetworkDirect");
MODULE_LICENSE("GPL");
