// SPDX-License-Identifier: GPL-2.0
/*
 * What the load of a region calls of the rest of the kernel: nobody else is here.
 */
#include <sys/mman.h>

#include "../../../fs/pkernfs/nospec.h"
#include "../../../fs/pkernfs/pkernfs.h"

bool shim_verbose;
u64 shim_fail;
phys_addr_t shim_base;
u64 shim_bytes;
void *shim_virt;
/* Nobody else is here. */
DEFINE_MUTEX(pkernfs_transition_lock);
LIST_HEAD(pkernfs_devices);

void shim_die(const char *why)
{
	fprintf(stderr, "%s\n", why);
	abort();
}

unsigned int pkernfs_region_count(void)
{
	return 0;
}

struct pkernfs_region *pkernfs_region_get(unsigned int i)
{
	return NULL;
}

bool pkernfs_is_shutting_down(void)
{
	return false;
}

/* As who boots with shim_fit in the region, NULL: there is no memory map to fit. */
const struct pkernfs_sb *shim_fit;

bool pkernfs_region_fits(const struct pkernfs_region *r, const struct pkernfs_sb *sb)
{
	return !shim_fit || !memcmp(&sb->small, &shim_fit->small,
				    sizeof(sb->small) + sizeof(sb->huge));
}

int pkernfs_region_remap(struct pkernfs_region *r, const struct pkernfs_sb *sb)
{
	return -ENOMEM;
}

/* Nor is there a mapping of the kernel's. */
void pkernfs_nospec_load(struct pkernfs_region *r, const struct pkernfs_bad_block_ser *b)
{
}

void pkernfs_nospec_show(struct pkernfs_region *r)
{
}

/* Nobody sleeps. */
bool pkernfs_hibernating(void)
{
	return false;
}

/* A GiB that is given back is zeroes as well, and costs nothing. */
int pkernfs_zero_memory(struct pkernfs_core *c, void *mem, u64 bytes)
{
	if (bytes < PKERNFS_HUGE_SIZE)
		memset(mem, 0, bytes);
	else if (madvise(mem, bytes, MADV_DONTNEED))
		shim_die("no madvise");
	return 0;
}

void pkernfs_inode_times(struct inode *inode)
{
}
