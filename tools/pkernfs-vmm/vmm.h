/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pkernfs-vmm: a VMM without vCPUs. It does to guest RAM and to one VFIO device
 * what a VMM does, in the same order, and plays the guest's driver itself, by what
 * the device is: a NIC whose every frame is checked (nic.c), an NVMe controller
 * whose every completion is (nvme.c), or QEMU's edu, which just interrupts (edu.c).
 * With --kvm there is one vCPU, and the interrupts are its own (vcpu.c).
 *
 * What outlives the process lies in three places, as with a real VMM:
 *
 *	guest RAM	what the guest knows: rings, buffers, and in its first
 *			pages (struct guest_page) how far the driver has come
 *	state file	what the VMM knows: memory layout, interrupts
 *	device		its registers, which nobody resets
 *
 * The kernel's VFIO selftest library (tools/testing/selftests/vfio/lib) is not
 * used: it attaches by IOAS, so the device first gets an empty domain, where a
 * restore needs a HWPT that is filled already; it ends the process where we
 * want the errno; and it needs libuuid, also in a static program.
 */
#ifndef PKERNFS_VMM_H
#define PKERNFS_VMM_H

#include <stdio.h>

#include "types.h"

/* exit codes */
enum vmm_exit {
	VMM_OK = 0,
	VMM_BAD_DATA = 1,	/* a frame or a block is missing, doubled or damaged */
	VMM_USAGE = 2,
	VMM_FAILED = 3,		/* a step failed; the ERROR line names it */
};

#define VMM_VECTORS	64	/* at most; struct vmm has how many there are */

#define VMM_MAPS	16
#define VMM_LEAVE_OUT	16

/**
 * struct vmm_map - one IOAS map
 * @off: offset in RAM, in bytes; ~0: anonymous memory instead of RAM
 * @len: length in bytes
 * @iova: where
 * @prot: IOMMU_IOAS_MAP_READABLE and _WRITEABLE
 */
struct vmm_map {
	u64 off;
	u64 len;
	u64 iova;
	u32 prot;
};

#define VMM_MAP_ANON	(~0ULL)

#define GUEST_MAGIC	0x5453455547ULL		/* "GUEST" */

/**
 * struct guest_page - first page of guest RAM: the memory of the guest's driver
 * @magic: GUEST_MAGIC
 * @iova: IOVA of RAM offset 0, as the device is told
 * @ring_off: RAM offset of the descriptors
 * @buf_off: RAM offset of the buffers
 * @ring: number of descriptors
 * @recycle: buffers are handed back to the device
 * @next: frames taken from the ring since it was set up
 * @run: run id of the frames, 0: none seen yet
 * @pad: zero
 * @first: sequence number of the first frame
 * @expected: sequence number that must come next
 * @frames: good frames
 * @missing: numbers skipped
 * @late: numbers that came again or too late
 * @bad: damaged frames
 * @foreign: frames of other senders or runs
 * @raised: causes raised by the `raise` action
 * @irq: interrupts delivered, by vector; with --kvm the vCPU counts here
 *
 * All from @ring_off to @foreign is the NIC driver's.
 */
struct guest_page {
	u64 magic;
	u64 iova;
	u64 ring_off;
	u64 buf_off;
	u32 ring;
	u32 recycle;
	u64 next;
	u32 run;
	u32 pad;
	u64 first;
	u64 expected;
	u64 frames;
	u64 missing;
	u64 late;
	u64 bad;
	u64 foreign;
	u64 raised;
	u64 irq[VMM_VECTORS];
};

struct vmm;
struct nic_model;

