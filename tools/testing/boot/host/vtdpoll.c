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

/* What one poll sees of a device. */
struct seen_device {
	u16 rid;
	bool known;
	u16 command;
	struct vtd_entry e;
};

/**
 * struct poll - state of the log
 * @vtd: the unit
 * @out: the log
 * @span: the carve-out
 * @dev: devices that are watched
 * @devs: how many
 * @known: the registers below were read before
 * @tes: translation enable
 * @rtaddr: root table address
 * @fsts: fault status
 * @samples: polls
 * @tes_drops: translation went off
 * @roots: RTADDR changed
 * @dids: a domain id changed while the entry was present
 * @absent: a present entry went away
 * @master_drops: bus mastering went off
 * @faults: a fault was pending
 * @untranslated: polls in which a device was bus master with translation off
 */
struct poll {
	struct vtd vtd;
	FILE *out;
	struct span span;
	struct seen_device dev[POLL_BDFS];
	unsigned int devs;
	bool known;
	bool tes;
	u64 rtaddr;
	u64 fsts;
	u64 samples, tes_drops, roots, dids, absent, master_drops, faults;
	u64 untranslated;
};

static const char *where(const struct poll *p, u64 phys)
{
	return span_holds(&p->span, phys) ? "in" : "out";
}

static int poll_unit(struct poll *p, u64 now)
{
	u64 gsts, rtaddr, fsts;
	bool tes;

	if (vtd_reg(&p->vtd, 'l', VTD_GSTS, &gsts) ||
	    vtd_reg(&p->vtd, 'q', VTD_RTADDR, &rtaddr) ||
	    vtd_reg(&p->vtd, 'l', VTD_FSTS, &fsts))
		return -EPIPE;
	tes = gsts & GSTS_TES;
	if (!p->known || tes != p->tes) {
		fprintf(p->out, "%llu tes %d\n", now, tes);
		p->tes_drops += p->known && !tes;
	}
	if (!p->known || rtaddr != p->rtaddr) {
		fprintf(p->out, "%llu rtaddr 0x%llx %s\n", now, rtaddr,
			where(p, rtaddr));
		p->roots += p->known;
	}
	if (!p->known || fsts != p->fsts) {
		fprintf(p->out, "%llu fsts 0x%llx\n", now, fsts);
		p->faults += !!(fsts & 3);
	}
	p->tes = tes;
	p->rtaddr = rtaddr;
	p->fsts = fsts;
	p->known = true;
	return 0;
}

/* Translation may have come on, and then bus mastering, since the unit was looked at. */
static int poll_untranslated(struct poll *p, const struct seen_device *d, u64 now)
{
	u64 gsts;

	if (p->tes || !(d->command & 4))
		return 0;
	if (vtd_reg(&p->vtd, 'l', VTD_GSTS, &gsts))
		return -EPIPE;
	if (gsts & GSTS_TES)
		return 0;
	if (!p->untranslated++)
		fprintf(p->out, "%llu %02x:%02x.%x is bus master, translation is off\n",
			now, d->rid >> 8, d->rid >> 3 & 31, d->rid & 7);
	return 0;
}

static int poll_device(struct poll *p, struct seen_device *d, u64 now)
{
	struct vtd_entry e;
	u16 command;

	if (vtd_command(&p->vtd, d->rid, &command))
		return -EPIPE;
	/* Without translation RTADDR may hold anything. */
	if (p->tes)
		vtd_entry(&p->vtd, p->rtaddr, d->rid, &e);
	else
		e = (struct vtd_entry) { 0 };
	if (!d->known || command != d->command) {
		fprintf(p->out, "%llu %02x:%02x.%x command 0x%04x master=%d\n",
			now, d->rid >> 8, d->rid >> 3 & 31, d->rid & 7,
			command, command >> 2 & 1);
		p->master_drops += d->known && d->command & 4 && !(command & 4);
	}
	if (!d->known || e.present != d->e.present || e.did != d->e.did ||
	    e.top != d->e.top) {
		fprintf(p->out, "%llu %02x:%02x.%x entry present=%d did=%u top=0x%llx %s\n",
			now, d->rid >> 8, d->rid >> 3 & 31, d->rid & 7,
			e.present, e.did, e.top, where(p, e.top));
		p->dids += d->known && d->e.present && e.present &&
			   d->e.did != e.did;
		p->absent += d->known && d->e.present && !e.present;
	}
	d->command = command;
	d->e = e;
	d->known = true;
	return poll_untranslated(p, d, now);
}

static void poll_print(const struct poll *p)
{
	printf("POLL samples=%llu tes=%d tes_drops=%llu roots=%llu dids=%llu ",
	       p->samples, p->tes, p->tes_drops, p->roots, p->dids);
	printf("absent=%llu master_drops=%llu faults=%llu untranslated=%llu\n",
	       p->absent, p->master_drops, p->faults, p->untranslated);
	fflush(stdout);
}

static const char vtdpoll_help[] =
"Usage: pkernfs-host vtdpoll --qtest SOCKET --ram FILE --bdf BDF... [OPTION...]\n"
"\n"
"Logs each change of translation enable, root pointer and fault status of the\n"
"remapping unit, and of COMMAND and the context entry of each BDF, until SIGTERM\n"
"or the end of QEMU; then prints how often what changed.\n"
"\n"
"  --qtest SOCKET       of QEMU\n"
"  --ram FILE           file of QEMU's memory-backend-file\n"
"  --bdf BDF            PCI address of a device or bridge; may be repeated\n"
"  --range BYTES@ADDR   the carve-out\n"
"  --low BYTES          RAM below 4 GiB, if not as QEMU's q35 has it\n"
"  --pause-us N         pause between two polls (1000); less starves the guest\n"
"  --out FILE           the log; else standard output\n"
"\n"
"Exit: 0 if translation and bus mastering never went off, no entry went away and\n"
"no fault was seen; 1 if not.\n";

static int poll_parse(int argc, char **argv, struct poll *p, u64 *pause_us)
{
	static const struct option options[] = {
		{ "qtest", required_argument, NULL, 'q' },
		{ "ram", required_argument, NULL, 'R' },
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
			if (p->devs < POLL_BDFS)
				bad |= vtd_bdf(optarg, &p->dev[p->devs++].rid);
			else
				bad = true;
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

		ret = poll_unit(&p, now);
		for (unsigned int i = 0; !ret && i < p.devs; i++)
			ret = poll_device(&p, &p.dev[i], now);
		if (ret)
			break;
		p.samples++;
		nanosleep(&pause, NULL);
	}
	poll_print(&p);
	return p.samples && !p.tes_drops && !p.absent && !p.master_drops &&
	       !p.faults ? HOST_OK : HOST_BAD;
}
