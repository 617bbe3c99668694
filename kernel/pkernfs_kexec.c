// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: the image of the next kernel.
 *
 * Two things can go wrong with it. It can be placed into a region: that is
 * refused when it is loaded. And it can be a kernel that knows nothing of the
 * devices that are left running for it: then it will hand their memory out
 * while they write to it. So devices are handed over only to an image that is
 * armed.
 *
 * kexec_file_load() shows us the image, and one that carries our mark (see
 * linux/pkernfs_image.h) is armed by being loaded. What kexec_load() brings is
 * opaque: root arms it through /sys/fs/pkernfs/armed, and answers for it.
 *
 * Armed is a property of the loaded image, not a switch beside it: any load or
 * unload frees the image, and what is armed goes with it.
 */

#define pr_fmt(fmt) "pkernfs: " fmt

#include <linux/build_bug.h>
#include <linux/capability.h>
#include <linux/init.h>
#include <linux/kexec.h>
#include <linux/kobject.h>
#include <linux/kstrtox.h>
#include <linux/pkernfs.h>
#include <linux/pkernfs_image.h>
#include <linux/printk.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include <asm/bootparam.h>

#include "kexec_internal.h"

static_assert(sizeof(struct pkernfs_image_mark) == PKERNFS_IMAGE_SIZE);
static_assert(PKERNFS_IMAGE_VERSION == PKERNFS_FORMAT_VERSION);
static_assert(PKERNFS_IMAGE_INCOMPAT == PKERNFS_INCOMPAT_KNOWN);

/*
 * The armed image. Set with the kexec lock held; cleared by whoever frees the
 * image, with or without the lock. Only compared, never followed.
 */
static struct kimage *pkernfs_armed;
/* Incompatible features that it knows, by its mark or because root says so. */
static u64 pkernfs_armed_incompat;

/**
 * pkernfs_kexec_armed - is the loaded kexec image armed?
 *
 * Says nothing of whether a kexec is under way: a notifier asks kexec_in_progress
 * first, as an image may be loaded, and armed, when the machine is reset.
 *
 * Context: any. The answer is stable under the kexec lock, which kernel_kexec()
 * holds when it calls the reboot notifiers.
 * Return: true if it is.
 */
bool pkernfs_kexec_armed(void)
{
	const struct kimage *image = READ_ONCE(kexec_image);

	return image && image == READ_ONCE(pkernfs_armed);
}

/**
 * pkernfs_kexec_unknown - features that the armed image does not know
 * @incompat: incompatible features that are in use
 *
 * What was in use when it was loaded it knows; but since then a region may have been
 * formatted, or a device frozen.
 *
 * Context: as pkernfs_kexec_armed(), which is true
 */
u64 pkernfs_kexec_unknown(u64 incompat)
{
	return incompat & ~pkernfs_armed_incompat;
}

/**
 * pkernfs_kexec_check_segments - may this image be placed where it wants to be?
 * @image: an image whose segment list is complete
 *
 * Return: 0, or -EADDRNOTAVAIL if a segment touches a carve-out.
 */
int pkernfs_kexec_check_segments(const struct kimage *image)
{
	unsigned long i;

	for (i = 0; i < image->nr_segments; i++) {
		const struct kexec_segment *s = &image->segment[i];

		if (pkernfs_region_overlaps(s->mem, s->memsz)) {
			pr_err("kexec segment [mem %#010lx-%#010lx] reaches into a region; image refused\n",
			       s->mem, s->mem + s->memsz - 1);
			return -EADDRNOTAVAIL;
		}
	}
	return 0;
}

/**
 * pkernfs_kexec_forget - an image is about to be freed
 * @image: the image
 */
void pkernfs_kexec_forget(struct kimage *image)
{
	cmpxchg(&pkernfs_armed, image, NULL);
}

/**
 * pkernfs_image_find_mark - look for our mark in a bzImage
 * @image: the file as it was read
 * @bytes: its length
 *
 * Everything in the file is checked against its length.
 *
 * Return: the mark, inside @image, or NULL if there is none or the file is no
 * bzImage of boot protocol 2.15 or later.
 */
