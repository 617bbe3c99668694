/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The test frame: what the host injects and what must be found in guest RAM.
 *
 * Each frame proves itself: a magic, the run that it belongs to (RAM may hold
 * frames of earlier runs), a sequence number without holes, a pattern made of
 * both and a crc32c. Whoever finds one knows which it is and whether it is
 * whole. All fields are little-endian.
 */
#ifndef PKERNFS_FRAME_H
#define PKERNFS_FRAME_H

#include "types.h"

#define FRAME_MAGIC	0x454d41524650ULL	/* "PFRAME" */
#define FRAME_ETHERTYPE	0x88b5			/* for local experiments */
#define FRAME_MIN	64
#define FRAME_MAX	1514
#define FRAME_DEFAULT	128
#define FRAME_STRIDE	2048			/* size of a receive buffer */

/**
 * struct frame_head - first bytes of a frame
 * @dst: broadcast
 * @src: locally administered
 * @ethertype: FRAME_ETHERTYPE, big-endian as on the wire
 * @pad: zero, aligns the rest
 * @magic: FRAME_MAGIC
 * @run: run id, not 0
 * @len: length of the frame in bytes, from @dst to the crc
 * @seq: sequence number, from 0
 * @sent_ns: CLOCK_MONOTONIC of the host right before the send
 *
 * The pattern follows up to len - 4, then the crc32c of all from @magic on.
 */
struct frame_head {
	u8 dst[6];
	u8 src[6];
	u16 ethertype;
	u16 pad;
	u64 magic;
	u32 run;
	u32 len;
	u64 seq;
	u64 sent_ns;
} __packed;

/**
 * struct frame_id - what a reader takes out of a frame
 * @seq: sequence number
 * @sent_ns: time of sending
 * @run: run id
 * @len: length
 *
 * A reader inside the guest must not leave a second whole frame, or a second
 * magic, on its stack: the scan from outside would find it.
 */
struct frame_id {
	u64 seq;
	u64 sent_ns;
	u32 run;
	u32 len;
};

enum frame_verdict {
	FRAME_GOOD,
	FRAME_NONE,	/* no frame of ours here */
	FRAME_DAMAGED,	/* ours, but not whole */
};

u32 frame_crc32c(u32 crc, const void *data, size_t len);
void frame_fill(void *buf, u32 run, u64 seq, u32 len);
void frame_seal(void *buf, u64 sent_ns);
enum frame_verdict frame_check(const void *buf, size_t room,
			       struct frame_id *id);

#endif
