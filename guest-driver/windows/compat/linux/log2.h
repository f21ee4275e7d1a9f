/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/* log2.h - all of compat/ is one header */
#include "../kernel.h"
