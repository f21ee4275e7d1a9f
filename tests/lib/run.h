/* SPDX-License-Identifier: GPL-2.0-or-later */
/* run.h - a program that ends by itself, and what it said */
#ifndef TESTS_RUN_H
#define TESTS_RUN_H

#define RUN_MAX_ARGS 16
#define RUN_OUT	     16384

struct ran {
	int status; /* exit status; -1: a signal, or it did not end */
	char out[RUN_OUT];
	char err[RUN_OUT];
	int err_lines;
};

/* path with arguments up to a NULL; stdin is empty.  20 s at most */
void run_program(struct ran *r, const char *path, const char *const args[]);
/* A program beside vrdmad, by name */
void run_tool(struct ran *r, const char *name, const char *const args[]);
void run_vrdmad(struct ran *r, const char *const args[]);

#endif /* TESTS_RUN_H */
