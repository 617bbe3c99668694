// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's driver of an 82574 or 82576, receive side only: a ring of
 * descriptors in guest RAM, which the device fills for as long as it runs. The
 * two differ in what is in struct nic_model. Where a frame is follows from the
 * place of its descriptor, so a ring that has been filled can still be walked.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "frame.h"
#include "vmm.h"

/* Registers, by their names in the datasheets */
#define NIC_CTRL	0x0000
#define  CTRL_SLU	BIT(6)
#define  CTRL_RST	BIT(26)
#define NIC_STATUS	0x0008
#define  STATUS_LU	BIT(1)
#define NIC_ICR		0x00c0
#define NIC_ICS		0x00c8
#define NIC_IMS		0x00d0
#define NIC_IMC		0x00d8
#define NIC_RCTL	0x0100
#define  RCTL_EN	BIT(1)
#define  RCTL_UPE	BIT(3)
#define  RCTL_MPE	BIT(4)
#define  RCTL_BAM	BIT(15)
#define  RCTL_SECRC	BIT(26)
/* The 82576 has its first queues here, too, for the sake of drivers. */
#define NIC_RDBAL	0x2800
#define NIC_RDBAH	0x2804
#define NIC_RDLEN	0x2808
#define NIC_RDH		0x2810
#define NIC_RDT		0x2818

/* 82574 only */
#define NIC_IVAR	0x00e4

/* 82576 only */
#define NIC_MDIC	0x0020
#define  MDIC_PHY	(1U << 21)
#define  MDIC_REG_SHIFT	16
#define  MDIC_WRITE	BIT(26)
#define  MDIC_READY	BIT(28)
#define  MDIC_ERROR	BIT(30)
#define NIC_GPIE	0x1514
#define  GPIE_MULTIPLE	BIT(4)		/* a cause has the vector that IVAR names */
#define NIC_EIMS	0x1524
#define NIC_EIAC	0x152c
#define NIC_82574_EIAC	0x00dc
#define NIC_IVAR0	0x1700
#define NIC_IVAR_MISC	0x1740
#define  IVAR_VALID	0x80U
#define NIC_SRRCTL	0x280c
#define  SRRCTL_2K	2U		/* size of a buffer: FRAME_STRIDE */
#define  SRRCTL_ADV_ONE	BIT(25)		/* advanced descriptors, one buffer each */
#define NIC_RXDCTL	0x2828
#define  RXDCTL_ENABLE	BIT(25)

/* Of the PHY */
#define PHY_CONTROL	0
#define  PHY_AN_RESTART	0x0200U
#define  PHY_AN_ENABLE	0x1000U

#define NIC_VECTORS	3
#define NIC_IRQ_RX	0
#define NIC_IRQ_OTHER	1	/* link, overrun, and `raise` */
#define NIC_IRQ_TX	2	/* nothing is sent: `raise` for a vCPU */

#define NIC_RING_OFF	0x200000ULL
#define NIC_BUF_OFF	0x400000ULL
#define NIC_RING_MAX	65528U		/* RDLEN has 20 bits, in units of 128 */
#define NIC_RECYCLE	256U		/* descriptors handed back at a time */
#define NIC_LINK_MS	10000U		/* a gigabit link takes some seconds */

/*
 * Of both formats, as the device is given it. The legacy one keeps the address
 * when it is written back, the advanced one does not.
 */
struct rx_desc {
	u64 addr;
	u8 result[8];		/* must be zero */
};

#define RXD_DD	0x01		/* in the byte that struct nic_model tells */

/**
 * struct nic_model - what differs between the two
 * @int_rx: cause of a frame that has landed
 * @int_tx: cause that means NIC_IRQ_TX; 82574 only
 * @int_other: cause that means NIC_IRQ_OTHER
 * @dd: which byte of a descriptor's result has RXD_DD
 * @queue: the receive queue has a format and has to be switched on
 * @link: bring the link up, NULL: it comes by itself
 * @interrupts: distribute causes to vectors, and unmask
 */
struct nic_model {
	u32 int_rx;
	u32 int_tx;
	u32 int_other;
	u8 dd;
	bool queue;
	int (*link)(struct vmm *vmm);
	void (*interrupts)(struct vmm *vmm);
};

static u32 nic_reg(struct vmm *vmm, u32 reg)
{
	return vmm->bar0 ? READ_ONCE(vmm->bar0[reg / 4]) : ~0U;
}

static void nic_write(struct vmm *vmm, u32 reg, u32 value)
{
	WRITE_ONCE(vmm->bar0[reg / 4], value);
}

/* Until a register says so, or -ETIMEDOUT. */
static int nic_wait(struct vmm *vmm, u32 reg, u32 mask, u32 value, u32 ms, const char *what)
{
	while ((nic_reg(vmm, reg) & mask) != value) {
		if (!ms--)
			return vmm_fail("ring", ETIMEDOUT, "%s", what);
		usleep(1000);
	}
	return 0;
}

