// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: what programs expect of a Linux filesystem beyond files and names.
 *
 * usage: fs_posix test MOUNT, on an empty one;
 *	  fs_posix write MOUNT; kexec; fs_posix check MOUNT
 */
#include <dirent.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "fs_test.h"

#ifndef F_SETDELEG
#define F_GETDELEG	(1024 + 15)
#define F_SETDELEG	(1024 + 16)
#endif

static char buf[4 * MIB], back[4 * MIB];

static void test_tmpfile(void)
{
	uint64_t bytes = free_bytes(), inodes = free_inodes();
	struct stat st;
	int fd;

	fd = open(".", O_TMPFILE | O_RDWR, 0640);
	ok(fd >= 0 && !fstat(fd, &st) && st.st_nlink == 0 && (st.st_mode & 0777) == 0640,
	   "O_TMPFILE: a file without a name");
	ok(free_inodes() == inodes - 1, "takes an inode");
	ok(pwrite(fd, "abc", 3, 0) == 3 && pread(fd, back, 3, 0) == 3 && !memcmp(back, "abc", 3),
	   "holds data");
	close(fd);
	ok(free_bytes() == bytes && free_inodes() == inodes, "is free when it is closed");

	fd = open(".", O_TMPFILE | O_RDWR, 0600);
	pwrite(fd, "kept", 4, 0);
	ok(!name_it(fd, "named") && !fstat(fd, &st) && st.st_nlink == 1, "gets a name by linkat");
	close(fd);
	fd = open("named", O_RDONLY);
	ok(read(fd, back, 5) == 4 && !memcmp(back, "kept", 4), "and keeps its data");
	close(fd);
	unlink("named");

	fd = open(".", O_TMPFILE | O_EXCL | O_RDWR, 0600);
	fails(name_it(fd, "named"), ENOENT, "linkat of one that was made with O_EXCL");
	close(fd);
	ok(free_bytes() == bytes && free_inodes() == inodes, "all is back");
}

static void test_special(void)
{
	uint64_t inodes = free_inodes();
	struct sockaddr_un sun = { .sun_family = AF_UNIX, .sun_path = "socket" };
	struct stat st, st2;
	char name[4] = "";
	int fd, other;

	ok(!mknod("zero", S_IFCHR | 0600, makedev(1, 5)) && !stat("zero", &st) &&
	   S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 5), "mknod: character device");
	fd = open("zero", O_RDWR);
	memset(back, 1, 100);
	ok(read(fd, back, 100) == 100 && zeroes(back, 100), "is that device");
	close(fd);
	ok(!chmod("zero", 0644) && !chown("zero", 5, 6) && !stat("zero", &st) &&
	   (st.st_mode & 0777) == 0644 && st.st_uid == 5, "chmod and chown");
	ok(!mknod("disk", S_IFBLK | 0600, makedev(4095, 0xfffff)) && !stat("disk", &st) &&
	   S_ISBLK(st.st_mode) && st.st_rdev == makedev(4095, 0xfffff),
	   "block device, the largest numbers");
	ok(!mkfifo("fifo", 0600), "FIFO");
	fd = open("fifo", O_RDWR);
	ok(write(fd, "f", 1) == 1 && read(fd, name, 1) == 1 && name[0] == 'f', "is one");
	close(fd);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	ok(!bind(fd, (struct sockaddr *)&sun, sizeof(sun)) && !stat("socket", &st) &&
	   S_ISSOCK(st.st_mode), "socket");
	listen(fd, 1);
	other = socket(AF_UNIX, SOCK_STREAM, 0);
	ok(!connect(other, (struct sockaddr *)&sun, sizeof(sun)), "can be connected to");
	close(other);
	close(fd);

	touch("w");
	stat("w", &st);
	ok(!sys_rename("w", "moved", RENAME_WHITEOUT) && !stat("moved", &st2) &&
	   st.st_ino == st2.st_ino, "rename with WHITEOUT");
	ok(!lstat("w", &st) && S_ISCHR(st.st_mode) && st.st_rdev == 0 && st.st_nlink == 1,
	   "leaves a device 0:0");
	touch("over");
	ok(!sys_rename("moved", "over", RENAME_WHITEOUT) && !stat("over", &st) &&
	   st.st_ino == st2.st_ino && !stat("moved", &st) && S_ISCHR(st.st_mode),
	   "over a file too");
	ok(!sys_rename("over", "w", 0) && !stat("w", &st) && st.st_ino == st2.st_ino,
	   "a whiteout can be renamed over");
	fails(sys_rename("w", "x", RENAME_WHITEOUT | RENAME_EXCHANGE), EINVAL,
	      "WHITEOUT with EXCHANGE");
	unlink("w");
	unlink("moved");
	unlink("zero");
	unlink("disk");
	unlink("fifo");
	unlink("socket");
	ok(free_inodes() == inodes, "all inodes are back");
}

