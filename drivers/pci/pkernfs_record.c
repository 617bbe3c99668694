// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: what of a PCI function goes into a record, and whether a function is
 * the one of a record.
 *
 * All of it is read from config space as it is, not from what Linux made of it:
 * the next kernel compares before early fixups and before it has sized a BAR.
 */
#include <linux/pci.h>
#include <linux/pci-ats.h>
#include <linux/vfio.h>

#include "pci.h"
#include "pkernfs.h"

/* ROM BAR: the PCI core switches its enable bit, which moves nothing. */
static u32 pkernfs_pci_bar(struct pci_dev *pdev, unsigned int i)
{
	u32 reg;

	if (i < PCI_STD_NUM_BARS) {
		pci_read_config_dword(pdev, PCI_BASE_ADDRESS_0 + 4 * i, &reg);
		return reg;
	}
	pci_read_config_dword(pdev, PCI_ROM_ADDRESS, &reg);
	return reg & ~PCI_ROM_ADDRESS_ENABLE;
}

static void pkernfs_pci_bridge_read(struct pci_dev *bridge,
				    struct pkernfs_pci_bridge_ser *ser)
{
	u32 reg;
	u16 io;

	pci_read_config_dword(bridge, PCI_VENDOR_ID, &reg);
	ser->vendor_device = cpu_to_le32(reg);
	ser->devfn = bridge->devfn;
	pci_read_config_dword(bridge, PCI_PRIMARY_BUS, &reg);
	ser->primary = FIELD_GET(PCI_PRIMARY_BUS_MASK, reg);
	ser->secondary = FIELD_GET(PCI_SECONDARY_BUS_MASK, reg);
	ser->subordinate = FIELD_GET(PCI_SUBORDINATE_BUS_MASK, reg);
	pci_read_config_word(bridge, PCI_IO_BASE, &io);
	ser->io = cpu_to_le32(io);
	pci_read_config_dword(bridge, PCI_IO_BASE_UPPER16, &reg);
	ser->io_upper = cpu_to_le32(reg);
	pci_read_config_dword(bridge, PCI_MEMORY_BASE, &reg);
	ser->mem = cpu_to_le32(reg);
	pci_read_config_dword(bridge, PCI_PREF_MEMORY_BASE, &reg);
	ser->pref = cpu_to_le32(reg);
	pci_read_config_dword(bridge, PCI_PREF_BASE_UPPER32, &reg);
	ser->pref_base_upper = cpu_to_le32(reg);
	pci_read_config_dword(bridge, PCI_PREF_LIMIT_UPPER32, &reg);
	ser->pref_limit_upper = cpu_to_le32(reg);
}

/**
 * pkernfs_pci_ser_read - describe a function and the bridges above it
 * @pdev: function; its BARs need not have been sized
 * @ser: filled in but for start and bytes of the BARs and for the interrupts;
 *	bridge_count may exceed PKERNFS_PCI_DEPTH
 */
void pkernfs_pci_ser_read(struct pci_dev *pdev, struct pkernfs_pci_ser *ser)
{
	struct pci_dev *bridge;
	unsigned int i, depth = 0;
	u32 reg;
	u16 word;

	memset(ser, 0, sizeof(*ser));
	ser->segment = cpu_to_le16(pci_domain_nr(pdev->bus));
	ser->rid = cpu_to_le16(PCI_DEVID(pdev->bus->number, pdev->devfn));
	pci_read_config_word(pdev, PCI_VENDOR_ID, &word);
	ser->vendor = cpu_to_le16(word);
	pci_read_config_word(pdev, PCI_DEVICE_ID, &word);
	ser->device = cpu_to_le16(word);
	pci_read_config_word(pdev, PCI_SUBSYSTEM_VENDOR_ID, &word);
	ser->subsystem_vendor = cpu_to_le16(word);
	pci_read_config_word(pdev, PCI_SUBSYSTEM_ID, &word);
	ser->subsystem_device = cpu_to_le16(word);
	pci_read_config_dword(pdev, PCI_CLASS_REVISION, &reg);
	ser->class_revision = cpu_to_le32(reg);
	pci_read_config_byte(pdev, PCI_HEADER_TYPE, &ser->header_type);
	ser->msix_cap = pci_find_capability(pdev, PCI_CAP_ID_MSIX);
	ser->msi_cap = pci_find_capability(pdev, PCI_CAP_ID_MSI);
	ser->pm_cap = pci_find_capability(pdev, PCI_CAP_ID_PM);
	if (ser->msix_cap) {
		pci_read_config_word(pdev, ser->msix_cap + PCI_MSIX_FLAGS, &word);
		ser->msix_flags = cpu_to_le16(word);
	}
	pci_read_config_word(pdev, PCI_COMMAND, &word);
	ser->command = cpu_to_le16(word);
	ser->irq_type = cpu_to_le32(~0);

	for (i = 0; i < PKERNFS_PCI_BARS; i++)
		ser->bar[i].lo = cpu_to_le32(pkernfs_pci_bar(pdev, i));

	for (bridge = pci_upstream_bridge(pdev); bridge;
	     bridge = pci_upstream_bridge(bridge)) {
		if (depth < PKERNFS_PCI_DEPTH)
			pkernfs_pci_bridge_read(bridge, &ser->bridge[depth]);
		depth++;
	}
	ser->bridge_count = cpu_to_le32(depth);
}

