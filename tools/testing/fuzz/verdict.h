/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What fsck.pkernfs makes of a region in memory. Its checker has the headers of
 * userspace and knows nothing of the kernel's: both worlds can include this.
 */
#ifndef _PKERNFS_FUZZ_VERDICT_H
#define _PKERNFS_FUZZ_VERDICT_H

struct verdict {
	bool whole;		/* nothing that keeps the kernel from loading it */
	bool mended;		/* whole after the repair */
	bool clean;		/* and the second run finds nothing at all */
	unsigned int mild;	/* findings that the kernel does not mind */
	bool log;		/* one of them: the redo log has to be finished */
	bool above;		/* inodes where the kernel does not look */
	bool no_room;		/* a copy of shared memory did not fit */
	bool onto_bad;		/* a copy has been made onto a bad page */
	bool from_bad;		/* a copy has zeroes, as the page was bad */
	unsigned int copies;	/* of data, to be made by verdict_commit() */
};

void verdict_set_up(void *mem, unsigned long long base, unsigned long long bytes, bool say);
void verdict_look(struct verdict *v);
void verdict_undo(void);
void verdict_commit(void);

#endif