static void test_zero_range(void)
{
	uint64_t before = free_bytes();
	int fd = open("z", O_CREAT | O_RDWR, 0600);
	struct stat st;
	char *p;

	fill(buf, sizeof(buf), 3);
	ok(pwrite(fd, buf, 4 * MIB, 0) == 4 * MIB, "write");
	p = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ok(!fallocate(fd, FALLOC_FL_ZERO_RANGE, 100, 3 * MIB), "ZERO_RANGE");
	ok(!memcmp(p, buf, 100) && zeroes(p + 100, 3 * MIB) &&
	   !memcmp(p + 3 * MIB + 100, buf + 3 * MIB + 100, MIB - 100), "zeroes that, no more");
	munmap(p, 4 * MIB);
	ok(!fstat(fd, &st) && st.st_blocks == 2 * GRANULE / 512, "keeps the memory");
	ok(!fallocate(fd, FALLOC_FL_ZERO_RANGE, 5 * MIB, 2 * MIB) && !fstat(fd, &st) &&
	   st.st_size == 7 * MIB && st.st_blocks == 4 * GRANULE / 512,
	   "behind the end: allocates and grows");
	ok(!fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 8 * MIB, MIB) &&
	   !fstat(fd, &st) && st.st_size == 7 * MIB && st.st_blocks == 5 * GRANULE / 512,
	   "KEEP_SIZE keeps the size");
	fails(fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, before + GRANULE), ENOSPC,
	      "more than there is");
	ok(pread(fd, back, 100, 0) == 100 && !memcmp(back, buf, 100), "and that zeroes nothing");
	close(fd);
	unlink("z");
	ok(free_bytes() == before, "all space is back");
}

#define NAMES	300

/* Lengths differ, so that entries of other sizes take freed places. */
static const char *numbered(int i)
{
	static char name[300];
	int len = snprintf(name, sizeof(name), "c/%d-", i);

	memset(name + len, 'n', i % 100);
	name[len + i % 100] = 0;
	return name;
}

/* A place in a directory stays good whatever goes around it. */
static void test_cookies(void)
{
	static long at[NAMES + 2];
	static char seen[NAMES];
	char name[300];
	struct dirent *de;
	int i, n, bad = 0;
	DIR *d;

	mkdir("c", 0700);
	for (i = 0; i < NAMES; i++)
		touch(numbered(i));
	d = opendir("c");
	n = 0;
	for (;;) {
		long here = telldir(d);

		de = readdir(d);
		if (!de)
			break;
		if (de->d_name[0] != '.')
			at[atoi(de->d_name)] = here;
		n++;
	}
	ok(n == NAMES + 2, "readdir sees all");
	for (i = NAMES - 1; i >= 0; i -= 7) {
		seekdir(d, at[i]);
		de = readdir(d);
		bad += !de || atoi(de->d_name) != i;
	}
	ok(!bad, "seekdir finds each again, in any order");

	/* Every third goes; a longer name comes. */
	for (i = 0; i < NAMES; i += 3)
		bad += !!unlink(numbered(i));
	memset(name, 'l', 200);
	name[200] = 0;
	memcpy(name, "c/", 2);
	touch(name);
	for (i = 1; i < NAMES; i++) {
		if (i % 3 == 0)
			continue;
		seekdir(d, at[i]);
		de = readdir(d);
		bad += !de || atoi(de->d_name) != i;
	}
	ok(!bad, "after unlink of every third, what is left is where it was");
	seekdir(d, at[150]);
	while ((de = readdir(d)))
		if (de->d_name[0] != 'l' && de->d_name[0] != '.') {
			bad += atoi(de->d_name) < 150 || atoi(de->d_name) % 3 == 0;
			bad += seen[atoi(de->d_name)]++;
		}
	for (i = 151; i < NAMES; i++)
		bad += seen[i] != !!(i % 3);
	ok(!bad, "from the place of one that is gone: the rest, each once");
	rewinddir(d);
	while ((de = readdir(d)))
		if (de->d_name[0] != '.') {
			snprintf(name, sizeof(name), "c/%s", de->d_name);
			bad += !!unlink(name);
		}
	closedir(d);
	ok(!bad && !rmdir("c"), "all removed while reading");
}