/**
 * pkernfs_pci_ser_valid - can this have been written by pkernfs_pci_save()?
 * @ser: from a record
 */
bool pkernfs_pci_ser_valid(const struct pkernfs_pci_ser *ser)
{
	unsigned int i, count = le32_to_cpu(ser->bridge_count);
	u8 bus = le16_to_cpu(ser->rid) >> 8;

	if (count > PKERNFS_PCI_DEPTH)
		return false;
	if ((ser->header_type & PCI_HEADER_TYPE_MASK) != PCI_HEADER_TYPE_NORMAL)
		return false;
	for (i = 0; i < count; i++) {
		const struct pkernfs_pci_bridge_ser *b = &ser->bridge[i];

		/* each leads to the bus below it, and numbers grow downwards */
		if (b->secondary != bus || b->primary >= b->secondary ||
		    b->subordinate < le16_to_cpu(ser->rid) >> 8)
			return false;
		bus = b->primary;
	}
	for (i = 0; i < PKERNFS_PCI_BARS; i++)
		if (le64_to_cpu(ser->bar[i].bytes) &&
		    !is_power_of_2(le64_to_cpu(ser->bar[i].bytes)))
			return false;
	return true;
}

/* A little-endian field of a description, up to four bytes wide. */
struct pkernfs_pci_field {
	const char *name;
	u16 offset;
	u8 size;
};

#define PKERNFS_PCI_FIELD(type, field, label) {			\
	.name = label,						\
	.offset = offsetof(struct type, field),			\
	.size = sizeof_field(struct type, field),		\
}

static const struct pkernfs_pci_field pkernfs_pci_fields[] = {
	PKERNFS_PCI_FIELD(pkernfs_pci_ser, segment, "segment"),
	PKERNFS_PCI_FIELD(pkernfs_pci_ser, rid, "address"),
	PKERNFS_PCI_FIELD(pkernfs_pci_ser, vendor, "vendor"),
	PKERNFS_PCI_FIELD(pkernfs_pci_ser, device, "device id"),
	PKERNFS_PCI_FIELD(pkernfs_pci_ser, subsystem_vendor, "subsystem vendor"),
	PKERNFS_PCI_FIELD(pkernfs_pci_ser, subsystem_device, "subsystem id"),
	PKERNFS_PCI_FIELD(pkernfs_pci_ser, class_revision, "class and revision"),
	PKERNFS_PCI_FIELD(pkernfs_pci_ser, header_type, "header type"),
	PKERNFS_PCI_FIELD(pkernfs_pci_ser, msix_cap, "MSI-X capability"),
	PKERNFS_PCI_FIELD(pkernfs_pci_ser, msi_cap, "MSI capability"),
	PKERNFS_PCI_FIELD(pkernfs_pci_ser, pm_cap, "PM capability"),
	PKERNFS_PCI_FIELD(pkernfs_pci_ser, bar[0].lo, "BAR 0"),
	PKERNFS_PCI_FIELD(pkernfs_pci_ser, bar[1].lo, "BAR 1"),
	PKERNFS_PCI_FIELD(pkernfs_pci_ser, bar[2].lo, "BAR 2"),
	PKERNFS_PCI_FIELD(pkernfs_pci_ser, bar[3].lo, "BAR 3"),
	PKERNFS_PCI_FIELD(pkernfs_pci_ser, bar[4].lo, "BAR 4"),
	PKERNFS_PCI_FIELD(pkernfs_pci_ser, bar[5].lo, "BAR 5"),
	PKERNFS_PCI_FIELD(pkernfs_pci_ser, bar[6].lo, "expansion ROM BAR"),
	PKERNFS_PCI_FIELD(pkernfs_pci_ser, bridge_count, "number of bridges"),
};

