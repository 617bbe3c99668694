// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's driver of an 82574L, receive side only: a ring of legacy
 * descriptors in guest RAM, which the device fills for as long as it runs.
 * Legacy descriptors keep the buffer address when they are written back, so a
 * ring that has been filled can still be walked.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "frame.h"
#include "vmm.h"

/* Registers of the 82574L, by their names in the datasheet */
#define NIC_CTRL	0x0000
#define  CTRL_SLU	BIT(6)
#define  CTRL_RST	BIT(26)
#define NIC_STATUS	0x0008
#define NIC_ICR		0x00c0
#define NIC_ICS		0x00c8
#define NIC_IMS		0x00d0
#define NIC_IMC		0x00d8
#define  INT_RXQ0	BIT(20)
#define  INT_OTHER	BIT(24)
#define NIC_IVAR	0x00e4
#define NIC_RCTL	0x0100
#define  RCTL_EN	BIT(1)
#define  RCTL_UPE	BIT(3)
#define  RCTL_MPE	BIT(4)
#define  RCTL_BAM	BIT(15)
#define  RCTL_SECRC	BIT(26)
#define NIC_RDBAL	0x2800
#define NIC_RDBAH	0x2804
#define NIC_RDLEN	0x2808
#define NIC_RDH		0x2810
#define NIC_RDT		0x2818

#define NIC_VECTORS	3
#define NIC_IRQ_RX	0
#define NIC_IRQ_OTHER	1	/* link, overrun, and `raise` */

/* Receive queues to vector 0, transmit queues to 2, all else to 1. */
#define NIC_IVAR_VALUE	(0x8U | 0x8U << 4 | 0xaU << 8 | 0xaU << 12 | 0x9U << 16)

#define NIC_RING_OFF	0x200000ULL
#define NIC_BUF_OFF	0x400000ULL
#define NIC_RING_MAX	65528U		/* RDLEN has 20 bits, in units of 128 */
#define NIC_RECYCLE	256U		/* descriptors handed back at a time */

struct rx_desc {
	u64 addr;
	u16 length;
	u16 csum;
	u8 status;
	u8 errors;
	u16 special;
};

#define RXD_DD	0x01

static u32 nic_reg(struct vmm *vmm, u32 reg)
{
	return vmm->bar0 ? READ_ONCE(vmm->bar0[reg / 4]) : ~0U;
}

static void nic_write(struct vmm *vmm, u32 reg, u32 value)
{
	WRITE_ONCE(vmm->bar0[reg / 4], value);
}

static struct rx_desc *nic_desc(struct vmm *vmm, u64 index)
{
	struct guest_page *g = vmm->guest;

	return (struct rx_desc *)(vmm->ram + g->ring_off) +
	       index % g->ring;
}

static u64 nic_buf_off(struct vmm *vmm, u64 index)
{
	struct guest_page *g = vmm->guest;

	return g->buf_off + index % g->ring * FRAME_STRIDE;
}

/* The page may be anybody's: no offset in it is used unless it fits. */
static int nic_check_guest(struct vmm *vmm)
{
	const struct guest_page *g = vmm->guest;

	if (g->ring < 8 || g->ring > NIC_RING_MAX || g->ring % 8 ||
	    !ram_holds(vmm, g->ring_off, g->ring * sizeof(struct rx_desc)) ||
	    !ram_holds(vmm, g->buf_off, (u64)g->ring * FRAME_STRIDE))
		return vmm_fail("ring", EINVAL,
				"a ring of %u at 0x%llx, 0x%llx does not fit into RAM",
				g->ring, g->ring_off, g->buf_off);
	return 0;
}

