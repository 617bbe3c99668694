// SPDX-License-Identifier: GPL-2.0
/* Command line and the order of things. */
#include <errno.h>
#include <getopt.h>
#include <linux/iommufd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm.h"

static struct vmm vmm = {
	.ram_fd = -1,
	.dev_fd = -1,
	.iommufd = -1,
	.irq_fd = { [0 ... VMM_VECTORS - 1] = -1 },
	/* Until it is known what the device is. */
	.driver = &nic_82574_driver,
	.file_fd = -1,
	.control_fd = -1,
	.ring_size = 65528,
	.queues = 8,
	.iova = 0x100000000ULL,
	.early = ~0U,
};

static const char help[] =
"Usage: pkernfs-vmm run --ram FILE --size SIZE --bdf BDF [OPTION...] [ACTION...]\n"
"       pkernfs-vmm restore --ram FILE --bdf BDF [OPTION...] [ACTION...]\n"
"       pkernfs-vmm raise --bdf BDF [CAUSES]\n"
"       pkernfs-vmm info --device FILE\n"
"       pkernfs-vmm release --device FILE\n"
"\n"
"A VMM with one vCPU or none: guest RAM in a file, one device through VFIO and\n"
"iommufd, and the guest's driver of it: of an 82574 or 82576 (QEMU's e1000e and\n"
"igb), which checks every frame that comes, of an NVMe controller, which checks\n"
"every completion, or of QEMU's edu.\n"
"\n"
"  run       set up RAM, device and ring, then do the actions\n"
"  restore   take over RAM and device as they are, then do the actions\n"
"  raise     make a NIC raise an interrupt, without any VMM\n"
"  info      show a device file\n"
"  release   give up on the device of a device file\n"
"\n"
"Options:\n"
"  --ram FILE        RAM file; memfd or hugetlb: an anonymous one (controls)\n"
"  --size SIZE       its size (K, M, G); default 160M, or that of the file\n"
"  --bdf BDF         PCI address, as 0000:00:03.0\n"
"  --state FILE      state file: written by ring and save, read by restore\n"
"  --device FILE     device file of pkernfs: freeze and what follows it\n"
"  --iova ADDR       IOVA of RAM offset 0; default 4G\n"
"  --map OFF:LEN:IOVA[:r|w|rw]\n"
"                    map this part of RAM instead of all; may be repeated; an\n"
"                    IOVA off a 2 MiB boundary gives 4 KiB leaves; OFF \"anon\"\n"
"                    maps memory that is not RAM\n"
"  --by-file         IOMMU_IOAS_MAP_FILE instead of IOMMU_IOAS_MAP\n"
"  --by-ioas         attach the IOAS, without a HWPT of our own\n"
"  --share FILE      leave a note for others that --join\n"
"  --join FILE       use the iommufd, the IOAS and the HWPT of the VMM that left\n"
"                    this note, for one more device and other RAM\n"
"  --own-hwpt        with --join: a HWPT of its own, on the same IOAS\n"
"  --early N         only the first N maps come before the attach, the others\n"
"                    after it\n"
"  --leave-out IOVA:LEN\n"
"                    freeze may leave this out if it is no memory of pkernfs; may\n"
"                    be repeated, ascending\n"
"  --hwpt-flags N    flags of IOMMU_HWPT_ALLOC\n"
"  --track           a HWPT with dirty tracking, on before the attach\n"
"  --small-pages     map by pages of 4 KiB only\n"
"  --ring N          descriptors, a multiple of 8 up to 65528 (default)\n"
"  --queues N        NVMe: I/O queues, each with a vector of its own; default 8\n"
"  --msi, --intx     MSI or INTx instead of MSI-X, which the edu has not\n"
"  --kvm             a vCPU that takes the interrupts; 82574 with MSI-X only\n"
"  --recycle         hand buffers back; else the ring is filled once\n"
"  --irq-pause US    wait before an interrupt is handled\n"
"  --bind            hand the device to vfio-pci first\n"
"  --no-reset        run: do not reset the device\n"
"  --control FILE    FIFO with actions for wait; -: standard input\n"
"  --pause-at STEPS  after each of these steps, wait\n"
"  --stop-at STEPS   after one of these, leave without a word\n"
"  --kill-at STEPS   after one of these, SIGKILL\n"
"  --phases          say \"PHASE name\" before each step and before freeze,\n"
"                    quiesce, unfreeze and save\n"
"\n"
"Steps, each announced by a line \"STEP name ...\" when it is done:\n"
"  run:     ram open bind map hwpt attach late irqs ring, then the actions\n"
"  restore: ram state open bind map hwpt attach late irqs ring, then the actions\n"
"\n"
"Actions (default: wait):\n"
"  run=TIME frames=N drain[=TIME]   serve the guest: for a time, until so many\n"
"                    good frames, until none has come for a time (1s)\n"
"  sleep=TIME        do not serve the guest\n"
"  pause             stop the vCPU; quiesce does so too, unfreeze lets it run\n"
"  touch             have the vCPU touch all of RAM; the PAGES line tells by how\n"
"                    many pages of which size KVM maps it\n"
"  freeze quiesce unfreeze release info   ioctls of the device file\n"
"  freeze-race=FILE  freeze into the device file and into this one at once; that\n"
"                    which gets the device is the device file from then on\n"
"  reset hot-reset d3   what the guest may ask of its device: reset it, reset its\n"
"                    bus, put it to sleep\n"
"  revoked           serve the guest and read BAR 0, until a kexec takes the device\n"
"                    away; say what the reads gave, and stay\n"
"  cycles=N          freeze and unfreeze N times\n"
"  track untrack     switch dirty tracking on or off\n"
"  dirty             DIRTY lines with what is dirty, which is clean then\n"
"  raise[=CAUSES]    NIC: interrupt by ICS; default: vector 1, with --kvm 2.\n"
"                    NVMe: a command on the admin queue. edu: these bits\n"
"  came              until all have come that raise has raised, always without CAUSES\n"
"  submit=N[:QUEUES] NVMe: N commands in turn over the first of the queues\n"
"  read-at=DISK:IOVA NVMe: one more command, which reads a page of disk 1 or 2 to this\n"
"                    IOVA, where RAM is not: nobody looks at what came\n"
"  complete[=TIME]   until all of them have completed (120s); then look at all data\n"
"  each=N            N commands, one at a time; NIC, edu: N times raise, each when\n"
"                    the one before has come\n"
"  save              write the state file\n"
"  verify            look at all data again: of a ring that is not recycled, or of\n"
"                    all commands that have completed\n"
"  report            REPORT line, also given at the end\n"
"  phase=NAME        say \"PHASE NAME\"\n"
"  wait              serve the guest and do the actions that come from control,\n"
"                    until \"go\"; without control until a signal\n"
"  kill exit         SIGKILL; leave\n"
"  !ACTION           the same, but it must be refused\n"
"\n"
"Exit: 0 good, 1 a frame or a block missing, doubled, late or damaged, or an\n"
"interrupt lost, 2 usage, 3 a step failed (see the ERROR line).\n";

