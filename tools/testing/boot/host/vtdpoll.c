// SPDX-License-Identifier: GPL-2.0
/*
 * Watches the remapping unit and bus mastering from outside, and logs every
 * change that a poll sees. What lies between two polls goes unseen: QEMU's own
 * traces (vtd_*, pci_cfg_write) see all, and complete the proof.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "vtd.h"

#define POLL_BDFS	8
#define POLL_UNITS	4

/**
 * struct seen_unit - what the polls see of a unit, and of the devices below it
 * @base: address of its registers
 * @known: the registers below were read before
 * @tes: translation enable
 * @rtaddr: root table address
 * @fsts: fault status
 * @tes_drops: translation went off
 * @roots: RTADDR changed
 * @dids: a domain id changed while the entry was present
 * @absent: a present entry went away
 * @master_drops: bus mastering went off
 * @faults: a fault was pending
 * @untranslated: polls in which a device was bus master with translation off
 */
struct seen_unit {
	u64 base;
	bool known;
	bool tes;
	u64 rtaddr;
	u64 fsts;
	u64 tes_drops, roots, dids, absent, master_drops, faults;
	u64 untranslated;
};

/* What one poll sees of a device. */
struct seen_device {
	struct seen_unit *unit;
	u16 rid;
	bool known;
	u16 command;
	struct vtd_entry e;
};

/**
 * struct poll - state of the log
 * @vtd: the way to the units
 * @out: the log
 * @span: the carve-out
 * @unit: units that are watched
 * @units: how many
 * @dev: devices that are watched
 * @devs: how many
 * @samples: polls
 */
struct poll {
	struct vtd vtd;
	FILE *out;
	struct span span;
	struct seen_unit unit[POLL_UNITS];
	unsigned int units;
	struct seen_device dev[POLL_BDFS];
	unsigned int devs;
	u64 samples;
};

static const char *where(const struct poll *p, u64 phys)
{
	return span_holds(&p->span, phys) ? "in" : "out";
}

/* Where there are several, a line of the log says which it is about. */
static const char *name(const struct poll *p, const struct seen_unit *u)
{
	static char text[32];

	if (p->units < 2)
		return "";
	snprintf(text, sizeof(text), "unit 0x%llx ", u->base);
	return text;
}

static int poll_unit(struct poll *p, struct seen_unit *u, u64 now)
{
	u64 gsts, rtaddr, fsts;
	bool tes;

	p->vtd.base = u->base;
	if (vtd_reg(&p->vtd, 'l', VTD_GSTS, &gsts) ||
	    vtd_reg(&p->vtd, 'q', VTD_RTADDR, &rtaddr) ||
	    vtd_reg(&p->vtd, 'l', VTD_FSTS, &fsts))
		return -EPIPE;
	tes = gsts & GSTS_TES;
	if (!u->known || tes != u->tes) {
		fprintf(p->out, "%llu %stes %d\n", now, name(p, u), tes);
		u->tes_drops += u->known && !tes;
	}
	if (!u->known || rtaddr != u->rtaddr) {
		fprintf(p->out, "%llu %srtaddr 0x%llx %s\n", now, name(p, u), rtaddr,
			where(p, rtaddr));
		u->roots += u->known;
	}
	if (!u->known || fsts != u->fsts) {
		fprintf(p->out, "%llu %sfsts 0x%llx\n", now, name(p, u), fsts);
		u->faults += !!(fsts & 3);
	}
	u->tes = tes;
	u->rtaddr = rtaddr;
	u->fsts = fsts;
	u->known = true;
	return 0;
}

/* Translation may have come on, and then bus mastering, since the unit was looked at. */
static int poll_untranslated(struct poll *p, const struct seen_device *d, u64 now)
{
	u64 gsts;

	if (d->unit->tes || !(d->command & 4))
		return 0;
	p->vtd.base = d->unit->base;
	if (vtd_reg(&p->vtd, 'l', VTD_GSTS, &gsts))
		return -EPIPE;
	if (gsts & GSTS_TES)
		return 0;
	if (!d->unit->untranslated++)
		fprintf(p->out, "%llu %02x:%02x.%x is bus master, translation is off\n",
			now, d->rid >> 8, d->rid >> 3 & 31, d->rid & 7);
	return 0;
}

static int poll_device(struct poll *p, struct seen_device *d, u64 now)
{
	struct seen_unit *u = d->unit;
	struct vtd_entry e;
	u16 command;

	if (vtd_command(&p->vtd, d->rid, &command))
		return -EPIPE;
	/* Without translation RTADDR may hold anything. */
	if (u->tes)
		vtd_entry(&p->vtd, u->rtaddr, d->rid, &e);
	else
		e = (struct vtd_entry) { 0 };
	if (!d->known || command != d->command) {
		fprintf(p->out, "%llu %02x:%02x.%x command 0x%04x master=%d\n",
			now, d->rid >> 8, d->rid >> 3 & 31, d->rid & 7,
			command, command >> 2 & 1);
		u->master_drops += d->known && d->command & 4 && !(command & 4);
	}
	if (!d->known || e.present != d->e.present || e.did != d->e.did ||
	    e.top != d->e.top) {
		fprintf(p->out, "%llu %02x:%02x.%x entry present=%d did=%u top=0x%llx %s\n",
			now, d->rid >> 8, d->rid >> 3 & 31, d->rid & 7,
			e.present, e.did, e.top, where(p, e.top));
		u->dids += d->known && d->e.present && e.present &&
			   d->e.did != e.did;
		u->absent += d->known && d->e.present && !e.present;
	}
	d->command = command;
	d->e = e;
	d->known = true;
	return poll_untranslated(p, d, now);
}

