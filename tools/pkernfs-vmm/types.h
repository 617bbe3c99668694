/* SPDX-License-Identifier: GPL-2.0 */
/* What the kernel's headers give, for the small VMM and the host programs. */
#ifndef PKERNFS_TYPES_H
#define PKERNFS_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/types.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define BIT(n)		(1U << (n))
#define __packed	__attribute__((__packed__))
#define __printf(f, a)	__attribute__((__format__(printf, f, a)))
/* Once, whole, and where it stands: flags of signals, memory of devices. */
#define READ_ONCE(x)	(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v)	(*(volatile __typeof__(x) *)&(x) = (v))
#define fallthrough	__attribute__((__fallthrough__))

#endif
