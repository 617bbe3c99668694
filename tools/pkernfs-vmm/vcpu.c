// SPDX-License-Identifier: GPL-2.0
/*
 * --kvm: a vCPU that takes the device's interrupts. VFIO signals the eventfds, KVM
 * has them as irqfds and makes them interrupts of the guest (vcpu_guest.S), which
 * tells the device that it is ready for the next and counts. All else that the
 * guest's driver does is still done here.
 *
 * The interrupt controller in the kernel is the local APIC alone: there is nothing
 * else that an MSI could be pending in.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vcpu.h"
#include "vmm.h"

#define VCPU_STATS	"/sys/kernel/debug/kvm"
#define VCPU_TOUCH_S	120
#define VCPU_PAGE_BYTES	4096
#define VCPU_LAPIC_SPIV	0xf0	/* spurious vector, and the switch of the APIC */

enum {
	VCPU_SLOT_RAM,
	VCPU_SLOT_BAR,
};

enum {
	VCPU_SEL_CODE = 0x08,
	VCPU_SEL_DATA = 0x10,
};

/**
 * struct vcpu_page - what the VMM tells the guest
 * @touch: write to so many pages of RAM; the guest sets it to 0 when it has
 * @ack_reg: address of the device's register that the handlers write to
 * @ack: what they write, by vector; 0: nothing
 * @gdt: flat code and data
 * @idt: an interrupt gate a vector. An exception has none and ends the vCPU.
 */
struct vcpu_page {
	u32 touch;
	u32 ack_reg;
	u32 ack[VCPU_VECTORS];
	u64 gdt[3];
	u64 idt[256];
};

_Static_assert(offsetof(struct guest_page, irq) == VCPU_IRQ_COUNTS, "vcpu_guest.S counts here");
_Static_assert(VCPU_PAGE + offsetof(struct vcpu_page, touch) == VCPU_TOUCH, "vcpu.h");
_Static_assert(VCPU_PAGE + offsetof(struct vcpu_page, ack_reg) == VCPU_ACK_REG, "vcpu.h");
_Static_assert(VCPU_PAGE + offsetof(struct vcpu_page, ack) == VCPU_ACK, "vcpu.h");
_Static_assert(VMM_VECTORS == VCPU_VECTORS, "vcpu.h");

/* All of a vCPU of this guest that outlives the process. */
struct vcpu_state {
	struct kvm_mp_state mp_state;
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	struct kvm_lapic_state lapic;
	struct kvm_vcpu_events events;
};

/*
 * In the order in which they are set: sregs has the address of the APIC, and events
 * an interrupt that has left the APIC and not reached the guest's handler yet. Both
 * halves are needed, or that interrupt is lost. They are read the other way round:
 * KVM_GET_MP_STATE may change the others.
 */
#define VCPU_PART(f, name) \
	{ #f, offsetof(struct vcpu_state, f), sizeof(((struct vcpu_state *)0)->f), \
	  KVM_GET_ ## name, KVM_SET_ ## name }

static const struct vcpu_part {
	const char *name;
	size_t off;
	size_t bytes;
	unsigned long get;
	unsigned long set;
} vcpu_parts[] = {
	VCPU_PART(sregs, SREGS),
	VCPU_PART(regs, REGS),
	VCPU_PART(lapic, LAPIC),
	VCPU_PART(events, VCPU_EVENTS),
	VCPU_PART(mp_state, MP_STATE),
};

/*
 * struct vcpu - the VM, its vCPU, and the thread that runs it
 *
 * go, in and end are protected by lock, and a change of them is signalled by change.
 */
struct vcpu {
	int vm_fd;
	int fd;
	int vfio_fd;
	struct kvm_run *run;
	size_t run_bytes;
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	pthread_cond_t change;
	bool go;			/* it shall run */
	bool in;			/* it is in KVM_RUN, or will be at once */
	bool end;			/* the thread shall end */
};

static void vcpu_kick(int sig)
{
	(void)sig;		/* it is enough that KVM_RUN is interrupted */
}

/* 0 or more, or -errno after an ERROR line. */
static int vcpu_ioctl(int fd, unsigned long cmd, void *arg, const char *what)
{
	int ret = ioctl(fd, cmd, arg);

	return ret < 0 ? vmm_fail("kvm", errno, "%s", what) : ret;
}

static int vcpu_slot(struct vmm *vmm, u32 slot, u64 at, void *memory, u64 bytes)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = at,
		.memory_size = bytes,
		.userspace_addr = (uintptr_t)memory,
	};

	return vcpu_ioctl(vmm->vcpu->vm_fd, KVM_SET_USER_MEMORY_REGION, &region,
			  "KVM_SET_USER_MEMORY_REGION");
}

