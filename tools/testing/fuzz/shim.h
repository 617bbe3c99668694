/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the validator of pkernfs takes from the kernel, for userspace. Every header
 * of the kernel that its sources include and that tools/include has not is this one.
 *
 * Bits of registers and tables are those of drivers/iommu/intel/iommu.h. Memory is
 * malloc()'s, so that AddressSanitizer watches it. phys_to_virt() knows one region,
 * and an address outside of it ends the program.
 */
#ifndef _PKERNFS_FUZZ_SHIM_H
#define _PKERNFS_FUZZ_SHIM_H

#include <dirent.h>
#include <errno.h>
#include <linux/bitfield.h>
#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/bits.h>
#include <linux/err.h>
#include <linux/kconfig.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/sizes.h>
#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define umode_t			unsigned short
#define pgoff_t			unsigned long
#define u128			unsigned __int128

/* --- the language ------------------------------------------------------------ */

#define U16_MAX			((u16)~0U)
#define U32_MAX			((u32)~0U)
#define S64_MAX			((s64)(~0ULL >> 1))
#define U64_MAX			((u64)~0ULL)
#define PAGE_SHIFT		12
#define PAGE_SIZE		(1UL << PAGE_SHIFT)
#define offset_in_page(p)	((unsigned long)(p) & (PAGE_SIZE - 1))
#define PTR_ALIGN_DOWN(p, a)	((typeof(p))((unsigned long)(p) & ~((unsigned long)(a) - 1)))
#undef offsetofend
#define offsetofend(t, m)	(offsetof(t, m) + sizeof(((t *)0)->m))
#define min3(a, b, c)		min(min(a, b), c)
#define clamp_t(t, v, lo, hi)	((t)min_t(t, max_t(t, v, lo), hi))
#define div_u64(a, b)		((u64)(a) / (b))
#define fallthrough		__attribute__((__fallthrough__))
#define __init
#define __printf(a, b)		__attribute__((format(printf, a, b)))
#undef WARN_ON_ONCE
#define WARN_ON_ONCE(x)		({ bool __x = (x); if (__x) shim_die("WARNING: " #x); __x; })
#define WARN_ON(x)		WARN_ON_ONCE(x)
#define READ_ONCE(x)		(*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, v)	(*(volatile typeof(x) *)&(x) = (v))
#define smp_wmb()		barrier()	/* one thread */
#define smp_store_release(p, v)	WRITE_ONCE(*(p), v)	/* one thread */
#define static_assert		_Static_assert
#define unsafe_memcpy(to, from, n, why)	(memcpy(to, from, n) why)
#define cond_resched()		do { } while (0)

void shim_die(const char *why) __attribute__((noreturn));

/* Lines are many and only for whoever looks at one run. */
extern bool shim_verbose;
#define pr_fmt_shim(...)	do { if (shim_verbose) fprintf(stderr, __VA_ARGS__); } while (0)
#define pr_err(...)		pr_fmt_shim(__VA_ARGS__)
#define pr_err_ratelimited(...)	pr_fmt_shim(__VA_ARGS__)
#define pr_warn(...)		pr_fmt_shim(__VA_ARGS__)
#define pr_warn_ratelimited(...)	pr_fmt_shim(__VA_ARGS__)
#define pr_info(...)		pr_fmt_shim(__VA_ARGS__)
#define kunit_get_current_test()	(!shim_verbose)
#define KUNIT_STATIC_STUB_REDIRECT(...)	do { } while (0)

static inline u32 crc32c(u32 crc, const void *p, size_t len)
{
	const u8 *at = p;
	u64 word;

	for (; len >= 8; len -= 8, at += 8) {
		memcpy(&word, at, 8);
		crc = __builtin_ia32_crc32di(crc, word);
	}
	while (len--)
		crc = __builtin_ia32_crc32qi(crc, *at++);
	return crc;
}

static inline void *memchr_inv(const void *p, int c, size_t bytes)
{
	const u8 *at = p;
	u64 word;

	for (; bytes >= 8; bytes -= 8, at += 8) {
		memcpy(&word, at, 8);
		if (word != 0x0101010101010101ULL * (u8)c)
			break;
	}
	for (; bytes; bytes--, at++)
		if (*at != (u8)c)
			return (void *)at;
	return NULL;
}

static inline void memset32(u32 *p, u32 v, size_t count)
{
	while (count--)
		*p++ = v;
}

static inline void memset_l(unsigned long *p, unsigned long v, size_t count)
{
	while (count--)
		*p++ = v;
}

