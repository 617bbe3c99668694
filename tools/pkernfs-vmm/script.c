// SPDX-License-Identifier: GPL-2.0
/*
 * The actions of a VMM, from the command line or a control pipe, and the loop
 * that keeps the guest alive meanwhile.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vmm.h"

#define SCRIPT_STALL_MS	1000
#define SCRIPT_IRQ_MS	10000
#define SCRIPT_RAISE_MS	40

/**
 * struct script_action - one action
 * @name: its name
 * @run: does it; 0 or -errno
 * @phase: a phase of a live update, announced with --phases
 */
struct script_action {
	const char *name;
	int (*run)(struct vmm *vmm, const char *arg);
	bool phase;
};

/**
 * script_listed() - is a name in a comma-separated list?
 * @list: the list, or NULL
 * @name: what to look for
 *
 * Return: true if it is.
 */
bool script_listed(const char *list, const char *name)
{
	const size_t n = strlen(name);

	while (list && *list) {
		if (!strncmp(list, name, n) && (!list[n] || list[n] == ','))
			return true;
		list = strchr(list, ',');
		if (list)
			list++;
	}
	return false;
}

/**
 * script_open() - open the control pipe
 * @vmm: the VMM
 *
 * A FIFO is opened for writing as well: it must not end with its first writer.
 *
 * Return: 0 or -errno.
 */
