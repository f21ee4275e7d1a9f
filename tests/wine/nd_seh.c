// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nd_seh.c - the driver's one way to catch exceptions, seh.S, with a program's exceptions
 *
 * usage: nd_seh
 *
 * The object is the driver's; the handler that it names is the C library's here and the
 * kernel's there, the same function.
 */
#include <stdio.h>
#include <windows.h>

#include "seh.h"

static int failed;

#define EXPECT(got, want)						\
	do {								\
		unsigned long long got_ = (got), want_ = (want);	\
									\
		if (got_ != want_) {					\
			printf("line %d: %llx, not %llx\n", __LINE__,	\
			       got_, want_);				\
			failed++;					\
		}							\
	} while (0)

static uintptr_t digits(uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t d,
			uintptr_t e, uintptr_t f)
{
	return a + 10 * b + 100 * c + 1000 * d + 10000 * e + 100000 * f;
}

static uintptr_t touch(volatile int *p)
{
	*p = 1;
	return 0;
}

static volatile uintptr_t raise_at;

/* From the depth of frames with things in registers that the caller wants back */
static uintptr_t deep(uintptr_t n, uintptr_t code)
{
	volatile char room[200];
	uintptr_t v;

	room[n] = 1;
	if (n == raise_at)
		RaiseException((DWORD)code, 0, 0, NULL);
	if (!n)
		return 0;
	v = deep(n - 1, code) * 3 + n;
	return v + (uintptr_t)room[n];
}

static uintptr_t inner(uintptr_t code)
{
	struct vrw_call c = { (void *)(uintptr_t)deep, { 3, code }, 0 };

	EXPECT((uint32_t)vrw_guarded(&c), code);
	RaiseException(0xC000009A, 0, 0, NULL);
	return 0;
}

static int32_t guarded(void *fn, uintptr_t a, uintptr_t b)
{
	struct vrw_call c = { fn, { a, b }, 77 };
	int32_t status = vrw_guarded(&c);

	if (status)
		EXPECT(c.result, 77);
	return status;
}

int main(void)
{
	struct vrw_call c = { (void *)(uintptr_t)digits, { 1, 2, 3, 4, 5, 6 }, 0 };
	volatile uintptr_t kept = 0x1234;
	uintptr_t i;

	EXPECT((uint32_t)vrw_guarded(&c), 0);
	EXPECT(c.result, 654321);
	EXPECT((uint32_t)guarded((void *)(uintptr_t)touch, 0, 0), 0xC0000005);
	for (i = 0; i < 1000; i++)
		EXPECT((uint32_t)guarded((void *)(uintptr_t)deep, i % 100,
					 0xC00000A1), 0xC00000A1);
	/* one inside of the other: each catches its own */
	EXPECT((uint32_t)guarded((void *)(uintptr_t)inner, 0xC0000005, 0),
	       0xC000009A);
	EXPECT(kept, 0x1234);
	printf("%s\n", failed ? "failed" : "passed");
	return failed != 0;
}
