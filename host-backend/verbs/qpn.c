/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qpn.c - numbers of queue pairs that rest; see vrb.h */
#include "vrb.h"

/* When all places are taken the oldest goes: the list is a guard against a
 * number that comes back at once, which the oldest does not */
void qpn_rest(struct qpn_list *l, uint32_t qpn, uint64_t until_ns)
{
	pthread_mutex_lock(&l->lock);
	l->entry[l->next % QPN_RESTING].qpn = qpn;
	l->entry[l->next % QPN_RESTING].until_ns = until_ns;
	l->next++;
	pthread_mutex_unlock(&l->lock);
}

bool qpn_is_resting(struct qpn_list *l, uint32_t qpn, uint64_t now_ns)
{
	bool resting = false;

	pthread_mutex_lock(&l->lock);
	for (uint32_t i = 0; i < QPN_RESTING && !resting; i++)
		resting = l->entry[i].qpn == qpn &&
			  l->entry[i].until_ns > now_ns;
	pthread_mutex_unlock(&l->lock);
	return resting;
}
