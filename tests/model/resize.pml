/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * resize.pml - completions, the arm word, and a device that moves to another ring
 *
 * docs/protocol.md 7.5 and 8.4; the device's code is move() in cq_resize.c, the
 * driver's vrdma_cqring_arm() and what it calls in vrdma_ring.h.  Orders and delays
 * as in doorbell.pml.  The device moves once, whenever it likes.  When nothing can
 * move any more, the consumer must have had all completions, in order; there is at
 * most one event for each arming.
 *
 * Each -D takes one rule away, and then something must be lost or doubled:
 *	NO_LAST_LOOK		the driver leaves the old ring as soon as it has moved
 *	NO_LOOK_AHEAD		having armed, it looks at the ring that it polls alone
 *	NO_FOLLOW		it arms the old record, and does not look whether it moved
 *	NO_CARRY		the device leaves the arm behind
 *	NO_SERVE		it takes it along with entries left in the old ring
 *	EARLY_CARRY		it takes it along before it says that it has moved
 */
#ifndef ENTRIES
#define ENTRIES 3
#endif

byte written[2], taken[2];	/* in memory, by ring */
bool armed[2], moved;
bool pending; byte entry, ring;	/* on its way there */
byte events;

#define fence (!pending)

active proctype memory()
{
end:	do
	:: d_step { pending -> written[ring] = entry; pending = false }
	od
}

inline take_arm(at)
{
	atomic { old = armed[at]; armed[at] = false }
}

active proctype device()
{
	byte i = 0, at = 0, in_ring = 0;
	bool old;

	do
	:: i < ENTRIES ->
		i++;
		in_ring++;
		atomic { !pending -> entry = in_ring; ring = at; pending = true };
		fence;
		if
		:: armed[at] ->
			take_arm(at);
			if
			:: old -> events++
			:: else
			fi
		:: else
		fi
	:: at == 0 ->
		fence;
#ifdef EARLY_CARRY
		take_arm(0);
		moved = true;
#else
		moved = true;
		take_arm(0);
#endif
#ifdef NO_CARRY
		old = false;
#endif
		if
#ifndef NO_SERVE
		:: old && taken[0] != in_ring -> events++
		:: old && taken[0] == in_ring -> armed[1] = true
#else
		:: old -> armed[1] = true
#endif
		:: else
		fi;
		at = 1;
		in_ring = 0
	:: i == ENTRIES && at == 1 -> break
	od
}

active proctype driver()
{
	byte at = 0, seen;
	bool old, more;

take:	seen = written[at];
	taken[at] = seen;
	if
	:: at == 0 && moved ->
#ifndef NO_LAST_LOOK
		if
		:: written[0] != taken[0] -> goto take
		:: else
		fi;
#endif
		at = 1;
		goto take
	:: else
	fi;
	if
	:: taken[0] + taken[1] == ENTRIES -> goto done
	:: else
	fi;
	/* vrdma_cqring_arm() */
	if
	:: at == 0 && moved && written[0] != taken[0] -> goto take
	:: else
	fi;
	armed[at] = true;
#ifndef NO_FOLLOW
	if
	:: at == 0 && moved ->
		take_arm(0);
		if
		:: old -> armed[1] = true
		:: else
		fi
	:: else
	fi;
#endif
	more = written[at] != taken[at];
#ifndef NO_LOOK_AHEAD
	if
	:: !more && at == 0 && moved -> more = written[1] != 0
	:: else
	fi;
#endif
	if
	:: more ->
		take_arm(at);
		if
		:: old -> goto take
		:: !old && at == 0 && moved ->
			take_arm(1);
			if
			:: old -> goto take
			:: else
			fi
		:: else
		fi
	:: else
	fi;
end:	atomic { events > 0 -> events-- }
	goto take;
done:	skip
}

active proctype judge()
{
end:	timeout -> assert(taken[0] + taken[1] == ENTRIES && events == 0 &&
			  !armed[0] && !armed[1])
}
