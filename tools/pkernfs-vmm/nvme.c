// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's driver of an NVMe controller: an admin queue and I/O queues, each
 * with a vector of its own, all in guest RAM. It reads, or has the device compare,
 * disks whose every word tells what disk it is of and where: nvme_word(). Each
 * command has a record in guest RAM, so that each completion is counted, whoever
 * was the VMM when it came.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vmm.h"

/* Registers and commands, by their names in the specification */
#define NVME_CAP	0x0000
#define  CAP_DSTRD(hi)	((hi) & 0xf)
#define NVME_CC		0x0014
#define  CC_EN		BIT(0)
#define  CC_SIZES	(6U << 16 | 4U << 20)	/* entries of 64 and 16 bytes */
#define NVME_CSTS	0x001c
#define  CSTS_RDY	BIT(0)
#define  CSTS_CFS	BIT(1)
#define NVME_AQA	0x0024
#define NVME_ASQ	0x0028
#define NVME_ACQ	0x0030
#define NVME_DOORBELL	0x1000

#define ADMIN_CREATE_SQ	0x01
#define ADMIN_CREATE_CQ	0x05
#define ADMIN_IDENTIFY	0x06
#define ADMIN_FEATURES	0x09	/* set */
#define ADMIN_GET	0x0a	/* get features */
#define  FEATURE_QUEUES	0x07
#define IO_READ		0x02
#define IO_COMPARE	0x05
#define  IO_PRACT	BIT(29)	/* the device strips protection information */
#define STATUS_DIFFERS	0x285

/* Where in RAM it all lies, in bytes */
#define NVME_GUEST_OFF	0x1000ULL
#define NVME_DATA_OFF	0x2000ULL	/* of IDENTIFY */
#define NVME_IO_OFF	0x10000ULL
#define NVME_LIST_OFF	0x40000ULL
#define NVME_QUEUE_OFF	0x100000ULL
#define NVME_BUF_OFF	0x800000ULL

#define NVME_QUEUE	0x8000U		/* of a pair: 16 KiB of commands, then */
#define NVME_CQ		0x4000U		/* the completions */
#define NVME_DEPTH	256U
#define NVME_ADMIN	32U
#define NVME_IOS	2048U		/* at most, in the life of a guest */
#define NVME_BUF	0x4000U		/* buffer of a command */
#define NVME_PAGE	0x1000U
#define NVME_PAGES	3U		/* of a command, at most */
#define NVME_BLOCK	512U
#define NVME_LIST	64U
#define NVME_DISKS	2U

struct nvme_sqe {
	u8 opcode;
	u8 flags;
	u16 cid;
	u32 nsid;
	u64 unused;
	u64 metadata;
	u64 prp1;
	u64 prp2;
	u32 dw10;
	u32 dw11;
	u32 dw12;
	u32 dw13;
	u32 dw14;
	u32 dw15;
};

struct nvme_cqe {
	u32 result;
	u32 unused;
	u16 sq_head;
	u16 sq_id;
	u16 cid;
	u16 status;	/* bit 0: phase */
};

/**
 * struct nvme_queue - a pair of queues
 * @tail: next command
 * @head: next completion
 * @depth: entries of both
 * @phase: what bit 0 of the next completion's status will be
 * @pending: commands that have not completed
 */
struct nvme_queue {
	u32 tail;
	u32 head;
	u32 depth;
	u32 phase;
	u32 pending;
};

/**
 * struct nvme_guest - second page of guest RAM
 * @queues: I/O queues
 * @disks: namespaces
 * @pract: bits: this disk has protection information
 * @stride: bytes between doorbells
 * @ios: commands submitted
 * @done: commands completed
 * @wrong: ended with another status than they had to
 * @twice: completed more than once
 * @strange: completions of no command
 * @bad: blocks that are not as on the disk, at the last look
 * @queue: the admin queue, then those for I/O
 */
struct nvme_guest {
	u32 queues;
	u32 disks;
	u32 pract;
	u32 stride;
	u64 ios;
	u64 done;
	u64 wrong;
	u64 twice;
	u64 strange;
	u64 bad;
	struct nvme_queue queue[VMM_VECTORS];
};

enum nvme_kind {
	NVME_IO_READ,
	NVME_IO_COMPARE,
	NVME_IO_KINDS,		/* and with a second disk: */
	NVME_IO_OTHER = 2,	/* a read of that */
	NVME_IO_AWAY,		/* a read to where RAM is not */
};

