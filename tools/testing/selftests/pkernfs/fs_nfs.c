// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: exported by the kernel's NFS server, and mounted by a client on the same machine.
 *
 * usage: fs_nfs REGION REGION-MOUNT NFS-MOUNT
 *
 * The region is mounted, and lo is up. What exportfs and mountd would tell the server about
 * 127.0.0.1 is written to where they would write it.
 */
#include <linux/falloc.h>
#include <sys/mount.h>
#include <sys/xattr.h>

#include "fs_test.h"

#define NFSD	"/proc/fs/nfsd/"
#define CACHE	"/proc/net/rpc/"
/* fsid, no subtree check, any port */
#define EXPORT_FLAGS	(0x2000 | 0x400 | 0x2)
#define FILE_BYTES	(3 * MIB + 12345)

static const char *region, *mnt, *nfs;
static char data[FILE_BYTES];

static const char *here(const char *name)	{ return in(mnt, name); }
static const char *there(const char *name)	{ return in(nfs, name); }

/* --- the server ------------------------------------------------------------------------ */

static void tell(const char *path, const char *fmt, ...)
{
	int fd = open(path, O_WRONLY), len;
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	len = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (fd < 0 || write(fd, text, len) != len)
		die(path);
	close(fd);
}

static void start_server(void)
{
	tell(CACHE "auth.unix.ip/channel", "nfsd 127.0.0.1 2147483647 self\n");
	tell(CACHE "nfsd.export/channel", "self %s 2147483647 %d 65534 65534 0\n", mnt,
	     EXPORT_FLAGS);
	tell(CACHE "nfsd.fh/channel", "self 1 \\x00000000 2147483647 %s\n", mnt);
	tell(NFSD "versions", "-3 +4 -4.0 +4.1 +4.2\n");
	tell(NFSD "nfsv4leasetime", "10\n");
	tell(NFSD "nfsv4gracetime", "10\n");
	tell(NFSD "portlist", "tcp 2049\n");
	tell(NFSD "threads", "2\n");
}

/* It has no file of the region open, and no path. */
static void stop_server(void)
{
	int fd = open(NFSD "threads", O_RDWR);
	char text[32] = "";

	tell(NFSD "threads", "0\n");
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0 || atoi(text))
		die("it goes on");
	close(fd);
	tell(CACHE "nfsd.fh/flush", "2147483647\n");
	tell(CACHE "nfsd.export/flush", "2147483647\n");
	tell(CACHE "auth.unix.ip/flush", "2147483647\n");
}

static void empty_caches(void)
{
	sync();
	tell("/proc/sys/vm/drop_caches", "3\n");
}

static int mount_nfs(void)
{
	char options[256];

	/* What the server says now counts, not what it has said. */
	snprintf(options, sizeof(options), "vers=4.2,addr=%s,clientaddr=%s,hard,%s", "127.0.0.1",
		 "127.0.0.1", "proto=tcp,sec=sys,actimeo=0,lookupcache=none");
	return mount("127.0.0.1:/", nfs, "nfs4", 0, options);
}

/* --- the client ------------------------------------------------------------------------ */

static bool file_is(const char *path, const void *want, size_t bytes)
{
	static char buf[FILE_BYTES + 1];
	int fd = open(path, O_RDONLY);
	size_t done = 0;
	ssize_t got;

	while (fd >= 0 && done < sizeof(buf)) {
		got = read(fd, buf + done, sizeof(buf) - done);
		if (got <= 0)
			break;
		done += got;
	}
	if (fd >= 0)
		close(fd);
	return fd >= 0 && done == bytes && !memcmp(buf, want, bytes);
}

static void test_data(void)
{
	int fd = open(there("file"), O_CREAT | O_EXCL | O_RDWR, 0640);
	struct stat st;

	ok(fd >= 0 && write(fd, data, sizeof(data)) == sizeof(data) && !fsync(fd),
	   "a file by the client");
	ok(file_is(here("file"), data, sizeof(data)), "is the same for the server");
	ok(!close(fd) && file_is(there("file"), data, sizeof(data)), "and is read");
	empty_caches();
	ok(file_is(there("file"), data, sizeof(data)), "once more, with no caches");

	fd = open(there("file"), O_RDWR);
	memset(data + 5000, 'n', 7000);
	ok(fd >= 0 && pwrite(fd, data + 5000, 7000, 5000) == 7000 && !close(fd) &&
	   file_is(here("file"), data, sizeof(data)), "written to");
	fd = open(here("file"), O_RDWR);
	memset(data + 9000, 's', 100);
	ok(pwrite(fd, data + 9000, 100, 9000) == 100 && !close(fd) &&
	   file_is(there("file"), data, sizeof(data)), "by the server");

	fd = create(there("sparse"));
	ok(!ftruncate(fd, 8 * MIB) && pwrite(fd, "x", 1, 6 * MIB) == 1 && !fsync(fd) &&
	   lseek(fd, 0, SEEK_DATA) == 6 * MIB && lseek(fd, 6 * MIB, SEEK_HOLE) == 8 * MIB,
	   "SEEK_DATA and SEEK_HOLE");
	ok(!fallocate(fd, 0, 0, 2 * MIB) && !stat(here("sparse"), &st) &&
	   st.st_blocks * 512 == 4 * MIB, "fallocate");
	ok(!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 6 * MIB, 2 * MIB) &&
	   !stat(here("sparse"), &st) && st.st_blocks * 512 == 2 * MIB, "and punch");
	drop(fd, there("sparse"));
	ok(access(here("sparse"), F_OK) && errno == ENOENT, "unlink");
}