/* --- What differs ------------------------------------------------------------ */

/* Receive queues to their vector, transmit queues to theirs, all else to the other. */
static void nic_82574_interrupts(struct vmm *vmm)
{
	const struct nic_model *nic = vmm->driver->nic;
	const u32 valid = 0x8;
	const u32 rx = NIC_IRQ_RX | valid, tx = NIC_IRQ_TX | valid;

	nic_write(vmm, NIC_IVAR, rx | rx << 4 | tx << 8 | tx << 12 |
		  (NIC_IRQ_OTHER | valid) << 16);
	/*
	 * A vCPU has two vectors that do nothing by themselves: the message clears and
	 * masks its cause, so there is no other before the guest is ready for it.
	 */
	if (vmm->vcpu)
		nic_write(vmm, NIC_82574_EIAC, nic->int_rx | nic->int_tx);
	nic_write(vmm, NIC_IMS, nic->int_rx | (vmm->vcpu ? nic->int_tx : nic->int_other));
}

/*
 * With MSI-X the receive queue has its vector directly, not by a cause; a cause
 * is for the other one. Each vector is cleared when its message is sent.
 */
static void nic_82576_interrupts(struct vmm *vmm)
{
	const struct nic_model *nic = vmm->driver->nic;
	const u32 vectors = BIT(NIC_IRQ_RX) | BIT(NIC_IRQ_OTHER) | BIT(NIC_IRQ_TX);

	if (vmm->vectors != NIC_VECTORS) {
		nic_write(vmm, NIC_IMS, nic->int_rx | nic->int_other);
		return;
	}
	nic_write(vmm, NIC_GPIE, GPIE_MULTIPLE);
	nic_write(vmm, NIC_IVAR0, (NIC_IRQ_RX | IVAR_VALID) | (NIC_IRQ_TX | IVAR_VALID) << 8);
	nic_write(vmm, NIC_IVAR_MISC, (NIC_IRQ_OTHER | IVAR_VALID) << 8);
	nic_write(vmm, NIC_EIAC, vectors);
	nic_write(vmm, NIC_EIMS, vectors);
	nic_write(vmm, NIC_IMS, nic->int_other);
}

/* QEMU's model begins to negotiate when it is told to, and has no link before. */
static int nic_82576_link(struct vmm *vmm)
{
	int ret;

	nic_write(vmm, NIC_MDIC, MDIC_WRITE | MDIC_PHY | PHY_CONTROL << MDIC_REG_SHIFT |
		  PHY_AN_ENABLE | PHY_AN_RESTART);
	ret = nic_wait(vmm, NIC_MDIC, MDIC_READY | MDIC_ERROR, MDIC_READY, 100,
		       "the PHY does not answer");
	return ret ?: nic_wait(vmm, NIC_STATUS, STATUS_LU, STATUS_LU, NIC_LINK_MS, "no link");
}

static const struct nic_model nic_82574 = {
	.int_rx = BIT(20),	/* RxQ0 */
	.int_tx = BIT(22),	/* TxQ0 */
	.int_other = BIT(24),	/* Other */
	.dd = 4,
	.interrupts = nic_82574_interrupts,
};

/* The message has cleared the cause: it only has to be unmasked. */
static u32 nic_82574_ack(unsigned int vector, u32 *reg)
{
	*reg = NIC_IMS;
	return vector == NIC_IRQ_RX ? nic_82574.int_rx :
	       vector == NIC_IRQ_TX ? nic_82574.int_tx : 0;
}

static const struct nic_model nic_82576 = {
	.int_rx = BIT(7),	/* RXDW */
	.int_other = BIT(2),	/* LSC */
	.dd = 0,
	.queue = true,
	.link = nic_82576_link,
	.interrupts = nic_82576_interrupts,
};

/* --- What is the same -------------------------------------------------------- */

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

