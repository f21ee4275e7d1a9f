/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arm.pml - completions, the arm word and the event that it asks for
 *
 * docs/protocol.md 8.4; the device's code is cq_notify() in cq.c, the driver's
 * vrdma_cqring_arm() in vrdma_ring.h.  Orders and delays as in doorbell.pml.
 * When nothing can move any more, the consumer must have had all completions: it
 * takes what is there, arms, and waits for the event if there is one to come.
 * There is at most one event for each arming.
 *
 * Each -D takes one rule away, and then something must be lost or doubled:
 *	NO_DEVICE_FENCE		the device reads the arm word before its entry is out
 *	NO_DRIVER_LOOK		the driver waits without looking again
 *	NO_TAKE_BACK		the driver goes on, and leaves the arm where it is
 *	NO_EXCHANGE		the device sends an event and leaves it, too
 *	NO_SECOND_THOUGHT	the device sends one though the driver took it back
 */
#ifndef ENTRIES
#define ENTRIES 3
#endif

byte written, armed;		/* in memory */
bool pending; byte entry;	/* on its way there */
byte events, armings, taken;

#define fence (!pending)

active proctype memory()
{
end:	do
	:: d_step { pending -> written = entry; pending = false }
	od
}

active proctype device()
{
	byte i = 0, old;

	do
	:: i < ENTRIES ->
		i++;
		atomic { !pending -> entry = i; pending = true }
#ifndef NO_DEVICE_FENCE
		fence;
#endif
		if
		:: armed ->
#ifdef NO_EXCHANGE
			old = armed;
#else
			atomic { fence -> old = armed; armed = 0 }
#endif
#ifdef NO_SECOND_THOUGHT
			old = 1;
#endif
			if
			:: old -> events++
			:: else
			fi
		:: else
		fi
	:: i == ENTRIES -> break
	od
}

/* What the device has sent it did for an arm that was there: the driver's own
 * exchange tells it whether that is on its way */
active proctype driver()
{
	byte old;

take:	taken = written;
	if
	:: taken == ENTRIES -> goto done
	:: else
	fi;
	armed = 1;
	armings++;
#ifndef NO_DRIVER_LOOK
	if
	:: written != taken ->
#ifndef NO_TAKE_BACK
		atomic { old = armed; armed = 0 }
		if
		:: old -> goto take
		:: else
		fi
#else
		goto take
#endif
	:: else
	fi;
#endif
end:	atomic { events > 0 -> events-- }
	goto take;
done:	skip
}

active proctype judge()
{
end:	timeout -> assert(taken == ENTRIES && events == 0 && !armed)
}