static inline void strscpy_pad_shim(char *to, const char *from, size_t size)
{
	memset(to, 0, size);
	memcpy(to, from, strnlen(from, size - 1));
}

#define strscpy_pad(to, from, size)	strscpy_pad_shim(to, from, size)
#define strscpy(to, from, size)		strscpy_pad_shim(to, from, size)

/* That of tools/include is in a file that nothing else needs. */
#undef set_bit
#define set_bit(nr, bits)	__set_bit(nr, bits)	/* one thread */

static inline unsigned long find_last_bit(const unsigned long *bits, unsigned long n)
{
	unsigned long i = n;

	while (i && !test_bit(i - 1, bits))
		i--;
	return i ? i - 1 : n;
}

static inline size_t list_count_nodes(const struct list_head *head)
{
	const struct list_head *at;
	size_t count = 0;

	for (at = head->next; at != head; at = at->next)
		count++;
	return count;
}

struct pkernfs_sb;

/* --- memory ------------------------------------------------------------------- */

/* Which allocation from now on fails, 0: none; less by one with each */
extern u64 shim_fail;

static inline bool shim_fails(void)
{
	return shim_fail && !--shim_fail;
}

#define GFP_NOFS		0
#define kvcalloc(n, size, gfp)	((void)(gfp), shim_fails() ? NULL : calloc((n) ?: 1, size))
#define kvmalloc_array(n, size, gfp)	\
	((void)(gfp), shim_fails() ? NULL : malloc((n) * (size) ?: 1))
#define sort(p, n, size, cmp, swap)	((void)(swap), qsort(p, n, size, cmp))
#define kvrealloc(p, size, gfp)	((void)(gfp), shim_fails() ? NULL : realloc(p, size))
#define kzalloc_obj(p, ...)	((typeof(p) *)(shim_fails() ? NULL : calloc(1, sizeof(p))))
#define kmemdup(p, n, gfp)	\
	((void)(gfp), shim_fails() ? NULL : memcpy(malloc(n), p, n))
#define kfree(p)		free(p)
#define bitmap_zalloc(n, gfp)	kvcalloc(BITS_TO_LONGS(n), sizeof(long), gfp)
#define kvfree(p)		free((void *)(p))

/* A plain array: the numbers here are small. */
struct xarray {
	void **entry;
	unsigned long entries;
};

#define XA_FLAGS_ALLOC1		0
#define XA_LIMIT(lo, hi)	((struct xa_limit) { lo, hi })
#define xa_init_flags(xa, f)	((void)(f), *(xa) = (struct xarray) {})
#define xa_err(p)		(IS_ERR(p) ? (int)PTR_ERR(p) : 0)

struct xa_limit {
	u32 min, max;
};

static inline void *xa_load(const struct xarray *xa, unsigned long index)
{
	return index < xa->entries ? xa->entry[index] : NULL;
}

static inline void *xa_store(struct xarray *xa, unsigned long index, void *p, int gfp)
{
	unsigned long entries = xa->entries;

	if (index >= entries) {
		void *entry = kvrealloc(xa->entry, (index + 16) * sizeof(p), gfp);

		if (!entry)
			return ERR_PTR(-ENOMEM);
		xa->entry = entry;
		xa->entries = index + 16;
		memset(xa->entry + entries, 0, (xa->entries - entries) * sizeof(p));
	}
	xa->entry[index] = p;
	return NULL;
}

static inline int xa_alloc(struct xarray *xa, u32 *index, void *p, struct xa_limit limit, int gfp)
{
	for (*index = limit.min; *index <= limit.max; (*index)++)
		if (!xa_load(xa, *index))
			return xa_err(xa_store(xa, *index, p, gfp));
	return -EBUSY;
}

static inline void xa_erase(struct xarray *xa, unsigned long index)
{
	xa->entry[index] = NULL;
}

static inline void *xa_next(const struct xarray *xa, unsigned long *index)
{
	while (*index < xa->entries && !xa->entry[*index])
		(*index)++;
	return xa_load(xa, *index);
}

#define xa_for_each(xa, index, p)	\
	for (index = 0; ((p) = xa_next(xa, &(index))); (index)++)
#define xa_destroy(xa)		free((xa)->entry)

extern const struct pkernfs_sb *shim_fit;
extern phys_addr_t shim_base;
extern u64 shim_bytes;
extern void *shim_virt;

static inline void *phys_to_virt(phys_addr_t phys)
{
	if (phys < shim_base || phys - shim_base >= shim_bytes)
		shim_die("an address outside of the region is followed");
	return shim_virt + (phys - shim_base);
}