/* Reset the device and start its receiver on a new ring. */
static int nic_start(struct vmm *vmm)
{
	struct guest_page *g = vmm->guest;
	u64 ring_iova;
	int ret, tries;

	*g = (struct guest_page) {
		.magic = GUEST_MAGIC,
		.iova = vmm->iova,
		.ring_off = NIC_RING_OFF,
		.buf_off = NIC_BUF_OFF,
		.ring = vmm->ring_size,
		.recycle = vmm->recycle,
	};
	ret = nic_check_guest(vmm);
	if (ret)
		return ret;

	if (!vmm->no_reset) {
		nic_write(vmm, NIC_CTRL, nic_reg(vmm, NIC_CTRL) | CTRL_RST);
		for (tries = 100; nic_reg(vmm, NIC_CTRL) & CTRL_RST; tries--) {
			if (!tries)
				return vmm_fail("ring", ETIMEDOUT,
						"CTRL.RST does not clear");
			usleep(1000);
		}
	}
	nic_write(vmm, NIC_IMC, ~0U);
	nic_write(vmm, NIC_ICR, ~0U);
	nic_write(vmm, NIC_CTRL, nic_reg(vmm, NIC_CTRL) | CTRL_SLU);

	for (u32 i = 0; i < g->ring; i++) {
		struct rx_desc *d = nic_desc(vmm, i);

		d->addr = g->iova + nic_buf_off(vmm, i);
		d->status = 0;
		/* No frame of an earlier run may pass for a new one. */
		memset(vmm->ram + nic_buf_off(vmm, i), 0, FRAME_MIN);
	}
	ring_iova = g->iova + g->ring_off;
	nic_write(vmm, NIC_RDBAL, (u32)ring_iova);
	nic_write(vmm, NIC_RDBAH, ring_iova >> 32);
	nic_write(vmm, NIC_RDLEN, g->ring * sizeof(struct rx_desc));
	nic_write(vmm, NIC_RDH, 0);
	nic_write(vmm, NIC_RDT, 0);
	nic_write(vmm, NIC_IVAR, NIC_IVAR_VALUE);
	nic_write(vmm, NIC_IMS, INT_RXQ0 | INT_OTHER);
	nic_write(vmm, NIC_RCTL, RCTL_EN | RCTL_UPE | RCTL_MPE | RCTL_BAM |
		  RCTL_SECRC);
	/* Head and tail equal means empty: one descriptor stays unused. */
	nic_write(vmm, NIC_RDT, g->ring - 1);
	return 0;
}

/* Go on with the ring that the device has been filling; -EIO if it lost it. */
static int nic_resume(struct vmm *vmm)
{
	struct guest_page *g = vmm->guest;
	u64 base, ring_iova;
	int ret;

	ret = nic_check_guest(vmm);
	if (ret)
		return ret;
	ring_iova = g->iova + g->ring_off;
	base = nic_reg(vmm, NIC_RDBAL) | (u64)nic_reg(vmm, NIC_RDBAH) << 32;
	if (base != ring_iova || !(nic_reg(vmm, NIC_RCTL) & RCTL_EN))
		return vmm_fail("ring", EIO,
				"the device lost its ring: base 0x%llx (0x%llx wanted), RCTL 0x%x",
				base, ring_iova, nic_reg(vmm, NIC_RCTL));
	return 0;
}

static void nic_account(struct guest_page *g, const void *buf)
{
	struct frame_id id;

	switch (frame_check(buf, FRAME_STRIDE, &id)) {
	case FRAME_NONE:
		g->foreign++;
		return;
	case FRAME_DAMAGED:
		g->bad++;
		return;
	case FRAME_GOOD:
		break;
	}
	if (!g->run) {
		g->run = id.run;
		g->first = id.seq;
		g->expected = id.seq;
	}
	if (id.run != g->run) {
		g->foreign++;
	} else if (id.seq < g->expected) {
		g->late++;
	} else {
		g->missing += id.seq - g->expected;
		g->expected = id.seq + 1;
		g->frames++;
	}
}

/* Take every frame that has landed; returns how many. */
static u64 nic_receive(struct vmm *vmm)
{
	struct guest_page *g = vmm->guest;
	u64 taken = 0;

	while (g->recycle || g->next < g->ring - 1) {
		struct rx_desc *d = nic_desc(vmm, g->next);

		if (!(READ_ONCE(d->status) & RXD_DD))
			break;
		/* The status was written after the frame: read in that order. */
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		nic_account(g, vmm->ram + nic_buf_off(vmm, g->next));
		if (g->recycle)
			WRITE_ONCE(d->status, 0);
		g->next++;
		taken++;
		if (g->recycle && !(g->next % NIC_RECYCLE))
			nic_write(vmm, NIC_RDT, (g->next - 1) % g->ring);
	}
	return taken;
}

