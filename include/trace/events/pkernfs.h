/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM pkernfs

#if !defined(_TRACE_PKERNFS_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_PKERNFS_H

#include <linux/pci.h>
#include <linux/pkernfs.h>
#include <linux/tracepoint.h>

#define PKERNFS_TRACE_DEVICE \
	__field(u16, segment) \
	__field(u16, rid)

#define PKERNFS_TRACE_ASSIGN(pd) do {	\
	__entry->segment = (pd)->segment;	\
	__entry->rid = (pd)->rid;	\
} while (0)

#define PKERNFS_TRACE_NAME \
	__entry->segment, PCI_BUS_NUM(__entry->rid), PCI_SLOT(__entry->rid), \
	PCI_FUNC(__entry->rid)

/* A device and what its fixed domain is made of; ret: 0 or an errno */
DECLARE_EVENT_CLASS(pkernfs_device,
	TP_PROTO(const struct pkernfs_device *pd, int ret),
	TP_ARGS(pd, ret),
	TP_STRUCT__entry(
		PKERNFS_TRACE_DEVICE
		__field(u16, did)
		__field(u64, pages)
		__field(u64, tables)
		__field(int, ret)
	),
	TP_fast_assign(
		PKERNFS_TRACE_ASSIGN(pd);
		__entry->did = le16_to_cpu(pd->rec->iommu.did);
		__entry->pages = le64_to_cpu(pd->rec->iommu.pages);
		__entry->tables = le64_to_cpu(pd->rec->iommu.tables);
		__entry->ret = ret;
	),
	TP_printk("%04x:%02x:%02x.%d did=%u pages=%llu tables=%llu ret=%d",
		  PKERNFS_TRACE_NAME, __entry->did, __entry->pages, __entry->tables,
		  __entry->ret)
);

/* FREEZE is done, or was refused */
DEFINE_EVENT(pkernfs_device, pkernfs_freeze,
	TP_PROTO(const struct pkernfs_device *pd, int ret), TP_ARGS(pd, ret));
/* UNFREEZE is done, or was refused */
DEFINE_EVENT(pkernfs_device, pkernfs_unfreeze,
	TP_PROTO(const struct pkernfs_device *pd, int ret), TP_ARGS(pd, ret));
/* A device that was handed over is proven, or is not */
DEFINE_EVENT(pkernfs_device, pkernfs_adopt,
	TP_PROTO(const struct pkernfs_device *pd, int ret), TP_ARGS(pd, ret));
/* What was kept for a device is free again; ret is 0 */
DEFINE_EVENT(pkernfs_device, pkernfs_free,
	TP_PROTO(const struct pkernfs_device *pd, int ret), TP_ARGS(pd, ret));

/* A HWPT was compared with a fixed domain of so many pages; iova: first that differs, with ret */
TRACE_EVENT(pkernfs_compare,
	TP_PROTO(const struct pkernfs_device *pd, int ret, u64 iova),
	TP_ARGS(pd, ret, iova),
	TP_STRUCT__entry(
		PKERNFS_TRACE_DEVICE
		__field(u64, pages)
		__field(int, ret)
		__field(u64, iova)
	),
	TP_fast_assign(
		PKERNFS_TRACE_ASSIGN(pd);
		__entry->pages = le64_to_cpu(pd->rec->iommu.pages);
		__entry->ret = ret;
		__entry->iova = ret ? iova : 0;
	),
	TP_printk("%04x:%02x:%02x.%d pages=%llu ret=%d iova=%#llx",
		  PKERNFS_TRACE_NAME, __entry->pages, __entry->ret, __entry->iova)
);

/* Hardware was switched from one domain of a device to another one; pages: of the fixed one */
TRACE_EVENT(pkernfs_replace,
	TP_PROTO(const struct pkernfs_device *pd, u16 from, u16 to, int ret),
	TP_ARGS(pd, from, to, ret),
	TP_STRUCT__entry(
		PKERNFS_TRACE_DEVICE
		__field(u16, from)
		__field(u16, to)
		__field(u64, pages)
		__field(int, ret)
	),
	TP_fast_assign(
		PKERNFS_TRACE_ASSIGN(pd);
		__entry->from = from;
		__entry->to = to;
		__entry->pages = le64_to_cpu(pd->rec->iommu.pages);
		__entry->ret = ret;
	),
	TP_printk("%04x:%02x:%02x.%d did %u -> %u pages=%llu ret=%d",
		  PKERNFS_TRACE_NAME, __entry->from, __entry->to, __entry->pages,
		  __entry->ret)
);

/* A unit's handover tables are built */
TRACE_EVENT(pkernfs_handover,
	TP_PROTO(const char *unit, u32 devices, u32 blocks, u64 root),
	TP_ARGS(unit, devices, blocks, root),
	TP_STRUCT__entry(
		__string(unit, unit)
		__field(u32, devices)
		__field(u32, blocks)
		__field(u64, root)
	),
	TP_fast_assign(
		__assign_str(unit);
		__entry->devices = devices;
		__entry->blocks = blocks;
		__entry->root = root;
	),
	TP_printk("%s devices=%u blocks=%u root=%#llx", __get_str(unit),
		  __entry->devices, __entry->blocks, __entry->root)
);

#endif

#include <trace/define_trace.h>