int script_open(struct vmm *vmm)
{
	if (!vmm->control_path)
		return 0;
	if (!strcmp(vmm->control_path, "-"))
		vmm->control_fd = dup(STDIN_FILENO);
	else
		vmm->control_fd = open(vmm->control_path,
				       O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (vmm->control_fd < 0)
		return vmm_fail("control", errno, "open %s",
				vmm->control_path);
	return 0;
}

/**
 * script_serve() - let the guest run
 * @vmm: the VMM; with paused vCPUs nothing but time passes
 * @ms: for how long; returns earlier on a line of control or a signal
 */
void script_serve(struct vmm *vmm, int ms)
{
	const u64 end = vmm_now_ns() + ms * 1000000ULL;
	u64 quiet_since = vmm_now_ns();
	struct timespec pause = { .tv_nsec = vmm->irq_pause_us * 1000L };

	while (!READ_ONCE(vmm->ended)) {
		struct pollfd fds[VMM_VECTORS + 1] = {
			{ .fd = vmm->control_fd, .events = POLLIN },
		};
		const u64 now = vmm_now_ns();
		bool came = false;

		for (unsigned int i = 0; i < vmm->vectors; i++)
			fds[i + 1] = (struct pollfd) {
				.fd = vmm->quiesced || vmm->vcpu ? -1 : vmm->irq_fd[i],
				.events = POLLIN,
			};
		if (poll(fds, vmm->vectors + 1,
			 now >= end ? 0 :
			 end - now > 100000000 ? 100 : (int)((end - now) / 1000000 + 1)) < 0)
			return;
		for (unsigned int i = 0; i < vmm->vectors && vmm->live; i++) {
			u64 count = fds[i + 1].revents ? irq_take(vmm, i) : 0;

			if (!count)
				continue;
			came = true;
			vmm->guest->irq[i] += count;
			if (vmm->irq_pause_us)
				nanosleep(&pause, NULL);
			vmm->driver->interrupt(vmm, i);
			irq_done(vmm);
		}
		/* A vCPU has the interrupts, so what has landed is looked for. */
		if (vmm->vcpu && vmm->live && !vmm->quiesced)
			vmm->driver->poll(vmm);
		if (came || vmm->quiesced || vmm->vcpu || !vmm->live) {
			quiet_since = vmm_now_ns();
		} else if (vmm_now_ns() - quiet_since > SCRIPT_STALL_MS * 1000000ULL) {
			/*
			 * Something here means that its interrupt was lost, unless
			 * it came while this process waited for a CPU, or comes now.
			 */
			if (vmm->driver->poll(vmm) &&
			    !poll(fds + 1, vmm->vectors, SCRIPT_STALL_MS))
				vmm->stalls++;
			quiet_since = vmm_now_ns();
		}
		if (fds[0].revents || now >= end)
			return;
	}
}

static int script_run(struct vmm *vmm, const char *arg)
{
	u64 ms, end, now;

	if (!arg || parse_time_ms(arg, &ms))
		return vmm_fail("run", EINVAL, "run=TIME");
	end = vmm_now_ns() + ms * 1000000;
	while (!READ_ONCE(vmm->ended) && (now = vmm_now_ns()) < end)
		script_serve(vmm, (end - now) / 1000000 + 1);
	return 0;
}

static int script_frames(struct vmm *vmm, const char *arg)
{
	const u64 end = vmm_now_ns() + 120000000000ULL;
	u64 count;

	if (!arg || parse_size(arg, &count))
		return vmm_fail("frames", EINVAL, "frames=N");
	while (!READ_ONCE(vmm->ended) && vmm->guest->frames < count) {
		if (vmm_now_ns() > end)
			return vmm_fail("frames", ETIMEDOUT,
					"%llu of %llu frames in two minutes",
					vmm->guest->frames, count);
		script_serve(vmm, 10);
	}
	return 0;
}

/* Until nothing has landed for a time: the end of what was injected. */
static int script_drain(struct vmm *vmm, const char *arg)
{
	u64 ms = 1000, last, since;

	if (arg && parse_time_ms(arg, &ms))
		return vmm_fail("drain", EINVAL, "drain=TIME");
	last = vmm->guest->next;
	since = vmm_now_ns();
	while (!READ_ONCE(vmm->ended) && vmm_now_ns() - since < ms * 1000000) {
		script_serve(vmm, 20);
		if (vmm->guest->next != last) {
			last = vmm->guest->next;
			since = vmm_now_ns();
		}
	}
	return 0;
}

static int script_sleep(struct vmm *vmm, const char *arg)
{
	struct timespec ts;
	u64 ms;

	(void)vmm;
	if (!arg || parse_time_ms(arg, &ms))
		return vmm_fail("sleep", EINVAL, "sleep=TIME");
	ts.tv_sec = ms / 1000;
	ts.tv_nsec = ms % 1000 * 1000000;
	nanosleep(&ts, NULL);
	return 0;
}

static int script_freeze(struct vmm *vmm, const char *arg)
{
	int ret = kept_open(vmm, true);

	(void)arg;
	return ret ?: kept_freeze(vmm);
}

static int script_freeze_race(struct vmm *vmm, const char *arg)
{
	int ret = kept_open(vmm, true);

	if (!arg || !*arg)
		return vmm_fail("freeze-race", EINVAL, "freeze-race=FILE");
	return ret ?: kept_race(vmm, arg);
}

static int script_unfreeze(struct vmm *vmm, const char *arg)
{
	(void)arg;
	return kept_unfreeze(vmm);
}

static int script_quiesce(struct vmm *vmm, const char *arg)
{
	(void)arg;
	return kept_quiesce(vmm);
}

static int script_release(struct vmm *vmm, const char *arg)
{
	(void)arg;
	return kept_release(vmm);
}

static int script_info(struct vmm *vmm, const char *arg)
{
	(void)arg;
	return kept_info(vmm, false);
}

static int script_reset(struct vmm *vmm, const char *arg)
{
	(void)arg;
	return vfio_reset(vmm);
}

static int script_hot_reset(struct vmm *vmm, const char *arg)
{
	(void)arg;
	return vfio_hot_reset(vmm);
}

static int script_d3(struct vmm *vmm, const char *arg)
{
	(void)arg;
	return vfio_d3(vmm);
}

static int script_revoked(struct vmm *vmm, const char *arg)
{
	(void)arg;
	return vfio_revoked(vmm);
}

static int script_save(struct vmm *vmm, const char *arg)
{
	(void)arg;
	return state_save(vmm);
}

static int script_track(struct vmm *vmm, const char *arg)
{
	(void)arg;
	return dirty_track(vmm, true);
}

static int script_untrack(struct vmm *vmm, const char *arg)
{
	(void)arg;
	return dirty_track(vmm, false);
}

static int script_dirty(struct vmm *vmm, const char *arg)
{
	(void)arg;
	return dirty_report(vmm);
}

static int script_raise(struct vmm *vmm, const char *arg)
{
	u64 causes = 0;

	if (arg && parse_size(arg, &causes))
		return vmm_fail("raise", EINVAL, "raise[=CAUSES]");
	if (!vmm->bar0)
		return vmm_fail("raise", ENODEV, "the device is not open");
	return vmm->driver->raise(vmm, causes);
}

static int script_submit(struct vmm *vmm, const char *arg)
{
	unsigned int count, queues = 0;	/* all */
	char end;

	if (!arg || (sscanf(arg, "%u:%u%c", &count, &queues, &end) != 2 &&
		     sscanf(arg, "%u%c", &count, &end) != 1))
		return vmm_fail("submit", EINVAL, "submit=N[:QUEUES]");
	if (!vmm->live || !vmm->driver->submit)
		return vmm_fail("submit", ENODEV, "no device that takes commands");
	return vmm->driver->submit(vmm, count, queues);
}

static int script_read_at(struct vmm *vmm, const char *arg)
{
	unsigned long disk = 0;
	char *at = NULL;
	u64 iova;

	if (arg)
		disk = strtoul(arg, &at, 10);
	if (!at || *at != ':' || parse_size(at + 1, &iova))
		return vmm_fail("read-at", EINVAL, "read-at=DISK:IOVA");
	if (!vmm->live || !vmm->driver->read_at)
		return vmm_fail("read-at", ENODEV, "no device that takes commands");
	return vmm->driver->read_at(vmm, disk, iova);
}

static int script_left(struct vmm *vmm, u64 ms)
{
	const u64 end = vmm_now_ns() + ms * 1000000;

	while (!READ_ONCE(vmm->ended) && vmm->driver->left(vmm)) {
		if (vmm_now_ns() > end)
			return vmm_fail("complete", ETIMEDOUT,
					"%llu commands have not completed",
					vmm->driver->left(vmm));
		script_serve(vmm, 10);
	}
	return 0;
}

static int script_complete(struct vmm *vmm, const char *arg)
{
	u64 ms = 120000;
	int ret;

	if (arg && parse_time_ms(arg, &ms))
		return vmm_fail("complete", EINVAL, "complete[=TIME]");
	if (!vmm->live || !vmm->driver->left)
		return vmm_fail("complete", ENODEV, "no device that takes commands");
	ret = script_left(vmm, ms);
	return ret ?: vmm->driver->verify(vmm);
}

/* What has come of `raise`; frames have a vector of their own. */
static u64 script_irqs(const struct vmm *vmm)
{
	return READ_ONCE(vmm->guest->irq[vmm->driver->raises ? vmm->driver->raises(vmm) : 0]);
}

static int script_came(struct vmm *vmm, const char *arg)
{
	const u64 end = vmm_now_ns() + SCRIPT_IRQ_MS * 1000000ULL;

	(void)arg;
	while (script_irqs(vmm) < vmm->guest->raised && !READ_ONCE(vmm->ended)) {
		if (vmm_now_ns() > end)
			return vmm_fail("came", ETIMEDOUT, "%llu were raised, %llu have come",
					vmm->guest->raised, script_irqs(vmm));
		script_serve(vmm, 1);
	}
	return 0;
}

/*
 * Raise an interrupt, and wait until the guest has counted one more. Then a pause: what
 * comes within its throttling interval a NIC puts off, and once it has done so QEMU 7.2's
 * e1000e sends all messages twice.
 */
static int script_raise_one(struct vmm *vmm)
{
	const u64 end = vmm_now_ns() + SCRIPT_IRQ_MS * 1000000ULL;
	const u64 before = script_irqs(vmm);
	int ret = script_raise(vmm, NULL);

	while (!ret && script_irqs(vmm) == before && !READ_ONCE(vmm->ended)) {
		if (vmm_now_ns() > end)
			return vmm_fail("each", ETIMEDOUT, "interrupt %llu has not come",
					vmm->guest->raised);
		script_serve(vmm, 1);
	}
	script_serve(vmm, SCRIPT_RAISE_MS);
	return ret;
}

/* One at a time, so that no two completions can share an interrupt. */
static int script_each(struct vmm *vmm, const char *arg)
{
	u64 count;
	int ret = 0;

	if (!arg || parse_size(arg, &count))
		return vmm_fail("each", EINVAL, "each=N");
	while (!ret && count-- && !READ_ONCE(vmm->ended)) {
		if (!vmm->driver->submit) {
			ret = script_raise_one(vmm);
			continue;
		}
		ret = script_submit(vmm, "1");
		ret = ret ?: script_left(vmm, 120000);
	}
	return ret;
}

static int script_pause(struct vmm *vmm, const char *arg)
{
	(void)arg;
	if (!vmm->vcpu)
		return vmm_fail("pause", ENODEV, "no vCPU: give --kvm");
	vcpu_pause(vmm);
	return 0;
}

static int script_touch(struct vmm *vmm, const char *arg)
{
	(void)arg;
	return vcpu_touch(vmm);
}

/*
 * The interrupts of one cycle are handled between two cycles, so the guest does
 * not starve, and the two never wait for each other.
 */
static int script_cycles(struct vmm *vmm, const char *arg)
{
	u64 count;
	int ret;

	if (!arg || parse_size(arg, &count))
		return vmm_fail("cycles", EINVAL, "cycles=N");
	ret = kept_open(vmm, true);
	for (u64 i = 0; !ret && i < count && !READ_ONCE(vmm->ended); i++) {
		ret = kept_freeze(vmm);
		if (ret)
			break;
		script_serve(vmm, 0);
		ret = kept_unfreeze(vmm);
		script_serve(vmm, 0);
	}
	return ret;
}

static int script_verify(struct vmm *vmm, const char *arg)
{
	(void)arg;
	return vmm->driver->verify(vmm);
}

static int script_report(struct vmm *vmm, const char *arg)
{
	(void)arg;
	vmm_report(vmm, stdout);
	return 0;
}

static int script_phase(struct vmm *vmm, const char *arg)
{
	(void)vmm;
	if (!arg || !*arg)
		return vmm_fail("phase", EINVAL, "phase=NAME");
	printf("PHASE %s\n", arg);
	return 0;
}

static int script_kill(struct vmm *vmm, const char *arg)
{
	(void)vmm;
	(void)arg;
	raise(SIGKILL);
	return 0;
}

static int script_exit(struct vmm *vmm, const char *arg)
{
	(void)arg;
	vmm->ended = true;
	return 0;
}

/* Lines of control are actions, until one says "go". */
static int script_wait(struct vmm *vmm, const char *arg)
{
	static char line[256];
	static size_t used;

	(void)arg;
	while (!READ_ONCE(vmm->ended)) {
		struct pollfd fds = { .events = POLLIN };
		char *end = memchr(line, '\n', used);
		ssize_t n;
		bool go;

		if (end) {
			*end++ = 0;
			go = !strcmp(line, "go");
			if (!go && line[0])
				script_do(vmm, line);
			used -= end - line;
			memmove(line, end, used);
			if (go)
				return 0;
			continue;
		}
		if (used == sizeof(line))
			used = 0;
		script_serve(vmm, 1000);
		/* It may block, if it is stdin; the guest must go on. */
		fds.fd = vmm->control_fd;
		if (fds.fd < 0 || poll(&fds, 1, 0) <= 0)
			continue;
		n = read(vmm->control_fd, line + used, sizeof(line) - used);
		if (n > 0) {
			used += n;
		} else if (!n) {
			close(vmm->control_fd);
			vmm->control_fd = -1;
		}
	}
	return 0;
}

static const struct script_action script_actions[] = {
	{ "run", script_run, false },
	{ "frames", script_frames, false },
	{ "drain", script_drain, false },
	{ "sleep", script_sleep, false },
	{ "pause", script_pause, false },
	{ "touch", script_touch, false },
	{ "freeze", script_freeze, true },
	{ "freeze-race", script_freeze_race, true },
	{ "quiesce", script_quiesce, true },
	{ "unfreeze", script_unfreeze, true },
	{ "release", script_release, false },
	{ "reset", script_reset, false },
	{ "hot-reset", script_hot_reset, false },
	{ "d3", script_d3, false },
	{ "revoked", script_revoked, false },
	{ "cycles", script_cycles, false },
	{ "track", script_track, false },
	{ "untrack", script_untrack, false },
	{ "dirty", script_dirty, false },
	{ "info", script_info, false },
	{ "raise", script_raise, false },
	{ "came", script_came, false },
	{ "submit", script_submit, false },
	{ "read-at", script_read_at, false },
	{ "complete", script_complete, false },
	{ "each", script_each, false },
	{ "save", script_save, true },
	{ "verify", script_verify, false },
	{ "report", script_report, false },
	{ "wait", script_wait, false },
	{ "phase", script_phase, false },
	{ "kill", script_kill, false },
	{ "exit", script_exit, false },
};

/**
 * script_do() - do one action
 * @vmm: the VMM
 * @action: NAME[=ARG]; "!NAME" must fail, and it is an error if it does not
 *
 * After it the options --pause-at, --stop-at and --kill-at apply.
 *
 * Return: 0 or -errno.
 */
int script_do(struct vmm *vmm, const char *action)
{
	const struct script_action *a = NULL;
	const bool refused = action[0] == '!';
	const char *name = action + refused;
	const char *arg = strchr(name, '=');
	size_t n = arg ? (size_t)(arg - name) : strlen(name);
	u64 begin = vmm_now_ns();
	int ret;

	for (unsigned int i = 0; i < ARRAY_SIZE(script_actions); i++)
		if (!strncmp(script_actions[i].name, name, n) &&
		    !script_actions[i].name[n])
			a = &script_actions[i];
	if (!a)
		return vmm_fail("script", EINVAL, "no action \"%s\"", action);

	if (vmm->phases && a->phase)
		printf("PHASE %s\n", a->name);
	ret = a->run(vmm, arg ? arg + 1 : NULL);
	if (refused) {
		if (!ret)
			return vmm_fail(a->name, EPROTO,
					"%s was not refused", a->name);
		vmm_step(vmm, "refused", "action=%s errno=%d", a->name, -ret);
		return 0;
	}
	if (ret)
		return ret;
	vmm_step(vmm, a->name, "us=%llu", (vmm_now_ns() - begin) / 1000);
	if (script_listed(vmm->kill_at, a->name))
		raise(SIGKILL);
	if (script_listed(vmm->stop_at, a->name))
		_exit(VMM_OK);
	if (script_listed(vmm->pause_at, a->name))
		return script_wait(vmm, NULL);
	return 0;
}