struct dirent64_raw {
	uint64_t ino;
	int64_t off;
	unsigned short len;
	unsigned char type;
	char name[];
};

#define GONE	150	/* with some after it: their room in the directory */

/* Like "axxx": none is a number. */
static const char *lettered(int letter, int len)
{
	static char name[2][300];
	static int which;
	char *p = name[which = !which];

	memcpy(p, "c/", 2);
	memset(p + 2, 'x', len);
	p[2] = letter;
	p[2 + len] = 0;
	return p;
}

/* Names come, change and go: many short ones, then a few long ones in the same room. */
static void names_change(void)
{
	unsigned int i, len, n;
	int c;

	for (i = 0;; i++) {
		len = i % 2 ? 150 + i % 50 : 2 + i % 7;
		n = i % 2 ? 5 : 20;
		for (c = 'a'; c < (int)('a' + n); c++)
			close(open(lettered(c, len), O_CREAT | O_RDWR, 0600));
		rename(lettered('a', len), lettered('z', len + 1));
		unlink(lettered('z', len + 1));
		while (--c > 'a')
			unlink(lettered(c, len));
	}
}

static bool is_lettered(const struct dirent64_raw *de)
{
	return de->name[0] >= 'a' && de->name[0] <= 'z' && de->ino < 100000 &&
	       strspn(de->name + 1, "x") == strlen(de->name + 1);
}