static const struct pkernfs_pci_field pkernfs_pci_bridge_fields[] = {
	PKERNFS_PCI_FIELD(pkernfs_pci_bridge_ser, devfn, "bridge address"),
	PKERNFS_PCI_FIELD(pkernfs_pci_bridge_ser, vendor_device, "bridge vendor and device"),
	PKERNFS_PCI_FIELD(pkernfs_pci_bridge_ser, primary, "bridge primary bus"),
	PKERNFS_PCI_FIELD(pkernfs_pci_bridge_ser, secondary, "bridge secondary bus"),
	PKERNFS_PCI_FIELD(pkernfs_pci_bridge_ser, subordinate, "bridge subordinate bus"),
	PKERNFS_PCI_FIELD(pkernfs_pci_bridge_ser, io, "bridge I/O window"),
	PKERNFS_PCI_FIELD(pkernfs_pci_bridge_ser, io_upper, "bridge I/O window, upper half"),
	PKERNFS_PCI_FIELD(pkernfs_pci_bridge_ser, mem, "bridge memory window"),
	PKERNFS_PCI_FIELD(pkernfs_pci_bridge_ser, pref, "bridge prefetchable window"),
	PKERNFS_PCI_FIELD(pkernfs_pci_bridge_ser, pref_base_upper,
			  "bridge prefetchable base, upper half"),
	PKERNFS_PCI_FIELD(pkernfs_pci_bridge_ser, pref_limit_upper,
			  "bridge prefetchable limit, upper half"),
};

static const char *pkernfs_pci_compare(const struct pkernfs_pci_field *fields,
				       unsigned int count, const void *was,
				       const void *is, u32 *old, u32 *new)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		__le32 a = 0, b = 0;

		memcpy(&a, was + fields[i].offset, fields[i].size);
		memcpy(&b, is + fields[i].offset, fields[i].size);
		*old = le32_to_cpu(a);
		*new = le32_to_cpu(b);
		if (a != b)
			return fields[i].name;
	}
	return NULL;
}

/**
 * pkernfs_pci_ser_differs - first difference between two descriptions
 * @was: from the record; pkernfs_pci_ser_valid()
 * @is: read from the hardware
 * @old: value in @was of the field named
 * @new: value in @is
 *
 * Compared is what says that it is the same function in the same place: not the
 * command register, not the state of MSI-X, nor what only one kernel knows
 * (sizes, interrupts).
 *
 * Return: name of a field, or NULL: the same.
 */
const char *pkernfs_pci_ser_differs(const struct pkernfs_pci_ser *was,
				    const struct pkernfs_pci_ser *is,
				    u32 *old, u32 *new)
{
	const char *what;
	unsigned int i;

	what = pkernfs_pci_compare(pkernfs_pci_fields, ARRAY_SIZE(pkernfs_pci_fields),
				   was, is, old, new);
	if (what)
		return what;

	*old = le16_to_cpu(was->msix_flags) & PCI_MSIX_FLAGS_QSIZE;
	*new = le16_to_cpu(is->msix_flags) & PCI_MSIX_FLAGS_QSIZE;
	if (*old != *new)
		return "number of MSI-X vectors";

	for (i = 0; i < le32_to_cpu(was->bridge_count) && !what; i++)
		what = pkernfs_pci_compare(pkernfs_pci_bridge_fields,
					   ARRAY_SIZE(pkernfs_pci_bridge_fields),
					   &was->bridge[i], &is->bridge[i], old, new);
	return what;
}

