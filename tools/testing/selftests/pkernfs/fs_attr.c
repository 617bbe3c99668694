// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: attributes of files: extended ones, the flags of chattr(1), handles.
 *
 * usage: fs_attr test MOUNT, on an empty one;
 *	  fs_attr write MOUNT; kexec; fs_attr check MOUNT
 */
#include <linux/capability.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "fs_test.h"

#define RACES	3000

static char buf[65536], back[65536];

/* The value is this one. */
static bool has(const char *file, const char *name, const char *value)
{
	ssize_t n = lgetxattr(file, name, back, sizeof(back));

	return n == (ssize_t)strlen(value) && !memcmp(back, value, n);
}

/* A name is in the list. */
static bool listed(const char *file, const char *name)
{
	static char list[65536];
	ssize_t n = llistxattr(file, list, sizeof(list)), i;

	for (i = 0; i < n; i += strlen(list + i) + 1)
		if (!strcmp(list + i, name))
			return true;
	return false;
}

static void test_xattr(void)
{
	struct vfs_cap_data cap = {
		.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE,
		.data[0].permitted = 1,
	};
	uint64_t inodes = free_inodes();
	struct stat st, st2;
	char name[32];
	int fd, i;

	close(create("f"));
	stat("f", &st);
	fails(getxattr("f", "user.none", back, 10), ENODATA, "an attribute that is not there");
	ok(!setxattr("f", "user.one", "1", 1, 0) && has("f", "user.one", "1"), "user");
	usleep(20000);
	ok(!setxattr("f", "trusted.two", "22", 2, 0) && has("f", "trusted.two", "22"), "trusted");
	ok(!setxattr("f", "security.three", "333", 3, 0) && has("f", "security.three", "333"),
	   "security");
	ok(!stat("f", &st2) && memcmp(&st.st_ctim, &st2.st_ctim, sizeof(st.st_ctim)) &&
	   !memcmp(&st.st_mtim, &st2.st_mtim, sizeof(st.st_mtim)), "changes ctime, not mtime");
	fails(setxattr("f", "user.one", "x", 1, XATTR_CREATE), EEXIST, "CREATE of one that is");
	fails(setxattr("f", "user.none", "x", 1, XATTR_REPLACE), ENODATA, "REPLACE of none");
	fails(setxattr("f", "other.name", "x", 1, 0), EOPNOTSUPP, "an unknown prefix");
	fails(setxattr("f", "user.", "x", 1, 0), EINVAL, "a prefix alone");
	ok(!setxattr("f", "user.one", "a longer value", 14, XATTR_REPLACE) &&
	   has("f", "user.one", "a longer value") && has("f", "trusted.two", "22"), "REPLACE");
	fails(getxattr("f", "user.one", back, 3), ERANGE, "too small a buffer");
	ok(getxattr("f", "user.one", NULL, 0) == 14, "length alone");
	ok(!setxattr("f", "user.empty", "", 0, 0) && !getxattr("f", "user.empty", back, 10),
	   "an empty value");
	ok(listed("f", "user.one") && listed("f", "trusted.two") && listed("f", "security.three") &&
	   listed("f", "user.empty") && !listed("f", "user.none"), "listxattr");
	ok(listxattr("f", NULL, 0) == 9 + 12 + 15 + 11, "its length");
	fails(listxattr("f", back, 10), ERANGE, "list into too small a buffer");
	if (!fork())
		_exit(setuid(1) || listed("f", "trusted.two") || !chmod("f", 0644));
	wait(&i);
	ok(!i, "a user does not see trusted ones");
	ok(!removexattr("f", "trusted.two") && !listed("f", "trusted.two") &&
	   has("f", "security.three", "333"), "remove");
	fails(removexattr("f", "trusted.two"), ENODATA, "again");

	for (i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "user.many%d", i);
		if (setxattr("f", name, buf, 50, 0))
			break;
	}
	ok(i > 40 && errno == ENOSPC, "as many as fit: %d", i);
	fails(setxattr("f", "user.big", buf, 65536, 0), ENOSPC, "a value of 64 KiB");
	ok(has("f", "user.one", "a longer value"), "the others are as they were");
	ok(!rename("f", "g") && has("g", "user.one", "a longer value"), "rename keeps them");
	ok(!unlink("g"), "unlink");

	ok(!mkdir("d", 0700) && !setxattr("d", "user.dir", "d", 1, 0) && has("d", "user.dir", "d"),
	   "of a directory");
	rmdir("d");
	ok(!symlink("f", "s") && !lsetxattr("s", "trusted.link", "l", 1, 0) &&
	   has("s", "trusted.link", "l"), "of a symbolic link");
	fails(lsetxattr("s", "user.link", "l", 1, 0), EPERM, "user ones of a link");
	unlink("s");

	fd = create("suid");
	ok(!setxattr("suid", "security.capability", &cap, sizeof(cap), 0), "a file capability");
	ok(write(fd, "x", 1) == 1 && !listed("suid", "security.capability"),
	   "is gone when the file is written");
	close(fd);
	unlink("suid");
	ok(free_inodes() == inodes, "all inodes are back");
}

