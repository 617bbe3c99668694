// SPDX-License-Identifier: GPL-2.0
/*
 * Images for kexec: none may be placed in a region, and which one is armed.
 *
 * Nothing is started. BZIMAGE in the environment, or /boot/bzImage, is a kernel
 * of our own for the tests of kexec_file_load().
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "pkernfs_test.h"

#define ARMED	PKERNFS_SYSFS "/armed"
#define PAGE	4096UL

static int load_at(uint64_t mem, uint64_t memsz)
{
	static char page[4096];
	struct kexec_segment seg = {
		.buf = page,
		.bufsz = sizeof(page),
		.mem = (void *)mem,
		.memsz = memsz,
	};

	if (syscall(__NR_kexec_load, mem, 1UL, &seg, KEXEC_ARCH_DEFAULT))
		return -errno;
	return 0;
}

static int unload(void)
{
	if (syscall(__NR_kexec_load, 0UL, 0UL, NULL, KEXEC_ARCH_DEFAULT))
		return -errno;
	return 0;
}

static int load_file(int fd, unsigned long flags)
{
	static const char cmdline[] = "";

	if (syscall(__NR_kexec_file_load, fd, -1, sizeof(cmdline), cmdline,
		    KEXEC_FILE_NO_INITRAMFS | flags))
		return -errno;
	return 0;
}

static int armed(void)
{
	char line[8];

	return read_line(ARMED, line, sizeof(line)) ? -1 : atoi(line);
}

static int arm(const char *how)
{
	int fd = open(ARMED, O_WRONLY);
	int ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, how, strlen(how)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

/* A page of RAM that is in nobody's way: the middle of the largest System RAM. */
static uint64_t some_ram(void)
{
	FILE *f = fopen("/proc/iomem", "r");
	uint64_t start, end, best = 0, at = 0;
	char line[256];

	while (f && fgets(line, sizeof(line), f)) {
		if (line[0] == ' ' || !strstr(line, ": System RAM") ||
		    sscanf(line, "%lx-%lx", &start, &end) != 2)
			continue;
		if (end - start > best) {
			best = end - start;
			at = (start + best / 2) & ~(PAGE - 1);
		}
	}
	if (f)
		fclose(f);
	return at;
}

FIXTURE(image)
{
	struct region r[8];
	int nr;
	uint64_t ram;
};

FIXTURE_SETUP(image)
{
	if (geteuid())
		SKIP(return, "not root");
	self->nr = regions(self->r, 8);
	if (self->nr < 0)
		SKIP(return, "no pkernfs");
	self->ram = some_ram();
	ASSERT_NE(self->ram, 0);
	ASSERT_EQ(unload(), 0);
}

FIXTURE_TEARDOWN(image)
{
	unload();
}

/* The control: without it the refusals below prove nothing. */
TEST_F(image, ram_is_taken)
{
	EXPECT_EQ(load_at(self->ram, PAGE), 0);
}

TEST_F(image, region_is_refused)
{
	if (!self->nr)
		SKIP(return, "no region");
	for (int i = 0; i < self->nr; i++) {
		uint64_t base = self->r[i].base, bytes = self->r[i].bytes;

		EXPECT_EQ(load_at(base, PAGE), -EADDRNOTAVAIL);
		EXPECT_EQ(load_at(base + bytes / 2, PAGE), -EADDRNOTAVAIL);
		EXPECT_EQ(load_at(base + bytes - PAGE, PAGE), -EADDRNOTAVAIL);
		EXPECT_EQ(load_at(base - PAGE, 2 * PAGE), -EADDRNOTAVAIL);
		EXPECT_EQ(load_at(base + bytes - PAGE, 2 * PAGE), -EADDRNOTAVAIL);
		EXPECT_EQ(load_at(base - PAGE, bytes + 2 * PAGE), -EADDRNOTAVAIL);
		/* Up to its borders all is as ever. */
		EXPECT_EQ(load_at(base - PAGE, PAGE), 0);
		EXPECT_EQ(unload(), 0);
	}
}

/* A refused image leaves the loaded one, and that it is armed, alone. */
TEST_F(image, refusal_changes_nothing)
{
	if (!self->nr)
		SKIP(return, "no region");
	ASSERT_EQ(load_at(self->ram, PAGE), 0);
	ASSERT_EQ(arm("1"), 0);
	EXPECT_EQ(load_at(self->r[0].base, PAGE), -EADDRNOTAVAIL);
	EXPECT_EQ(armed(), 1);
}

TEST_F(image, nothing_to_arm)
{
	EXPECT_EQ(armed(), 0);
	EXPECT_EQ(arm("1"), -ENOENT);
	EXPECT_EQ(arm("0"), 0);
	EXPECT_EQ(arm("x"), -EINVAL);
	EXPECT_EQ(armed(), 0);
}

