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
/* No memory beyond; sums up to here, and their alignment, do not wrap. */
#define PKERNFS_AVOID_END	(1ULL << 52)

/*
 * True if @param is ours; then up to PKERNFS_AVOID_MAX of @avoid are filled in.
 * What the kernel will refuse anyway takes no place. Above all the search for
 * a slot goes round for ever with a range that wraps.
 */
static bool pkernfs_avoid(const char *param, char *val, struct mem_vector *avoid)
{
	static int n;

	if (strcmp(param, "pkernfs"))
		return false;

	while (val && n < PKERNFS_AVOID_MAX) {
		u64 start = 0, size = memparse(val, &val);

		if (*val == '@')
			start = memparse(val + 1, &val);
		else
			size = 0;
		if (size && size < PKERNFS_AVOID_END && start < PKERNFS_AVOID_END) {
			avoid[n].start = start;
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
