// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * in_net.c - run a command in a network that has all test guests' addresses
 *
 * So that what watches the network and what talks over it see the same one.
 */
#include <stdio.h>
#include <string.h>
#include <errno.h>
#include <unistd.h>

#include "netns.h"

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: %s COMMAND [WORD]...\n", argv[0]);
		return 2;
	}
	if (!netns_enter())
		return 1;
	execvp(argv[1], argv + 1);
	fprintf(stderr, "%s: %s: %s\n", argv[0], argv[1], strerror(errno));
	return 127;
}
