/* SPDX-License-Identifier: GPL-2.0 */
/* pkernfs selftests: memory errors, as software injects them, and who gets SIGBUS for them. */
#ifndef PKERNFS_FS_BUS_H
#define PKERNFS_FS_BUS_H

#include <setjmp.h>
#include <signal.h>

#include "fs_test.h"

#define PAGE	4096UL

static sigjmp_buf jump;
static siginfo_t got;

static inline void on_bus(int sig, siginfo_t *info, void *context)
{
	(void)context;
	got = *info;
	siglongjmp(jump, sig);
}

static inline void catch_bus(void)
{
	struct sigaction sa = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO };

	sigaction(SIGBUS, &sa, NULL);
}

/* SIGBUS for this page came, as the one who has met it is told. */
static inline bool told(int code, const char *page)
{
	return got.si_signo == SIGBUS && got.si_code == code && got.si_addr == page &&
	       got.si_addr_lsb == 12;
}

static inline int touch_page(char *p, bool write)
{
	memset(&got, 0, sizeof(got));
	if (sigsetjmp(jump, 1))
		return -1;
	if (write)
		__atomic_store_n(p, 1, __ATOMIC_RELAXED);
	else
		(void)__atomic_load_n(p, __ATOMIC_RELAXED);
	return 0;
}

/* An error in the page, which this process has mapped. False: it cannot be injected. */
static inline bool inject(char *p)
{
	memset(&got, 0, sizeof(got));
	if (sigsetjmp(jump, 1))
		return true;
	if (madvise(p, PAGE, MADV_HWPOISON))
		return false;
	errno = 0;	/* and no signal came */
	return false;
}

static inline uint64_t phys_of(const char *p)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t e = 0;

	if (pread(fd, &e, 8, (uintptr_t)p / PAGE * 8) != 8)
		die("pagemap");
	close(fd);
	return (e & ((1UL << 55) - 1)) * PAGE;
}

/* As the memory controller's report of a page that nobody is just reading. */
static inline bool offline(uint64_t phys)
{
	int fd = open("/sys/devices/system/memory/hard_offline_page", O_WRONLY);
	char text[32];
	bool done;

	snprintf(text, sizeof(text), "%#lx", (unsigned long)phys);
	done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	if (fd >= 0)
		close(fd);
	return done;
}

#endif