/* One reads a directory, a name or two at a time, while another changes it. */
static void test_readdir(void)
{
	static char seen[NAMES], part[280];
	int i, dir, n, at, rounds = 0, bad = 0, other = 0, more = 0, was;
	time_t end = time(NULL) + 5;
	struct dirent64_raw *de;
	pid_t pid;

	mkdir("c", 0700);
	for (i = 0; i < NAMES; i++)
		touch(numbered(i));
	for (i = GONE; i < GONE + 20; i++)
		unlink(numbered(i));
	pid = fork();
	if (!pid)
		names_change();
	for (; time(NULL) < end || rounds < 10; rounds++) {
		memset(seen, 0, sizeof(seen));
		dir = open("c", O_RDONLY | O_DIRECTORY);
		while ((n = syscall(SYS_getdents64, dir, part, sizeof(part))) > 0) {
			was = more;
			for (at = 0; at < n; at += de->len) {
				de = (struct dirent64_raw *)(part + at);
				if (strchr("0123456789", de->name[0]))
					seen[atoi(de->name) % NAMES]++;
				else if (is_lettered(de))
					more++;
				else
					other += de->name[0] != '.';
			}
			/* Where it is now is another name's middle by and by. */
			if (more != was)
				usleep(random() % 4000);
		}
		bad += n < 0;
		for (i = 0; i < NAMES; i++)
			bad += seen[i] != (i < GONE || i >= GONE + 20);
		close(dir);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ok(!bad && !other && more,
	   "read %d times while names come and go: the others, each once (%d wrong, %d no names)",
	   rounds, bad, other);
	if (system("rm -r c"))
		die("rm");
}

static void test_times(void)
{
	struct timespec ts[2] = { { -1000000000, 1 }, { 9000000000, 999999999 } };
	struct timespec far[2] = { { -20000000000, 0 }, { 20000000000, 0 } };
	struct stat st;
	struct statx stx;

	touch("t");
	ok(!utimensat(AT_FDCWD, "t", ts, 0) && !stat("t", &st) &&
	   st.st_atim.tv_sec == -1000000000 && st.st_atim.tv_nsec == 1 &&
	   st.st_mtim.tv_sec == 9000000000 && st.st_mtim.tv_nsec == 999999999,
	   "1938 and 2255, to the nanosecond");
	ok(!utimensat(AT_FDCWD, "t", far, 0) && !stat("t", &st) &&
	   st.st_atim.tv_sec < -9000000000 && st.st_mtim.tv_sec > 9000000000,
	   "times farther away become the farthest that there are");
	ok(!statx(AT_FDCWD, "t", 0, STATX_BTIME, &stx) && (stx.stx_mask & STATX_BTIME) &&
	   stx.stx_btime.tv_sec > 1000000000, "time of birth");
	unlink("t");
}

/* A second mount, as fsopen(2) has it: the superblock is to be read-only, the mount need not. */
static int second_mount(bool ro, const char *at)
{
	int fs = syscall(SYS_fsopen, "pkernfs", FSOPEN_CLOEXEC), mnt = -1, ret = -1, err;

	if (fs < 0)
		die("fsopen");
	if (!syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "source", "region0", 0) &&
	    (!ro || !syscall(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, "ro", NULL, 0)) &&
	    !syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		mnt = syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	if (mnt >= 0)
		ret = syscall(SYS_move_mount, mnt, "", AT_FDCWD, at, MOVE_MOUNT_F_EMPTY_PATH);
	err = errno;
	if (mnt >= 0)
		close(mnt);
	close(fs);
	errno = err;
	return ret;
}

static void test_read_only(void)
{
	int fd, ro, status = 0;
	char *p;

	touch("r");
	fd = open("r", O_RDWR);
	ftruncate(fd, 2 * GRANULE);
	pwrite(fd, "data", 4, 0);
	fails(mount(NULL, ".", NULL, MS_REMOUNT | MS_RDONLY, NULL), EBUSY,
	      "remount read-only with a file open to write");
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	fails(mount(NULL, ".", NULL, MS_REMOUNT | MS_RDONLY, NULL), EBUSY,
	      "with a mapping of one that has been closed");
	munmap(p, 4096);
	ok(!mount(NULL, ".", NULL, MS_REMOUNT | MS_RDONLY, NULL), "without one");
	mkdir("/tmp/second", 0700);
	fails(mount("region0", "/tmp/second", "pkernfs", 0, NULL), EBUSY,
	      "mount it once more, to write");
	ok(!mount("region0", "/tmp/second", "pkernfs", MS_RDONLY, NULL) &&
	   !access("/tmp/second/r", R_OK) && !umount("/tmp/second"), "once more, read-only");
	fails(open("r", O_RDWR), EROFS, "open to write");
	fails(open("new", O_CREAT | O_RDONLY, 0600), EROFS, "create");
	fails(open(".", O_TMPFILE | O_RDWR, 0600), EROFS, "O_TMPFILE");
	fails(mkdir("new", 0700), EROFS, "mkdir");
	fails(unlink("r"), EROFS, "unlink");
	fails(chmod("r", 0644), EROFS, "chmod");
	fails(truncate("r", 0), EROFS, "truncate");
	fails(sys_rename("r", "s", 0), EROFS, "rename");
	ro = open("r", O_RDONLY);
	ok(read(ro, back, 4) == 4 && !memcmp(back, "data", 4), "read");
	p = mmap(NULL, 2 * GRANULE, PROT_READ, MAP_SHARED, ro, 0);
	ok(!memcmp(p, "data", 4), "a mapping to read");
	memset(back, 1, 4);
	ok(pread(ro, back, 4, GRANULE) == 4 && !memcmp(back, "\0\0\0", 4), "zeroes in a hole");
	if (!fork())
		_exit(*(volatile char *)(p + GRANULE));
	wait(&status);
	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS, "that is SIGBUS in a mapping");
	munmap(p, 2 * GRANULE);
	close(ro);
	ok(!mount(NULL, ".", NULL, MS_REMOUNT, NULL) && !unlink("r"), "remount to write");
	fails(mount("region0", "/tmp/second", "pkernfs", MS_RDONLY, NULL), EBUSY,
	      "mount it once more, read-only");
	fails(second_mount(true, "/tmp/second"), EBUSY, "and by fsopen");
	ok(!mount("region0", "/tmp/second", "pkernfs", 0, NULL) && !mkdir("/tmp/second/d", 0700) &&
	   !rmdir("d") && !umount("/tmp/second"), "once more, to write");
	ok(!second_mount(false, "/tmp/second") && !mkdir("/tmp/second/d", 0700) && !rmdir("d"),
	   "and by fsopen");
	ok(!mount(NULL, "/tmp/second", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL),
	   "read-only at one place");
	fails(mkdir("/tmp/second/d", 0700), EROFS, "mkdir there");
	ok(!mkdir("d", 0700) && !access("/tmp/second/d", F_OK) && !rmdir("d") &&
	   !umount("/tmp/second"), "and here");
}