/* --- May it be carried? ----------------------------------------------------- */

/* Is a capability's control word at @offset in the extended capability @id on? */
static bool pkernfs_pci_ext_on(struct pci_dev *pdev, int id, int offset, u16 bits)
{
	int pos = pci_find_ext_capability(pdev, id);
	u16 ctrl;

	if (!pos)
		return false;
	pci_read_config_word(pdev, pos + offset, &ctrl);
	return ctrl & bits;
}

static int pkernfs_pci_count_alias(struct pci_dev *pdev, u16 alias, void *data)
{
	struct pci_dev *self = data;

	return alias != PCI_DEVID(self->bus->number, self->devfn);
}

/*
 * Options that let a kernel renumber buses or move BARs, or change payload sizes
 * under a running device. Theirs is the next kernel's command line, but that is
 * most often the same; what it does all the same pkernfs_pci_force_options() prevents, or
 * the comparison there finds.
 */
static const char *pkernfs_pci_option(void)
{
	static const char * const bad[] = {
		"realloc", "assign-busses", "resource_alignment=", "pcie_bus_safe",
		"pcie_bus_perf", "pcie_bus_peer2peer",
	};
	const char *p = saved_command_line;
	unsigned int i;

	while (p && (p = strstr(p, "pci="))) {
		bool word = p == saved_command_line || p[-1] == ' ';

		p += strlen("pci=");
		while (word && *p && *p != ' ') {
			for (i = 0; i < ARRAY_SIZE(bad); i++)
				if (strstarts(p, bad[i]) && !strstarts(p, "realloc=off"))
					return bad[i];
			p += strcspn(p, ", ");
			p += *p == ',';
		}
	}
	return NULL;
}

/*
 * The hook in matching drivers: is another function of its device kept? A driver of its own
 * might reset or power down what they share.
 */
bool __pkernfs_pci_beside(struct pci_dev *pdev)
{
	struct pkernfs_pci *pp;

	guard(spinlock_irqsave)(&pkernfs_pci_lock);
	list_for_each_entry(pp, &pkernfs_pci_list, node)
		if (pp->pdev && pkernfs_pci_kept(pp->pdev) && pp->pdev->bus == pdev->bus &&
		    PCI_SLOT(pp->pdev->devfn) == PCI_SLOT(pdev->devfn))
			return true;
	return false;
}

/**
 * pkernfs_pci_check_beside - have the functions beside this one a driver of their own?
 * @pdev: function
 * @kept: it is kept, so that none gets one any more; one that is being bound counts
 * @why: set on error
 *
 * It might reset or power down what they share.
 *
 * Return: 0; -EOPNOTSUPP; -EAGAIN: one is being bound or unbound.
 */
int pkernfs_pci_check_beside(struct pci_dev *pdev, bool kept, struct pkernfs_refusal *why)
{
	const struct pci_driver *drv;
	struct pci_dev *other;
	unsigned int fn;
	bool theirs, busy;

	for (fn = 0; fn < 8; fn++) {
		if (fn == PCI_FUNC(pdev->devfn))
			continue;
		other = pci_get_slot(pdev->bus, PCI_DEVFN(PCI_SLOT(pdev->devfn), fn));
		if (!other)
			continue;
		/* A probe that was let through before holds it. */
		busy = kept && !device_trylock(&other->dev);
		drv = READ_ONCE(other->driver);
		theirs = drv && strcmp(drv->name, PKERNFS_VFIO_DRIVER);
		if (kept && !busy)
			device_unlock(&other->dev);
		pci_dev_put(other);
		if (theirs)
			return pkernfs_refuse(why, -EOPNOTSUPP, ~0ULL,
					      "function %u of its device has a driver other than vfio-pci",
					      fn);
		if (busy)
			return pkernfs_refuse(why, -EAGAIN, ~0ULL,
					      "function %u of its device is being bound or unbound",
					      fn);
	}
	return 0;
}