/* Returns whether nothing has disturbed any of the units. */
static bool poll_print(const struct poll *p)
{
	bool good = p->samples;

	for (const struct seen_unit *u = p->unit; u < p->unit + p->units; u++) {
		printf("POLL unit=0x%llx samples=%llu tes=%d tes_drops=%llu roots=%llu dids=%llu ",
		       u->base, p->samples, u->tes, u->tes_drops, u->roots, u->dids);
		printf("absent=%llu master_drops=%llu faults=%llu untranslated=%llu\n",
		       u->absent, u->master_drops, u->faults, u->untranslated);
		good &= !u->tes_drops && !u->absent && !u->master_drops && !u->faults;
	}
	fflush(stdout);
	return good;
}

static const char vtdpoll_help[] =
"Usage: pkernfs-host vtdpoll --qtest SOCKET --ram FILE --bdf BDF... [OPTION...]\n"
"\n"
"Logs each change of translation enable, root pointer and fault status of the\n"
"remapping units, and of COMMAND and the context entry of each BDF, until SIGTERM\n"
"or the end of QEMU; then prints for each unit how often what changed.\n"
"\n"
"  --qtest SOCKET       of QEMU\n"
"  --ram FILE           file of QEMU's memory-backend-file\n"
"  --unit ADDR          registers of the unit that the BDFs after it are below;\n"
"                       may be repeated; else that of QEMU's q35\n"
"  --bdf BDF            PCI address of a device or bridge; may be repeated\n"
"  --range BYTES@ADDR   the carve-out\n"
"  --low BYTES          RAM below 4 GiB, if not as QEMU's q35 has it\n"
"  --pause-us N         pause between two polls (1000); less starves the guest\n"
"  --out FILE           the log; else standard output\n"
"\n"
"Exit: 0 if translation and bus mastering never went off, no entry went away and\n"
"no fault was seen; 1 if not.\n";

static bool poll_add_unit(struct poll *p, const char *text)
{
	if (p->units == POLL_UNITS || host_size(text, &p->unit[p->units].base))
		return true;
	p->units++;
	return false;
}

static bool poll_add_device(struct poll *p, const char *text)
{
	struct seen_device *d = &p->dev[p->devs];

	if (p->devs == POLL_BDFS || vtd_bdf(text, &d->rid))
		return true;
	if (!p->units)
		p->unit[p->units++].base = VTD_BASE;
	d->unit = &p->unit[p->units - 1];
	p->devs++;
	return false;
}

static int poll_parse(int argc, char **argv, struct poll *p, u64 *pause_us)
{
	static const struct option options[] = {
		{ "qtest", required_argument, NULL, 'q' },
		{ "ram", required_argument, NULL, 'R' },
		{ "unit", required_argument, NULL, 'u' },
		{ "bdf", required_argument, NULL, 'b' },
		{ "range", required_argument, NULL, 'g' },
		{ "low", required_argument, NULL, 'L' },
		{ "pause-us", required_argument, NULL, 'p' },
		{ "out", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 }
	};
	const char *socket = NULL, *ram = NULL, *out = NULL;
	bool bad = false;
	u64 low = 0;
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'q':
			socket = optarg;
			break;
		case 'R':
			ram = optarg;
			break;
		case 'b':
			bad |= poll_add_device(p, optarg);
			break;
		case 'u':
			bad |= poll_add_unit(p, optarg);
			break;
		case 'g':
			bad |= span_parse(optarg, &p->span);
			break;
		case 'L':
			bad |= host_size(optarg, &low);
			break;
		case 'p':
			bad |= host_size(optarg, pause_us);
			break;
		case 'o':
			out = optarg;
			break;
		case 'h':
			fputs(vtdpoll_help, stdout);
			exit(HOST_OK);
		default:
			bad = true;
		}
	}
	if (!p->units)
		p->unit[p->units++].base = VTD_BASE;
	if (bad || !socket || !ram || *pause_us >= 1000000) {
		fputs(vtdpoll_help, stderr);
		return HOST_USAGE;
	}
	p->out = out ? fopen(out, "w") : stdout;
	if (!p->out) {
		host_fail("open %s", out);
		return HOST_FAILED;
	}
	setvbuf(p->out, NULL, _IOLBF, 0);
	return vtd_open(&p->vtd, socket, ram, low) ? HOST_FAILED : HOST_OK;
}

int cmd_vtdpoll(int argc, char **argv)
{
	struct poll p = { .samples = 0 };
	struct timespec pause = { 0 };
	u64 pause_us = 1000;
	int ret;

	ret = poll_parse(argc, argv, &p, &pause_us);
	if (ret)
		return ret;
	pause.tv_nsec = pause_us * 1000;
	while (!READ_ONCE(host_stop)) {
		u64 now = host_now_ns();

		ret = 0;
		for (unsigned int i = 0; !ret && i < p.units; i++)
			ret = poll_unit(&p, &p.unit[i], now);
		for (unsigned int i = 0; !ret && i < p.devs; i++)
			ret = poll_device(&p, &p.dev[i], now);
		if (ret)
			break;
		p.samples++;
		nanosleep(&pause, NULL);
	}
	return poll_print(&p) ? HOST_OK : HOST_BAD;
}
