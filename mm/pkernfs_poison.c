// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: who is told of a memory error at once.
 *
 * As memory_failure() does it for page cache: the process that has just met the
 * error (action required), and those that asked for it by prctl(PR_MCE_KILL) or
 * vm.memory_failure_early_kill. All others get SIGBUS when they touch the page. It lies
 * here as task_early_kill() is known in mm/ only.
 */

#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/pkernfs.h>
#include <linux/pkernfs_compat.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include "internal.h"

#ifdef CONFIG_MEMORY_FAILURE
struct pkernfs_tell {
	struct list_head node;
	struct task_struct *task;
	unsigned long addr;
};

static void pkernfs_poison_add(struct task_struct *task, unsigned long addr,
			       struct list_head *list)
{
	struct pkernfs_tell *t = kmalloc_obj(*t, GFP_ATOMIC);

	/* Without the memory it learns of it when it touches the page. */
	if (!t)
		return;
	get_task_struct(task);
	t->task = task;
	t->addr = addr;
	list_add_tail(&t->node, list);
}

/**
 * pkernfs_poison_collect - find who maps a page and is to be told
 * @mapping: of the file
 * @index: the page
 * @flags: MF_*
 * @list: gets an element for each mapping, for pkernfs_poison_tell()
 *
 * Before the page is unmapped. The invalidate lock is held.
 */
void pkernfs_poison_collect(struct address_space *mapping, pgoff_t index, int flags,
			    struct list_head *list)
{
	struct task_struct *process, *task;
	struct vm_area_struct *vma;

	i_mmap_lock_read(mapping);
	rcu_read_lock();
	for_each_process(process) {
		task = task_early_kill(process, flags & MF_ACTION_REQUIRED);
		if (!task)
			continue;
		mapping_rmap_tree_foreach(vma, mapping, index, index) {
			if (vma->vm_mm == task->mm)
				pkernfs_poison_add(task, vma->vm_start +
						   ((index - vma->vm_pgoff) << PAGE_SHIFT),
						   list);
		}
	}
	rcu_read_unlock();
	i_mmap_unlock_read(mapping);
}

/**
 * pkernfs_poison_tell - SIGBUS, with the address
 * @flags: MF_*
 * @list: from pkernfs_poison_collect(); empty after it
 */
void pkernfs_poison_tell(int flags, struct list_head *list)
{
	struct pkernfs_tell *t, *next;

	list_for_each_entry_safe(t, next, list, node) {
		if (flags & MF_ACTION_REQUIRED && t->task == current)
			force_sig_mceerr(BUS_MCEERR_AR, (void __user *)t->addr, PAGE_SHIFT);
		else
			send_sig_mceerr(BUS_MCEERR_AO, (void __user *)t->addr, PAGE_SHIFT,
					t->task);
		put_task_struct(t->task);
		kfree(t);
	}
}
#endif