const struct pkernfs_image_mark *pkernfs_image_find_mark(const void *image,
							 size_t bytes)
{
	const size_t at = offsetof(struct boot_params, hdr);
	const struct setup_header *hdr = image + at;
	const struct pkernfs_image_mark *m;
	const __le32 *info;
	size_t start, size, total, pos;

	if (bytes < at + sizeof(*hdr) || hdr->header != 0x53726448 ||
	    hdr->version < 0x020f)
		return NULL;

	/* The offset counts from the start of the protected-mode part. */
	start = ((hdr->setup_sects ?: 4) + 1) * 512;
	start += hdr->kernel_info_offset;
	if (start > bytes || bytes - start < 3 * sizeof(*info))
		return NULL;
	info = image + start;
	size = le32_to_cpu(info[1]);
	total = le32_to_cpu(info[2]);
	if (memcmp(info, "LToP", 4) || size < 3 * sizeof(*info) ||
	    size > total || total > bytes - start)
		return NULL;

	/* Blocks of magic and size; only those of known size can be stepped over. */
	for (pos = size; total - pos >= 2 * sizeof(*info); pos += size) {
		m = image + start + pos;
		size = le32_to_cpu(m->size);
		if (size < 2 * sizeof(*info) || size > total - pos)
			return NULL;
		if (!memcmp(m->magic, PKERNFS_IMAGE_MAGIC, sizeof(m->magic)))
			return size >= sizeof(*m) ? m : NULL;
	}
	return NULL;
}

#ifdef CONFIG_KEXEC_FILE
/* Does the kernel in @image know all that is in our regions? @incompat: what it knows */
static bool pkernfs_image_adopts(const struct kimage *image, u64 *incompat)
{
	const struct pkernfs_image_mark *m;
	unsigned int i;
	u64 unknown;

	m = pkernfs_image_find_mark(image->kernel_buf, image->kernel_buf_len);
	if (!m)
		return false;
	/* What this kernel writes, if only from now on, is of its own version. */
	if (le32_to_cpu(m->version) != PKERNFS_FORMAT_VERSION) {
		if (pkernfs_region_count())
			pr_warn("kexec image knows format version %u, not %u: not armed\n",
				le32_to_cpu(m->version), PKERNFS_FORMAT_VERSION);
		return false;
	}
	for (i = 0; i < pkernfs_region_count(); i++) {
		const struct pkernfs_sb *sb = READ_ONCE(pkernfs_region_get(i)->sb);

		unknown = sb ? le64_to_cpu(sb->feature_incompat & ~m->incompat) : 0;
		if (unknown) {
			pr_warn("kexec image does not know incompatible feature bits %#llx of region %u: not armed\n",
				unknown, i);
			return false;
		}
	}
	*incompat = le64_to_cpu(m->incompat);
	return true;
}

/**
 * pkernfs_kexec_inspect - kexec_file_load() is about to succeed
 * @image: the image, its kernel still in memory as it was read
 *
 * Context: kexec lock held; nothing can fail from here until @image is the
 * loaded image.
 */
void pkernfs_kexec_inspect(struct kimage *image)
{
	u64 incompat;

	if (image->type != KEXEC_TYPE_DEFAULT || !pkernfs_image_adopts(image, &incompat))
		return;
	pkernfs_armed_incompat = incompat;
	WRITE_ONCE(pkernfs_armed, image);
	if (pkernfs_region_count())
		pr_info("kexec image carries our mark: armed\n");
}
#endif

static ssize_t armed_show(struct kobject *kobj, struct kobj_attribute *attr,
			  char *buf)
{
	return sysfs_emit(buf, "%d\n", pkernfs_kexec_armed());
}

/*
 * Errors: -EBUSY an image is being loaded or a kexec is under way; -ENOENT no
 * image is loaded; -EOPNOTSUPP the image is to return to this kernel.
 */
static ssize_t armed_store(struct kobject *kobj, struct kobj_attribute *attr,
			   const char *buf, size_t count)
{
	bool on;
	int ret;

	ret = kstrtobool(buf, &on);
	if (ret)
		return ret;
	if (!capable(CAP_SYS_BOOT))
		return -EPERM;
	if (!kexec_trylock())
		return -EBUSY;

	ret = count;
	if (!on) {
		WRITE_ONCE(pkernfs_armed, NULL);
	} else if (!kexec_image) {
		ret = -ENOENT;
	} else if (kexec_image->preserve_context) {
		ret = -EOPNOTSUPP;
	} else {
		pkernfs_armed_incompat = ~0ULL;
		WRITE_ONCE(pkernfs_armed, kexec_image);
	}
	kexec_unlock();
	return ret;
}

static struct kobj_attribute pkernfs_armed_attr = __ATTR_RW(armed);

static int __init pkernfs_kexec_init(void)
{
	if (!pkernfs_kobj)
		return 0;
	return sysfs_create_file(pkernfs_kobj, &pkernfs_armed_attr.attr);
}
fs_initcall(pkernfs_kexec_init);
