// SPDX-License-Identifier: GPL-2.0
/* pkernfs: the tracepoints of all its parts. */
#define CREATE_TRACE_POINTS
#include <trace/events/pkernfs.h>
