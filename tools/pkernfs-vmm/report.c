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
	if (g) {
		fprintf(out, " ring=%u recycle=%u next=%llu run=%u first=%llu",
			g->ring, g->recycle, g->next, g->run, g->first);
		fprintf(out, " expected=%llu frames=%llu missing=%llu late=%llu",
			g->expected, g->frames, g->missing, g->late);
		fprintf(out, " bad=%llu foreign=%llu raised=%llu", g->bad,
			g->foreign, g->raised);
		for (unsigned int i = 0; i < VMM_VECTORS; i++)
			fprintf(out, " irq%u=%llu", i, g->irq[i]);
	}
	for (unsigned int i = 0; i < VMM_VECTORS; i++)
		fprintf(out, " new_irq%u=%llu pending%u=%llu", i,
			vmm->irq_new[i], i, vmm->irq_pending[i]);
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
	if (vmm->bar0)
		fprintf(out, " rdh=%u rdt=%u", nic_reg(vmm, 0x2810),
			nic_reg(vmm, 0x2818));
	fputc('\n', out);
	fflush(out);
}