/**
 * struct vmm_driver - the guest's driver of one kind of device
 * @id: PCI device and vendor id, or 0
 * @class: class code without the revision, if @id is 0
 * @msi: the device has MSI only
 * @nic: which NIC it is, NULL: none
 * @vectors: how many vectors the guest has set up; 0 if guest RAM makes no sense
 * @start: reset the device and set it to work
 * @resume: go on with a device that has been at work all the time: read, and write
 *	nothing to it but what a running driver writes
 * @interrupt: the handler of a vector
 * @ack: what a vCPU's handler of a vector writes, to which register of BAR 0, to have
 *	the next; NULL: this device is none for a vCPU
 * @poll: take what has come without an interrupt; returns how much
 * @raise: make the device interrupt
 * @raises: on which vector, if it is told no causes; NULL: there is one
 * @submit: give the device so many commands, on its first so many queues or, if 0,
 *	on all
 * @read_at: have the device read from a disk into this IOVA, which guest RAM is not at
 * @left: commands that have not completed
 * @verify: look at all data again; -EBADMSG if some are wrong
 * @good: false if something was missing, doubled or damaged
 * @report: its counts, for the REPORT line; each has a space in front
 *
 * @submit, @read_at and @left go together; a device that needs no command has none.
 */
struct vmm_driver {
	u32 id;
	u32 class;
	bool msi;
	const struct nic_model *nic;
	unsigned int (*vectors)(struct vmm *vmm);
	int (*start)(struct vmm *vmm);
	int (*resume)(struct vmm *vmm);
	void (*interrupt)(struct vmm *vmm, unsigned int vector);
	u32 (*ack)(unsigned int vector, u32 *reg);
	u64 (*poll)(struct vmm *vmm);
	int (*raise)(struct vmm *vmm, u32 causes);
	unsigned int (*raises)(const struct vmm *vmm);
	int (*submit)(struct vmm *vmm, u32 count, u32 queues);
	int (*read_at)(struct vmm *vmm, u32 disk, u64 iova);
	u64 (*left)(struct vmm *vmm);
	int (*verify)(struct vmm *vmm);
	bool (*good)(struct vmm *vmm);
	void (*report)(struct vmm *vmm, FILE *out);
};

extern const struct vmm_driver nic_82574_driver, nic_82576_driver, nvme_driver, edu_driver;

/*
 * struct vmm - all of one VMM
 *
 * Options are set by main.c and read only from then on; the rest belongs to the
 * file named at it.
 */
struct vmm {
	/* options */
	const char *verb;		/* "run" or "restore" */
	const char *ram_path;
	const char *state_path;
	const char *device_path;
	const char *control_path;
	const char *bdf;
	u64 ram_size;
	u64 iova;
	u32 ring_size;
	u32 queues;
	u32 hwpt_flags;
	u32 irq_pause_us;
	bool recycle;
	bool msi;
	bool intx;
	bool kvm;
	bool by_file;
	bool by_ioas;
	bool track;			/* dirty tracking on before the attach */
	bool small_pages;		/* no leaf of more than 4 KiB */
	u32 early;			/* so many maps before the attach */
	const char *share_path;		/* leave iommufd, IOAS and HWPT for others */
	const char *join_path;		/* take them from another VMM */
	bool own_hwpt;			/* but not the HWPT */
	bool bind_driver;
	bool no_reset;
	bool phases;
	const char *pause_at;
	const char *stop_at;
	const char *kill_at;

	/* ram.c */
	int ram_fd;
	u8 *ram;
	struct guest_page *guest;

	/* vfio.c */
	int dev_fd;
	int iommufd;
	u32 dev_id;
	u32 ioas_id;
	u32 hwpt_id;
	u64 config_off;
	const struct vmm_driver *driver;
	u32 *bar0;
	u64 bar0_size;
	struct vmm_map map[VMM_MAPS];
	unsigned int maps;
	unsigned int mapped;		/* so many of them are done */
	bool maps_given;

	/* irq.c */
	unsigned int vectors;		/* 0 before they are enabled */
	int irq_fd[VMM_VECTORS];
	u64 irq_new[VMM_VECTORS];	/* since this process began */
	u64 irq_pending[VMM_VECTORS];	/* drained at quiesce, for the next VMM */
	u64 irq_late;			/* came after the drain: must stay 0 */

	/* vcpu.c, if there is --kvm */
	struct vcpu *vcpu;
	struct vcpu_state *vcpu_state;	/* saved or loaded, NULL while it runs */
	bool vcpu_failed;

	/* the driver */
	bool live;			/* its device is at work */
	u64 stalls;			/* something found without an interrupt */

