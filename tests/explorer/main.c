// SPDX-License-Identifier: GPL-2.0-or-later
/* main.c - options, the run over all scenarios, the planted faults */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "explorer.h"
#include "log.h"

#ifdef VRDMA_PLANT
extern int vrdma_plant;
#endif

/* Beside the scenarios of the table, in a run of everything */
#define RANDOM_SCENARIOS 5000
#define RANDOM_ORDERS	 20

static const char usage[] =
	"usage: explorer [-n LIMIT] [-m SAMPLES] [-t TOTAL] [-s SEED]\n"
	"                [--scenario NAME [--order K]] [--no-plants] [--list]\n"
	"\n"
	"Runs two guest drivers and the device model in one thread through every\n"
	"order of a scenario's events, and checks the rules of docs/explorer.md on\n"
	"each.\n"
	"\n"
	"  -n LIMIT         enumerate up to so many orders of a scenario (40320: all\n"
	"                   of any with up to 8 events)\n"
	"  -m SAMPLES       random orders of a scenario that has more (4000)\n"
	"  -t TOTAL         orders in all, reached by more samples (500000)\n"
	"  -s SEED          of the random orders (1)\n"
	"  --scenario NAME  only this one\n"
	"  --order K        only its order K, with a trace of every step\n"
	"  --random N       N random scenarios in place of those, -m orders of each\n"
	"  --random-one K   only number K of them, told step by step with --order\n"
	"  --plants         only the planted faults (binary explorer-planted)\n"
	"  --no-plants      leave them out\n"
	"  --list           scenarios, faults, and what they are\n"
	"\n"
	"Exit status 0: no rule was broken and each planted fault was found.\n";

struct options {
	struct search how;
	uint64_t total;
	const char *name;
	uint64_t random, random_one;
	bool plants_only, no_plants, list;
};

struct totals {
	uint64_t orders, violations;
	unsigned int passed, failed;
	unsigned int caught, planted;
};

static void list(void)
{
	for (unsigned int i = 0; i < scenario_count; i++)
		printf("%-20s %s\n", scenarios[i].name, scenarios[i].what);
	for (unsigned int i = 0; i < plant_count; i++)
		printf("fault %2d, rule %d     %s\n", plants[i].number,
		       plants[i].rule, plants[i].what);
}

/* ---------------------------------------------------------------- scenarios */

static void line(const struct scenario *sc, const struct result *r)
{
	printf("%-4s %-20s %8llu orders, %s, up to %3u events, %llu violations\n",
	       r->violations ? "FAIL" : "ok", sc->name,
	       (unsigned long long)r->orders,
	       r->exhaustive ? "all    " : "sampled", r->longest,
	       (unsigned long long)r->violations);
	fflush(stdout);
}

static bool chosen(const struct options *o, const struct scenario *sc)
{
	return !o->name || !strcmp(o->name, sc->name);
}

/* Samples that are missing, spread over those that have more orders */
static void fill_up(const struct options *o, struct result *all,
		    struct totals *t)
{
	unsigned int open = 0;
	uint64_t each;

	for (unsigned int i = 0; i < scenario_count; i++)
		open += chosen(o, &scenarios[i]) && !all[i].exhaustive;
	if (!open || t->orders >= o->total || o->how.only)
		return;
	each = (o->total - t->orders + open - 1) / open;
	for (unsigned int i = 0; i < scenario_count; i++) {
		uint64_t orders = all[i].orders, bad = all[i].violations;

		if (!chosen(o, &scenarios[i]) || all[i].exhaustive)
			continue;
		search_more(&scenarios[i], &o->how, each, &all[i]);
		t->orders += all[i].orders - orders;
		t->violations += all[i].violations - bad;
	}
}

static void run_scenarios(const struct options *o, struct totals *t)
{
	struct result *all = calloc(scenario_count, sizeof(*all));

	for (unsigned int i = 0; i < scenario_count; i++) {
		if (!chosen(o, &scenarios[i]))
			continue;
		search_run(&scenarios[i], &o->how, &all[i]);
		t->orders += all[i].orders;
		t->violations += all[i].violations;
	}
	fill_up(o, all, t);
	for (unsigned int i = 0; i < scenario_count; i++) {
		if (!chosen(o, &scenarios[i]))
			continue;
		if (!o->how.only)
			line(&scenarios[i], &all[i]);
		if (all[i].violations)
			t->failed++;
		else
			t->passed++;
	}
	free(all);
}

