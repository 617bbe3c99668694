// SPDX-License-Identifier: GPL-2.0
/* One look at what a device's DMA goes through, as key=value. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>

#include "vtd.h"

/**
 * struct tally - counts of a walk
 * @span: the carve-out
 * @maps: print each merged range
 * @tables: table pages, inside and outside of the carve-out
 * @pages: 4 KiB pages mapped, inside and outside
 * @leaves: by size: 4K, 2M, 1G
 * @run_iova: range that is being merged
 * @run_phys: what it translates to
 * @run_bytes: its length
 * @run_prot: its rights
 * @ranges: merged ranges
 * @hash: of all merged ranges: equal walks have equal hashes
 */
struct tally {
	struct span span;
	bool maps;
	u64 tables[2];
	u64 pages[2];
	u64 leaves[3];
	u64 run_iova, run_phys, run_bytes;
	u32 run_prot;
	u64 ranges;
	u64 hash;
};

static void tally_flush(struct tally *t)
{
	const u64 word[4] = { t->run_iova, t->run_phys, t->run_bytes,
			      t->run_prot };

	if (!t->run_bytes)
		return;
	for (unsigned int i = 0; i < ARRAY_SIZE(word); i++)
		t->hash = (t->hash ^ word[i]) * 0x9e3779b97f4a7c15ULL;
	t->ranges++;
	if (t->maps)
		printf("MAP iova=0x%llx bytes=0x%llx phys=0x%llx prot=%u\n",
		       t->run_iova, t->run_bytes, t->run_phys, t->run_prot);
	t->run_bytes = 0;
}

static void tally_table(void *arg, u64 phys, int level)
{
	struct tally *t = arg;

	(void)level;
	t->tables[!span_holds(&t->span, phys)]++;
}

static void tally_leaf(void *arg, u64 iova, u64 phys, u64 bytes, u32 prot)
{
	struct tally *t = arg;

	t->leaves[bytes >= 1 << 30 ? 2 : bytes >= 1 << 21 ? 1 : 0]++;
	t->pages[!(span_holds(&t->span, phys) &&
		   span_holds(&t->span, phys + bytes - 1))] += bytes >> 12;
	if (t->run_bytes && t->run_iova + t->run_bytes == iova &&
	    t->run_phys + t->run_bytes == phys && t->run_prot == prot) {
		t->run_bytes += bytes;
		return;
	}
	tally_flush(t);
	t->run_iova = iova;
	t->run_phys = phys;
	t->run_bytes = bytes;
	t->run_prot = prot;
}

static const char *where(const struct tally *t, u64 phys)
{
	return span_holds(&t->span, phys) ? "in" : "out";
}

static const char vtdwalk_help[] =
"Usage: pkernfs-host vtdwalk --qtest SOCKET --ram FILE --bdf BDF [OPTION...]\n"
"\n"
"Reads the remapping unit and the tables that translate a device, without the\n"
"guest. \"in\" and \"out\" mean inside and outside of --range.\n"
"\n"
"  --qtest SOCKET       of QEMU: -qtest unix:SOCKET,server=on,wait=off\n"
"  --rtaddr VALUE       of that register, if somebody else has the socket: no VTD line\n"
"  --ram FILE           file of QEMU's memory-backend-file\n"
"  --unit ADDR          registers of the unit, if not that of QEMU's q35\n"
"  --bdf BDF            PCI address\n"
"  --range BYTES@ADDR   the carve-out\n"
"  --low BYTES          RAM below 4 GiB, if not as QEMU's q35 has it\n"
"  --maps               a line for each range that is mapped\n"
"\n"
"Exit: 0 if the device is translated, 1 if not.\n";