static u64 vcpu_gate(const u8 *handler)
{
	const u64 at = VCPU_CODE + (handler - vcpu_code);

	/* present, 32-bit interrupt gate: interrupts are off in the handler */
	return (at & 0xffff) | VCPU_SEL_CODE << 16 | 0x8e00ULL << 32 | (at >> 16) << 48;
}

static struct vcpu_page *vcpu_page(struct vmm *vmm)
{
	return (struct vcpu_page *)(vmm->ram + VCPU_PAGE);
}

/* The guest's code and tables, and a vCPU that begins there. */
static int vcpu_boot(struct vmm *vmm)
{
	const struct kvm_segment code = {
		.limit = ~0U, .selector = VCPU_SEL_CODE, .type = 0xb,
		.present = 1, .db = 1, .s = 1, .g = 1,
	};
	struct kvm_segment data = code;
	struct vcpu_page *p = vcpu_page(vmm);
	struct vcpu *v = vmm->vcpu;
	struct kvm_regs regs = { .rip = VCPU_CODE, .rsp = VCPU_STACK, .rflags = 2 };
	const u32 spiv = 0x100 | VCPU_SPURIOUS;
	struct kvm_lapic_state lapic;
	struct kvm_sregs sregs;
	int ret;

	memcpy(vmm->ram + VCPU_CODE, vcpu_code, vcpu_code_end - vcpu_code);
	*p = (struct vcpu_page) {
		.gdt = { 0, 0x00cf9b000000ffff, 0x00cf93000000ffff },
		.idt = {
			[VCPU_DOORBELL] = vcpu_gate(vcpu_doorbell),
			[VCPU_SPURIOUS] = vcpu_gate(vcpu_spurious),
		},
	};
	for (unsigned int i = 0; i < VCPU_VECTORS; i++)
		p->idt[VCPU_VECTOR + i] = vcpu_gate(vcpu_stubs + i * VCPU_STUB_BYTES);

	data.selector = VCPU_SEL_DATA;
	data.type = 3;
	ret = vcpu_ioctl(v->fd, KVM_GET_SREGS, &sregs, "KVM_GET_SREGS");
	if (ret)
		return ret;
	sregs.cs = code;
	sregs.ds = data;
	sregs.es = data;
	sregs.fs = data;
	sregs.gs = data;
	sregs.ss = data;
	sregs.gdt.base = VCPU_PAGE + offsetof(struct vcpu_page, gdt);
	sregs.gdt.limit = sizeof(p->gdt) - 1;
	sregs.idt.base = VCPU_PAGE + offsetof(struct vcpu_page, idt);
	sregs.idt.limit = sizeof(p->idt) - 1;
	sregs.cr0 |= 1;		/* protected mode */
	ret = vcpu_ioctl(v->fd, KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");
	ret = ret ?: vcpu_ioctl(v->fd, KVM_SET_REGS, &regs, "KVM_SET_REGS");
	/* The APIC is on before the guest is: what comes meanwhile is pending, not lost. */
	ret = ret ?: vcpu_ioctl(v->fd, KVM_GET_LAPIC, &lapic, "KVM_GET_LAPIC");
	memcpy(lapic.regs + VCPU_LAPIC_SPIV, &spiv, sizeof(spiv));
	return ret ?: vcpu_ioctl(v->fd, KVM_SET_LAPIC, &lapic, "KVM_SET_LAPIC");
}

/* A vCPU that runs is not as it was saved any more. */
static void vcpu_forget(struct vmm *vmm)
{
	free(vmm->vcpu_state);
	vmm->vcpu_state = NULL;
}

static int vcpu_restore(struct vmm *vmm)
{
	if (!vmm->vcpu_state)
		return vmm_fail("kvm", EINVAL,
				"the state file has no vCPU: the VMM before did not save after quiesce");
	for (unsigned int i = 0; i < ARRAY_SIZE(vcpu_parts); i++) {
		const struct vcpu_part *part = &vcpu_parts[i];
		int ret = vcpu_ioctl(vmm->vcpu->fd, part->set,
				     (u8 *)vmm->vcpu_state + part->off, part->name);

		if (ret)
			return ret;
	}
	vcpu_forget(vmm);
	return 0;
}

/* KVM knows the device, as VFIO wants it of a VMM: before it is bound. */
static int vcpu_knows_device(struct vmm *vmm)
{
	struct kvm_create_device device = { .type = KVM_DEV_TYPE_VFIO };
	struct kvm_device_attr attr = {
		.group = KVM_DEV_VFIO_FILE,
		.attr = KVM_DEV_VFIO_FILE_ADD,
		.addr = (uintptr_t)&vmm->dev_fd,
	};
	int ret;

	ret = vcpu_ioctl(vmm->vcpu->vm_fd, KVM_CREATE_DEVICE, &device, "KVM_CREATE_DEVICE");
	if (ret)
		return ret;
	vmm->vcpu->vfio_fd = device.fd;
	return vcpu_ioctl(device.fd, KVM_SET_DEVICE_ATTR, &attr, "KVM_DEV_VFIO_FILE_ADD");
}

static int vcpu_open(struct vmm *vmm)
{
	struct kvm_enable_cap lapic = { .cap = KVM_CAP_SPLIT_IRQCHIP };
	struct vcpu *v = vmm->vcpu;
	int kvm, ret;

	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		return vmm_fail("kvm", errno, "open /dev/kvm");
	v->vm_fd = vcpu_ioctl(kvm, KVM_CREATE_VM, NULL, "KVM_CREATE_VM");
	ret = vcpu_ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, NULL, "KVM_GET_VCPU_MMAP_SIZE");
	close(kvm);
	if (v->vm_fd < 0 || ret < 0)
		return v->vm_fd < 0 ? v->vm_fd : ret;
	v->run_bytes = ret;
	ret = vcpu_ioctl(v->vm_fd, KVM_ENABLE_CAP, &lapic, "KVM_CAP_SPLIT_IRQCHIP");
	if (ret)
		return ret;
	v->fd = vcpu_ioctl(v->vm_fd, KVM_CREATE_VCPU, NULL, "KVM_CREATE_VCPU");
	if (v->fd < 0)
		return v->fd;
	v->run = mmap(NULL, v->run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	if (v->run == MAP_FAILED) {
		v->run = NULL;
		return vmm_fail("kvm", errno, "mmap of the vCPU");
	}
	return 0;
}

/**
 * vcpu_create() - a VM with guest RAM and one vCPU, if --kvm was given
 * @vmm: the VMM; its RAM, its state and its device are open
 *
 * The vCPU is set up or, at a restore, as it was saved, and does not run yet.
 *
 * Return: 0 or -errno.
 */
int vcpu_create(struct vmm *vmm)
{
	struct sigaction kick = { .sa_handler = vcpu_kick };
	struct vcpu *v;
	int ret;

	if (!vmm->kvm)
		return 0;
	if (vmm->ram_size < VCPU_STACK || vmm->ram_size > VCPU_BAR)
		return vmm_fail("kvm", EINVAL, "%llu bytes of RAM: too few or too many",
				vmm->ram_size);
	v = calloc(1, sizeof(*v));
	if (!v)
		return vmm_fail("kvm", ENOMEM, "vcpu");
	v->vm_fd = -1;
	v->fd = -1;
	v->vfio_fd = -1;
	pthread_mutex_init(&v->lock, NULL);
	pthread_cond_init(&v->change, NULL);
	vmm->vcpu = v;
	sigaction(SIGUSR1, &kick, NULL);
	ret = vcpu_open(vmm);
	ret = ret ?: vcpu_slot(vmm, VCPU_SLOT_RAM, 0, vmm->ram, vmm->ram_size);
	ret = ret ?: vcpu_knows_device(vmm);
	if (ret)
		return ret;
	return strcmp(vmm->verb, "restore") ? vcpu_boot(vmm) : vcpu_restore(vmm);
}

/**
 * vcpu_bar() - BAR 0 for the guest, and what its handlers write there
 * @vmm: the VMM; BAR 0 is mapped
 *
 * Return: 0 or -errno.
 */
int vcpu_bar(struct vmm *vmm)
{
	struct vcpu_page *p = vcpu_page(vmm);
	u32 reg = 0;

	if (!vmm->vcpu)
		return 0;
	if (!vmm->driver->ack)
		return vmm_fail("kvm", EOPNOTSUPP, "the guest of --kvm has no driver of %s",
				vmm->bdf);
	for (unsigned int i = 0; i < VCPU_VECTORS; i++)
		p->ack[i] = vmm->driver->ack(i, &reg);
	p->ack_reg = VCPU_BAR + reg;
	return vcpu_slot(vmm, VCPU_SLOT_BAR, VCPU_BAR, vmm->bar0, vmm->bar0_size);
}

/* Vector n of the device is an MSI of the guest. */
static struct kvm_msi vcpu_msi(unsigned int vector)
{
	return (struct kvm_msi) {
		.address_lo = VCPU_LAPIC,	/* to APIC 0, which is the only one */
		.data = vector,			/* fixed, edge */
	};
}

static int vcpu_irqfd(struct vmm *vmm, unsigned int vector, u32 flags)
{
	struct kvm_irqfd irqfd = {
		.fd = vmm->irq_fd[vector],
		.gsi = vector,
		.flags = flags,
	};

	return vcpu_ioctl(vmm->vcpu->vm_fd, KVM_IRQFD, &irqfd, "KVM_IRQFD");
}

/**
 * vcpu_irqs() - give the eventfds of the device's vectors to KVM
 * @vmm: the VMM
 *
 * What an eventfd has counted already is injected at once. At a restore this comes
 * after the APIC's state, which would else overwrite it, and before VFIO signals.
 *
 * Return: 0 or -errno.
 */
int vcpu_irqs(struct vmm *vmm)
{
	struct kvm_irq_routing *routing;
	int ret;

	if (!vmm->vcpu)
		return 0;
	routing = calloc(1, sizeof(*routing) + vmm->vectors * sizeof(routing->entries[0]));
	if (!routing)
		return vmm_fail("kvm", ENOMEM, "routing");
	routing->nr = vmm->vectors;
	for (unsigned int i = 0; i < vmm->vectors; i++) {
		const struct kvm_msi msi = vcpu_msi(VCPU_VECTOR + i);

		routing->entries[i] = (struct kvm_irq_routing_entry) {
			.gsi = i,
			.type = KVM_IRQ_ROUTING_MSI,
			.u.msi = { .address_lo = msi.address_lo, .data = msi.data },
		};
	}
	ret = vcpu_ioctl(vmm->vcpu->vm_fd, KVM_SET_GSI_ROUTING, routing, "KVM_SET_GSI_ROUTING");
	free(routing);
	for (unsigned int i = 0; !ret && i < vmm->vectors; i++)
		ret = vcpu_irqfd(vmm, i, 0);
	return ret;
}

/**
 * vcpu_no_irqs() - take them from KVM; what they had counted is in the APIC then
 * @vmm: the VMM; its device is quiesced
 *
 * Return: 0 or -errno.
 */
int vcpu_no_irqs(struct vmm *vmm)
{
	int ret = 0;

	for (unsigned int i = 0; vmm->vcpu && !ret && i < vmm->vectors; i++)
		ret = vcpu_irqfd(vmm, i, KVM_IRQFD_FLAG_DEASSIGN);
	return ret;
}

static int vcpu_signal(struct vmm *vmm, unsigned int vector)
{
	struct kvm_msi msi = vcpu_msi(vector);
	const int ret = vcpu_ioctl(vmm->vcpu->vm_fd, KVM_SIGNAL_MSI, &msi, "KVM_SIGNAL_MSI");

	/* The count of the vCPUs that took it */
	return ret < 0 ? ret : ret ? 0 : vmm_fail("kvm", EIO, "the guest does not take MSIs");
}

/**
 * vcpu_inject() - an interrupt that did not come by its eventfd
 * @vmm: the VMM
 * @vector: of the device
 *
 * Return: 0 or -errno.
 */
int vcpu_inject(struct vmm *vmm, unsigned int vector)
{
	return vcpu_signal(vmm, VCPU_VECTOR + vector);
}

/* Wait until the vCPU shall run; false: it shall end. */
static bool vcpu_may_run(struct vcpu *v)
{
	bool in;

	pthread_mutex_lock(&v->lock);
	v->in = false;
	pthread_cond_broadcast(&v->change);
	while (!v->go && !v->end)
		pthread_cond_wait(&v->change, &v->lock);
	in = !v->end;
	v->in = in;
	pthread_mutex_unlock(&v->lock);
	return in;
}

static void *vcpu_main(void *arg)
{
	struct vmm *vmm = arg;
	struct vcpu *v = vmm->vcpu;

	while (vcpu_may_run(v)) {
		if (ioctl(v->fd, KVM_RUN, 0)) {
			if (errno == EINTR)
				continue;
			vmm_fail("vcpu", errno, "KVM_RUN");
		} else {
			/* This guest asks nothing of its VMM. */
			vmm_fail("vcpu", EIO, "exit for reason %u", v->run->exit_reason);
		}
		pthread_mutex_lock(&v->lock);
		v->go = false;
		pthread_mutex_unlock(&v->lock);
		WRITE_ONCE(vmm->vcpu_failed, true);
		WRITE_ONCE(vmm->ended, true);
	}
	return NULL;
}

/**
 * vcpu_go() - let the vCPU run
 * @vmm: the VMM
 *
 * Return: 0 or -errno.
 */
int vcpu_go(struct vmm *vmm)
{
	struct vcpu *v = vmm->vcpu;
	sigset_t all, before;
	int err = 0;

	if (!v)
		return 0;
	vcpu_forget(vmm);
	pthread_mutex_lock(&v->lock);
	v->go = true;
	v->run->immediate_exit = 0;
	pthread_cond_broadcast(&v->change);
	pthread_mutex_unlock(&v->lock);
	if (v->started)
		return 0;
	/* The signals of the process are for the thread that waits for them. */
	sigfillset(&all);
	sigdelset(&all, SIGUSR1);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&v->thread, NULL, vcpu_main, vmm);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err)
		return vmm_fail("vcpu", err, "pthread_create");
	v->started = true;
	return 0;
}

