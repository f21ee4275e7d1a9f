// SPDX-License-Identifier: GPL-2.0-or-later
/* plants.c - the faults that PLANTED() names, and the rule that each breaks */
#include "explorer.h"

const struct plant plants[] = {
	{1, 1, "Disconnect completes on the peer's word, the queue pair runs on"},
	{2, 1, "Disconnect completes when the queue pair is at rest, no word came"},
	{3, 2, "the device answers a notification in its consumer's name"},
	{4, 2, "the deadline of Disconnect is not set"},
	{5, 3, "a notification that meets a pending Disconnect fails it"},
	{6, 4, "an indication comes twice"},
	{7, 4, "an indication comes after close began"},
	{8, 5, "the death of a queue pair is not indicated"},
	{9, 4, "a graceful end is indicated as a reset"},
	{10, 4, "the peer's notification flushes a queue pair of NDKPI"},
	{11, 1, "cancelled requests complete after the Disconnect"},
	{12, 1, "a write of the peer goes on after the end"},
	{13, 7, "silent requests are forgotten by a flush"},
	{14, 7, "a flush completes requests twice"},
	{15, 7, "requests posted in the error state are forgotten"},
	{16, 6, "a second Disconnect says that there is no connection"},
	{17, 1, "a Disconnect that timed out says that it was aborted"},
	{18, 8, "an end point is not given back"},
	{19, 5, "the peer of a device that is reset is not told"},
	{20, 6, "close waits for the peer's word"},
	{21, 1, "a read of the peer goes on after the end"},
};

const unsigned int plant_count = sizeof(plants) / sizeof(plants[0]);

#ifdef VRDMA_PLANT
int vrdma_plant;
#endif
