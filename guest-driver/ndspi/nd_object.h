/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * nd_object.h - what every object has: reference count, interfaces, parent
 *
 * DOC: An object begins with its table pointer, as C callers expect, so the
 * interface pointer *is* the object, except for the second interface that an
 * adapter and a connector have.  One count serves the consumer's references
 * and those that children hold on their parents: an object goes when nobody
 * of either kind needs it.
 */
#ifndef ND_OBJECT_H
#define ND_OBJECT_H

#include <stdatomic.h>

#include "ndspi.h"

#define nd_container_of(ptr, type, member) \
	((type *)(void *)((char *)(ptr) - offsetof(type, member)))

struct nd_object;

struct nd_interface {
	const IID *iid;
	size_t offset;		/* of the table pointer in the object */
};

struct nd_class {
	const char *name;
	const struct nd_interface *interfaces;	/* ends with a NULL iid */
	void (*destroy)(struct nd_object *obj);	/* frees the memory too */
};

struct nd_object {
	const void *lpVtbl;
	const struct nd_class *cls;
	atomic_uint refs;
	struct nd_object *parent;	/* a reference, or NULL */
};

/* one reference, the caller's */
void nd_object_init(struct nd_object *obj, const struct nd_class *cls,
		    const void *vtbl, struct nd_object *parent);
ULONG nd_object_get(struct nd_object *obj);
ULONG nd_object_put(struct nd_object *obj);
HRESULT nd_object_query(struct nd_object *obj, REFIID iid, VOID **out);
/* The end of every create call: ask for iid and drop the creator's reference */
HRESULT nd_object_hand_out(struct nd_object *obj, REFIID iid, VOID **out);
/* Objects alive in the whole library, for DllCanUnloadNow */
unsigned nd_objects_alive(void);
int nd_iid_equal(REFIID a, REFIID b);

/*
 * The first three slots for a type whose interface pointer is the object:
 * ND_UNKNOWN_IMPL(cq, IND2CompletionQueue) makes cq_QueryInterface and so on.
 */
#define ND_UNKNOWN_IMPL(prefix, T)                                             \
	static HRESULT prefix##_QueryInterface(T *self, REFIID iid,            \
					       VOID **out)                     \
	{                                                                      \
		return nd_object_query((struct nd_object *)self, iid, out);    \
	}                                                                      \
	static ULONG prefix##_AddRef(T *self)                                  \
	{                                                                      \
		return nd_object_get((struct nd_object *)self);                \
	}                                                                      \
	static ULONG prefix##_Release(T *self)                                 \
	{                                                                      \
		return nd_object_put((struct nd_object *)self);                \
	}
#define ND_UNKNOWN_SLOTS(prefix)                                               \
	.QueryInterface = prefix##_QueryInterface, .AddRef = prefix##_AddRef,  \
	.Release = prefix##_Release

#endif /* ND_OBJECT_H */
