/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pkernfs: keep a randomised kernel out of the regions of pkernfs=.
 *
 * On a cold boot only the command line says where the regions are; in a kernel
 * that was started by kexec the memory map says so as well. Nothing is refused
 * here: that is mm/pkernfs.c's, which also refuses a region that the kernel has
 * landed in for want of room here.
 */
#ifndef BOOT_COMPRESSED_PKERNFS_H
#define BOOT_COMPRESSED_PKERNFS_H

#ifdef CONFIG_PKERNFS_FS

#define PKERNFS_AVOID_MAX	8

/* True if @param is ours; then up to PKERNFS_AVOID_MAX of @avoid are filled in. */
static bool pkernfs_avoid(const char *param, char *val, struct mem_vector *avoid)
{
	static int n;

	if (strcmp(param, "pkernfs"))
		return false;

	while (val && n < PKERNFS_AVOID_MAX) {
		u64 size = memparse(val, &val);

		if (*val == '@' && size) {
			avoid[n].start = memparse(val + 1, &val);
			avoid[n++].size = size;
		}
		val = strchr(val, ',');
		if (val)
			val++;
	}
	return true;
}

#else

#define PKERNFS_AVOID_MAX	0

static inline bool pkernfs_avoid(const char *param, char *val,
				 struct mem_vector *avoid)
{
	return false;
}

#endif
#endif
