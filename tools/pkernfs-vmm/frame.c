// SPDX-License-Identifier: GPL-2.0
/* The test frame: made on the host, checked in the guest and from outside. */
#include <string.h>

#include "frame.h"

static const u32 *frame_crc_table(void)
{
	static u32 table[8][256];
	static bool made;

	if (!made) {
		for (u32 i = 0; i < 256; i++) {
			u32 c = i;

			for (int k = 0; k < 8; k++)
				c = c & 1 ? (c >> 1) ^ 0x82f63b78U : c >> 1;
			table[0][i] = c;
		}
		for (u32 i = 0; i < 256; i++)
			for (int k = 1; k < 8; k++)
				table[k][i] = (table[k - 1][i] >> 8) ^
					      table[0][table[k - 1][i] & 0xff];
		made = true;
	}
	return table[0];
}

/**
 * frame_crc32c() - crc32c without the final inversion
 * @crc: seed, ~0 to begin with
 * @data: bytes
 * @len: how many
 *
 * Eight bytes a step by table: under emulation the crc32 instruction is a
 * call of a helper and no faster.
 *
 * Return: the crc.
 */
u32 frame_crc32c(u32 crc, const void *data, size_t len)
{
	const u32 (*t)[256] = (const void *)frame_crc_table();
	const u8 *p = data;

	for (; len >= 8; len -= 8, p += 8) {
		u32 lo, hi;

		memcpy(&lo, p, 4);
		memcpy(&hi, p + 4, 4);
		lo ^= crc;
		crc = t[7][lo & 0xff] ^ t[6][(lo >> 8) & 0xff] ^
		      t[5][(lo >> 16) & 0xff] ^ t[4][lo >> 24] ^
		      t[3][hi & 0xff] ^ t[2][(hi >> 8) & 0xff] ^
		      t[1][(hi >> 16) & 0xff] ^ t[0][hi >> 24];
	}
	while (len--)
		crc = (crc >> 8) ^ t[0][(crc ^ *p++) & 0xff];
	return crc;
}

/**
 * frame_fill() - write a frame, all but the time of sending and the crc
 * @buf: room for @len bytes
 * @run: run id
 * @seq: sequence number
 * @len: FRAME_MIN to FRAME_MAX
 */
void frame_fill(void *buf, u32 run, u64 seq, u32 len)
{
	struct frame_head head = {
		.dst = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
		.src = { 0x02, 'p', 'k', 'e', 'r', 'n' },
		.ethertype = __builtin_bswap16(FRAME_ETHERTYPE),
		.magic = FRAME_MAGIC,
		.run = run,
		.len = len,
		.seq = seq,
	};
	u8 *p = buf;

	memcpy(p, &head, sizeof(head));
	for (u32 i = sizeof(head); i < len - 4; i++)
		p[i] = (u8)(seq * 31 + i * 7 + run);
}

/**
 * frame_seal() - stamp a filled frame with the time and close it with the crc
 * @buf: the frame
 * @sent_ns: CLOCK_MONOTONIC, in nanoseconds
 *
 * Apart from frame_fill(), as a frame that could not be sent is stamped anew.
 */
void frame_seal(void *buf, u64 sent_ns)
{
	struct frame_head *head = buf;
	const size_t from = offsetof(struct frame_head, magic);
	u8 *p = buf;
	u32 crc;

	head->sent_ns = sent_ns;
	crc = frame_crc32c(~0U, p + from, head->len - 4 - from);
	memcpy(p + head->len - 4, &crc, 4);
}

/**
 * frame_check() - is there a whole frame?
 * @buf: where it would begin
 * @room: readable bytes from there
 * @id: filled unless FRAME_NONE
 *
 * The memory may be written while we look; then the crc fails, and the caller
 * looks again.
 *
 * Return: FRAME_GOOD, FRAME_NONE or FRAME_DAMAGED.
 */
enum frame_verdict frame_check(const void *buf, size_t room,
			       struct frame_id *id)
{
	const struct frame_head *head = buf;
	const size_t from = offsetof(struct frame_head, magic);
	const u8 *p = buf;
	u32 crc;

	if (room < FRAME_MIN || READ_ONCE(head->magic) != FRAME_MAGIC)
		return FRAME_NONE;
	id->len = READ_ONCE(head->len);
	id->run = READ_ONCE(head->run);
	id->seq = READ_ONCE(head->seq);
	id->sent_ns = READ_ONCE(head->sent_ns);
	if (id->len < FRAME_MIN || id->len > FRAME_MAX || id->len > room)
		return FRAME_DAMAGED;
	crc = frame_crc32c(~0U, p + from, id->len - 4 - from);
	if (memcmp(&crc, p + id->len - 4, 4))
		return FRAME_DAMAGED;
	return FRAME_GOOD;
}