static int pkernfs_pci_check_path(struct pci_dev *pdev, struct pkernfs_refusal *why)
{
	struct pci_dev *bridge;
	unsigned int depth = 0;

	for (bridge = pci_upstream_bridge(pdev); bridge;
	     bridge = pci_upstream_bridge(bridge)) {
		if (++depth > PKERNFS_PCI_DEPTH)
			return pkernfs_refuse(why, -EOPNOTSUPP, ~0ULL,
					      "more than %u bridges above it",
					      PKERNFS_PCI_DEPTH);
		if (!pci_is_pcie(bridge) ||
		    bridge->hdr_type != PCI_HEADER_TYPE_BRIDGE ||
		    (pci_pcie_type(bridge) != PCI_EXP_TYPE_ROOT_PORT &&
		     pci_pcie_type(bridge) != PCI_EXP_TYPE_UPSTREAM &&
		     pci_pcie_type(bridge) != PCI_EXP_TYPE_DOWNSTREAM))
			return pkernfs_refuse(why, -EOPNOTSUPP, ~0ULL,
					      "bridge %s is no PCI Express port",
					      pci_name(bridge));
		/* It would stop the device when nobody can answer. */
		if (pkernfs_pci_ext_on(bridge, PCI_EXT_CAP_ID_DPC, PCI_EXP_DPC_CTL,
				       PCI_EXP_DPC_CTL_EN_FATAL |
				       PCI_EXP_DPC_CTL_EN_NONFATAL))
			return pkernfs_refuse(why, -EOPNOTSUPP, ~0ULL,
					      "port %s has downstream port containment on",
					      pci_name(bridge));
	}
	return 0;
}

static int pkernfs_pci_check_irq(struct pci_dev *pdev, struct pkernfs_refusal *why)
{
	u32 table, type, count;
	u8 bir;

	/*
	 * Enabling MSI again turns it off for a moment, and an event raised then
	 * is neither sent nor latched.
	 */
	pkernfs_vfio_irq_state(pdev, &type, &count);
	if (type == VFIO_PCI_MSI_IRQ_INDEX || pdev->msi_enabled)
		return pkernfs_refuse(why, -EOPNOTSUPP, ~0ULL,
				      "MSI is in use; MSI-X and INTx can be carried");
	if (type == VFIO_PCI_INTX_IRQ_INDEX && !pci_intx_mask_supported(pdev))
		return pkernfs_refuse(why, -EOPNOTSUPP, ~0ULL,
				      "its INTx cannot be masked in the device");
	if (!pdev->msix_cap)
		return 0;
	pci_read_config_dword(pdev, pdev->msix_cap + PCI_MSIX_TABLE, &table);
	bir = table & PCI_MSIX_TABLE_BIR;
	if (bir >= PCI_STD_NUM_BARS || !pci_resource_start(pdev, bir))
		return pkernfs_refuse(why, -EOPNOTSUPP, ~0ULL,
				      "its MSI-X table is in no memory BAR");
	return 0;
}

/**
 * pkernfs_pci_check - may this function be carried over a kexec?
 * @pdev: function, open by a VFIO user
 * @why: the reason if not
 *
 * Each refusal names what cannot be carried yet. Whether the IOMMU group is a
 * singleton is for the IOMMU half to see.
 *
 * Return: 0, or the errno that is also in @why.
 */