/**
 * struct nvme_io - one command
 * @lba: first block
 * @pages: length
 * @kind: enum nvme_kind
 * @queue: which
 * @differs: a comparison that must fail
 * @done: completions
 * @status: of the last one
 */
struct nvme_io {
	u64 lba;
	u32 pages;
	u32 kind;
	u32 queue;
	u32 differs;
	u32 done;
	u32 status;
};

static u32 nvme_reg(struct vmm *vmm, u32 reg)
{
	return READ_ONCE(vmm->bar0[reg / 4]);
}

static void nvme_write(struct vmm *vmm, u32 reg, u32 value)
{
	WRITE_ONCE(vmm->bar0[reg / 4], value);
}

static struct nvme_guest *nvme_guest(struct vmm *vmm)
{
	return (struct nvme_guest *)(vmm->ram + NVME_GUEST_OFF);
}

static struct nvme_io *nvme_io(struct vmm *vmm, u64 n)
{
	return (struct nvme_io *)(vmm->ram + NVME_IO_OFF) + n;
}

static u64 nvme_queue_off(unsigned int q)
{
	return NVME_QUEUE_OFF + (u64)q * NVME_QUEUE;
}

/* The pages of a buffer are in no order, so that each needs its own pointer. */
static u64 nvme_page_off(u64 n, unsigned int page)
{
	return NVME_BUF_OFF + n * NVME_BUF + (n + 3 * page) % 4 * NVME_PAGE;
}

