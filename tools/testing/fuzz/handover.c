// SPDX-License-Identifier: GPL-2.0
/*
 * Damaged handovers before the code that validates them at boot, in userspace.
 *
 * By itself: each allocation fails once, with no damage; then so many runs by seed,
 * half of them in scalable mode. What is never freed AddressSanitizer sees at the end.
 *
 * usage: handover [RUNS [FIRST_SEED]]; with -v FIRST_SEED: that one, and what it says
 *
 * With -DLIBFUZZER it is libFuzzer's, which finds its own way by coverage.
 */
#include <signal.h>
#include <sys/mman.h>

#include "iommu.h"
#include "../../../drivers/iommu/intel/pkernfs_fuzz.h"

/* So large that a file has a whole GiB, aligned */
#define BYTES	(3ULL << 30)
#define BASE	(4ULL << 30)
/* Nothing, on both sides: as far as 32 bits count blocks */
#define GUARD	(16ULL << 40)

static struct pkernfs_fuzz fixtures[2];
static void *memory[2];

static void run(struct pkernfs_fuzz *z, struct pkernfs_fuzz_source *s)
{
	const char *bad;

	shim_virt = memory[z - fixtures];
	bad = pkernfs_fuzz_run(z, s);
	if (bad)
		shim_die(bad);
}

static void set_up(void)
{
	const char *bad;
	unsigned int i;

	shim_base = BASE;
	shim_bytes = BYTES;
	for (i = 0; i < 2; i++) {
		memory[i] = mmap(NULL, GUARD + BYTES + GUARD, PROT_NONE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (memory[i] == MAP_FAILED)
			shim_die("no memory");
		memory[i] += GUARD;
		if (mprotect(memory[i], BYTES, PROT_READ | PROT_WRITE))
			shim_die("no memory");
		shim_virt = memory[i];
		intel_iommu_sm = i;
		if (pkernfs_fuzz_init(&fixtures[i], BASE, shim_virt, BYTES, i))
			shim_die("no fixture");
		/* Undamaged, it is adopted as a whole. */
		run(&fixtures[i], NULL);
		if (fixtures[i].adopted != 3)
			shim_die("the fixture is not adopted");
		bad = pkernfs_fuzz_no_tables(&fixtures[i]);
		if (bad)
			shim_die(bad);
	}
}

#ifdef LIBFUZZER
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct pkernfs_fuzz_source s = { .data = data + 1, .left = bytes - 1 };

	if (!memory[0])
		set_up();
	if (bytes > 1)
		run(&fixtures[data[0] & 1], &s);
	return 0;
}
#else
static u64 seed = 1;

/* A device is adopted or cut off, as in any run, and the next time all are adopted. */
static void sweep(struct pkernfs_fuzz *z)
{
	unsigned int n, failed = 0;

	for (n = 1;; n++) {
		bool hit;

		z->adopted = 0;
		shim_fail = n;
		run(z, NULL);
		hit = !shim_fail;
		shim_fail = 0;
		if (!hit)
			break;
		failed += z->adopted < 3;
	}
	if (z->adopted != 3)
		shim_die("not all are adopted, and nothing fails");
	/* The load of the region, and at least two allocations a device */
	if (failed < 7)
		shim_die("allocations fail, and nobody notices");
	z->adopted = 0;
	z->refused = 0;
	printf("%s: each of %u allocations fails once, %u cost a device\n",
	       z->scalable ? "scalable" : "legacy", n - 1, failed);
}

/* Both sanitizers and shim_die() end in abort(). */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "abort_on_error=1";
}

const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void)
{
	return "abort_on_error=1:print_stacktrace=1";
}

static void say_seed(int sig)
{
	fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
}

int main(int argc, char **argv)
{
	bool one = argc > 2 && !strcmp(argv[1], "-v");
	u64 runs = argc > 1 && !one ? strtoull(argv[1], NULL, 0) : one ? 1 : 100000;
	u64 end;

	signal(SIGABRT, say_seed);
	set_up();
	for (int i = 0; i < 2 && !one; i++) {
		intel_iommu_sm = i;
		sweep(&fixtures[i]);
	}
	if (argc > 2)
		seed = strtoull(argv[2], NULL, 0);
	shim_verbose = one;
	for (end = seed + runs; seed < end; seed++) {
		struct pkernfs_fuzz_source s = { .state = seed };

		run(&fixtures[seed & 1], &s);
	}
	printf("%llu runs: %llu devices adopted, %llu cut off\n", (unsigned long long)runs,
	       (unsigned long long)(fixtures[0].adopted + fixtures[1].adopted),
	       (unsigned long long)(fixtures[0].refused + fixtures[1].refused));
	return 0;
}
#endif
