// SPDX-License-Identifier: GPL-2.0
/* Numbers and maps on the command line. */
#include <errno.h>
#include <linux/iommufd.h>
#include <stdlib.h>
#include <string.h>

#include "vmm.h"

/**
 * parse_size() - bytes, with K, M or G, decimal or 0x
 * @text: what was given
 * @value: the number
 *
 * Return: 0 or -EINVAL.
 */
int parse_size(const char *text, u64 *value)
{
	unsigned int shift = 0;
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 0);
	if (errno || end == text)
		return -EINVAL;
	switch (*end) {
	case 'G': case 'g':
		shift += 10;
		fallthrough;
	case 'M': case 'm':
		shift += 10;
		fallthrough;
	case 'K': case 'k':
		shift += 10;
		end++;
	}
	if (*end || (shift && *value >> (64 - shift)))
		return -EINVAL;
	*value <<= shift;
	return 0;
}

/**
 * parse_time_ms() - a time as 2s, 500ms or a bare number of seconds
 * @text: what was given
 * @ms: in milliseconds
 *
 * Return: 0 or -EINVAL.
 */
int parse_time_ms(const char *text, u64 *ms)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || v < 0 || v > 1e6)
		return -EINVAL;
	if (!strcmp(end, "ms"))
		*ms = v;
	else if (!*end || !strcmp(end, "s"))
		*ms = v * 1000;
	else
		return -EINVAL;
	return 0;
}

/**
 * parse_leave_out() - IOVA:LEN
 * @vmm: the VMM that gets the range
 * @text: what was given
 *
 * Return: 0 or -EINVAL.
 */
int parse_leave_out(struct vmm *vmm, const char *text)
{
	u64 *range = vmm->leave_out[vmm->leave_outs];
	char copy[64], *len;

	if (vmm->leave_outs == VMM_LEAVE_OUT || strlen(text) >= sizeof(copy))
		return -EINVAL;
	strcpy(copy, text);
	len = strchr(copy, ':');
	if (!len)
		return -EINVAL;
	*len++ = 0;
	if (parse_size(copy, &range[0]) || parse_size(len, &range[1]))
		return -EINVAL;
	vmm->leave_outs++;
	return 0;
}

/**
 * parse_map() - OFF:LEN:IOVA[:r|w|rw]; OFF "anon" is memory that is not RAM
 * @vmm: the VMM that gets the map
 * @text: what was given
 *
 * Return: 0 or -EINVAL.
 */
int parse_map(struct vmm *vmm, const char *text)
{
	struct vmm_map *m = &vmm->map[vmm->maps];
	char copy[128], *part[4] = { 0 }, *save = NULL;
	unsigned int n = 0;

	if (vmm->maps == VMM_MAPS || strlen(text) >= sizeof(copy))
		return -EINVAL;
	strcpy(copy, text);
	for (char *p = strtok_r(copy, ":", &save); p && n < 4;
	     p = strtok_r(NULL, ":", &save))
		part[n++] = p;
	if (n < 3 || parse_size(part[1], &m->len) ||
	    parse_size(part[2], &m->iova))
		return -EINVAL;
	if (!strcmp(part[0], "anon"))
		m->off = VMM_MAP_ANON;
	else if (parse_size(part[0], &m->off))
		return -EINVAL;
	m->prot = 0;
	if (!part[3])
		part[3] = "rw";
	if (strchr(part[3], 'r'))
		m->prot |= IOMMU_IOAS_MAP_READABLE;
	if (strchr(part[3], 'w'))
		m->prot |= IOMMU_IOAS_MAP_WRITEABLE;
	if (!m->prot)
		return -EINVAL;
	vmm->maps++;
	vmm->maps_given = true;
	return 0;
}