static unsigned int nic_vectors(struct vmm *vmm)
{
	(void)vmm;
	return NIC_VECTORS;
}

/*
 * The cause is cleared before the ring is looked at: a frame that lands later
 * raises the vector again.
 */
static void nic_interrupt(struct vmm *vmm, unsigned int vector)
{
	switch (vector) {
	case NIC_IRQ_RX:
		/* The only one stands for all causes. */
		nic_write(vmm, NIC_ICR, vmm->vectors == 1 ? ~0U : INT_RXQ0);
		nic_receive(vmm);
		break;
	case NIC_IRQ_OTHER:
		nic_write(vmm, NIC_ICR, INT_OTHER);
		break;
	}
}

/* By these bits in ICS, 0: "other", which is vector 1. */
static int nic_raise(struct vmm *vmm, u32 causes)
{
	nic_write(vmm, NIC_ICS, causes ?: INT_OTHER);
	vmm->guest->raised++;
	return 0;
}

/**
 * nic_raise_sysfs() - the same while no VMM has the device
 * @bdf: PCI address
 * @causes: bits for ICS, 0: "other"
 *
 * Return: 0 or -errno.
 */
int nic_raise_sysfs(const char *bdf, u32 causes)
{
	char path[256];
	u32 *bar;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource0", bdf);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return vmm_fail("raise", errno, "open %s", path);
	bar = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (bar == MAP_FAILED)
		return vmm_fail("raise", errno, "mmap %s", path);
	WRITE_ONCE(bar[NIC_ICS / 4], causes ?: INT_OTHER);
	printf("RAISED icr=0x%08x ims=0x%08x\n", READ_ONCE(bar[NIC_ICS / 4]),
	       READ_ONCE(bar[NIC_IMS / 4]));
	munmap(bar, 4096);
	return 0;
}

/*
 * A ring that is not recycled once more, from its first descriptor: every frame
 * there, once, whole, in order.
 */
static int nic_verify(struct vmm *vmm)
{
	struct guest_page *g = vmm->guest;
	struct guest_page again = { .run = g->run, .first = g->first,
				    .expected = g->first };

	if (g->recycle)
		return vmm_fail("verify", EOPNOTSUPP, "the ring is recycled");
	for (u64 i = 0; i < g->next; i++)
		nic_account(&again, vmm->ram + nic_buf_off(vmm, i));
	vmm_step(vmm, "verify",
		 "frames=%llu missing=%llu late=%llu bad=%llu foreign=%llu",
		 again.frames, again.missing, again.late, again.bad,
		 again.foreign);
	if (again.frames != g->frames || again.missing || again.late ||
	    again.bad || again.foreign)
		return -EBADMSG;
	return 0;
}

static bool nic_good(struct vmm *vmm)
{
	const struct guest_page *g = vmm->guest;

	return !g->missing && !g->late && !g->bad;
}

static void nic_report(struct vmm *vmm, FILE *out)
{
	const struct guest_page *g = vmm->guest;

	fprintf(out, " ring=%u recycle=%u next=%llu run=%u first=%llu",
		g->ring, g->recycle, g->next, g->run, g->first);
	fprintf(out, " expected=%llu frames=%llu missing=%llu late=%llu",
		g->expected, g->frames, g->missing, g->late);
	fprintf(out, " bad=%llu foreign=%llu", g->bad, g->foreign);
	if (vmm->bar0)
		fprintf(out, " rdh=%u rdt=%u", nic_reg(vmm, NIC_RDH),
			nic_reg(vmm, NIC_RDT));
}

const struct vmm_driver nic_driver = {
	.id = 0x10d38086,
	.vectors = nic_vectors,
	.start = nic_start,
	.resume = nic_resume,
	.interrupt = nic_interrupt,
	.poll = nic_receive,
	.raise = nic_raise,
	.verify = nic_verify,
	.good = nic_good,
	.report = nic_report,
};