/* --------------------------------------------------------- random scenarios */

static bool random_scenario(const struct options *o, uint64_t k,
			    uint64_t samples, struct totals *t)
{
	struct search how = o->how;
	struct scenario sc;
	struct result r;

	how.limit = 0;
	how.samples = samples;
	fuzz_scenario(how.seed, k, &sc);
	search_run(&sc, &how, &r);
	t->orders += r.orders;
	t->violations += r.violations;
	if (r.violations)
		printf("FAIL random scenario %llu: %s\n    again: explorer --random-one %llu -s %llu -m %llu --order K\n",
		       (unsigned long long)k, sc.what, (unsigned long long)k,
		       (unsigned long long)how.seed,
		       (unsigned long long)samples);
	return !r.violations;
}

/* They count as one test */
static void run_random(const struct options *o, uint64_t samples,
		       struct totals *t)
{
	uint64_t first = o->random_one ? o->random_one : 1;
	uint64_t last = o->random_one ? o->random_one : o->random;
	uint64_t orders = t->orders, bad = 0;

	for (uint64_t k = first; k <= last; k++)
		bad += !random_scenario(o, k, samples, t);
	if (o->how.only)
		return;
	printf("%-4s %llu random scenarios, %llu orders, %llu with violations\n",
	       bad ? "FAIL" : "ok", (unsigned long long)(last - first + 1),
	       (unsigned long long)(t->orders - orders),
	       (unsigned long long)bad);
	if (bad)
		t->failed++;
	else
		t->passed++;
}

/* ------------------------------------------------------------ planted faults */

#ifdef VRDMA_PLANT
/* In a process of its own: a planted fault may break anything */
static int try_plant(const struct plant *p, const struct options *o)
{
	struct search how = {
		.limit = 3000, .samples = 300, .seed = o->how.seed,
		.stop_at_rule = p->rule, .quiet = true,
	};

	alarm(120);
	for (unsigned int i = 0; i < scenario_count; i++) {
		struct result r;

		vrdma_plant = 0;
		if (world.model.loop)
			world.failed = true;
		world.failed ? world_mend() : world_start();
		vrdma_plant = p->number;
		search_run(&scenarios[i], &how, &r);
		if (!r.seen[p->rule])
			continue;
		printf("ok   fault %2d breaks rule %d in %s, order %llu: %s\n",
		       p->number, p->rule, scenarios[i].name,
		       (unsigned long long)r.orders, p->what);
		fflush(stdout);
		return 0;
	}
	printf("FAIL fault %2d is not seen to break rule %d: %s\n", p->number,
	       p->rule, p->what);
	fflush(stdout);
	return 1;
}

static int run_plants(const struct options *o)
{
	int missed = 0;

	for (unsigned int i = 0; i < plant_count; i++) {
		int status;
		pid_t pid;

		fflush(stdout);
		pid = fork();
		if (pid == 0)
			_exit(try_plant(&plants[i], o));
		if (pid < 0 || waitpid(pid, &status, 0) < 0)
			return 1;
		if (WIFSIGNALED(status))
			printf("FAIL fault %2d: died of signal %d\n",
			       plants[i].number, WTERMSIG(status));
		if (status)
			missed++;
	}
	printf("%u/%u planted faults caught\n", plant_count - (unsigned int)missed,
	       plant_count);
	return missed != 0;
}
#else
static int run_plants(const struct options *o)
{
	(void)o;
	fprintf(stderr, "explorer: --plants: this binary has none planted; run explorer-planted, which make explorer builds beside it\n");
	return 2;
}
#endif

/* The other binary, beside this one */
static void call_planted(const char *self, const struct options *o,
			 struct totals *t)
{
	char cmd[1000], text[400];
	unsigned int caught = 0, of = plant_count;
	FILE *f;

