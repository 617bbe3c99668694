// SPDX-License-Identifier: GPL-2.0
/*
 * The state file: what the VMM knows and the guest does not. Lines of text with
 * a crc at the end; written beside and renamed, so that a VMM that dies while
 * it saves leaves the older file whole.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "frame.h"
#include "vmm.h"

#define STATE_BYTES	8192
#define STATE_TITLE	"pkernfs-vmm-state 1\n"

/**
 * state_save() - write the state file, if one was named
 * @vmm: the VMM
 *
 * Return: 0 or -errno.
 */
int state_save(struct vmm *vmm)
{
	char text[STATE_BYTES], temp[512];
	size_t n;
	int fd;

	if (!vmm->state_path)
		return 0;
	n = snprintf(text, sizeof(text),
		     STATE_TITLE "ram_size=%llu\nfrozen=%d\nquiesced=%d\n",
		     vmm->ram_size, vmm->frozen, vmm->quiesced);
	for (unsigned int i = 0; i < vmm->maps; i++)
		n += snprintf(text + n, sizeof(text) - n,
			      "map=0x%llx:0x%llx:0x%llx:%u\n", vmm->map[i].off,
			      vmm->map[i].len, vmm->map[i].iova,
			      vmm->map[i].prot);
	for (unsigned int i = 0; i < vmm->vectors; i++)
		n += snprintf(text + n, sizeof(text) - n, "irq=%u:%llu\n", i,
			      vmm->irq_pending[i]);
	n += vcpu_print(vmm, text + n, sizeof(text) - n);
	n += snprintf(text + n, sizeof(text) - n, "crc=%08x\n",
		      frame_crc32c(~0U, text, n));

	snprintf(temp, sizeof(temp), "%s.new", vmm->state_path);
	fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return vmm_fail("save", errno, "open %s", temp);
	errno = 0;	/* a short write sets none */
	if (write(fd, text, n) != (ssize_t)n || fsync(fd)) {
		int err = errno ?: EIO;

		close(fd);
		return vmm_fail("save", err, "write %s", temp);
	}
	close(fd);
	if (rename(temp, vmm->state_path))
		return vmm_fail("save", errno, "rename %s to %s", temp,
				vmm->state_path);
	return 0;
}

static int state_line(struct vmm *vmm, const char *line)
{
	struct vmm_map *m = &vmm->map[vmm->maps];
	unsigned int i;
	u64 count;
	int flag;

	if (sscanf(line, "irq=%u:%llu", &i, &count) == 2) {
		if (i >= VMM_VECTORS)
			return -EINVAL;
		vmm->irq_pending[i] = count;
		return 0;
	}
	if (!strncmp(line, "map=", 4)) {
		if (vmm->maps_given)
			return 0;
		if (vmm->maps == VMM_MAPS ||
		    sscanf(line, "map=%llx:%llx:%llx:%u", &m->off, &m->len,
			   &m->iova, &m->prot) != 4)
			return -EINVAL;
		vmm->maps++;
		return 0;
	}
	if (!strncmp(line, "vcpu=", 5))
		return vcpu_parse(vmm, line + 5);
	if (sscanf(line, "ram_size=%llu", &count) == 1)
		return count == vmm->ram_size ? 0 : -EINVAL;
	if (sscanf(line, "quiesced=%d", &flag) == 1) {
		vmm->irq_known = flag;
		return 0;
	}
	if (sscanf(line, "frozen=%d", &flag) == 1)
		return 0;
	return -EINVAL;
}

/**
 * state_load() - read the state file of the VMM before
 * @vmm: the VMM; maps given on the command line win over those in the file
 *
 * Return: 0 or -errno.
 */
int state_load(struct vmm *vmm)
{
	char text[STATE_BYTES + 1], *line, *next;
	unsigned int crc;
	ssize_t n;
	int fd;

	if (!vmm->state_path)
		return 0;
	fd = open(vmm->state_path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return vmm_fail("state", errno, "open %s", vmm->state_path);
	n = read(fd, text, STATE_BYTES);
	close(fd);
	if (n < 0)
		return vmm_fail("state", errno, "read %s", vmm->state_path);
	text[n] = 0;
	line = strstr(text, "\ncrc=");
	if (!line || sscanf(line, "\ncrc=%x\n", &crc) != 1 ||
	    crc != frame_crc32c(~0U, text, line + 1 - text) ||
	    strncmp(text, STATE_TITLE, strlen(STATE_TITLE)))
		return vmm_fail("state", EINVAL, "%s is damaged",
				vmm->state_path);
	line[1] = 0;
	for (line = text + strlen(STATE_TITLE); *line; line = next) {
		next = strchr(line, '\n');
		*next++ = 0;
		if (state_line(vmm, line))
			return vmm_fail("state", EINVAL, "%s: line \"%s\"",
					vmm->state_path, line);
	}
	return 0;
}
