// SPDX-License-Identifier: GPL-2.0
/* What the VMM says: STEP, ERROR and REPORT lines, each in one write. */
#include <stdarg.h>
#include <stdlib.h>
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

/**
 * vmm_report() - all counts, one line, key=value
 * @vmm: the VMM
 * @out: where to
 */
void vmm_report(struct vmm *vmm, FILE *out)
{
	const struct guest_page *g = vmm->guest;

	fprintf(out, "REPORT verb=%s ram_size=%llu", vmm->verb, vmm->ram_size);
	if (g)
		fprintf(out,
			" ring=%u recycle=%u next=%llu run=%u first=%llu expected=%llu frames=%llu missing=%llu late=%llu bad=%llu foreign=%llu raised=%llu irq0=%llu irq1=%llu irq2=%llu",
			g->ring, g->recycle, g->next, g->run, g->first,
			g->expected, g->frames, g->missing, g->late, g->bad,
			g->foreign, g->raised, g->irq[0], g->irq[1],
			g->irq[2]);
	fprintf(out, " new_irq0=%llu new_irq1=%llu new_irq2=%llu late_irq=%llu stalls=%llu",
		vmm->irq_new[0], vmm->irq_new[1], vmm->irq_new[2],
		vmm->irq_late, vmm->stalls);
	fprintf(out, " pending0=%llu pending1=%llu pending2=%llu frozen=%d quiesced=%d",
		vmm->irq_pending[0], vmm->irq_pending[1], vmm->irq_pending[2],
		vmm->frozen, vmm->quiesced);
	if (vmm->freezes)
		fprintf(out, " freezes=%llu freeze_min_us=%llu freeze_avg_us=%llu freeze_max_us=%llu unfreeze_max_us=%llu",
			vmm->freezes, vmm->freeze_min_ns / 1000,
			vmm->freeze_sum_ns / vmm->freezes / 1000,
			vmm->freeze_max_ns / 1000, vmm->unfreeze_max_ns / 1000);
	if (vmm->bar0)
		fprintf(out, " rdh=%u rdt=%u", nic_reg(vmm, 0x2810),
			nic_reg(vmm, 0x2818));
	fputc('\n', out);
	fflush(out);
}