/**
 * vcpu_pause() - stop the vCPU; it is not in KVM_RUN any more when this returns
 * @vmm: the VMM
 *
 * Return: true if it was to run.
 */
bool vcpu_pause(struct vmm *vmm)
{
	struct vcpu *v = vmm->vcpu;
	bool ran;

	if (!v || !v->started)
		return false;
	pthread_mutex_lock(&v->lock);
	ran = v->go;
	v->go = false;
	/* For who is on its way into KVM_RUN, the signal for who is in it. */
	v->run->immediate_exit = 1;
	pthread_kill(v->thread, SIGUSR1);
	while (v->in)
		pthread_cond_wait(&v->change, &v->lock);
	pthread_mutex_unlock(&v->lock);
	return ran;
}

/**
 * vcpu_save() - read the vCPU's state, for vcpu_print()
 * @vmm: the VMM; the vCPU is paused, and KVM has no eventfds
 *
 * Return: 0 or -errno.
 */
int vcpu_save(struct vmm *vmm)
{
	if (!vmm->vcpu)
		return 0;
	if (READ_ONCE(vmm->vcpu_failed))
		return vmm_fail("kvm", EIO, "the vCPU has failed");
	if (!vmm->vcpu_state)
		vmm->vcpu_state = calloc(1, sizeof(*vmm->vcpu_state));
	if (!vmm->vcpu_state)
		return vmm_fail("kvm", ENOMEM, "state of the vCPU");
	for (unsigned int i = ARRAY_SIZE(vcpu_parts); i--;) {
		const struct vcpu_part *part = &vcpu_parts[i];
		int ret = vcpu_ioctl(vmm->vcpu->fd, part->get,
				     (u8 *)vmm->vcpu_state + part->off, part->name);

		if (ret)
			return ret;
	}
	return 0;
}

