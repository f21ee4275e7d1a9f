/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doorbell.pml - posts, doorbells, watched tails and the worker's sleep
 *
 * What docs/protocol.md 8.1 and 8.2 and docs/threading.md, "Sleep", say, step by
 * step; in every order, with the stores of either side delayed as a CPU delays
 * them (one plain store may be on its way; a locked instruction or a fence waits
 * for it).  When nothing can move any more, all posts must have been seen and the
 * control thread must have its answer.
 *
 * The worker's code: fall_asleep(), pass() and ring_all() in worker.c, watch.c.
 * The driver's: after_post() in qp_post.c, vrdma_ring_bell() in vrdma_ring.h.
 *
 * Each -D takes one rule away, and then something must be lost:
 *	NO_FENCE		the driver reads watched before its tail is out
 *	NO_SECOND_LOOK		the worker waits without looking at the bells again
 *	NO_WATCH_LOOK		...without looking at the tails again
 *	NO_GIVE_UP_LOOK		a place is given away without looking again
 *	NO_CALL_LOOK		...without looking at the messages again
 *	LAZY_ASLEEP		ASLEEP is stored without a barrier
 *	LAZY_WATCHED		so is the end of watching
 *	BELL_FIRST		the bell is rung before the tail is stored
 */
#ifndef POSTS
#define POSTS 3
#endif
#define CALLS 1

/* In memory */
byte tail, asleep, watched, bell, calls;
byte kicks;			/* the eventfd */

/* On its way there */
bool d_pending; byte d_tail;
bool a_pending; byte a_asleep;
bool w_pending; byte w_watched;

byte seen, answered;

#define d_fence	(!d_pending)
#define w_fence	(!a_pending && !w_pending)

active proctype memory()
{
end:	do
	:: d_step { d_pending -> tail = d_tail; d_pending = false }
	:: d_step { a_pending -> asleep = a_asleep; a_pending = false }
	:: d_step { w_pending -> watched = w_watched; w_pending = false }
	od
}

inline ring()
{
	atomic { d_fence -> bell = 1 }
	if
	:: asleep -> kicks = 1
	:: !asleep
	fi
}

active proctype driver()
{
	byte i = 0;

	do
	:: i < POSTS ->
		i++;
#ifdef BELL_FIRST
		ring();
#endif
		atomic { !d_pending -> d_tail = i; d_pending = true }
#ifndef NO_FENCE
		d_fence;
#endif
#ifndef BELL_FIRST
		if
		:: watched
		:: !watched -> ring()
		fi
#endif
	:: i == POSTS -> break
	od
}

active proctype control()
{
	byte i = 0;

	do
	:: i < CALLS ->
		i++;
		calls = 1;
		if
		:: asleep -> kicks = 1
		:: !asleep
		fi;
		answered == i
	:: i == CALLS -> break
	od
}

inline look_at_tail()
{
	if
	:: tail != seen -> seen = tail; found = true
	:: else
	fi
}

/* The exchange is a barrier for what the worker stored before, too */
inline take_bell()
{
	if
	:: bell -> atomic { w_fence -> bell = 0 } look_at_tail()
	:: else
	fi
}

inline take_call()
{
	if
	:: calls -> atomic { calls = 0; answered++ } found = true
	:: else
	fi
}

inline store_asleep(v)
{
#ifdef LAZY_ASLEEP
	atomic { !a_pending -> a_asleep = v; a_pending = true }
#else
	atomic { w_fence -> asleep = v }
#endif
}

inline end_watching()
{
#ifdef LAZY_WATCHED
	atomic { !w_pending -> w_watched = 0; w_pending = true }
#else
	atomic { w_fence -> watched = 0 }
#endif
	watching = false
}

active proctype worker()
{
	bool found, watching = false;

pass:	found = false;
	take_call();
	if
	:: watching -> look_at_tail()
	:: else
	fi;
	take_bell();
	if
	:: found && !watching ->		/* it rang, and there is a place */
		watching = true;
		atomic { w_fence -> watched = 1 }
	:: watching ->				/* its place is given away */
		end_watching();
#ifndef NO_GIVE_UP_LOOK
		look_at_tail()
#endif
	:: true
	fi;
	if
	:: found -> goto pass
	:: else
	fi;

	store_asleep(1);
	if
	:: watching ->
		end_watching();
#ifndef NO_WATCH_LOOK
		look_at_tail()
#endif
	:: else
	fi;
#ifndef NO_SECOND_LOOK
	take_bell();
#endif
#ifndef NO_CALL_LOOK
	if
	:: calls -> found = true
	:: else
	fi;
#endif
	if
	:: !found ->
end:		atomic { kicks -> kicks = 0 }
	:: else
	fi;
	store_asleep(0);
	goto pass
}

/* Nothing can move any more */
active proctype judge()
{
end:	timeout -> assert(seen == POSTS && answered == CALLS)
}