static inline phys_addr_t virt_to_phys(const void *p)
{
	return shim_base + (p - shim_virt);
}

#define clflush_cache_range(p, n)	((void)(p), (void)(n))

/* --- locks and the like -------------------------------------------------------- */

/* Of both kinds of locks only the one that nests is watched. */
struct mutex {
	int held;
};

#define DEFINE_MUTEX(x)			struct mutex x
#define mutex_lock(x)			((x)->held++)
#define mutex_unlock(x)			((x)->held--)
#define lockdep_assert_held(x)		((void)(x))
#define lockdep_assert_held_write(x)	((void)(x))

/* One thread: a lock that is taken twice is a bug. */
struct rw_semaphore {
	int held;
};

static inline void shim_lock(struct rw_semaphore *s)
{
	if (s->held++)
		shim_die("a lock is taken twice");
}

#define init_rwsem(s)		((s)->held = 0)
#define down_read(s)		shim_lock(s)
#define SINGLE_DEPTH_NESTING	1
#define down_read_nested(s, n)	((void)(n), shim_lock(s))
#define memalloc_nofs_save()	0
#define memalloc_nofs_restore(x)	((void)(x))
#define down_write(s)		shim_lock(s)
#define up_read(s)		((s)->held--)
#define up_write(s)		((s)->held--)

/* One thread: nobody to wait for. */
struct wait_queue_head {
	int unused;
};

#define wait_queue_head_t		struct wait_queue_head
#define init_waitqueue_head(w)		((void)(w))
#define wake_up_all(w)			((void)(w))
#define wait_event_killable(w, x)	\
	((void)(w), (x) ? 0 : (shim_die("waits for nobody"), 0))

#define atomic64_t		struct shim_atomic64

atomic64_t {
	s64 counter;
};

#define atomic_read(a)			((a)->counter)

struct work_struct {
	int pending;
};

struct delayed_work {
	struct work_struct work;
};

#define HZ				100
#define INIT_DELAYED_WORK(w, f)		((void)(w), (void)(f))
#define to_delayed_work(w)		container_of(w, struct delayed_work, work)
#define cancel_delayed_work_sync(w)	((void)(w))
#define schedule_delayed_work(w, t)	((void)(w), (void)(t))
#define static_branch_inc(k)		((void)(k))

struct notifier_block {
	int (*notifier_call)(struct notifier_block *nb, unsigned long action, void *data);
	int priority;
};

#define NOTIFY_DONE			0
#define kexec_in_progress		false
#define register_reboot_notifier(nb)	((void)(nb), 0)
#define fs_initcall(f)			int shim_##f(void) { return f(); }

struct rcu_head {
	int unused;
};

struct kobject;

/* --- files --------------------------------------------------------------------- */

#define MAX_LFS_FILESIZE	((loff_t)S64_MAX)
#define fs_umode_to_dtype(m)	(((m) & S_IFMT) >> 12)
#define generate_random_uuid(u)	memset(u, 1, 16)
#define ktime_get_coarse_real_ns()	0

enum fs_update_time { FS_UPD_ATIME, FS_UPD_CMTIME };

struct super_block {
	void *s_fs_info;
};

struct inode {
	struct super_block *i_sb;
	umode_t i_mode;
};

struct qstr {
	const unsigned char *name;
	u32 len;
};

struct folio {
	void *mapping;
};

struct dentry;
struct file;
struct iattr;
struct kstat;
struct mnt_idmap;
struct path;
struct timespec64;
struct vm_area_desc;

/* Of what the VFS calls nothing is called here. */
#define CAP_SYS_ADMIN		21
#define capable(x)		((void)(x), true)
#define IS_POSIXACL(i)		((void)(i), true)
#define d_inode(d)		((struct inode *)(d))
#define inode_set_ctime_current(i)	((void)(i))

/* ACLs are bytes here: nobody takes one apart. */
#define ACL_TYPE_ACCESS		0x8000
#define ACL_TYPE_DEFAULT	0x4000
#define GFP_KERNEL		0
#define kmalloc(size, gfp)	((void)(gfp), shim_fails() ? NULL : malloc(size))

struct posix_acl;

#define shim_no_acl()			(shim_die("nobody asks for an ACL"), NULL)
#define posix_acl_from_xattr(...)	shim_no_acl()
#define posix_acl_to_xattr(...)		shim_no_acl()
#define get_inode_acl(...)		((struct posix_acl *)shim_no_acl())
#define posix_acl_update_mode(...)	(shim_no_acl(), 0)
#define posix_acl_create(...)		(shim_no_acl(), 0)
#define __posix_acl_chmod(...)		(shim_no_acl(), 0)
#define posix_acl_release(...)		((void)0)
#define set_cached_acl(...)		((void)0)