TEST_F(image, armed_until_the_next_load)
{
	ASSERT_EQ(load_at(self->ram, PAGE), 0);
	EXPECT_EQ(armed(), 0);
	EXPECT_EQ(arm("1"), 0);
	EXPECT_EQ(armed(), 1);
	EXPECT_EQ(arm("0"), 0);
	EXPECT_EQ(armed(), 0);
	EXPECT_EQ(arm("1"), 0);
	ASSERT_EQ(load_at(self->ram, PAGE), 0);
	EXPECT_EQ(armed(), 0);
	EXPECT_EQ(arm("1"), 0);
	ASSERT_EQ(unload(), 0);
	EXPECT_EQ(armed(), 0);
	/* The next one may get the same memory; it is another image. */
	for (int i = 0; i < 32; i++) {
		ASSERT_EQ(load_at(self->ram, PAGE), 0);
		ASSERT_EQ(armed(), 0);
		ASSERT_EQ(arm("1"), 0);
		ASSERT_EQ(unload(), 0);
	}
}

static int open_image(void)
{
	const char *path = getenv("BZIMAGE") ?: "/boot/bzImage";

	return open(path, O_RDONLY);
}

TEST_F(image, file_arms_itself)
{
	int fd = open_image();

	if (fd < 0)
		SKIP(return, "no bzImage");
	EXPECT_EQ(load_file(fd, 0), 0);
	EXPECT_EQ(armed(), 1);
	EXPECT_EQ(load_file(-1, KEXEC_FILE_UNLOAD), 0);
	EXPECT_EQ(armed(), 0);
	/* An opaque image after it is not armed by it. */
	EXPECT_EQ(load_file(fd, 0), 0);
	EXPECT_EQ(load_at(self->ram, PAGE), 0);
	EXPECT_EQ(armed(), 0);
	close(fd);
}

/* Where a bzImage of ours has its mark: the first block in kernel_info. */
static char *find_mark(char *p, size_t bytes)
{
	uint32_t offset, size;
	size_t at;

	memcpy(&offset, p + 0x268, 4);
	at = ((unsigned char)p[0x1f1] + 1) * 512UL + offset;
	if (at + 64 > bytes || memcmp(p + at, "LToP", 4))
		return NULL;
	memcpy(&size, p + at + 4, 4);
	return at + size + 24 <= bytes && !memcmp(p + at + size, "PKNF", 4) ?
	       p + at + size : NULL;
}

/* kexec_file_load() refuses a file that is open for writing. */
static int load_copy(const char *p, size_t bytes)
{
	char name[] = "/tmp/pkernfs-image-XXXXXX";
	int fd = mkstemp(name), ret;

	if (fd < 0 || write(fd, p, bytes) != (ssize_t)bytes)
		return -EIO;
	close(fd);
	fd = open(name, O_RDONLY);
	unlink(name);
	ret = load_file(fd, 0);
	close(fd);
	return ret;
}

/* The same kernel, its mark painted over: loads, and is not armed. */
TEST_F(image, file_without_mark)
{
	int fd = open_image();
	struct stat st;
	char *p, *at;

	if (fd < 0)
		SKIP(return, "no bzImage");
	ASSERT_EQ(fstat(fd, &st), 0);
	p = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ASSERT_NE(p, MAP_FAILED);
	at = find_mark(p, st.st_size);
	ASSERT_NE(at, NULL);

	/* A later version of the format first. */
	at[8]++;
	EXPECT_EQ(load_copy(p, st.st_size), 0);
	EXPECT_EQ(armed(), 0);
	at[8]--;
	EXPECT_EQ(load_copy(p, st.st_size), 0);
	EXPECT_EQ(armed(), 1);
	at[0] = 'X';
	EXPECT_EQ(load_copy(p, st.st_size), 0);
	EXPECT_EQ(armed(), 0);
	/* Root may vouch for it all the same. */
	EXPECT_EQ(arm("1"), 0);
	EXPECT_EQ(armed(), 1);
	munmap(p, st.st_size);
	close(fd);
}

/* A file that fails to load changes nothing. */
TEST_F(image, bad_file_changes_nothing)
{
	int fd = open("/proc/self/exe", O_RDONLY);

	ASSERT_EQ(load_at(self->ram, PAGE), 0);
	ASSERT_EQ(arm("1"), 0);
	EXPECT_LT(load_file(fd, 0), 0);
	EXPECT_EQ(armed(), 1);
	close(fd);
}

TEST_HARNESS_MAIN