static int set_flags(const char *name, int flags)
{
	int fd = open(name, O_RDONLY), ret = ioctl(fd, FS_IOC_SETFLAGS, &flags);

	close(fd);
	return ret;
}

static int get_flags(const char *name)
{
	int fd = open(name, O_RDONLY), flags = -1;

	ioctl(fd, FS_IOC_GETFLAGS, &flags);
	close(fd);
	return flags;
}

static sigjmp_buf jump;

static void on_bus(int sig)
{
	(void)sig;
	siglongjmp(jump, 1);
}

static bool faults(char *p)
{
	if (sigsetjmp(jump, 1))
		return true;
	__atomic_store_n(p, 1, __ATOMIC_RELAXED);
	return false;
}

/* That it can be stored to by a mapping, or could be after mprotect(). */
static void test_mapped(int fd)
{
	int ro = open("f", O_RDONLY);
	char *p, *q;

	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ok(!*(volatile char *)p, "a page is read by a mapping that is writable");
	fails(set_flags("f", FS_IMMUTABLE_FL), EBUSY, "immutable while there is that mapping");
	ok(!get_flags("f") && !faults(p) && !pwrite(fd, "", 0, 0), "and it is not");
	munmap(p, 4096);
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	fails(set_flags("f", FS_IMMUTABLE_FL), EBUSY, "while mprotect() can make it writable");
	munmap(p, 4096);

	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, ro, 0);
	q = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ok(p[0] == 1 && !set_flags("f", FS_IMMUTABLE_FL), "mappings that only read do not matter");
	fails(mprotect(p, 4096, PROT_READ | PROT_WRITE), EACCES, "mprotect");
	ok(!faults(q) && !faults(q + 1) && p[1] == 0, "nor do private ones");
	fails(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), EPERM,
	      "a new one to write, by a descriptor from before");
	fails(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0), EPERM, "one that could be");
	munmap(p, 4096);
	munmap(q, 4096);
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, ro, 0);
	q = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ok(p != MAP_FAILED && q != MAP_FAILED && p[0] == 1, "others can be made");
	munmap(p, 4096);
	munmap(q, 4096);
	ok(!set_flags("f", 0), "not immutable");
	close(ro);
}

/* While it is immutable nobody stores to it, at whatever time he has mapped it. */
static void test_mapped_race(int fd)
{
	int i, stored = 0, was = 0, busy = 0, other = 0, changed = 0;
	char one, two;
	pid_t pid;

	pid = fork();
	if (!pid) {
		signal(SIGBUS, SIG_DFL);
		for (i = 0;; i++) {
			char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

			if (p != MAP_FAILED) {
				__atomic_store_n(p, i, __ATOMIC_RELAXED);
				__atomic_store_n(p, i + 1, __ATOMIC_RELAXED);
				munmap(p, 4096);
			}
		}
	}
	for (i = 0; i < RACES; i++) {
		if (set_flags("f", FS_IMMUTABLE_FL)) {
			*(errno == EBUSY ? &busy : &other) += 1;
			continue;
		}
		was++;
		if (pread(fd, &one, 1, 0) != 1)
			other++;
		usleep(100);
		if (pread(fd, &two, 1, 0) != 1 || set_flags("f", 0))
			other++;
		changed += one != two;
		stored += one != 0;
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ok(was && busy && stored && !other && !changed,
	   "%d times immutable, %d times mapped to write: changed %d times, %d other errors", was,
	   busy, changed, other);
	pwrite(fd, "\1", 1, 0);
}

/* Somebody who has the inode lock until his page comes: that of @p, by userfaultfd. */
static struct {
	int fd, uffd;
	char *p;
} slow;

static void *slow_thread(void *arg)
{
	return pwrite(slow.fd, slow.p, 1, 0) == 1 ? NULL : arg;
}

static void slow_init(int fd)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	slow.fd = fd;
	slow.uffd = syscall(__NR_userfaultfd, O_CLOEXEC);
	slow.p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	reg.range.start = (uintptr_t)slow.p;
	reg.range.len = 4096;
	if (slow.uffd < 0 || ioctl(slow.uffd, UFFDIO_API, &api) ||
	    ioctl(slow.uffd, UFFDIO_REGISTER, &reg))
		die("userfaultfd");
}

