/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * seh.S - one call, with whatever exception it raises caught
 *
 * gcc has no __try.  What it comes down to on x64 is this: a function with unwind codes,
 * the system's own __C_specific_handler as its handler, and a scope table with one row:
 * from where to where, the filter, and where to go on.  The filter keeps the exception's
 * code in the frame, which it gets as its second argument, and takes every exception.
 */
	.set	CODE, 0x30		/* in the frame, behind the arguments */

	.text
	.globl	vrw_guarded
	.def	vrw_guarded; .scl 2; .type 32; .endef
	.seh_proc vrw_guarded
/* NTSTATUS vrw_guarded(struct vrw_call *c): see seh.h */
vrw_guarded:
	pushq	%rbx
	.seh_pushreg %rbx
	subq	$0x40, %rsp
	.seh_stackalloc 0x40
	.seh_endprologue
	movq	%rcx, %rbx
	movq	40(%rbx), %rax
	movq	%rax, 32(%rsp)
	movq	48(%rbx), %rax
	movq	%rax, 40(%rsp)
	movl	$0, CODE(%rsp)
	movq	8(%rbx), %rcx
	movq	16(%rbx), %rdx
	movq	24(%rbx), %r8
	movq	32(%rbx), %r9
.Ltry:
	call	*(%rbx)
	nop
.Lend:
	movq	%rax, 56(%rbx)
.Lexcept:
	movl	CODE(%rsp), %eax
	addq	$0x40, %rsp
	popq	%rbx
	ret
	.seh_handler __C_specific_handler, @except
	.seh_handlerdata
	.long	1
	.rva	.Ltry
	.rva	.Lend
	.rva	filter
	.rva	.Lexcept
	.text
	.seh_endproc

/* rcx: EXCEPTION_POINTERS, rdx: the frame */
	.def	filter; .scl 3; .type 32; .endef
filter:
	movq	(%rcx), %rax
	movl	(%rax), %eax
	movl	%eax, CODE(%rdx)
	movl	$1, %eax		/* EXCEPTION_EXECUTE_HANDLER */
	ret
