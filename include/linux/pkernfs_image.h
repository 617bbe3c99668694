/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pkernfs: the mark in a bzImage that says what its kernel can adopt.
 *
 * A block of the variable part of kernel_info (Documentation/arch/x86/boot.rst,
 * protocol 2.15), which stays readable in the compressed image. The kernel that
 * loads the image with kexec_file_load() looks for it.
 *
 *	magic		"PKNF"
 *	size		of this block in bytes, magic included
 *	version		memory format that the kernel adopts
 *	reserved	0
 *	incompat	incompatible features that the kernel knows
 *
 * Included by assembly, so the numbers are repeated here; kernel/pkernfs_kexec.c
 * asserts that they are those of pkernfs_format.h.
 */
#ifndef _LINUX_PKERNFS_IMAGE_H
#define _LINUX_PKERNFS_IMAGE_H

#define PKERNFS_IMAGE_MAGIC	"PKNF"
#define PKERNFS_IMAGE_SIZE	24
#define PKERNFS_IMAGE_VERSION	1
#define PKERNFS_IMAGE_INCOMPAT	0x7ff

#ifdef __ASSEMBLER__

.macro pkernfs_image_mark
#ifdef CONFIG_PKERNFS_FS
	.ascii	PKERNFS_IMAGE_MAGIC
	.long	PKERNFS_IMAGE_SIZE
	.long	PKERNFS_IMAGE_VERSION
	.long	0
	.quad	PKERNFS_IMAGE_INCOMPAT
#endif
.endm

#else

#include <linux/types.h>

/**
 * struct pkernfs_image_mark - the block in kernel_info
 * @magic: PKERNFS_IMAGE_MAGIC, no NUL
 * @size: at least PKERNFS_IMAGE_SIZE; a longer one has fields that we ignore
 * @version: memory format that the kernel adopts
 * @reserved: 0
 * @incompat: incompatible features that the kernel knows
 */
struct pkernfs_image_mark {
	char   magic[4];
	__le32 size;
	__le32 version;
	__le32 reserved;
	__le64 incompat;
} __packed;

const struct pkernfs_image_mark *pkernfs_image_find_mark(const void *image,
							 size_t bytes);

#endif
#endif