/* FIFREEZE: who wants to change something waits, until FITHAW. */
static void test_freeze(void)
{
	uint64_t before = free_bytes();
	int root = open(".", O_RDONLY | O_DIRECTORY), fd, hole, status = -1, i;
	pid_t pid, toucher;
	char *p;

	hole = create("hole");
	ftruncate(hole, 2 * GRANULE);
	p = mmap(NULL, 2 * GRANULE, PROT_READ | PROT_WRITE, MAP_SHARED, hole, 0);
	p[0] = 1;
	fd = open("gone", O_CREAT | O_RDWR, 0600);
	pwrite(fd, "x", 1, 0);
	unlink("gone");
	ok(!syncfs(root) && !ioctl(root, FIFREEZE, 0), "FIFREEZE");
	fails(ioctl(root, FIFREEZE, 0), EBUSY, "once more");
	close(fd);
	ok(free_bytes() == before - GRANULE - 4096,
	   "an unlinked file that is closed is not freed");
	pid = fork();
	if (!pid)
		_exit(mkdir("late", 0700) ? 1 : 0);
	toucher = fork();
	if (!toucher)
		_exit(p[GRANULE]);
	p[100] = 2;
	ok(p[0] == 1, "what is mapped can be stored to");
	usleep(300000);
	ok(!waitpid(pid, &status, WNOHANG) && access("late", F_OK), "mkdir waits");
	ok(!waitpid(toucher, &status, WNOHANG) && memory(hole) == (long)GRANULE,
	   "and who touches a hole");
	ok(!ioctl(root, FITHAW, 0), "FITHAW");
	ok(waitpid(pid, &status, 0) == pid && !status && !rmdir("late"), "mkdir goes on");
	ok(waitpid(toucher, &status, 0) == toucher && !status &&
	   memory(hole) == 2 * (long)GRANULE, "the hole is filled");
	munmap(p, 2 * GRANULE);
	drop(hole, "hole");
	for (i = 0; i < 50 && free_bytes() != before; i++)
		usleep(100000);
	ok(free_bytes() == before, "and the unlinked file is free");
	fails(ioctl(root, FITHAW, 0), EINVAL, "FITHAW of what is not frozen");
	close(root);
}

/* The last mount goes while it is frozen: the next one finds it so. */
static void test_freeze_away(const char *at)
{
	int fd = open(".", O_RDONLY | O_DIRECTORY);
	pid_t pid;

	ok(!ioctl(fd, FIFREEZE, 0), "FIFREEZE");
	close(fd);
	if (chdir("/"))
		die("chdir");
	ok(!umount2(at, MNT_DETACH), "umount -l");
	ok(!mount("region0", at, "pkernfs", 0, NULL) && !chdir(at), "mount");
	fd = open(".", O_RDONLY | O_DIRECTORY);
	pid = fork();
	if (!pid)
		_exit(mkdir("late", 0700) ? 1 : 0);
	usleep(300000);
	ok(!waitpid(pid, NULL, WNOHANG) && access("late", F_OK), "it is frozen");
	ok(!ioctl(fd, FITHAW, 0) && waitpid(pid, NULL, 0) == pid && !rmdir("late"), "FITHAW");
	close(fd);
}

