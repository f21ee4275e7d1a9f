/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * vrdma_plant.h - faults planted on purpose, to test the tests
 *
 * DOC: PLANTED(n) is 0 in every product build, and the compiler removes what
 * hangs on it.  tests/explorer builds a second copy of the files that have one
 * with -DVRDMA_PLANT and sets vrdma_plant to the fault that it wants; the list
 * is in tests/explorer/plants.c.
 */
#ifndef VRDMA_PLANT_H
#define VRDMA_PLANT_H

#ifdef VRDMA_PLANT
extern int vrdma_plant;
#define PLANTED(n) (vrdma_plant == (n))
#else
#define PLANTED(n) 0
#endif

#endif /* VRDMA_PLANT_H */
