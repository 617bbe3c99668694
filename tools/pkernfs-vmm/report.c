// SPDX-License-Identifier: GPL-2.0
/* What the VMM says: STEP, ERROR and REPORT lines, each in one write. */
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "vmm.h"

u64 vmm_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/**
 * vmm_step() - say that a step is done
 * @vmm: the VMM
 * @step: its name
 * @fmt: key=value pairs after it, or NULL
 */
void vmm_step(struct vmm *vmm, const char *step, const char *fmt, ...)
{
	va_list args;

	(void)vmm;
	printf("STEP %s", step);
	if (fmt) {
		putchar(' ');
		va_start(args, fmt);
		vprintf(fmt, args);
		va_end(args);
	}
	putchar('\n');
	fflush(stdout);
}

/**
 * vmm_fail() - say what failed and why
 * @step: in which step
 * @err: positive errno
 * @fmt: the call or the value
 *
 * Return: -@err.
 */
int vmm_fail(const char *step, int err, const char *fmt, ...)
{
	va_list args;
	char what[300];

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	printf("ERROR step=%s errno=%d what=\"%s\" cause=\"%s\"\n", step, err,
	       what, strerror(err));
	fflush(stdout);
	return -err;
}

/* A word a vector while they are few; /dev/kmsg takes no line over 1 KiB. */
static void report_irqs(struct vmm *vmm, FILE *out, const char *name, const u64 *count)
{
	const bool few = vmm->vectors <= 3;

	if (!few)
		fprintf(out, " %ss=", name);
	for (unsigned int i = 0; i < vmm->vectors; i++)
		if (few)
			fprintf(out, " %s%u=%llu", name, i, count[i]);
		else
			fprintf(out, "%s%llu", i ? "," : "", count[i]);
}

/**
 * vmm_report() - all counts, one line, key=value
 * @vmm: the VMM
 * @out: where to
 */
void vmm_report(struct vmm *vmm, FILE *out)
{
	const struct guest_page *g = vmm->guest;

	fprintf(out, "REPORT verb=%s ram_size=%llu", vmm->verb, vmm->ram_size);
	if (g) {
		vmm->driver->report(vmm, out);
		fprintf(out, " raised=%llu", g->raised);
		report_irqs(vmm, out, "irq", g->irq);
	}
	report_irqs(vmm, out, "new_irq", vmm->irq_new);
	report_irqs(vmm, out, "pending", vmm->irq_pending);
	fprintf(out, " late_irq=%llu stalls=%llu frozen=%d quiesced=%d",
		vmm->irq_late, vmm->stalls, vmm->frozen, vmm->quiesced);
	if (vmm->freezes) {
		fprintf(out, " freezes=%llu freeze_min_us=%llu", vmm->freezes,
			vmm->freeze_min_ns / 1000);
		fprintf(out, " freeze_avg_us=%llu freeze_max_us=%llu",
			vmm->freeze_sum_ns / vmm->freezes / 1000,
			vmm->freeze_max_ns / 1000);
		fprintf(out, " unfreeze_max_us=%llu",
			vmm->unfreeze_max_ns / 1000);
	}
	fputc('\n', out);
	fflush(out);
}
