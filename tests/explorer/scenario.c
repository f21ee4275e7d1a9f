// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * scenario.c - what the consumers do, and what goes wrong
 *
 * The letters are those of the table in consumer.c.  Strings of one side run
 * beside each other, as threads of that consumer.
 */
#include "explorer.h"

const struct scenario scenarios[] = {
	/* --- rules 1 and 2: what a Disconnect waits for */
	{"alone", "A disconnects, B does nothing", .call = {{"D"}, {0}}},
	{"alone-timer", "the same, and the deadline passes", .ticks = 1,
	 .call = {{"D"}, {0}}},
	{"answer", "B disconnects when it is told",
	 .flags = {0, F_DISC_IN_IND}, .call = {{"D"}, {0}}},
	{"answer-close", "B closes when it is told",
	 .flags = {0, F_CLOSE_IN_IND}, .call = {{"D"}, {0}}},
	{"late-answer", "B disconnects as the deadline passes", .ticks = 1,
	 .call = {{"D"}, {"D"}}},
	{"two-deadlines", "both disconnect, both deadlines may pass", .ticks = 2,
	 .call = {{"D"}, {"D"}}},
	{"peer-closes", "A disconnects while B closes",
	 .call = {{"D"}, {"C"}}},
	{"peer-closes-timer", "the same, and the deadline passes", .ticks = 1,
	 .call = {{"D"}, {"C"}}},

	/* --- rule 3 */
	{"crossing", "both disconnect", .call = {{"D"}, {"D"}}},
	{"crossing-work", "both disconnect, with work", .call = {{"rwD"}, {"rD"}}},
	{"crossing-close", "both disconnect, then close",
	 .flags = {F_CLOSE_IN_DISC, F_CLOSE_IN_DISC}, .call = {{"D"}, {"D"}}},

	/* --- rules 1 and 7: work outstanding */
	{"write-out", "A writes and disconnects", .call = {{"wD"}, {"D"}}},
	{"write-in", "B writes while A disconnects", .call = {{"D"}, {"w"}}},
	{"write-in-answer", "B writes, then disconnects, as A does",
	 .call = {{"D"}, {"wD"}}},
	{"read-in", "B reads while A disconnects", .call = {{"D"}, {"g"}}},
	{"send-in", "B sends into A's receive while A disconnects",
	 .call = {{"rD"}, {"s"}}},
	{"silent-out", "A's silent requests are outstanding",
	 .call = {{"WSD"}, {"D"}}},
	{"silent-in", "B's silent write meets A's Disconnect",
	 .call = {{"D"}, {"WD"}}},
	{"silent-read", "a silent read is outstanding", .call = {{"GD"}, {"D"}}},
	{"late-post", "posts behind the Disconnect", .call = {{"Dws"}, {0}}},
	{"late-post-2", "one thread posts, the other disconnects",
	 .call = {{"D", "rW"}, {"D"}}},
	{"flood", "both sides write, read and send as both disconnect",
	 .call = {{"rwD", "Wg"}, {"rgD", "sS"}}},
	{"armed", "completions are waited for with an armed CQ",
	 .flags = {F_ARM, F_ARM}, .call = {{"wD"}, {"rD"}}},

	/* --- rule 4: the indication */
	{"told", "B has receives outstanding when A disconnects (NDKPI)",
	 .call = {{"D"}, {"rr"}}},
	{"told-ndspi", "the same with NDSPI's policy", .flags = {0, F_NDSPI},
	 .call = {{"D"}, {"rr"}}},
	{"told-flush", "B is told and flushes", .call = {{"D"}, {"rFD"}}},
	{"told-closing", "A disconnects while B closes, B has work",
	 .call = {{"D"}, {"rwC"}}},
	{"abrupt", "A closes without a Disconnect", .call = {{"C"}, {"r"}}},
	{"abrupt-read", "A closes while B reads", .call = {{"C"}, {"g"}}},
	{"abrupt-write", "A closes while B writes", .call = {{"C"}, {"wW"}}},
	{"abrupt-both", "both close", .call = {{"wC"}, {"rC"}}},
	{"ndspi-both", "NDSPI on both sides, with work",
	 .flags = {F_NDSPI, F_NDSPI}, .call = {{"rwD"}, {"rD"}}},

	/* --- rule 5: death of a queue pair */
	{"death-a", "A's transport fails", .call = {{"X"}, {"r"}}},
	{"death-b-disc", "B's transport fails while A disconnects",
	 .call = {{"D"}, {"X"}}},
	{"death-a-disc", "A's own transport fails while it disconnects",
	 .call = {{"D", "X"}, {"D"}}},
	{"death-both", "both fail", .call = {{"wX"}, {"rX"}}},
	{"bad-token", "A writes with a wrong token", .call = {{"x"}, {"rD"}}},
	{"bad-token-disc", "the same, and both disconnect",
	 .call = {{"xD"}, {"wD"}}},

	/* --- rule 6: wrong times, and close everywhere */
	{"twice", "Disconnect, and again", .call = {{"DD"}, {"D"}}},
	{"twice-at-once", "two threads disconnect",
	 .call = {{"D", "D"}, {"D"}}},
	{"close-pending", "close with Disconnect pending", .call = {{"DC"}, {0}}},
	{"close-pending-b", "the same, and B disconnects",
	 .call = {{"DC"}, {"D"}}},
	{"close-race", "one thread disconnects, the other closes",
	 .call = {{"D", "C"}, {"D"}}},
	{"close-in-callback", "close inside Disconnect's completion",
	 .flags = {F_CLOSE_IN_DISC, F_CLOSE_IN_IND}, .call = {{"wD"}, {0}}},
	{"close-qp", "the queue pair is closed first", .call = {{"rQD"}, {"D"}}},
	{"close-qp-race", "the queue pair closes beside the Disconnect",
	 .call = {{"wD", "Q"}, {"D"}}},
	{"close-both-objects", "queue pair and connector close with work",
	 .call = {{"wQC"}, {"r"}}},
	{"cancel", "a pending Disconnect is cancelled",
	 .call = {{"DnD"}, {"D"}}},
	{"wrong-calls", "setup calls on a connection, Disconnect after the end",
	 .call = {{"cmjDD"}, {"aDD"}}},
	{"flush-first", "A flushes, then disconnects",
	 .call = {{"wFD"}, {"D"}}},

	/* --- the handshake */
	{"handshake", "Connect, Accept, CompleteConnect", .fresh = true,
	 .call = {{"cm"}, {"a"}}},
	{"handshake-disc", "a Disconnect as early as can be", .fresh = true,
	 .call = {{"cmD"}, {"aD"}}},
	{"handshake-write", "data and Disconnect right behind it",
	 .fresh = true, .call = {{"cmwD"}, {"a"}}},
	{"disc-unconnected", "Disconnect before and during the handshake",
	 .fresh = true, .call = {{"DcDm"}, {"Da"}}},
	{"reject", "B rejects", .fresh = true, .call = {{"cm"}, {"j"}}},
	{"reject-third-leg", "A rejects what B accepted", .fresh = true,
	 .call = {{"cj"}, {"aD"}}},
	{"close-connecting", "A closes while it connects", .fresh = true,
	 .call = {{"cC"}, {"a"}}},
	{"close-accepting", "B closes while it accepts", .fresh = true,
	 .call = {{"cm"}, {"aC"}}},
	{"close-completing", "A closes while it completes", .fresh = true,
	 .call = {{"cmC"}, {"a"}}},
	{"cancel-connect", "A cancels its Connect", .fresh = true,
	 .call = {{"cn"}, {"a"}}},
	{"connect-timer", "nobody accepts, and the deadline passes",
	 .fresh = true, .ticks = 1, .call = {{"cm"}, {"a"}}},

	/* --- rule 8: resets and kills */
	{"reset-a", "A's device is reset with a Disconnect in flight",
	 .call = {{"D", "RL"}, {0}}},
	{"reset-b", "B's device is reset while A disconnects",
	 .call = {{"D"}, {"RL"}}},
	{"reset-work", "B's device is reset under A's write",
	 .call = {{"wD"}, {"rRL"}}},
	{"kill-b", "B's machine is killed while A disconnects",
	 .call = {{"D"}, {"rK"}}},
	{"kill-a", "A's machine is killed in the middle of its own",
	 .call = {{"wD", "K"}, {"rD"}}},
	{"reset-both", "both devices are reset", .call = {{"RL"}, {"RL"}}},
	{"lost-posts", "A posts while it loses its device",
	 .call = {{"rwr", "RL"}, {0}}},
};

const unsigned int scenario_count = sizeof(scenarios) / sizeof(scenarios[0]);
