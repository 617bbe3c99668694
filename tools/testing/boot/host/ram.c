// SPDX-License-Identifier: GPL-2.0
/* Guest RAM seen through the file behind QEMU's memory backend. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host.h"

#define FOUR_GIB	(4ULL << 30)

/**
 * ram_attach() - map the file
 * @ram: filled
 * @path: the file
 * @low: RAM below 4 GiB, 0: by the rule of QEMU's q35
 *
 * Return: 0 or -errno.
 */
int ram_attach(struct ram *ram, const char *path, u64 low)
{
	struct stat st;

	ram->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (ram->fd < 0 || fstat(ram->fd, &st))
		return host_fail("open %s", path);
	ram->bytes = st.st_size;
	/* pc_q35.c: as much as fits below the hole, or else 2 GiB. */
	ram->low = low ?: ram->bytes >= 0xb0000000ULL ? 0x80000000ULL :
						       0xb0000000ULL;
	ram->map = mmap(NULL, ram->bytes, PROT_READ, MAP_SHARED, ram->fd, 0);
	if (ram->map == MAP_FAILED)
		return host_fail("mmap %s", path);
	return 0;
}

/**
 * ram_offset() - file offset of a guest physical address
 * @ram: the file
 * @gpa: the address
 *
 * Return: the offset, or RAM_NOWHERE.
 */
u64 ram_offset(const struct ram *ram, u64 gpa)
{
	u64 off;

	if (gpa < ram->low)
		off = gpa;
	else if (gpa >= FOUR_GIB)
		off = gpa - FOUR_GIB + ram->low;
	else
		return RAM_NOWHERE;
	return off < ram->bytes ? off : RAM_NOWHERE;
}

/**
 * ram_gpa() - guest physical address of a file offset
 * @ram: the file
 * @offset: offset in it
 *
 * Return: the address.
 */
u64 ram_gpa(const struct ram *ram, u64 offset)
{
	return offset < ram->low ? offset : offset - ram->low + FOUR_GIB;
}

/**
 * ram_next_data() - next part of the file that exists
 * @ram: the file
 * @from: in: where to look from; out: first byte
 * @to: out: first byte after it
 * @end: look no further
 *
 * Reading a hole through the mapping would allocate it.
 *
 * Return: false if there is none.
 */
bool ram_next_data(const struct ram *ram, u64 *from, u64 *to, u64 end)
{
	off_t data, hole;

	if (*from >= end)
		return false;
	data = lseek(ram->fd, *from, SEEK_DATA);
	if (data < 0 || (u64)data >= end)
		return false;
	hole = lseek(ram->fd, data, SEEK_HOLE);
	if (hole < 0)
		hole = ram->bytes;
	*from = data;
	*to = (u64)hole < end ? (u64)hole : end;
	return true;
}

/**
 * span_parse() - START+BYTES, or BYTES@START as in pkernfs=
 * @text: what was given
 * @span: filled
 *
 * Return: 0 or -EINVAL.
 */
int span_parse(const char *text, struct span *span)
{
	char copy[80], *p;
	u64 a, b;

	if (strlen(text) >= sizeof(copy))
		return -EINVAL;
	strcpy(copy, text);
	p = strpbrk(copy, "+@");
	if (!p)
		return -EINVAL;
	*p = 0;
	if (host_size(copy, &a) || host_size(p + 1, &b))
		return -EINVAL;
	*span = text[p - copy] == '+' ? (struct span) { a, b } :
					(struct span) { b, a };
	return 0;
}

/**
 * span_holds() - is an address in the range?
 * @span: the range
 * @gpa: the address
 *
 * Return: true if it is.
 */
bool span_holds(const struct span *span, u64 gpa)
{
	return gpa >= span->start && gpa - span->start < span->bytes;
}