/* What is stored, for the next kernel. */
static void write_all(void)
{
	int fd;

	touch("was");
	if (mknod("zero", S_IFCHR | 0640, makedev(1, 5)) || mkfifo("fifo", 0600) ||
	    sys_rename("was", "is", RENAME_WHITEOUT))
		die("special files");
	fd = open(".", O_TMPFILE | O_RDWR, 0600);
	if (write(fd, "named", 5) != 5 || name_it(fd, "named"))
		die("O_TMPFILE");
	/* Without a name to the end of this kernel: free in the next one. */
	fd = open("space", O_CREAT | O_RDWR, 0600);
	dprintf(fd, "%-20lu", (long)free_inodes());
	fd = open(".", O_TMPFILE | O_RDWR, 0600);
	if (write(fd, "lost", 4) != 4)
		die("O_TMPFILE");
	if (!fork()) {
		fclose(stdout);
		setsid();
		pause();
	}
}

static void check_all(void)
{
	char text[32] = "";
	struct stat st;
	int fd;

	ok(!stat("zero", &st) && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 5) &&
	   (st.st_mode & 0777) == 0640, "a device file");
	ok(!stat("fifo", &st) && S_ISFIFO(st.st_mode), "a FIFO");
	ok(!stat("was", &st) && S_ISCHR(st.st_mode) && !st.st_rdev && !stat("is", &st) &&
	   S_ISREG(st.st_mode), "a whiteout");
	fd = open("named", O_RDONLY);
	ok(read(fd, text, sizeof(text)) == 5 && !memcmp(text, "named", 5),
	   "a nameless file that got a name");
	close(fd);
	fd = open("space", O_RDONLY);
	ok(read(fd, text, sizeof(text) - 1) == 20 && free_inodes() == strtoul(text, NULL, 10),
	   "one that got none is free");
	close(fd);
}

/* As an NFS server takes them: of a file, and of the names in a directory. */
static void test_leases(void)
{
	struct {
		uint32_t flags;
		uint16_t type, pad;
	} deleg = { .type = F_RDLCK };
	struct timespec begin, end;
	bool unknown = false;
	char line[256];
	int fd, dir;
	FILE *out;

	touch("leased");
	signal(SIGIO, SIG_IGN);
	fd = open("leased", O_RDONLY);
	ok(!fcntl(fd, F_SETLEASE, F_RDLCK) && fcntl(fd, F_GETLEASE) == F_RDLCK,
	   "a lease of a file");
	fails(open("leased", O_WRONLY | O_NONBLOCK), EWOULDBLOCK, "to open it for writing");
	ok(!fcntl(fd, F_SETLEASE, F_UNLCK), "given back");
	close(fd);
	fd = open("leased", O_WRONLY | O_NONBLOCK);
	ok(fd >= 0, "and it can be opened");
	close(fd);

	/* Who looks at all files does not wait until whoever has the lease gives it back. */
	fd = open("leased", O_RDWR);
	ok(!fcntl(fd, F_SETLEASE, F_WRLCK), "a lease to write");
	clock_gettime(CLOCK_MONOTONIC, &begin);
	out = popen("pkernfsctl list . 2>&1", "r");
	while (out && fgets(line, sizeof(line), out))
		unknown |= !strcmp(line, "  ./leased: unknown\n");
	ok(out && WEXITSTATUS(pclose(out)) == 1 && unknown, "pkernfsctl list does not know it");
	clock_gettime(CLOCK_MONOTONIC, &end);
	ok(end.tv_sec - begin.tv_sec < 20, "at once: %ld s", end.tv_sec - begin.tv_sec);
	fcntl(fd, F_SETLEASE, F_UNLCK);
	close(fd);

	dir = open(".", O_RDONLY | O_DIRECTORY);
	ok(!fcntl(dir, F_SETDELEG, &deleg), "a delegation of a directory");
	deleg.type = F_UNLCK;
	ok(!fcntl(dir, F_GETDELEG, &deleg) && deleg.type == F_RDLCK, "which is there");
	close(dir);
	unlink("leased");
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
	test_tmpfile();
	test_special();
	test_zero_range();
	test_cookies();
	test_readdir();
	test_times();
	test_read_only();
	test_freeze();
	test_leases();
	test_freeze_away(argv[2]);
	return tap_done();
}