int pkernfs_pci_check(struct pci_dev *pdev, struct pkernfs_refusal *why)
{
	const char *option = pkernfs_pci_option();
	unsigned int i;
	u16 pmcsr, cmd;
	int error;

	if (option)
		return pkernfs_refuse(why, -EOPNOTSUPP, ~0ULL,
				      "this kernel was booted with pci=%s", option);
	if (pci_domain_nr(pdev->bus) > U16_MAX)
		return pkernfs_refuse(why, -EOPNOTSUPP, ~0ULL,
				      "segment %x is not of the platform",
				      pci_domain_nr(pdev->bus));
	/* Before what the device is: interrupts are what its user can change. */
	error = pkernfs_pci_check_irq(pdev, why);
	if (error)
		return error;
	if (pdev->is_virtfn)
		return pkernfs_refuse(why, -EOPNOTSUPP, ~0ULL, "it is a virtual function");
	if (pci_num_vf(pdev))
		return pkernfs_refuse(why, -EOPNOTSUPP, ~0ULL, "it has virtual functions");
	if (!pci_is_pcie(pdev) || pdev->hdr_type != PCI_HEADER_TYPE_NORMAL)
		return pkernfs_refuse(why, -EOPNOTSUPP, ~0ULL,
				      "it is no PCI Express function");
	if (pci_for_each_dma_alias(pdev, pkernfs_pci_count_alias, pdev))
		return pkernfs_refuse(why, -EOPNOTSUPP, ~0ULL,
				      "its DMA has another requester id");
	error = pkernfs_pci_check_beside(pdev, false, why);
	if (error)
		return error;
	if (pkernfs_pci_ext_on(pdev, PCI_EXT_CAP_ID_ATS, PCI_ATS_CTRL, PCI_ATS_CTRL_ENABLE))
		return pkernfs_refuse(why, -EOPNOTSUPP, ~0ULL, "ATS is on");
	if (pkernfs_pci_ext_on(pdev, PCI_EXT_CAP_ID_PRI, PCI_PRI_CTRL, PCI_PRI_CTRL_ENABLE))
		return pkernfs_refuse(why, -EOPNOTSUPP, ~0ULL, "PRI is on");
	if (pkernfs_pci_ext_on(pdev, PCI_EXT_CAP_ID_PASID, PCI_PASID_CTRL,
			       PCI_PASID_CTRL_ENABLE))
		return pkernfs_refuse(why, -EOPNOTSUPP, ~0ULL, "PASID is on");
	if (pci_find_capability(pdev, PCI_CAP_ID_EA))
		return pkernfs_refuse(why, -EOPNOTSUPP, ~0ULL,
				      "its BARs are in an Enhanced Allocation capability");
	if (pdev->pm_cap) {
		pci_read_config_word(pdev, pdev->pm_cap + PCI_PM_CTRL, &pmcsr);
		if (pmcsr & PCI_PM_CTRL_STATE_MASK)
			return pkernfs_refuse(why, -EOPNOTSUPP, ~0ULL, "it is in D%u, not D0",
					      pmcsr & PCI_PM_CTRL_STATE_MASK);
	}
	if (pdev->current_state != PCI_D0)
		return pkernfs_refuse(why, -EOPNOTSUPP, ~0ULL, "it is not in D0");
	pci_read_config_word(pdev, PCI_COMMAND, &cmd);
	if (!(cmd & PCI_COMMAND_MEMORY))
		return pkernfs_refuse(why, -EOPNOTSUPP, ~0ULL, "memory decode is off");
	for (i = 0; i < PCI_STD_NUM_BARS; i++)
		if (pci_resource_len(pdev, i) && !pdev->resource[i].parent)
			return pkernfs_refuse(why, -EOPNOTSUPP, ~0ULL,
					      "BAR %u has no address", i);
	return pkernfs_pci_check_path(pdev, why);
}

/**
 * pkernfs_pci_save - fill in what the next kernel is to recognise @pdev by
 * @pdev: function that pkernfs_pci_check() passed, and that is kept
 * @ser: ordinary memory, all of it is written
 * @why: the reason if it cannot be described
 *
 * Until it was kept its user could set up interrupts that cannot be carried; from then
 * on SET_IRQS refuses that. So they are looked at once more.
 *
 * Return: 0, or the errno that is also in @why.
 */
int pkernfs_pci_save(struct pci_dev *pdev, struct pkernfs_pci_ser *ser,
		     struct pkernfs_refusal *why)
{
	u32 type, count;
	unsigned int i;
	int error;

	error = pkernfs_pci_check_irq(pdev, why);
	if (error)
		return error;
	pkernfs_pci_ser_read(pdev, ser);
	for (i = 0; i < PKERNFS_PCI_BARS; i++) {
		if (!pci_resource_len(pdev, i))
			continue;
		ser->bar[i].start = cpu_to_le64(pci_resource_start(pdev, i));
		ser->bar[i].bytes = cpu_to_le64(pci_resource_len(pdev, i));
	}
	pkernfs_vfio_irq_state(pdev, &type, &count);
	ser->irq_type = cpu_to_le32(type);
	ser->irq_count = cpu_to_le32(count);
	if (!pkernfs_pci_ser_valid(ser))
		return pkernfs_refuse(why, -EOPNOTSUPP, ~0ULL,
				      "the bridges above it have odd bus numbers");
	return 0;
}