/* Make a descriptor what the device wants: a buffer, and nothing that has landed. */
static void nic_give(struct vmm *vmm, u64 index)
{
	*nic_desc(vmm, index) = (struct rx_desc) {
		.addr = vmm->guest->iova + nic_buf_off(vmm, index),
	};
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
	const struct nic_model *nic = vmm->driver->nic;
	struct guest_page *g = vmm->guest;
	u64 ring_iova;
	int ret;

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
		usleep(1000);	/* the 82576 is not to be touched before */
		ret = nic_wait(vmm, NIC_CTRL, CTRL_RST, 0, 100, "CTRL.RST does not clear");
		if (ret)
			return ret;
	}
	nic_write(vmm, NIC_IMC, ~0U);
	nic_write(vmm, NIC_CTRL, nic_reg(vmm, NIC_CTRL) | CTRL_SLU);
	ret = nic->link ? nic->link(vmm) : 0;
	if (ret)
		return ret;
	nic_write(vmm, NIC_ICR, ~0U);

	for (u32 i = 0; i < g->ring; i++) {
		nic_give(vmm, i);
		/* No frame of an earlier run may pass for a new one. */
		memset(vmm->ram + nic_buf_off(vmm, i), 0, FRAME_MIN);
	}
	ring_iova = g->iova + g->ring_off;
	nic_write(vmm, NIC_RDBAL, (u32)ring_iova);
	nic_write(vmm, NIC_RDBAH, ring_iova >> 32);
	nic_write(vmm, NIC_RDLEN, g->ring * sizeof(struct rx_desc));
	nic_write(vmm, NIC_RDH, 0);
	nic_write(vmm, NIC_RDT, 0);
	nic->interrupts(vmm);
	if (nic->queue) {
		nic_write(vmm, NIC_SRRCTL, SRRCTL_2K | SRRCTL_ADV_ONE);
		nic_write(vmm, NIC_RXDCTL, RXDCTL_ENABLE);
	}
	nic_write(vmm, NIC_RCTL, RCTL_EN | RCTL_UPE | RCTL_MPE | RCTL_BAM |
		  RCTL_SECRC);
	if (nic->queue)
		ret = nic_wait(vmm, NIC_RXDCTL, RXDCTL_ENABLE, RXDCTL_ENABLE, 100,
			       "the receive queue does not start");
	if (ret)
		return ret;
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
	const struct nic_model *nic = vmm->driver->nic;
	struct guest_page *g = vmm->guest;
	u64 taken = 0;

	while (g->recycle || g->next < g->ring - 1) {
		struct rx_desc *d = nic_desc(vmm, g->next);

		if (!(READ_ONCE(d->result[nic->dd]) & RXD_DD))
			break;
		/* That byte was written after the frame: read in that order. */
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		nic_account(g, vmm->ram + nic_buf_off(vmm, g->next));
		if (g->recycle)
			nic_give(vmm, g->next);
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
	const struct nic_model *nic = vmm->driver->nic;

	switch (vector) {
	case NIC_IRQ_RX:
		/* The only one stands for all causes. */
		nic_write(vmm, NIC_ICR, vmm->vectors == 1 ? ~0U : nic->int_rx);
		nic_receive(vmm);
		break;
	case NIC_IRQ_OTHER:
		nic_write(vmm, NIC_ICR, nic->int_other);
		break;
	}
}

/* By these bits in ICS, 0: "other", which is vector 1, or for a vCPU vector 2. */
static int nic_raise(struct vmm *vmm, u32 causes)
{
	const struct nic_model *nic = vmm->driver->nic;

	nic_write(vmm, NIC_ICS, causes ?: vmm->vcpu ? nic->int_tx : nic->int_other);
	vmm->guest->raised++;
	return 0;
}

static unsigned int nic_raises(const struct vmm *vmm)
{
	return vmm->vectors == 1 ? NIC_IRQ_RX : vmm->vcpu ? NIC_IRQ_TX : NIC_IRQ_OTHER;
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
	const struct vmm_driver *driver;
	char path[256];
	u32 *bar, id;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", bdf);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return vmm_fail("raise", errno, "open %s", path);
	errno = 0;	/* a short transfer sets none */
	n = read(fd, &id, sizeof(id));
	close(fd);
	if (n != sizeof(id))
		return vmm_fail("raise", errno ?: EIO, "read %s", path);
	driver = vfio_driver(id, 0);
	if (!driver || !driver->nic)
		return vmm_fail("raise", ENODEV, "%s is %04x:%04x, no NIC that is known",
				bdf, id & 0xffff, id >> 16);

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource0", bdf);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return vmm_fail("raise", errno, "open %s", path);
	bar = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (bar == MAP_FAILED)
		return vmm_fail("raise", errno, "mmap %s", path);
	WRITE_ONCE(bar[NIC_ICS / 4], causes ?: driver->nic->int_other);
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

#define NIC_DRIVER			\
	.vectors = nic_vectors,		\
	.start = nic_start,		\
	.resume = nic_resume,		\
	.interrupt = nic_interrupt,	\
	.poll = nic_receive,		\
	.raise = nic_raise,		\
	.raises = nic_raises,		\
	.verify = nic_verify,		\
	.good = nic_good,		\
	.report = nic_report

const struct vmm_driver nic_82574_driver = {
	.id = 0x10d38086,
	.nic = &nic_82574,
	.ack = nic_82574_ack,
	NIC_DRIVER
};

const struct vmm_driver nic_82576_driver = {
	.id = 0x10c98086,
	.nic = &nic_82576,
	NIC_DRIVER
};