	snprintf(cmd, sizeof(cmd), "'%s-planted' --plants -s %llu", self,
		 (unsigned long long)o->how.seed);
	f = popen(cmd, "r");
	while (f && fgets(text, sizeof(text), f)) {
		if (sscanf(text, "%u/%u planted", &caught, &of) != 2)
			fputs(text, stdout);
	}
	if (f)
		pclose(f);
	t->caught = caught;
	t->planted = plant_count;
	t->passed += caught;
	t->failed += plant_count - caught;
}

/* --------------------------------------------------------------------- main */

static uint64_t number(const char *s, const char *option)
{
	char *end;
	unsigned long long v;

	errno = 0;
	v = strtoull(s, &end, 0);
	if (errno || end == s || *end || *s == '-') {
		fprintf(stderr, "explorer: %s %s: not a number\n", option, s);
		exit(2);
	}
	return v;
}

static const struct option long_options[] = {
	{"scenario", required_argument, NULL, 'S'},
	{"order", required_argument, NULL, 'O'},
	{"random", required_argument, NULL, 'R'},
	{"random-one", required_argument, NULL, 'r'},
	{"plants", no_argument, NULL, 'P'},
	{"no-plants", no_argument, NULL, 'N'},
	{"list", no_argument, NULL, 'L'},
	{"help", no_argument, NULL, 'h'},
	{0},
};

static void parse(int argc, char **argv, struct options *o)
{
	int c;

	while ((c = getopt_long(argc, argv, "n:m:t:s:h", long_options, NULL)) !=
	       -1) {
		switch (c) {
		case 'n': o->how.limit = number(optarg, "-n"); break;
		case 'm': o->how.samples = number(optarg, "-m"); break;
		case 't': o->total = number(optarg, "-t"); break;
		case 's': o->how.seed = number(optarg, "-s"); break;
		case 'S': o->name = optarg; break;
		case 'O': o->how.only = number(optarg, "--order"); break;
		case 'R': o->random = number(optarg, "--random"); break;
		case 'r': o->random_one = number(optarg, "--random-one"); break;
		case 'P': o->plants_only = true; break;
		case 'N': o->no_plants = true; break;
		case 'L': o->list = true; break;
		case 'h': fputs(usage, stdout); exit(0);
		default: fputs(usage, stderr); exit(2);
		}
	}
}

static void check_options(const struct options *o)
{
	bool found = !o->name;

	for (unsigned int i = 0; i < scenario_count; i++)
		if (o->name && !strcmp(o->name, scenarios[i].name))
			found = true;
	if (!found) {
		fprintf(stderr, "explorer: no scenario %s; --list shows them\n",
			o->name);
		exit(2);
	}
	if (o->how.only && !o->name && !o->random_one) {
		fprintf(stderr, "explorer: --order needs --scenario NAME\n");
		exit(2);
	}
}

int main(int argc, char **argv)
{
	struct options o = {
		.how = {.limit = 40320, .samples = 4000, .seed = 1},
		.total = 500000,
	};
	struct totals t = {0};

	bool only_random;

	parse(argc, argv, &o);
	check_options(&o);
	only_random = o.random;
	vlog_set_level(VL_ERROR);
	if (o.list) {
		list();
		return 0;
	}
	if (o.plants_only)
		return run_plants(&o);
	world_start();
	if (o.random || o.random_one) {
		run_random(&o, o.how.samples, &t);
	} else {
		run_scenarios(&o, &t);
		o.random = o.name ? 0 : RANDOM_SCENARIOS;
		if (o.random)
			run_random(&o, RANDOM_ORDERS, &t);
	}
	if (o.how.only)
		return t.violations != 0;
	if (!o.no_plants && !o.name && !o.random_one && !o.how.only &&
	    !only_random)
		call_planted(argv[0], &o, &t);
	printf("%u passed, %u failed\n", t.passed, t.failed);
	printf("disconnect explorer: %llu orders, %llu violations, %u/%u planted faults caught\n",
	       (unsigned long long)t.orders, (unsigned long long)t.violations,
	       t.caught, t.planted);
	return t.failed != 0;
}