/*
 * fallocate() finds no flag, and then waits for the inode behind who sets one. Return: what it
 * comes to, 0 or an errno; -1: not what was to be shown.
 */
static int overtaken(int flag, int mode)
{
	struct uffdio_zeropage zero = { .range = { (uintptr_t)slow.p, 4096 } };
	struct uffd_msg msg;
	pid_t sets, late;
	pthread_t thread;
	int one, two;
	void *ret;

	madvise(slow.p, 4096, MADV_DONTNEED);
	if (pthread_create(&thread, NULL, slow_thread, &slow) ||
	    read(slow.uffd, &msg, sizeof(msg)) != sizeof(msg))
		die("a slow write");
	sets = fork();
	if (!sets)
		_exit(set_flags("f", flag) ? errno : 0);
	if (!sleeps_in(sets, "vfs_fileattr_set", 10000))
		return -1;
	late = fork();
	if (!late)
		_exit(fallocate(slow.fd, mode, GRANULE, GRANULE) ? errno : 0);
	if (!sleeps_in(late, "pkernfs_fallocate", 10000) ||
	    !sleeps_in(sets, "vfs_fileattr_set", 1) || ioctl(slow.uffd, UFFDIO_ZEROPAGE, &zero))
		return -1;
	pthread_join(thread, &ret);
	if (ret || waitpid(sets, &one, 0) != sets || waitpid(late, &two, 0) != late || one)
		return -1;
	if (get_flags("f") != flag || set_flags("f", 0))
		return -1;
	return WEXITSTATUS(two);
}

static void test_overtaken(int fd)
{
	static const struct {
		int flag, mode, want;
		long takes;
		const char *what;
	} late[] = {
		{ FS_IMMUTABLE_FL, FALLOC_FL_PUNCH_HOLE, EPERM, 0, "a punch, and chattr +i" },
		{ FS_APPEND_FL, FALLOC_FL_PUNCH_HOLE, EPERM, 0, "or chattr +a" },
		{ FS_APPEND_FL, FALLOC_FL_ZERO_RANGE, EPERM, 0, "a range that becomes zeroes" },
		{ 0, FALLOC_FL_PUNCH_HOLE, 0, GRANULE, "one that no flag overtakes" },
		{ FS_IMMUTABLE_FL, 0, EPERM, 0, "memory for a hole, and chattr +i" },
		{ FS_APPEND_FL, 0, 0, -GRANULE, "chattr +a lets it be" },
	};
	unsigned int i;
	long bytes;
	int ret;

	slow_init(fd);
	fallocate(fd, 0, 0, 2 * GRANULE);
	for (i = 0; i < sizeof(late) / sizeof(*late); i++) {
		bytes = memory(fd);
		ret = overtaken(late[i].flag, late[i].mode | FALLOC_FL_KEEP_SIZE);
		ok(ret == late[i].want && memory(fd) == bytes - late[i].takes,
		   "%s: %d, %ld bytes less", late[i].what, ret, bytes - memory(fd));
	}
	munmap(slow.p, 4096);
	close(slow.uffd);
	ftruncate(fd, 4096);
}