enum {
	OPT_RAM = 256, OPT_SIZE, OPT_BDF, OPT_STATE, OPT_DEVICE, OPT_IOVA,
	OPT_MAP, OPT_BY_FILE, OPT_BY_IOAS, OPT_HWPT_FLAGS, OPT_TRACK, OPT_SMALL_PAGES,
	OPT_RING, OPT_QUEUES, OPT_MSI, OPT_INTX, OPT_KVM,
	OPT_RECYCLE, OPT_IRQ_PAUSE, OPT_BIND, OPT_NO_RESET, OPT_CONTROL,
	OPT_EARLY, OPT_JOIN, OPT_OWN_HWPT, OPT_LEAVE_OUT, OPT_SHARE, OPT_PAUSE_AT, OPT_STOP_AT,
	OPT_KILL_AT, OPT_PHASES, OPT_HELP,
};

static const struct option options[] = {
	{ "ram", required_argument, NULL, OPT_RAM },
	{ "size", required_argument, NULL, OPT_SIZE },
	{ "bdf", required_argument, NULL, OPT_BDF },
	{ "state", required_argument, NULL, OPT_STATE },
	{ "device", required_argument, NULL, OPT_DEVICE },
	{ "iova", required_argument, NULL, OPT_IOVA },
	{ "map", required_argument, NULL, OPT_MAP },
	{ "by-file", no_argument, NULL, OPT_BY_FILE },
	{ "by-ioas", no_argument, NULL, OPT_BY_IOAS },
	{ "early", required_argument, NULL, OPT_EARLY },
	{ "join", required_argument, NULL, OPT_JOIN },
	{ "own-hwpt", no_argument, NULL, OPT_OWN_HWPT },
	{ "share", required_argument, NULL, OPT_SHARE },
	{ "leave-out", required_argument, NULL, OPT_LEAVE_OUT },
	{ "hwpt-flags", required_argument, NULL, OPT_HWPT_FLAGS },
	{ "track", no_argument, NULL, OPT_TRACK },
	{ "small-pages", no_argument, NULL, OPT_SMALL_PAGES },
	{ "ring", required_argument, NULL, OPT_RING },
	{ "queues", required_argument, NULL, OPT_QUEUES },
	{ "msi", no_argument, NULL, OPT_MSI },
	{ "intx", no_argument, NULL, OPT_INTX },
	{ "kvm", no_argument, NULL, OPT_KVM },
	{ "recycle", no_argument, NULL, OPT_RECYCLE },
	{ "irq-pause", required_argument, NULL, OPT_IRQ_PAUSE },
	{ "bind", no_argument, NULL, OPT_BIND },
	{ "no-reset", no_argument, NULL, OPT_NO_RESET },
	{ "control", required_argument, NULL, OPT_CONTROL },
	{ "pause-at", required_argument, NULL, OPT_PAUSE_AT },
	{ "stop-at", required_argument, NULL, OPT_STOP_AT },
	{ "kill-at", required_argument, NULL, OPT_KILL_AT },
	{ "phases", no_argument, NULL, OPT_PHASES },
	{ "help", no_argument, NULL, OPT_HELP },
	{ 0 }
};