/**
 * vcpu_print() - the saved state as lines of the state file
 * @vmm: the VMM
 * @text: where to
 * @bytes: room there
 *
 * Return: bytes written, 0 if nothing is saved.
 */
size_t vcpu_print(const struct vmm *vmm, char *text, size_t bytes)
{
	size_t n = 0;

	for (unsigned int i = 0; vmm->vcpu_state && i < ARRAY_SIZE(vcpu_parts); i++) {
		const struct vcpu_part *part = &vcpu_parts[i];
		const u8 *from = (const u8 *)vmm->vcpu_state + part->off;

		n += snprintf(text + n, bytes - n, "vcpu=%s:", part->name);
		for (size_t b = 0; b < part->bytes; b++)
			n += snprintf(text + n, bytes - n, "%02x", from[b]);
		n += snprintf(text + n, bytes - n, "\n");
	}
	return n;
}

/**
 * vcpu_parse() - a line of vcpu_print(), after "vcpu="
 * @vmm: the VMM
 * @line: the line
 *
 * Return: 0, -EINVAL or -ENOMEM.
 */
int vcpu_parse(struct vmm *vmm, const char *line)
{
	if (!vmm->vcpu_state)
		vmm->vcpu_state = calloc(1, sizeof(*vmm->vcpu_state));
	if (!vmm->vcpu_state)
		return -ENOMEM;
	for (unsigned int i = 0; i < ARRAY_SIZE(vcpu_parts); i++) {
		const struct vcpu_part *part = &vcpu_parts[i];
		u8 *to = (u8 *)vmm->vcpu_state + part->off;
		const size_t n = strlen(part->name);
		const char *hex = line + n + 1;
		unsigned int byte;

		if (strncmp(line, part->name, n) || line[n] != ':')
			continue;
		if (strlen(hex) != 2 * part->bytes)
			return -EINVAL;
		for (size_t b = 0; b < part->bytes; b++) {
			if (sscanf(hex + 2 * b, "%2x", &byte) != 1)
				return -EINVAL;
			to[b] = byte;
		}
		return 0;
	}
	return -EINVAL;
}