static void test_flags(void)
{
	struct sigaction sa = { .sa_handler = on_bus };
	struct statx stx;
	int fd, i;

	sigaction(SIGBUS, &sa, NULL);
	fd = create("f");
	ftruncate(fd, 4096);
	ok(get_flags("f") == 0, "no flags");
	test_mapped(fd);
	test_mapped_race(fd);
	test_overtaken(fd);
	pwrite(fd, "\1", 1, 0);
	ok(!set_flags("f", FS_IMMUTABLE_FL | FS_NODUMP_FL) &&
	   get_flags("f") == (FS_IMMUTABLE_FL | FS_NODUMP_FL), "immutable, nodump");
	ok(!statx(AT_FDCWD, "f", 0, 0, &stx) &&
	   (stx.stx_attributes & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND | STATX_ATTR_NODUMP)) ==
	   (STATX_ATTR_IMMUTABLE | STATX_ATTR_NODUMP), "statx shows them");
	fails(pwrite(fd, "x", 1, 0), EPERM, "write, by a descriptor from before");
	fails(ftruncate(fd, 0), EPERM, "truncate by it");
	fails(fallocate(fd, 0, 0, 8192), EPERM, "fallocate");
	fails(open("f", O_RDWR), EPERM, "open to write");
	fails(unlink("f"), EPERM, "unlink");
	fails(rename("f", "g"), EPERM, "rename");
	fails(link("f", "g"), EPERM, "link");
	fails(chmod("f", 0777), EPERM, "chmod");
	fails(fchown(fd, 1, 1), EPERM, "chown");
	fails(setxattr("f", "user.a", "b", 1, 0), EPERM, "setxattr");
	ok(pread(fd, back, 4096, 0) == 4096 && back[0] == 1 && zeroes(back + 1, 4095),
	   "none of it has changed it");
	if (!fork())
		_exit(setuid(1) || !set_flags("f", 0));
	wait(&i);
	ok(!i && !set_flags("f", 0), "only root takes it away");
	ok(pwrite(fd, "x", 1, 0) == 1, "then it can be written");
	close(fd);

	ok(!set_flags("f", FS_APPEND_FL), "append only");
	fails(open("f", O_RDWR), EPERM, "open to write without O_APPEND");
	fails(truncate("f", 0), EPERM, "truncate");
	fails(unlink("f"), EPERM, "unlink");
	fd = open("f", O_WRONLY | O_APPEND);
	ok(write(fd, "end", 3) == 3 && lseek(fd, 0, SEEK_END) == 4099, "append");
	fails(ftruncate(fd, 0), EPERM, "truncate by the descriptor");
	close(fd);
	ok(!set_flags("f", FS_NOATIME_FL) && get_flags("f") == FS_NOATIME_FL, "noatime");
	fails(set_flags("f", FS_COMPR_FL), EOPNOTSUPP, "a flag that there is not");
	ok(!unlink("f"), "unlink");

	ok(!mkdir("d", 0700) && !set_flags("d", FS_APPEND_FL), "append-only directory");
	close(create("d/new"));
	fails(unlink("d/new"), EPERM, "unlink in it");
	ok(!set_flags("d", 0) && !unlink("d/new") && !rmdir("d"), "no more");
}

union handle {
	struct file_handle fh;
	char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
};

static int handle_of(const char *name, union handle *h)
{
	int mount;

	h->fh.handle_bytes = MAX_HANDLE_SZ;
	return name_to_handle_at(AT_FDCWD, name, &h->fh, &mount, 0);
}

/* What is unlinked, closed and not yet free cannot be had back by its handle. */
static void test_orphan(void)
{
	uint64_t inodes = free_inodes();
	int root = open(".", O_RDONLY | O_DIRECTORY), fd = create("orphan"), i;
	union handle h;

	ok(!handle_of("orphan", &h) && !unlink("orphan"), "unlink an open file");
	close(open_by_handle_at(root, &h.fh, O_RDONLY));
	ok(!ioctl(root, FIFREEZE, 0) && !close(fd) && free_inodes() == inodes - 1,
	   "not free yet, as the filesystem is frozen");
	fails(open_by_handle_at(root, &h.fh, O_RDONLY), ESTALE, "its handle");
	ok(!ioctl(root, FITHAW, 0), "thaw");
	for (i = 0; i < 50 && free_inodes() != inodes; i++)
		usleep(100000);
	ok(free_inodes() == inodes, "free");
	close(root);
}

static void test_handles(void)
{
	union handle h, dir;
	int root = open(".", O_RDONLY | O_DIRECTORY), fd, i;
	char link[64], path[256] = "";
	struct stat st, st2;

	mkdir("a", 0700);
	mkdir("a/b", 0700);
	close(create("a/b/f"));
	stat("a/b/f", &st);
	ok(!handle_of("a/b/f", &h) && !handle_of("a/b", &dir), "handles");
	rename("a/b", "moved");
	fd = open_by_handle_at(root, &h.fh, O_RDWR);
	ok(fd >= 0 && !fstat(fd, &st2) && st.st_ino == st2.st_ino, "open a file by its handle");
	close(fd);
	sync();
	fd = open("/proc/sys/vm/drop_caches", O_WRONLY);
	ok(write(fd, "2", 1) == 1, "forget all inodes");
	close(fd);
	fd = open_by_handle_at(root, &dir.fh, O_RDONLY);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	i = readlink(link, path, sizeof(path) - 1);
	ok(fd >= 0 && i > 6 && !strcmp(path + i - 6, "/moved"), "a directory is connected: %s",
	   path);
	close(fd);
	fd = open_by_handle_at(root, &h.fh, O_RDWR);
	ok(fd >= 0 && !fstat(fd, &st2) && st.st_ino == st2.st_ino, "open the file again");
	close(fd);
	unlink("moved/f");
	rmdir("moved");
	rmdir("a");
	fails(open_by_handle_at(root, &h.fh, O_RDWR), ESTALE, "a file that is gone");
	/* Its slot is used again, by an inode of another generation. */
	for (i = 0, st2.st_ino = 0; i < 10 && st2.st_ino != st.st_ino; i++) {
		snprintf(link, sizeof(link), "%d", i);
		close(create(link));
		stat(link, &st2);
	}
	ok(st.st_ino == st2.st_ino, "the lowest inode number that is free comes first");
	fails(open_by_handle_at(root, &h.fh, O_RDWR), ESTALE, "its inode number used again");
	while (i--) {
		snprintf(link, sizeof(link), "%d", i);
		unlink(link);
	}
	close(root);
}