static int usage(const char *what)
{
	fprintf(stderr, "pkernfs-vmm: %s; see pkernfs-vmm --help\n", what);
	return VMM_USAGE;
}

static void on_signal(int sig)
{
	(void)sig;
	WRITE_ONCE(vmm.ended, true);
}

static int parse_number(const char *text, u64 max, u32 *value)
{
	u64 v;

	if (parse_size(text, &v) || v > max)
		return -EINVAL;
	*value = v;
	return 0;
}

static int parse_option(int opt, const char *arg)
{
	switch (opt) {
	case OPT_RAM:
		vmm.ram_path = arg;
		return 0;
	case OPT_SIZE:
		return parse_size(arg, &vmm.ram_size);
	case OPT_BDF:
		vmm.bdf = arg;
		return 0;
	case OPT_STATE:
		vmm.state_path = arg;
		return 0;
	case OPT_DEVICE:
		vmm.device_path = arg;
		return 0;
	case OPT_IOVA:
		return parse_size(arg, &vmm.iova);
	case OPT_MAP:
		return parse_map(&vmm, arg);
	case OPT_BY_FILE:
		vmm.by_file = true;
		return 0;
	case OPT_BY_IOAS:
		vmm.by_ioas = true;
		return 0;
	case OPT_JOIN:
		vmm.join_path = arg;
		return 0;
	case OPT_OWN_HWPT:
		vmm.own_hwpt = true;
		return 0;
	case OPT_SHARE:
		vmm.share_path = arg;
		return 0;
	case OPT_EARLY:
		return parse_number(arg, VMM_MAPS, &vmm.early);
	case OPT_LEAVE_OUT:
		return parse_leave_out(&vmm, arg);
	case OPT_HWPT_FLAGS:
		return parse_number(arg, ~0U, &vmm.hwpt_flags);
	case OPT_TRACK:
		vmm.track = true;
		return 0;
	case OPT_SMALL_PAGES:
		vmm.small_pages = true;
		return 0;
	case OPT_RING:
		return parse_number(arg, 65528, &vmm.ring_size);
	case OPT_QUEUES:
		return parse_number(arg, VMM_VECTORS - 1, &vmm.queues);
	case OPT_INTX:
		vmm.intx = true;
		return 0;
	case OPT_MSI:
		vmm.msi = true;
		return 0;
	case OPT_KVM:
		vmm.kvm = true;
		return 0;
	case OPT_RECYCLE:
		vmm.recycle = true;
		return 0;
	case OPT_IRQ_PAUSE:
		return parse_number(arg, 1000000, &vmm.irq_pause_us);
	case OPT_BIND:
		vmm.bind_driver = true;
		return 0;
	case OPT_NO_RESET:
		vmm.no_reset = true;
		return 0;
	case OPT_PHASES:
		vmm.phases = true;
		return 0;
	case OPT_CONTROL:
		vmm.control_path = arg;
		return 0;
	case OPT_PAUSE_AT:
		vmm.pause_at = arg;
		return 0;
	case OPT_STOP_AT:
		vmm.stop_at = arg;
		return 0;
	case OPT_KILL_AT:
		vmm.kill_at = arg;
		return 0;
	}
	return -EINVAL;
}