static int vcpu_stat(struct vmm *vmm, const char *name, u64 *value)
{
	char path[128];
	bool good;
	FILE *f;

	snprintf(path, sizeof(path), VCPU_STATS "/%d-%d/%s", getpid(), vmm->vcpu->vm_fd, name);
	f = fopen(path, "r");
	if (!f)
		return vmm_fail("touch", errno, "open %s", path);
	good = fscanf(f, "%llu", value) == 1;
	fclose(f);
	return good ? 0 : vmm_fail("touch", EIO, "read %s", path);
}

/**
 * vcpu_touch() - have the guest write to each page of its RAM, which changes nothing
 * @vmm: the VMM; its vCPU runs
 *
 * A PAGES line tells by how many pages of which size KVM has mapped the VM then.
 *
 * Return: 0 or -errno.
 */
int vcpu_touch(struct vmm *vmm)
{
	const u64 end = vmm_now_ns() + VCPU_TOUCH_S * 1000000000ULL;
	u64 small = 0, large = 0, huge = 0;
	u32 *left;
	int ret;

	if (!vmm->vcpu)
		return vmm_fail("touch", ENODEV, "no vCPU: give --kvm");
	left = &vcpu_page(vmm)->touch;
	WRITE_ONCE(*left, vmm->ram_size / VCPU_PAGE_BYTES);
	ret = vcpu_signal(vmm, VCPU_DOORBELL);
	while (!ret && READ_ONCE(*left) && !READ_ONCE(vmm->ended)) {
		if (vmm_now_ns() > end)
			return vmm_fail("touch", ETIMEDOUT, "the guest has not touched all");
		script_serve(vmm, 10);
	}
	ret = ret ?: vcpu_stat(vmm, "pages_4k", &small);
	ret = ret ?: vcpu_stat(vmm, "pages_2m", &large);
	ret = ret ?: vcpu_stat(vmm, "pages_1g", &huge);
	if (!ret)
		printf("PAGES 4k=%llu 2m=%llu 1g=%llu\n", small, large, huge);
	return ret;
}

/**
 * vcpu_close() - the end of the VM
 * @vmm: the VMM
 */
void vcpu_close(struct vmm *vmm)
{
	struct vcpu *v = vmm->vcpu;

	if (!v)
		return;
	vcpu_pause(vmm);
	if (v->started) {
		pthread_mutex_lock(&v->lock);
		v->end = true;
		pthread_cond_broadcast(&v->change);
		pthread_mutex_unlock(&v->lock);
		pthread_join(v->thread, NULL);
	}
	if (v->run)
		munmap(v->run, v->run_bytes);
	if (v->vfio_fd >= 0)
		close(v->vfio_fd);
	if (v->fd >= 0)
		close(v->fd);
	if (v->vm_fd >= 0)
		close(v->vm_fd);
	free(v);
	vmm->vcpu = NULL;
}