struct xattr_handler {
	const char *prefix;
	int flags;
	int (*get)(const struct xattr_handler *handler, struct dentry *dentry,
		   struct inode *inode, const char *name, void *value, size_t size);
	int (*set)(const struct xattr_handler *handler, struct mnt_idmap *idmap,
		   struct dentry *dentry, struct inode *inode, const char *name,
		   const void *value, size_t size, int flags);
};

struct dev_pagemap {
	int nr_range;
};

#define PHYS_PFN(x)		((x) >> PAGE_SHIFT)
#define pfn_to_page(x)		((void *)(unsigned long)(x))
#define page_folio(x)		((struct folio *)(x))
#define copy_mc_to_kernel(to, from, n)	(memcpy(to, from, n), 0UL)
#define folio_lock(f)		((void)(f))
#define folio_unlock(f)		((void)(f))
#define folio_ref_count(f)	((void)(f), 1)
#define folio_mapcount(f)	((void)(f), 0)
#define fatal_signal_pending(x)	((void)(x), false)
#define current			NULL

static inline void le16_add_cpu(__le16 *p, u16 v)
{
	*p += v;
}

static inline void le32_add_cpu(__le32 *p, u32 v)
{
	*p += v;
}

static inline void le64_add_cpu(__le64 *p, u64 v)
{
	*p += v;
}

/* --- VT-d ------------------------------------------------------------------------ */

#define VTD_PAGE_MASK		(~0ULL << 12)
#define DMA_RTADDR_SMT		(1ULL << 10)
#define IDA_START_DID		2
#define IOMMU_NO_PASID		0
#define CONTEXT_TT_MULTI_LEVEL	0
#define PASID_PTE_PRESENT	1
#define PASID_ENTRY_PGTT_SL_ONLY	2
#define cap_super_page_val(c)	(((c) >> 34) & 0xf)
#define cap_sagaw(c)		(((c) >> 8) & 0x1f)
#define cap_ndoms(c)		(1UL << (4 + 2 * ((c) & 7)))
#define ecap_smpwc(e)		(((e) >> 48) & 1)
#define ecap_smts(e)		(((e) >> 43) & 1)
#define ecap_slads(e)		(((e) >> 45) & 1)
#define ecap_sc_support(e)	(((e) >> 7) & 1)
#define ecap_coherent(e)	((e) & 1)
#define sm_supported(i)		(intel_iommu_sm && ecap_smts((i)->ecap))
#define ssads_supported(i)	(sm_supported(i) && ecap_slads((i)->ecap) && ecap_smpwc((i)->ecap))
#define PCI_BUS_NUM(x)		(((x) >> 8) & 0xff)
#define PCI_SLOT(x)		(((x) >> 3) & 0x1f)
#define PCI_FUNC(x)		((x) & 7)

extern int intel_iommu_sm;

struct device;
struct device_domain_info;
struct pasid_table;

struct root_entry {
	u64 lo, hi;
};

struct context_entry {
	u64 lo, hi;
};

struct pasid_dir_entry {
	u64 val;
};

struct iommu_domain {
	int unused;
};

struct dmar_domain {
	struct iommu_domain domain;
	u8 dirty_tracking:1;
};

struct intel_iommu {
	u64 reg_phys, cap, ecap;
	u16 segment;
	char name[16];
};

#define context_present(c)			((c)->lo & 1)
#define context_set_present(c)			((c)->lo |= 1)
#define context_set_fault_enable(c)		((c)->lo &= (~0ULL << 2) | 1)
#define context_set_translation_type(c, v)	((c)->lo |= ((v) & 3) << 2)
#define context_set_address_root(c, v)		((c)->lo |= (v) & VTD_PAGE_MASK)
#define context_set_address_width(c, v)		((c)->hi |= (v) & 7)
#define context_set_domain_id(c, v)		((c)->hi |= (u64)(u16)(v) << 8)

/* --- the other halves of pkernfs --------------------------------------------------- */

struct pkernfs_device;

extern int pkernfs_iommu_key;
void pkernfs_iommu_stop_rid(u16 segment, u16 rid);
int pkernfs_pci_expect(struct pkernfs_device *pd);
#define trace_pkernfs_adopt(pd, ret)	((void)(pd), (void)(ret))

#endif
