// SPDX-License-Identifier: GPL-2.0
/* Guest RAM: a shared mapping of a file. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm.h"

/**
 * ram_holds() - does a range lie in guest RAM?
 * @vmm: the VMM
 * @off: first byte
 * @len: length
 *
 * Return: true if all of it does.
 */
bool ram_holds(const struct vmm *vmm, u64 off, u64 len)
{
	return off <= vmm->ram_size && len <= vmm->ram_size - off;
}

static int ram_map(struct vmm *vmm)
{
	vmm->ram = mmap(NULL, vmm->ram_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			vmm->ram_fd, 0);
	if (vmm->ram == MAP_FAILED) {
		vmm->ram = NULL;
		return vmm_fail("ram", errno, "mmap %s, %llu bytes",
				vmm->ram_path, vmm->ram_size);
	}
	vmm->guest = (struct guest_page *)vmm->ram;
	return 0;
}

/**
 * ram_create() - a new RAM file, or an existing one made as large as asked
 * @vmm: the VMM; "memfd" as ram_path is an anonymous file, "hugetlb" one of 2 MiB
 *	pages: for controls, as neither outlives the process
 *
 * Return: 0 or -errno.
 */
int ram_create(struct vmm *vmm)
{
	if (!strcmp(vmm->ram_path, "memfd"))
		vmm->ram_fd = memfd_create("guest-ram", MFD_CLOEXEC);
	else if (!strcmp(vmm->ram_path, "hugetlb"))
		vmm->ram_fd = memfd_create("guest-ram",
					   MFD_CLOEXEC | MFD_HUGETLB);
	else
		vmm->ram_fd = open(vmm->ram_path, O_RDWR | O_CREAT | O_CLOEXEC,
				   0600);
	if (vmm->ram_fd < 0)
		return vmm_fail("ram", errno, "open %s", vmm->ram_path);
	if (ftruncate(vmm->ram_fd, vmm->ram_size))
		return vmm_fail("ram", errno, "ftruncate %s to %llu bytes",
				vmm->ram_path, vmm->ram_size);
	return ram_map(vmm);
}

/**
 * ram_open() - the RAM file of the VMM before
 * @vmm: the VMM
 *
 * Return: 0 or -errno; -EINVAL if no guest of ours lives in it.
 */
int ram_open(struct vmm *vmm)
{
	struct stat st;
	int ret;

	vmm->ram_fd = open(vmm->ram_path, O_RDWR | O_CLOEXEC);
	if (vmm->ram_fd < 0)
		return vmm_fail("ram", errno, "open %s", vmm->ram_path);
	if (fstat(vmm->ram_fd, &st))
		return vmm_fail("ram", errno, "stat %s", vmm->ram_path);
	if (vmm->ram_size && vmm->ram_size != (u64)st.st_size)
		return vmm_fail("ram", EINVAL, "%s has %llu bytes, not %llu",
				vmm->ram_path, (u64)st.st_size, vmm->ram_size);
	vmm->ram_size = st.st_size;
	if (vmm->ram_size < sizeof(struct guest_page))
		return vmm_fail("ram", EINVAL, "%s is too small", vmm->ram_path);
	ret = ram_map(vmm);
	if (ret)
		return ret;
	if (vmm->guest->magic != GUEST_MAGIC)
		return vmm_fail("ram", EINVAL, "no guest lives in %s",
				vmm->ram_path);
	return 0;
}
