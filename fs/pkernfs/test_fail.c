// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: with pkernfs_test=fail-N on the command line the N-th allocation fails of
 * those that take over what the kernel before has left. With N = 0 they are counted.
 *
 * That is at boot, when fault injection of the kernel's own cannot be told yet which
 * task's allocations it is to fail. Test kernels with CONFIG_FUNCTION_ERROR_INJECTION.
 */
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/pkernfs.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/stacktrace.h>
#include <linux/string.h>

static bool pkernfs_fail_wanted;
static unsigned int pkernfs_fail_nth, pkernfs_fail_count;
/* Its allocations are counted now. */
static struct task_struct *pkernfs_fail_task;
/* Who asked for the one that has failed */
static unsigned long pkernfs_fail_by[24];
static unsigned int pkernfs_fail_depth;

/* What does not come through it, or must not fail, whoever is preserved: not below these */
static const char * const pkernfs_fail_not[] = {
	"iommu_device_sysfs_add",	/* a failure is not looked at, the device used */
	"intel_iommu_attach_device",	/* the core warns: the first one is not to fail */
};

static bool pkernfs_fail_spared(void)
{
	static char name[KSYM_NAME_LEN];
	unsigned int i;

	for (i = 0; i < pkernfs_fail_depth; i++)
		if (!lookup_symbol_name(pkernfs_fail_by[i], name) &&
		    match_string(pkernfs_fail_not, ARRAY_SIZE(pkernfs_fail_not), name) >= 0)
			return true;
	return false;
}
NOKPROBE_SYMBOL(pkernfs_fail_spared);

/* What asks whether an allocation is to fail; true if it is. */
static int pkernfs_fail_asked(struct pt_regs *regs, gfp_t flags)
{
	/* The breakpoint that leads here counts as an interrupt. */
	bool in_task = hardirq_count() <= HARDIRQ_OFFSET && !in_serving_softirq();

	/* kmemleak has other memory for itself when there is none. */
	if (current != READ_ONCE(pkernfs_fail_task) || !in_task ||
	    flags & (__GFP_NOFAIL | __GFP_NOMEMALLOC))
		return 0;
	if (++pkernfs_fail_count != pkernfs_fail_nth)
		return 0;
	pkernfs_fail_depth = stack_trace_save_regs(regs, pkernfs_fail_by,
						   ARRAY_SIZE(pkernfs_fail_by), 1);
	if (pkernfs_fail_spared()) {
		pkernfs_fail_nth++;
		pkernfs_fail_depth = 0;
		return 0;
	}
	regs_set_return_value(regs, 1);
	override_function_with_return(regs);
	return 1;
}
NOKPROBE_SYMBOL(pkernfs_fail_asked);

static int pkernfs_fail_slab(struct kprobe *p, struct pt_regs *regs)
{
	return pkernfs_fail_asked(regs, regs_get_kernel_argument(regs, 1));
}
NOKPROBE_SYMBOL(pkernfs_fail_slab);

static int pkernfs_fail_pages(struct kprobe *p, struct pt_regs *regs)
{
	return pkernfs_fail_asked(regs, regs_get_kernel_argument(regs, 0));
}
NOKPROBE_SYMBOL(pkernfs_fail_pages);

/* With one it is not optimised to a jump, from which there is no such return. */
static void pkernfs_fail_after(struct kprobe *p, struct pt_regs *regs, unsigned long flags)
{
}

static struct kprobe pkernfs_fail_slab_probe = {
	.symbol_name = "should_failslab",
	.pre_handler = pkernfs_fail_slab,
	.post_handler = pkernfs_fail_after,
};

static struct kprobe pkernfs_fail_pages_probe = {
	.symbol_name = "should_fail_alloc_page",
	.pre_handler = pkernfs_fail_pages,
	.post_handler = pkernfs_fail_after,
};

/**
 * pkernfs_test_fail_begin - what this task allocates from here on belongs to the way
 */
void pkernfs_test_fail_begin(void)
{
	static bool registered;

	if (!pkernfs_fail_wanted)
		return;
	if (!registered && (register_kprobe(&pkernfs_fail_slab_probe) ||
			    register_kprobe(&pkernfs_fail_pages_probe)))
		panic("pkernfs: TEST: allocations cannot be failed");
	registered = true;
	WRITE_ONCE(pkernfs_fail_task, current);
}

/**
 * pkernfs_test_fail_end - and up to here
 * @what: name of this part of the way
 */
void pkernfs_test_fail_end(const char *what)
{
	static char by[800];
	unsigned int i, n = 0;

	if (!READ_ONCE(pkernfs_fail_task))
		return;
	WRITE_ONCE(pkernfs_fail_task, NULL);
	pr_info("pkernfs: TEST: up to the end of %s: %u allocations\n", what,
		pkernfs_fail_count);
	if (!pkernfs_fail_depth)
		return;
	for (i = 0; i < pkernfs_fail_depth; i++)
		n += scnprintf(by + n, sizeof(by) - n, " %ps", (void *)pkernfs_fail_by[i]);
	pr_info("pkernfs: TEST: allocation %u failed:%s\n", pkernfs_fail_nth, by);
	pkernfs_fail_depth = 0;
}

/* After the start of the IOMMU driver, which has begun its part when it adopted. */
static int __init pkernfs_fail_over(void)
{
	pkernfs_test_fail_end("iommu");
	pkernfs_fail_wanted = false;
	return 0;
}
rootfs_initcall(pkernfs_fail_over);

static int __init pkernfs_fail_setup(char *list)
{
	const char *word = strstr(list, "fail-");

	pkernfs_fail_wanted = word && sscanf(word, "fail-%u", &pkernfs_fail_nth) == 1;
	return 0;
}
early_param("pkernfs_test", pkernfs_fail_setup);
