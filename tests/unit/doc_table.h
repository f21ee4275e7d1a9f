/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doc_table.h - the tables of docs/states.md, for tests that hold the code to
 * them
 */
#ifndef UNIT_DOC_TABLE_H
#define UNIT_DOC_TABLE_H

#include <stdio.h>
#include <string.h>

#define MAX_COLUMNS 16

static const char *doc_path(void)
{
	static char path[512];
	const char *slash = strrchr(__FILE__, '/');

	snprintf(path, sizeof(path), "%.*s/../../docs/states.md",
		 (int)(slash - __FILE__), __FILE__);
	return path;
}

/* Cells of "| a | b |", trimmed, in place; their number */
static int split_row(char *line, char *cell[MAX_COLUMNS])
{
	int n = 0;

	if (line[0] != '|')
		return 0;
	for (char *p = strtok(line + 1, "|\n"); p && n < MAX_COLUMNS;
	     p = strtok(NULL, "|\n")) {
		char *end;

		while (*p == ' ' || *p == '`')
			p++;
		end = p + strlen(p);
		while (end > p && (end[-1] == ' ' || end[-1] == '`'))
			*--end = 0;
		cell[n++] = p;
	}
	return n;
}

#endif /* UNIT_DOC_TABLE_H */