static int do_bind(struct vmm *v)
{
	int ret = vcpu_create(v);

	return ret ?: vfio_bind(v);
}

static int do_maps(struct vmm *v)
{
	int ret = vfio_ioas(v);

	if (ret)
		return ret;
	if (!v->maps) {
		v->map[0] = (struct vmm_map) {
			.len = v->ram_size,
			.iova = v->guest->magic == GUEST_MAGIC &&
				!strcmp(v->verb, "restore") ? v->guest->iova :
				v->iova,
			.prot = IOMMU_IOAS_MAP_READABLE |
				IOMMU_IOAS_MAP_WRITEABLE,
		};
		v->maps = 1;
	}
	return vfio_map(v, v->early);
}

/* As a VMM does that attaches first: see --early. */
static int do_late_maps(struct vmm *v)
{
	return vfio_map(v, ~0U);
}

/* Reset first: a bus master must not meet the ring of another life. */
static int do_start(struct vmm *v)
{
	int ret = 0;

	ret = vfio_bars(v);
	if (!ret && !v->no_reset)
		ret = vfio_reset(v);
	return ret;
}

static int do_irqs(struct vmm *v)
{
	int ret;

	if (!strcmp(v->verb, "run")) {
		ret = do_start(v);
	} else {
		ret = vfio_bars(v);
		ret = ret ?: vfio_bus_master(v);
	}
	ret = ret ?: vcpu_bar(v);
	return ret ?: irq_enable(v);
}

/* Saved at once, so that a VMM that is killed leaves one to be restored. */
static int do_ring(struct vmm *v)
{
	int ret = vfio_bus_master(v);

	ret = ret ?: v->driver->start(v);
	v->live = !ret;
	ret = ret ?: state_save(v);
	return ret ?: vcpu_go(v);
}

/*
 * What the VMM before had drained from its eventfds and not handled is injected
 * now. If it did not save after it had quiesced, what it drained died with it, so
 * each vector is injected once: the guest meets a spurious interrupt, which a
 * driver bears, and not a lost one. The state is then saved anew, or the next
 * restore would take this one's counts for its own.
 */
static int do_resume(struct vmm *v)
{
	int ret = v->driver->resume(v);

	if (ret)
		return ret;
	v->live = true;
	for (unsigned int i = 0; i < v->vectors && !v->irq_known; i++)
		v->irq_pending[i]++;
	ret = irq_inject(v);
	ret = ret ?: state_save(v);
	return ret ?: vcpu_go(v);
}

struct step {
	const char *name;
	int (*run)(struct vmm *v);
};

static const struct step run_steps[] = {
	{ "ram", ram_create },
	{ "open", vfio_open_device },
	{ "bind", do_bind },
	{ "map", do_maps },
	{ "hwpt", vfio_hwpt },
	{ "attach", vfio_attach },
	{ "late", do_late_maps },
	{ "irqs", do_irqs },
	{ "ring", do_ring },
	{ 0 }
};

static const struct step restore_steps[] = {
	{ "ram", ram_open },
	{ "state", state_load },
	{ "open", vfio_open_device },
	{ "bind", do_bind },
	{ "map", do_maps },
	{ "hwpt", vfio_hwpt },
	{ "attach", vfio_attach },
	{ "late", do_late_maps },
	{ "irqs", do_irqs },
	{ "ring", do_resume },
	{ 0 }
};