	/* kept.c */
	int file_fd;			/* device file, -1 if none */
	u64 leave_out[VMM_LEAVE_OUT][2];	/* IOVA, bytes */
	unsigned int leave_outs;
	bool frozen;
	bool quiesced;			/* vCPUs are paused */
	bool irq_known;			/* restore: irq_pending is all that came */

	/* script.c */
	int control_fd;
	bool ended;		/* SIGTERM or exit */
	u64 freeze_min_ns, freeze_max_ns, freeze_sum_ns, freezes;
	u64 unfreeze_max_ns;
};

/* report.c: lines for people and machines; each returns -errno */
void vmm_step(struct vmm *vmm, const char *step, const char *fmt, ...)
	__printf(3, 4);
int vmm_fail(const char *step, int err, const char *fmt, ...)
	__printf(3, 4);
void vmm_report(struct vmm *vmm, FILE *out);
u64 vmm_now_ns(void);

/* ram.c */
int ram_create(struct vmm *vmm);
int ram_open(struct vmm *vmm);
bool ram_holds(const struct vmm *vmm, u64 off, u64 len);

/* vfio.c */
int vfio_open_device(struct vmm *vmm);
int share_leave(struct vmm *vmm);
int share_take(struct vmm *vmm);
int vfio_bind(struct vmm *vmm);
int vfio_ioas(struct vmm *vmm);
int vfio_map(struct vmm *vmm, unsigned int count);
int vfio_hwpt(struct vmm *vmm);
int vfio_attach(struct vmm *vmm);
const struct vmm_driver *vfio_driver(u32 id, u32 class);
int vfio_bars(struct vmm *vmm);
int vfio_bus_master(struct vmm *vmm);
int vfio_reset(struct vmm *vmm);
int vfio_hot_reset(struct vmm *vmm);
int vfio_d3(struct vmm *vmm);
int vfio_revoked(struct vmm *vmm);
void vfio_close(struct vmm *vmm);

/* dirty.c */
int dirty_track(struct vmm *vmm, bool on);
int dirty_report(struct vmm *vmm);

/* irq.c */
int irq_enable(struct vmm *vmm);
void irq_done(struct vmm *vmm);
u64 irq_take(struct vmm *vmm, unsigned int vector);
void irq_drain(struct vmm *vmm);
int irq_inject(struct vmm *vmm);

/* vcpu.c; without --kvm they do nothing, except for vcpu_inject() and vcpu_touch() */
int vcpu_create(struct vmm *vmm);
int vcpu_bar(struct vmm *vmm);
int vcpu_irqs(struct vmm *vmm);
int vcpu_no_irqs(struct vmm *vmm);
int vcpu_inject(struct vmm *vmm, unsigned int vector);
int vcpu_go(struct vmm *vmm);
bool vcpu_pause(struct vmm *vmm);
int vcpu_save(struct vmm *vmm);
size_t vcpu_print(const struct vmm *vmm, char *text, size_t bytes);
int vcpu_parse(struct vmm *vmm, const char *line);
int vcpu_touch(struct vmm *vmm);
void vcpu_close(struct vmm *vmm);

/* nic.c */
int nic_raise_sysfs(const char *bdf, u32 causes);

/* state.c */
int state_save(struct vmm *vmm);
int state_load(struct vmm *vmm);

/* kept.c */
int kept_open(struct vmm *vmm, bool create);
int kept_freeze(struct vmm *vmm);
int kept_race(struct vmm *vmm, const char *path);
int kept_quiesce(struct vmm *vmm);
int kept_unfreeze(struct vmm *vmm);
int kept_release(struct vmm *vmm);
void kept_late(struct vmm *vmm, char *text, size_t size);
int kept_info(struct vmm *vmm, bool quiet);

/* script.c */
int script_open(struct vmm *vmm);
int script_do(struct vmm *vmm, const char *action);
void script_serve(struct vmm *vmm, int ms);
bool script_listed(const char *list, const char *name);

/* parse.c */
int parse_size(const char *text, u64 *value);
int parse_time_ms(const char *text, u64 *ms);
int parse_map(struct vmm *vmm, const char *text);
int parse_leave_out(struct vmm *vmm, const char *text);

#endif