/* The unit's registers; -errno: QEMU does not answer. */
static int walk_unit(struct vtd *vtd, u16 rid, const struct tally *t, u64 *rtaddr, bool *on)
{
	u64 gsts, irta, fsts;
	u16 command;

	if (vtd_reg(vtd, 'l', VTD_GSTS, &gsts) ||
	    vtd_reg(vtd, 'q', VTD_RTADDR, rtaddr) ||
	    vtd_reg(vtd, 'q', VTD_IRTA, &irta) ||
	    vtd_reg(vtd, 'l', VTD_FSTS, &fsts) ||
	    vtd_command(vtd, rid, &command)) {
		errno = 0;
		host_fail("QEMU does not answer");
		return -EPIPE;
	}
	*on = gsts & GSTS_TES;
	printf("VTD gsts=0x%08llx tes=%d rtaddr=0x%llx root=%s ", gsts, *on, *rtaddr,
	       where(t, *rtaddr));
	printf("irta=0x%llx fsts=0x%llx command=0x%04x master=%d\n", irta, fsts,
	       command, command >> 2 & 1);
	return 0;
}

static int walk_print(struct vtd *vtd, u64 rtaddr, u16 rid, struct tally *t)
{
	struct vtd_walk walk = { tally_table, tally_leaf, t, 0 };
	struct vtd_entry e;
	bool on = true;

	if (!rtaddr && walk_unit(vtd, rid, t, &rtaddr, &on))
		return HOST_FAILED;
	vtd_entry(vtd, rtaddr, rid, &e);
	printf("ENTRY mode=%s present=%d did=%u aw=%u type=%u ssade=%d ",
	       e.scalable ? "scalable" : "legacy", e.present, e.did, e.aw,
	       e.type, e.ssade);
	printf("context=0x%llx context_at=%s ", e.context, where(t, e.context));
	if (e.scalable)
		printf("pasid_dir_at=%s pasid_table_at=%s ", where(t, e.pasid_dir),
		       where(t, e.pasid_table));
	printf("top=0x%llx top_at=%s\n", e.top, where(t, e.top));
	vtd_tables(vtd, &e, &walk);
	tally_flush(t);
	printf("WALK tables_in=%llu tables_out=%llu pages_in=%llu pages_out=%llu ",
	       t->tables[0], t->tables[1], t->pages[0], t->pages[1]);
	printf("leaves_4k=%llu leaves_2m=%llu leaves_1g=%llu ranges=%llu ",
	       t->leaves[0], t->leaves[1], t->leaves[2], t->ranges);
	printf("bad=%llu hash=0x%016llx\n", walk.bad, t->hash);
	return on && e.present && !walk.bad ? HOST_OK : HOST_BAD;
}

int cmd_vtdwalk(int argc, char **argv)
{
	static const struct option options[] = {
		{ "qtest", required_argument, NULL, 'q' },
		{ "ram", required_argument, NULL, 'R' },
		{ "rtaddr", required_argument, NULL, 'r' },
		{ "unit", required_argument, NULL, 'u' },
		{ "bdf", required_argument, NULL, 'b' },
		{ "range", required_argument, NULL, 'g' },
		{ "low", required_argument, NULL, 'L' },
		{ "maps", no_argument, NULL, 'm' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 }
	};
	const char *socket = NULL, *ram = NULL;
	struct tally t = { 0 };
	struct vtd vtd;
	u64 low = 0, unit = VTD_BASE, rtaddr = 0;
	u16 rid = 0;
	bool bad = false, have_bdf = false;
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'q':
			socket = optarg;
			break;
		case 'R':
			ram = optarg;
			break;
		case 'r':
			bad |= host_size(optarg, &rtaddr);
			break;
		case 'u':
			bad |= host_size(optarg, &unit);
			break;
		case 'b':
			bad |= vtd_bdf(optarg, &rid);
			have_bdf = true;
			break;
		case 'g':
			bad |= span_parse(optarg, &t.span);
			break;
		case 'L':
			bad |= host_size(optarg, &low);
			break;
		case 'm':
			t.maps = true;
			break;
		case 'h':
			fputs(vtdwalk_help, stdout);
			return HOST_OK;
		default:
			bad = true;
		}
	}
	if (bad || !socket == !rtaddr || !ram || !have_bdf) {
		fputs(vtdwalk_help, stderr);
		return HOST_USAGE;
	}
	if (vtd_open(&vtd, socket, ram, low))
		return HOST_FAILED;
	vtd.base = unit;
	return walk_print(&vtd, rtaddr, rid, &t);
}