/* Word @k of a disk, in units of eight bytes: no two are alike (splitmix64). */
static u64 nvme_word(u32 nsid, u64 k)
{
	u64 z = (((u64)nsid << 56) + k + 1) * 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static u32 nvme_nsid(const struct nvme_io *io)
{
	return io->kind == NVME_IO_OTHER ? 2 : 1;
}

static u64 *nvme_page(struct vmm *vmm, u64 n, unsigned int page)
{
	return (u64 *)(vmm->ram + nvme_page_off(n, page));
}

static void nvme_fill(struct vmm *vmm, u64 n, const struct nvme_io *io)
{
	u64 k = io->lba * (NVME_BLOCK / 8);

	for (unsigned int p = 0; p < io->pages; p++)
		for (unsigned int i = 0; i < NVME_PAGE / 8; i++)
			nvme_page(vmm, n, p)[i] = nvme_word(nvme_nsid(io), k++);
}

/* Blocks of a command's buffer that are not as on the disk. */
static u64 nvme_differing(struct vmm *vmm, u64 n, const struct nvme_io *io)
{
	u64 k = io->lba * (NVME_BLOCK / 8), blocks = 0, last = ~0ULL;

	for (unsigned int p = 0; p < io->pages; p++)
		for (unsigned int i = 0; i < NVME_PAGE / 8; i++, k++)
			if (nvme_page(vmm, n, p)[i] != nvme_word(nvme_nsid(io), k) &&
			    last != k / (NVME_BLOCK / 8)) {
				last = k / (NVME_BLOCK / 8);
				blocks++;
			}
	return blocks;
}

/* The page may be anybody's: nothing in it is used unless it makes sense. */
static bool nvme_check_guest(struct vmm *vmm)
{
	const struct nvme_guest *g = nvme_guest(vmm);

	if (!ram_holds(vmm, NVME_BUF_OFF, (u64)NVME_IOS * NVME_BUF) ||
	    !g->queues || g->queues >= VMM_VECTORS || g->ios > NVME_IOS ||
	    (g->queues * 2ULL + 2) * g->stride > vmm->bar0_size - NVME_DOORBELL)
		return false;
	for (unsigned int q = 0; q <= g->queues; q++)
		if (g->queue[q].depth != (q ? NVME_DEPTH : NVME_ADMIN) ||
		    g->queue[q].tail >= g->queue[q].depth ||
		    g->queue[q].head >= g->queue[q].depth)
			return false;
	return true;
}

static void nvme_ring(struct vmm *vmm, unsigned int q, bool completions, u32 value)
{
	nvme_write(vmm, NVME_DOORBELL + (2 * q + completions) * nvme_guest(vmm)->stride,
		   value);
}

/* A command into a queue; the device is not told of it yet. */
static void nvme_put(struct vmm *vmm, unsigned int q, const struct nvme_sqe *cmd)
{
	struct nvme_queue *queue = &nvme_guest(vmm)->queue[q];
	struct nvme_sqe *at = (struct nvme_sqe *)(vmm->ram + nvme_queue_off(q));

	at[queue->tail] = *cmd;
	queue->tail = (queue->tail + 1) % queue->depth;
	queue->pending++;
}

static void nvme_tell(struct vmm *vmm, unsigned int q)
{
	/* The commands are there before the device hears of them. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	nvme_ring(vmm, q, false, nvme_guest(vmm)->queue[q].tail);
}

/* The next completion of a queue, or NULL. */
static const struct nvme_cqe *nvme_get(struct vmm *vmm, unsigned int q)
{
	struct nvme_queue *queue = &nvme_guest(vmm)->queue[q];
	const struct nvme_cqe *cqe;

	cqe = (struct nvme_cqe *)(vmm->ram + nvme_queue_off(q) + NVME_CQ) + queue->head;
	if ((READ_ONCE(cqe->status) & 1) != queue->phase)
		return NULL;
	/* The phase is written last: read in that order. */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (++queue->head == queue->depth) {
		queue->head = 0;
		queue->phase ^= 1;
	}
	if (queue->pending)
		queue->pending--;
	return cqe;
}

static int nvme_admin(struct vmm *vmm, const char *what, struct nvme_sqe *cmd,
		      u32 *result)
{
	const struct nvme_cqe *cqe;

	nvme_put(vmm, 0, cmd);
	nvme_tell(vmm, 0);
	for (int tries = 5000; !(cqe = nvme_get(vmm, 0)); tries--) {
		if (!tries)
			return vmm_fail("ring", ETIMEDOUT, "%s does not complete", what);
		usleep(1000);
	}
	nvme_ring(vmm, 0, true, nvme_guest(vmm)->queue[0].head);
	if (cqe->status >> 1)
		return vmm_fail("ring", EIO, "%s: status 0x%x", what, cqe->status >> 1);
	if (result)
		*result = cqe->result;
	return 0;
}

static int nvme_enable(struct vmm *vmm, bool on)
{
	nvme_write(vmm, NVME_CC, on ? CC_SIZES | CC_EN : 0);
	for (int tries = 5000; !(nvme_reg(vmm, NVME_CSTS) & CSTS_RDY) == on; tries--) {
		if (!tries || (nvme_reg(vmm, NVME_CSTS) & CSTS_CFS))
			return vmm_fail("ring", ETIMEDOUT, "CSTS stays 0x%x with CC.EN %d",
					nvme_reg(vmm, NVME_CSTS), on);
		usleep(1000);
	}
	return 0;
}

static int nvme_find_disks(struct vmm *vmm)
{
	struct nvme_guest *g = nvme_guest(vmm);
	const u8 *data = vmm->ram + NVME_DATA_OFF;

	for (u32 nsid = 1; nsid <= NVME_DISKS; nsid++) {
		struct nvme_sqe cmd = {
			.opcode = ADMIN_IDENTIFY,
			.nsid = nsid,
			.prp1 = vmm->guest->iova + NVME_DATA_OFF,
		};
		u64 blocks;
		int ret;

		ret = nvme_admin(vmm, "IDENTIFY", &cmd, NULL);
		if (ret)
			return ret;
		memcpy(&blocks, data, sizeof(blocks));
		if (!blocks)
			break;
		/* LBADS of the format that FLBAS names */
		if (data[128 + (data[26] & 15) * 4 + 2] != 9)
			return vmm_fail("ring", EOPNOTSUPP,
					"disk %u has no blocks of 512 bytes", nsid);
		if (data[29] & 7)
			g->pract |= BIT(nsid);
		g->disks = nsid;
	}
	return g->disks ? 0 : vmm_fail("ring", ENODEV, "no disk");
}

static int nvme_make_queues(struct vmm *vmm)
{
	struct nvme_guest *g = nvme_guest(vmm);
	struct nvme_sqe cmd = {
		.opcode = ADMIN_FEATURES,
		.dw10 = FEATURE_QUEUES,
		.dw11 = (g->queues - 1) << 16 | (g->queues - 1),
	};
	u32 granted;
	int ret;

	ret = nvme_admin(vmm, "SET FEATURES", &cmd, &granted);
	if (ret)
		return ret;
	if ((granted & 0xffff) + 1 < g->queues || (granted >> 16) + 1 < g->queues)
		return vmm_fail("ring", ENOSPC, "%u queues wanted, 0x%x granted",
				g->queues, granted);
	for (unsigned int q = 1; q <= g->queues; q++) {
		cmd = (struct nvme_sqe) {
			.opcode = ADMIN_CREATE_CQ,
			.prp1 = vmm->guest->iova + nvme_queue_off(q) + NVME_CQ,
			.dw10 = (NVME_DEPTH - 1) << 16 | q,
			/* Contiguous, with interrupts, on the vector of its number. */
			.dw11 = q << 16 | 3,
		};
		ret = nvme_admin(vmm, "CREATE I/O CQ", &cmd, NULL);
		if (ret)
			return ret;
		cmd = (struct nvme_sqe) {
			.opcode = ADMIN_CREATE_SQ,
			.prp1 = vmm->guest->iova + nvme_queue_off(q),
			.dw10 = (NVME_DEPTH - 1) << 16 | q,
			.dw11 = q << 16 | 1,
		};
		ret = nvme_admin(vmm, "CREATE I/O SQ", &cmd, NULL);
		if (ret)
			return ret;
	}
	return 0;
}

/* Vectors are needed before the queues are: at run nobody lives in RAM yet. */
static unsigned int nvme_vectors(struct vmm *vmm)
{
	if (!strcmp(vmm->verb, "run"))
		return vmm->queues + 1;
	return nvme_check_guest(vmm) ? nvme_guest(vmm)->queues + 1 : 0;
}

static int nvme_start(struct vmm *vmm)
{
	struct nvme_guest *g = nvme_guest(vmm);
	u64 queues;
	int ret;

	if (!ram_holds(vmm, NVME_BUF_OFF, (u64)NVME_IOS * NVME_BUF) || !vmm->queues)
		return vmm_fail("ring", EINVAL, "40 MiB of RAM and a queue are needed");
	*vmm->guest = (struct guest_page) { .magic = GUEST_MAGIC, .iova = vmm->iova };
	memset(g, 0, sizeof(*g));
	g->queues = vmm->queues;
	g->stride = 4U << CAP_DSTRD(nvme_reg(vmm, NVME_CAP + 4));
	for (unsigned int q = 0; q <= g->queues; q++) {
		g->queue[q].depth = q ? NVME_DEPTH : NVME_ADMIN;
		g->queue[q].phase = 1;
	}
	if (!nvme_check_guest(vmm))
		return vmm_fail("ring", EINVAL, "BAR 0 has no %u doorbells", g->queues);
	queues = nvme_queue_off(g->queues + 1) - NVME_QUEUE_OFF;
	memset(vmm->ram + NVME_QUEUE_OFF, 0, queues);

	ret = nvme_enable(vmm, false);
	if (ret)
		return ret;
	queues = vmm->guest->iova + nvme_queue_off(0);
	nvme_write(vmm, NVME_AQA, (NVME_ADMIN - 1) << 16 | (NVME_ADMIN - 1));
	nvme_write(vmm, NVME_ASQ, (u32)queues);
	nvme_write(vmm, NVME_ASQ + 4, queues >> 32);
	nvme_write(vmm, NVME_ACQ, (u32)(queues + NVME_CQ));
	nvme_write(vmm, NVME_ACQ + 4, (queues + NVME_CQ) >> 32);
	ret = nvme_enable(vmm, true);
	ret = ret ?: nvme_find_disks(vmm);
	return ret ?: nvme_make_queues(vmm);
}

static int nvme_resume(struct vmm *vmm)
{
	u64 base, wanted;

	if (!nvme_check_guest(vmm))
		return vmm_fail("ring", EINVAL, "the guest's queues make no sense");
	wanted = vmm->guest->iova + nvme_queue_off(0);
	base = nvme_reg(vmm, NVME_ASQ) | (u64)nvme_reg(vmm, NVME_ASQ + 4) << 32;
	if (base != wanted || nvme_reg(vmm, NVME_CC) != (CC_SIZES | CC_EN) ||
	    (nvme_reg(vmm, NVME_CSTS) & (CSTS_RDY | CSTS_CFS)) != CSTS_RDY)
		return vmm_fail("ring", EIO,
				"the device lost its queues: base 0x%llx (0x%llx wanted), CC 0x%x, CSTS 0x%x",
				base, wanted, nvme_reg(vmm, NVME_CC),
				nvme_reg(vmm, NVME_CSTS));
	return 0;
}

static void nvme_complete(struct vmm *vmm, unsigned int q, const struct nvme_cqe *cqe)
{
	struct nvme_guest *g = nvme_guest(vmm);
	struct nvme_io *io = nvme_io(vmm, cqe->cid);

	if (cqe->cid >= g->ios || io->queue != q || cqe->sq_id != q) {
		g->strange++;
		return;
	}
	io->status = cqe->status >> 1 & 0x7ff;
	if (io->done++)
		g->twice++;
	else
		g->done++;
	if (io->kind != NVME_IO_AWAY && io->status != (io->differs ? STATUS_DIFFERS : 0))
		g->wrong++;
}

/* Take every completion of a queue; returns how many. */
static u64 nvme_take(struct vmm *vmm, unsigned int q)
{
	const struct nvme_cqe *cqe;
	u64 taken = 0;

	while ((cqe = nvme_get(vmm, q))) {
		if (q)
			nvme_complete(vmm, q, cqe);
		taken++;
	}
	if (taken)
		nvme_ring(vmm, q, true, nvme_guest(vmm)->queue[q].head);
	return taken;
}

static u64 nvme_poll(struct vmm *vmm)
{
	u64 taken = 0;

	for (unsigned int q = 0; q <= nvme_guest(vmm)->queues; q++)
		taken += nvme_take(vmm, q);
	return taken;
}

static void nvme_interrupt(struct vmm *vmm, unsigned int vector)
{
	nvme_take(vmm, vector);
}

/* A command that does nothing: its completion comes on vector 0. */
static int nvme_raise(struct vmm *vmm, u32 causes)
{
	const struct nvme_sqe cmd = { .opcode = ADMIN_GET, .dw10 = FEATURE_QUEUES };

	(void)causes;
	if (nvme_guest(vmm)->queue[0].pending >= NVME_ADMIN - 1)
		return vmm_fail("raise", EAGAIN, "the admin queue is full");
	nvme_put(vmm, 0, &cmd);
	nvme_tell(vmm, 0);
	vmm->guest->raised++;
	return 0;
}

/* The second page of the buffer, or a list of all but the first one. */
static u64 nvme_prp2(struct vmm *vmm, u64 n, const struct nvme_io *io)
{
	const u64 iova = vmm->guest->iova, list = NVME_LIST_OFF + n * NVME_LIST;

	if (io->pages < 2)
		return 0;
	if (io->pages == 2)
		return iova + nvme_page_off(n, 1);
	for (unsigned int p = 1; p < io->pages; p++)
		((u64 *)(vmm->ram + list))[p - 1] = iova + nvme_page_off(n, p);
	return iova + list;
}

static void nvme_submit_one(struct vmm *vmm, unsigned int q)
{
	struct nvme_guest *g = nvme_guest(vmm);
	const u64 n = g->ios++;
	struct nvme_io *io = nvme_io(vmm, n);
	struct nvme_sqe cmd = { 0 };
	u32 kinds = NVME_IO_KINDS + (g->disks > 1);

	*io = (struct nvme_io) {
		.lba = n * NVME_PAGES * (NVME_PAGE / NVME_BLOCK),
		.pages = 1 + n / kinds % NVME_PAGES,
		.kind = n % kinds,
		.queue = q,
	};
	/* No data of an earlier guest may pass for what the device writes. */
	memset(vmm->ram + NVME_BUF_OFF + n * NVME_BUF, 0, NVME_BUF);
	if (io->kind == NVME_IO_COMPARE) {
		nvme_fill(vmm, n, io);
		/* Or it could be a device that compares nothing. */
		io->differs = n / kinds % 8 == 7;
		if (io->differs)
			nvme_page(vmm, n, io->pages - 1)[NVME_PAGE / 8 - 1] ^= 1;
	}
	cmd.opcode = io->kind == NVME_IO_COMPARE ? IO_COMPARE : IO_READ;
	cmd.cid = n;
	cmd.nsid = nvme_nsid(io);
	cmd.prp1 = vmm->guest->iova + nvme_page_off(n, 0);
	cmd.prp2 = nvme_prp2(vmm, n, io);
	cmd.dw10 = io->lba;
	cmd.dw11 = io->lba >> 32;
	cmd.dw12 = io->pages * (NVME_PAGE / NVME_BLOCK) - 1;
	if (g->pract & BIT(cmd.nsid))
		cmd.dw12 |= IO_PRACT;
	nvme_put(vmm, q, &cmd);
}

/* On the first queue. What comes of it is the kernel's to say: its status may be any. */
static int nvme_read_at(struct vmm *vmm, u32 disk, u64 iova)
{
	struct nvme_guest *g = nvme_guest(vmm);
	const u64 n = g->ios;
	const struct nvme_sqe cmd = {
		.opcode = IO_READ,
		.cid = n,
		.nsid = disk,
		.prp1 = iova,
		.dw12 = (NVME_PAGE / NVME_BLOCK - 1) | (g->pract & BIT(disk) ? IO_PRACT : 0),
	};

	if (!disk || disk > g->disks)
		return vmm_fail("read-at", EINVAL, "no disk %u", disk);
	if (n == NVME_IOS || g->queue[1].pending + 1 >= NVME_DEPTH)
		return vmm_fail("read-at", ENOSPC, "no room for a command");
	*nvme_io(vmm, n) = (struct nvme_io) { .kind = NVME_IO_AWAY, .queue = 1 };
	g->ios++;
	nvme_put(vmm, 1, &cmd);
	nvme_tell(vmm, 1);
	return 0;
}

static int nvme_submit(struct vmm *vmm, u32 count, u32 queues)
{
	struct nvme_guest *g = nvme_guest(vmm);

	queues = queues && queues < g->queues ? queues : g->queues;
	for (u32 q = 1; q <= queues; q++)
		if (g->queue[q].pending + (count + queues - 1) / queues >= NVME_DEPTH)
			return vmm_fail("submit", ENOSPC, "queue %u has no room", q);
	if (count > NVME_IOS - g->ios)
		return vmm_fail("submit", ENOSPC, "no more than %u commands", NVME_IOS);
	/* Told of one by one, or the device would take all of a queue at once. */
	while (count--) {
		const unsigned int q = 1 + g->ios % queues;

		nvme_submit_one(vmm, q);
		nvme_tell(vmm, q);
	}
	return 0;
}

static u64 nvme_left(struct vmm *vmm)
{
	return nvme_guest(vmm)->ios - nvme_guest(vmm)->done;
}

/* Every byte of every command that has completed. */
static int nvme_verify(struct vmm *vmm)
{
	struct nvme_guest *g = nvme_guest(vmm);
	u64 blocks = 0;

	g->bad = 0;
	for (u64 n = 0; n < g->ios; n++) {
		const struct nvme_io *io = nvme_io(vmm, n);

		if (!io->done)
			continue;
		blocks += io->pages * (NVME_PAGE / NVME_BLOCK);
		/* One word is wrong where the comparison had to fail. */
		g->bad += nvme_differing(vmm, n, io) - io->differs;
	}
	vmm_step(vmm, "verified",
		 "ios=%llu done=%llu blocks=%llu bad=%llu wrong=%llu twice=%llu strange=%llu",
		 g->ios, g->done, blocks, g->bad, g->wrong, g->twice, g->strange);
	return g->bad ? -EBADMSG : 0;
}

static bool nvme_good(struct vmm *vmm)
{
	const struct nvme_guest *g = nvme_guest(vmm);

	return !g->bad && !g->wrong && !g->twice && !g->strange;
}

static void nvme_report(struct vmm *vmm, FILE *out)
{
	const struct nvme_guest *g = nvme_guest(vmm);

	if (!ram_holds(vmm, NVME_GUEST_OFF, sizeof(*g)))
		return;
	fprintf(out, " queues=%u disks=%u ios=%llu done=%llu wrong=%llu", g->queues,
		g->disks, g->ios, g->done, g->wrong);
	fprintf(out, " twice=%llu strange=%llu bad=%llu", g->twice, g->strange, g->bad);
}

const struct vmm_driver nvme_driver = {
	.class = 0x010802,
	.vectors = nvme_vectors,
	.start = nvme_start,
	.resume = nvme_resume,
	.interrupt = nvme_interrupt,
	.poll = nvme_poll,
	.raise = nvme_raise,
	.submit = nvme_submit,
	.read_at = nvme_read_at,
	.left = nvme_left,
	.verify = nvme_verify,
	.good = nvme_good,
	.report = nvme_report,
};