/* A handle of what is gone is looked up while a new file is made in its slot. */
static void test_handle_race(void)
{
	uint64_t inodes = free_inodes();
	int root = open(".", O_RDONLY | O_DIRECTORY), i, fd, found = 0, other = 0;
	union handle h;
	pid_t pid;

	close(create("gone"));
	ok(!handle_of("gone", &h) && !unlink("gone"), "a handle of a file that is gone");
	pid = fork();
	if (!pid)
		for (;;) {
			close(create("race"));
			unlink("race");
		}
	for (i = 0; i < RACES; i++) {
		fd = open_by_handle_at(root, &h.fh, O_RDONLY);
		if (fd >= 0) {
			found++;
			close(fd);
		} else if (errno != ESTALE) {
			other = errno;
		}
	}
	kill(pid, SIGKILL);
	ok(waitpid(pid, NULL, 0) == pid && !found && !other,
	   "%d look-ups of it while its slot is used again: %d found, errno %d", RACES, found,
	   other);
	unlink("race");
	/* One that was removed while it was looked up is freed a moment later. */
	for (i = 0; i < 50 && free_inodes() != inodes; i++)
		usleep(100000);
	ok(free_inodes() == inodes, "nothing is left of it");
	close(root);
}

/* There is no cache to go past, and nothing that wants an alignment. */
static void test_direct(void)
{
	int fd = open("o", O_CREAT | O_RDWR | O_DIRECT, 0600);

	fill(buf, sizeof(buf), 5);
	ok(fd >= 0 && pwrite(fd, buf + 1, 12345, 4321) == 12345, "O_DIRECT write");
	ok(pread(fd, back + 3, 12345, 4321) == 12345 && !memcmp(buf + 1, back + 3, 12345), "read");
	close(fd);
	unlink("o");
}

static void test_mounts(void)
{
	char line[512];
	FILE *f = fopen("/proc/mounts", "r");
	bool seen = false;

	while (fgets(line, sizeof(line), f))
		seen |= strstr(line, " pkernfs ") && strstr(line, ",region=0");
	fclose(f);
	ok(seen, "/proc/mounts tells the region");
}

static void write_all(void)
{
	union handle h;
	int fd = create("kept");

	if (write(fd, "data", 4) != 4 || setxattr("kept", "user.a", "A", 1, 0) ||
	    setxattr("kept", "trusted.b", "B", 1, 0) || handle_of("kept", &h))
		die("write");
	close(fd);
	fd = create("handle");
	if (write(fd, &h, sizeof(h)) != sizeof(h) || set_flags("kept", FS_APPEND_FL))
		die("write");
	close(fd);
}

static void check_all(void)
{
	int root = open(".", O_RDONLY | O_DIRECTORY), fd;
	union handle h;

	ok(has("kept", "user.a", "A") && has("kept", "trusted.b", "B"), "attributes");
	ok(get_flags("kept") == FS_APPEND_FL, "flags");
	fails(truncate("kept", 0), EPERM, "and what they mean: truncate");
	fd = open("handle", O_RDONLY);
	ok(read(fd, &h, sizeof(h)) == sizeof(h), "a handle");
	close(fd);
	fd = open_by_handle_at(root, &h.fh, O_RDONLY);
	ok(fd >= 0 && read(fd, back, 4) == 4 && !memcmp(back, "data", 4),
	   "of the kernel before opens the file");
	close(fd);
	close(root);
}

int main(int argc, char **argv)
{
	int rc;

	if (argc < 3)
		die("usage");
	enter(argc - 1, argv + 1);
	rc = over_kexec(argv[1], write_all, check_all);
	if (rc >= 0)
		return rc;
	test_xattr();
	test_flags();
	test_orphan();
	test_handles();
	test_handle_race();
	test_direct();
	test_mounts();
	return tap_done();
}
