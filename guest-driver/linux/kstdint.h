/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * kstdint.h - what <stdint.h> has and the kernel's own headers lack
 *
 * Included by the compiler's command line before each file: the core is
 * written against <stdint.h>.
 */
#ifndef KSTDINT_H
#define KSTDINT_H

#include <linux/limits.h>	/* has some of them */

#ifndef UINT16_MAX
#define UINT16_MAX	__UINT16_MAX__
#endif
#ifndef UINT32_MAX
#define UINT32_MAX	__UINT32_MAX__
#endif
#ifndef UINT64_MAX
#define UINT64_MAX	__UINT64_MAX__
#endif
#ifndef UINTPTR_MAX
#define UINTPTR_MAX	__UINTPTR_MAX__
#endif

/*
 * sparse does not let the builtins near a type of fixed byte order.  What it
 * is to check is that order, not the atomicity.
 */
#ifdef __CHECKER__
#define __atomic_load_n(p, o)		(*(p))
#define __atomic_store_n(p, v, o)	((void)(*(p) = (v)))
#define __atomic_exchange_n(p, v, o)			\
	({						\
		typeof(*(p)) old_ = *(p);		\
		*(p) = (v);				\
		old_;					\
	})
#define __atomic_fetch_or(p, v, o)	__atomic_exchange_n(p, *(p) | (v), o)
#define __atomic_compare_exchange_n(p, e, d, w, s, f)	\
	({						\
		*(e) = *(p);				\
		*(p) = (d);				\
		1;					\
	})
#endif

#endif /* KSTDINT_H */