static void test_names(void)
{
	char buf[64];
	struct stat st;

	ok(!mkdir(there("dir"), 0751) && !stat(here("dir"), &st) && (st.st_mode & 07777) == 0751,
	   "mkdir");
	ok(!rename(there("file"), there("dir/renamed")) && access(here("file"), F_OK) &&
	   file_is(here("dir/renamed"), data, sizeof(data)), "rename");
	ok(!link(there("dir/renamed"), there("file")) && !stat(here("file"), &st) &&
	   st.st_nlink == 2, "link");
	ok(!rename(there("dir"), there("dir2")) && !access(here("dir2/renamed"), F_OK) &&
	   !unlink(there("dir2/renamed")) && !stat(here("file"), &st) && st.st_nlink == 1,
	   "rename of a directory, and unlink");
	ok(!symlink("file", there("link")) && readlink(here("link"), buf, sizeof(buf)) == 4 &&
	   !memcmp(buf, "file", 4) && file_is(there("link"), data, sizeof(data)), "symlink");
	ok(!mkfifo(there("fifo"), 0600) && !stat(here("fifo"), &st) && S_ISFIFO(st.st_mode),
	   "mkfifo");
	ok(!chmod(there("file"), 0604) && !chown(there("file"), 5, 6) && !stat(here("file"), &st) &&
	   (st.st_mode & 07777) == 0604 && st.st_uid == 5 && st.st_gid == 6, "chmod and chown");
	ok(!setxattr(there("file"), "user.nfs", "value", 5, 0) &&
	   getxattr(here("file"), "user.nfs", buf, sizeof(buf)) == 5 && !memcmp(buf, "value", 5),
	   "an extended attribute");
}

/* Handles that the client has, over what the server goes through. */
static void test_restart(void)
{
	int fd = open(there("file"), O_RDWR), dir = open(there("dir2"), O_RDONLY | O_DIRECTORY);
	int gone = open(there("gone"), O_PATH | O_DIRECTORY);
	struct statx x, y;
	struct stat st;
	ino_t ino;

	if (fd < 0 || dir < 0 || gone < 0 || stat(here("gone"), &st))
		die("open");
	ino = st.st_ino;
	stop_server();
	ok(!rmdir(here("gone")) && !umount(mnt), "the region is unmounted");
	empty_caches();
	ok(!mount(region, mnt, "pkernfs", 0, NULL) && !mkdir(here("other"), 0755), "and mounted");
	start_server();

	memset(data + 100, 'r', 50);
	ok(pwrite(fd, data + 100, 50, 100) == 50 && !fsync(fd) &&
	   file_is(here("file"), data, sizeof(data)), "a file that is open all the time");
	ok(!statx(dir, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &x) &&
	   !fstatat(dir, "../link", &st, AT_SYMLINK_NOFOLLOW), "a directory");
	ok(!statx(AT_FDCWD, here("other"), 0, STATX_INO, &y) && y.stx_ino == ino,
	   "another has the number of one that is gone");
	fails(statx(gone, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &x), ESTALE,
	      "that");
	close(fd);
	close(dir);
	close(gone);
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	umask(0);
	if (argc < 4)
		die("usage");
	region = argv[1];
	mnt = argv[2];
	nfs = argv[3];
	fill(data, sizeof(data), 7);
	if (mount("nfsd", NFSD, "nfsd", 0, NULL))
		die("nfsd");
	start_server();
	if (mkdir(here("gone"), 0755))
		die("mkdir");
	if (!ok(!mount_nfs(), "mount"))
		return tap_done();
	test_data();
	test_names();
	test_restart();
	ok(!umount(nfs), "umount");
	stop_server();
	ok(file_is(here("file"), data, sizeof(data)), "all of it is in the region");
	return tap_done();
}