static int do_steps(const struct step *step)
{
	int ret;

	for (; step->name && !READ_ONCE(vmm.ended); step++) {
		u64 begin = vmm_now_ns();

		if (vmm.phases)
			printf("PHASE %s\n", step->name);
		ret = step->run(&vmm);
		if (ret)
			return ret;
		vmm_step(&vmm, step->name, "us=%llu",
			 (vmm_now_ns() - begin) / 1000);
		if (script_listed(vmm.kill_at, step->name))
			raise(SIGKILL);
		if (script_listed(vmm.stop_at, step->name))
			_exit(VMM_OK);
		if (script_listed(vmm.pause_at, step->name))
			script_do(&vmm, "wait");
	}
	return 0;
}

/* 0 if all that came was right. */
static int judge(void)
{
	const struct guest_page *g = vmm.guest;

	if (vmm.vcpu_failed)
		return VMM_FAILED;
	if (vmm.irq_late || vmm.stalls)
		return VMM_BAD_DATA;
	if (g && g->magic == GUEST_MAGIC && !vmm.driver->good(&vmm))
		return VMM_BAD_DATA;
	return VMM_OK;
}

static int run(int argc, char **argv)
{
	const bool restore = !strcmp(vmm.verb, "restore");
	int ret;

	if (!vmm.ram_path || !vmm.bdf)
		return usage("--ram and --bdf are needed");
	if (vmm.kvm && (vmm.msi || vmm.intx))
		return usage("--kvm goes with MSI-X only");
	if (!restore && !vmm.ram_size)
		vmm.ram_size = 160 << 20;
	ret = script_open(&vmm);
	if (!ret)
		ret = kept_open(&vmm, false);
	if (!ret)
		ret = do_steps(restore ? restore_steps : run_steps);
	if (!ret && !argc)
		ret = script_do(&vmm, "wait");
	for (int i = 0; !ret && i < argc && !READ_ONCE(vmm.ended); i++)
		ret = script_do(&vmm, argv[i]);
	/* After the drain of a quiesced device nothing may come here. */
	for (unsigned int i = 0; i < vmm.vectors && vmm.quiesced; i++)
		vmm.irq_late += irq_take(&vmm, i);
	vmm_report(&vmm, stdout);
	vcpu_close(&vmm);
	vfio_close(&vmm);
	vmm_step(&vmm, "closed", NULL);
	if (ret == -EBADMSG)
		return VMM_BAD_DATA;
	return ret ? VMM_FAILED : judge();
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	u64 causes = 0;
	int opt;

	if (argc < 2)
		return usage("no command");
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help")) {
		fputs(help, stdout);
		return VMM_OK;
	}
	vmm.verb = argv[1];
	argc--;
	argv++;
	while ((opt = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		if (opt == OPT_HELP) {
			fputs(help, stdout);
			return VMM_OK;
		}
		if (opt == '?')
			return VMM_USAGE;
		if (parse_option(opt, optarg))
			return usage("bad value of an option");
	}
	argc -= optind;
	argv += optind;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	/* A line a write: the log of a guest is often /dev/kmsg. */
	setvbuf(stdout, NULL, _IOLBF, 0);

	if (!strcmp(vmm.verb, "run") || !strcmp(vmm.verb, "restore"))
		return run(argc, argv);
	if (!strcmp(vmm.verb, "raise")) {
		if (!vmm.bdf || (argc && parse_size(argv[0], &causes)))
			return usage("raise --bdf BDF [CAUSES]");
		return nic_raise_sysfs(vmm.bdf, causes) ? VMM_FAILED : VMM_OK;
	}
	if (!strcmp(vmm.verb, "info") || !strcmp(vmm.verb, "release")) {
		if (!vmm.device_path)
			return usage("--device is needed");
		kept_open(&vmm, false);
		if (vmm.file_fd < 0)
			vmm_fail(vmm.verb, errno, "open %s", vmm.device_path);
		return vmm.file_fd < 0 || script_do(&vmm, vmm.verb) ?
		       VMM_FAILED : VMM_OK;
	}
	return usage("no such command");
}
