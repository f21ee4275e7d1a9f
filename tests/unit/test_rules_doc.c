/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_rules_doc.c - docs/disconnect.md names tests for every rule, and they
 * are there
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const rules[] = {
	"1",  "2",  "3",  "4",	"5",  "6",  "7",  "8",	"9",  "D1",
	"D2", "D3", "D4", "D5", "D6", "D7", "D8", "D9", "D10",
};
#define RULES (int)(sizeof(rules) / sizeof(rules[0]))

/* The repository's root, as this file was compiled from it */
static const char *in_root(const char *name)
{
	static char path[1024];
	const char *slash = strrchr(__FILE__, '/');

	snprintf(path, sizeof(path), "%.*s/../../%s", (int)(slash - __FILE__),
		 __FILE__, name);
	return path;
}

static char *read_whole(const char *name)
{
	static char text[1 << 18];
	FILE *f = fopen(in_root(name), "r");
	size_t n;

	ck_assert_msg(f != NULL, "there is no %s", name);
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	return text;
}

/* A test of Check, a case of the VM tests, a scenario, or a whole program */
static int defines(const char *text, const char *test)
{
	static const struct {
		const char *before, *after;
	} forms[] = {
		{ "START_TEST(", ")" },
		{ "Case(\"", "\"" },
		{ "Case(f\"", "\"" },
		{ "\t{\"", "\"," },
		{ "run_plain(\"", "\"" },
	};
	char want[160];

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		snprintf(want, sizeof(want), "%s%s%s", forms[i].before, test,
			 forms[i].after);
		if (strstr(text, want))
			return 1;
	}
	return 0;
}

static void check_reference(const char *rule, char *reference)
{
	char name[256], *test = strchr(reference, ':');

	ck_assert_msg(test != NULL, "rule %s: `%s` is not file:test", rule,
		      reference);
	*test++ = '\0';
	snprintf(name, sizeof(name), "tests/%s", reference);
	ck_assert_msg(defines(read_whole(name), test),
		      "rule %s: %s has no test %s", rule, name, test);
}

/* The row of the table below "Tests of each rule", or NULL */
static const char *row_of(const char *rule)
{
	static char row[8192];
	FILE *f = fopen(in_root("docs/disconnect.md"), "r");
	char start[16];
	int below = 0;

	ck_assert_msg(f != NULL, "there is no docs/disconnect.md");
	snprintf(start, sizeof(start), "| %s |", rule);
	while (fgets(row, sizeof(row), f)) {
		if (!strncmp(row, "## ", 3))
			below = !strcmp(row, "## Tests of each rule\n");
		if (below && !strncmp(row, start, strlen(start))) {
			fclose(f);
			return row;
		}
	}
	fclose(f);
	return NULL;
}

START_TEST(every_rule_has_its_tests)
{
	const char *row = row_of(rules[_i]);
	char copy[8192], *p, *end;
	int n = 0;

	ck_assert_msg(row != NULL, "rule %s has no row", rules[_i]);
	snprintf(copy, sizeof(copy), "%s", row);
	for (p = strchr(copy, '`'); p; p = strchr(end + 1, '`')) {
		end = strchr(p + 1, '`');
		ck_assert_msg(end != NULL, "rule %s: an open `", rules[_i]);
		*end = '\0';
		check_reference(rules[_i], p + 1);
		n++;
	}
	ck_assert_msg(n > 0, "rule %s names no test", rules[_i]);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("rules-doc");
	TCase *tc = tcase_create("rules");
	SRunner *sr;
	int failed;

	tcase_add_loop_test(tc, every_rule_has_its_tests, 0, RULES);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
