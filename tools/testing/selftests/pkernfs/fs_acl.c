// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: who may do what: POSIX ACLs, and mounts with shifted ids.
 *
 * usage: fs_acl test MOUNT, on an empty one;
 *	  fs_acl write MOUNT; kexec; fs_acl check MOUNT
 *
 * setfacl(1) is not there: ACLs are set as the attributes that they are.
 */
#include <grp.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "fs_test.h"

#define ACCESS	"system.posix_acl_access"
#define DEFAULT	"system.posix_acl_default"

/* Ids of a file are seen so much higher in the mount of test_idmap(). */
#define SHIFT	10000

struct acl {
	struct posix_acl_xattr_header head;
	struct posix_acl_xattr_entry e[1000];
};

static size_t acl_size(int entries)
{
	return sizeof(struct posix_acl_xattr_header) +
	       entries * sizeof(struct posix_acl_xattr_entry);
}

/*
 * Owner, @user with @perm, group and others, and a mask of @mask: 5 entries. The
 * owner may do all, group and others nothing.
 */
static struct acl acl_for(unsigned int user, unsigned int perm, unsigned int mask)
{
	struct acl a = {
		.head.a_version = POSIX_ACL_XATTR_VERSION,
		.e = {
			{ ACL_USER_OBJ, 7, ACL_UNDEFINED_ID },
			{ ACL_USER, perm, user },
			{ ACL_GROUP_OBJ, 0, ACL_UNDEFINED_ID },
			{ ACL_MASK, mask, ACL_UNDEFINED_ID },
			{ ACL_OTHER, 0, ACL_UNDEFINED_ID },
		},
	};

	return a;
}

static int acl_set(const char *file, const char *name, const struct acl *a, int entries)
{
	return setxattr(file, name, a, acl_size(entries), 0);
}

static bool acl_is(const char *file, const char *name, const struct acl *a, int entries)
{
	struct acl got;

	return getxattr(file, name, &got, sizeof(got)) == (ssize_t)acl_size(entries) &&
	       !memcmp(&got, a, acl_size(entries));
}

/* open(2) as this user, who is in the group of the same number only. */
static int open_as(unsigned int user, const char *file, int flags)
{
	int status;

	if (!fork()) {
		if (setgroups(0, NULL) || setresgid(user, user, user) ||
		    setresuid(user, user, user))
			_exit(255);
		_exit(open(file, flags, 0666) < 0 ? errno : 0);
	}
	wait(&status);
	return WEXITSTATUS(status);
}

static mode_t mode_of(const char *file)
{
	struct stat st;

	return lstat(file, &st) ? 0 : st.st_mode & 07777;
}

static void test_access(void)
{
	struct acl a = acl_for(1000, 6, 6), got;
	uint64_t inodes = free_inodes();
	long pool = region_attr("pool_free");
	struct stat st, st2;
	char list[256];
	int status;
	ssize_t n;

	touch("f");
	stat("f", &st);
	usleep(20000);
	fails(getxattr("f", ACCESS, &got, sizeof(got)), ENODATA, "an ACL that is not there");
	ok(open_as(1000, "f", O_RDONLY) == EACCES, "a user without an ACL");
	ok(!acl_set("f", ACCESS, &a, 5) && acl_is("f", ACCESS, &a, 5), "an ACL for one user");
	ok(mode_of("f") == 0760, "its mask shows as the group's mode");
	ok(!stat("f", &st2) && memcmp(&st.st_ctim, &st2.st_ctim, sizeof(st.st_ctim)),
	   "changes ctime");
	ok(!open_as(1000, "f", O_RDWR), "lets him in");
	ok(open_as(1001, "f", O_RDONLY) == EACCES, "and nobody else");
	n = listxattr("f", list, sizeof(list));
	ok(n == sizeof(ACCESS) && !strcmp(list, ACCESS), "is listed");

	ok(!chmod("f", 0640) && mode_of("f") == 0640, "chmod");
	a = acl_for(1000, 6, 4);
	a.e[0].e_perm = 6;
	ok(acl_is("f", ACCESS, &a, 5), "changes mask and owner, not the user's entry");
	ok(open_as(1000, "f", O_RDWR) == EACCES && !open_as(1000, "f", O_RDONLY),
	   "which the mask limits");
	ok(!chown("f", 5, 5) && acl_is("f", ACCESS, &a, 5) && mode_of("f") == 0640,
	   "chown leaves it as it is");
	ok(open_as(1000, "f", O_WRONLY) == EACCES && !chmod("f", 0660) &&
	   !open_as(1000, "f", O_WRONLY), "chmod gives it back");

	a = acl_for(1000, 7, 7);
	ok(!link("f", "g") && !rename("f", "h") && !acl_set("g", ACCESS, &a, 5) &&
	   acl_is("h", ACCESS, &a, 5), "one for all links");
	unlink("g");
	rename("h", "f");
	ok(!removexattr("f", ACCESS) && getxattr("f", ACCESS, NULL, 0) < 0 &&
	   open_as(1000, "f", O_RDONLY) == EACCES, "removed");
	ok(mode_of("f") == 0770, "the mode stays");

	/* No more than what a mode says: kept as the mode. */
	a.e[1] = a.e[2];
	a.e[1].e_perm = 4;
	a.e[2] = a.e[4];
	ok(!acl_set("f", ACCESS, &a, 3) && mode_of("f") == 0740 &&
	   getxattr("f", ACCESS, NULL, 0) < 0, "a minimal one is the mode");
	unlink("f");

	touch("f");
	chown("f", 1000, 1001);
	chmod("f", 02770);
	a = acl_for(1002, 7, 7);
	if (!fork()) {
		setgroups(0, NULL);
		_exit(setresgid(1000, 1000, 1000) || setresuid(1000, 1000, 1000) ||
		      acl_set("f", ACCESS, &a, 5));
	}
	wait(&status);
	ok(!status && mode_of("f") == 0770,
	   "set by an owner who is not in the group: no setgid any more");
	if (!fork())
		_exit(setresuid(1002, 1002, 1002) || !acl_set("f", ACCESS, &a, 5) ||
		      errno != EPERM);
	wait(&status);
	ok(!status, "one who may write it may not set it");
	ok(!unlink("f"), "unlink");
	ok(!mkfifo("p", 0600) && !acl_set("p", ACCESS, &a, 5) && acl_is("p", ACCESS, &a, 5) &&
	   !unlink("p"), "of a FIFO");
	ok(region_attr("pool_free") == pool && free_inodes() == inodes, "all memory is back");
}

/* What the kernel must not take; the file stays as it was. */
static void test_bad(void)
{
	struct acl good = acl_for(1000, 6, 6), a;
	int i;

	touch("f");
	mkdir("d", 0700);
	symlink("f", "s");
	acl_set("f", ACCESS, &good, 5);
	fails(acl_set("f", DEFAULT, &good, 5), EACCES, "a default ACL of a file");
	fails(lsetxattr("s", ACCESS, &good, acl_size(5), 0), EOPNOTSUPP, "of a symbolic link");
	fails(setxattr("f", ACCESS, &good, acl_size(5) - 1, 0), EINVAL, "half an entry");
	fails(setxattr("f", ACCESS, &good, 3, 0), EINVAL, "half a head");
	fails(acl_set("f", ACCESS, &good, 4), EINVAL, "one without others");
	a = good;
	a.head.a_version = 1;
	fails(acl_set("f", ACCESS, &a, 5), EOPNOTSUPP, "another version");
	a = good;
	a.e[3] = a.e[4];
	fails(acl_set("f", ACCESS, &a, 4), EINVAL, "a user and no mask");
	a = good;
	a.e[1].e_tag = ACL_USER_OBJ;
	fails(acl_set("f", ACCESS, &a, 5), EINVAL, "two owners");
	a = good;
	a.e[1].e_tag = 0x40;
	fails(acl_set("f", ACCESS, &a, 5), EINVAL, "an unknown tag");
	a = good;
	a.e[1].e_perm = 8;
	fails(acl_set("f", ACCESS, &a, 5), EINVAL, "an unknown permission");
	a = good;
	a.e[1].e_id = ACL_UNDEFINED_ID;
	fails(acl_set("f", ACCESS, &a, 5), EINVAL, "no user");

	a = good;
	for (i = 5; i < 600; i++)
		a.e[i] = a.e[4];
	for (i = 1; i < 597; i++)
		a.e[i] = (struct posix_acl_xattr_entry){ ACL_USER, 4, 1000 + i };
	a.e[597] = good.e[2];
	a.e[598] = good.e[3];
	a.e[599] = good.e[4];
	fails(acl_set("f", ACCESS, &a, 600), ENOSPC, "one of 600 entries");
	ok(acl_is("f", ACCESS, &good, 5) && mode_of("f") == 0760, "the ACL is as it was");
	/* 500 of 8 bytes, and 8 in front, are 4008 bytes of 4064. */
	a.e[497] = a.e[597];
	a.e[498] = a.e[598];
	a.e[499] = a.e[599];
	ok(!acl_set("f", ACCESS, &a, 500) && acl_is("f", ACCESS, &a, 500), "500 fit");
	ok(!open_as(1400, "f", O_RDONLY) && open_as(1600, "f", O_RDONLY) == EACCES,
	   "and all of them mean something");
	unlink("f");
	unlink("s");
	rmdir("d");
}

static void test_inherit(void)
{
	struct acl a = acl_for(1000, 7, 7), want;
	struct posix_acl_xattr_entry e;
	long pool = region_attr("pool_free");
	int fd;

	umask(077);
	mkdir("plain", 0777);
	close(open("plain/f", O_CREAT | O_RDWR, 0666));
	ok(mode_of("plain") == 0700 && mode_of("plain/f") == 0600, "without one the umask holds");
	ok(!acl_set("plain", DEFAULT, &a, 5) && acl_is("plain", DEFAULT, &a, 5) &&
	   mode_of("plain") == 0700, "a default ACL");
	ok(open_as(1000, "plain", O_RDONLY) == EACCES, "is not that of the directory");
	chmod("plain", 0755);

	close(open("plain/new", O_CREAT | O_RDWR, 0660));
	want = acl_for(1000, 7, 6);
	want.e[0].e_perm = 6;
	ok(acl_is("plain/new", ACCESS, &want, 5) && mode_of("plain/new") == 0660,
	   "a new file has it, the mode limits it, the umask does not");
	fails(getxattr("plain/new", DEFAULT, NULL, 0), ENODATA, "a default ACL of a file");
	ok(!open_as(1000, "plain/new", O_RDWR) && open_as(1001, "plain/new", O_RDWR) == EACCES,
	   "and it means something");
	ok(!mkdir("plain/d", 0777) && acl_is("plain/d", DEFAULT, &a, 5) &&
	   acl_is("plain/d", ACCESS, &a, 5) && mode_of("plain/d") == 0770,
	   "a new directory has both");
	ok(!mkfifo("plain/p", 0640) && mode_of("plain/p") == 0640 &&
	   getxattr("plain/p", ACCESS, NULL, 0) == (ssize_t)acl_size(5), "a FIFO");
	fd = open("plain", O_TMPFILE | O_RDWR, 0660);
	ok(fd >= 0 && !linkat(AT_FDCWD, ({
		static char path[32];

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		path;
	}), AT_FDCWD, "plain/t", AT_SYMLINK_FOLLOW) && acl_is("plain/t", ACCESS, &want, 5),
	   "one made without a name");
	close(fd);
	ok(!symlink("new", "plain/s") && mode_of("plain/s") == 0777, "a symbolic link has none");

	/* A default that a mode can say leaves the mode alone. */
	e = a.e[4];
	e.e_perm = 4;
	a.e[1] = a.e[2];
	a.e[2] = e;
	ok(!acl_set("plain", DEFAULT, &a, 3), "a minimal default ACL");
	close(open("plain/min", O_CREAT | O_RDWR, 0666));
	ok(mode_of("plain/min") == 0604 && getxattr("plain/min", ACCESS, NULL, 0) < 0,
	   "gives a mode");
	umask(022);
	ok(!removexattr("plain", DEFAULT) && getxattr("plain", DEFAULT, NULL, 0) < 0, "removed");
	close(open("plain/last", O_CREAT | O_RDWR, 0666));
	ok(mode_of("plain/last") == 0644, "the umask holds again");
	fd = open("plain", O_RDONLY);
	for (const char **p = (const char *[]){ "f", "new", "p", "t", "s", "min", "last", NULL };
	     *p; p++)
		unlinkat(fd, *p, 0);
	close(fd);
	rmdir("plain/d");
	ok(!rmdir("plain"), "rmdir");
	ok(region_attr("pool_free") == pool, "all blocks are back");
}

/* A file without a name has an ACL and flags like any other, and keeps them. */
static void test_tmpfile(void)
{
	int fd = open(".", O_TMPFILE | O_RDWR, 0600), flags = FS_IMMUTABLE_FL, is = -1;
	struct acl a = acl_for(5, 6, 6);
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ok(fd >= 0 && !acl_set(path, ACCESS, &a, 5) && !ioctl(fd, FS_IOC_SETFLAGS, &flags),
	   "an ACL and a flag of a file without a name");
	fails(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW), EPERM,
	      "a name for an immutable one");
	flags = FS_NODUMP_FL;
	ok(!ioctl(fd, FS_IOC_SETFLAGS, &flags) &&
	   !linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW), "a name");
	close(fd);
	fd = open("named", O_RDONLY);
	ok(acl_is("named", ACCESS, &a, 5) && !ioctl(fd, FS_IOC_GETFLAGS, &is) &&
	   is == FS_NODUMP_FL, "keeps them");
	drop(fd, "named");
}

/* --- shifted ids ------------------------------------------------------------- */

/* A user namespace whose ids 0 to 9999 are SHIFT and on here. */
static int shifted_ns(void)
{
	int ready[2], end[2], fd;
	char path[64], c;
	FILE *f;
	pid_t pid;

	if (pipe(ready) || pipe(end))
		die("pipe");
	pid = fork();
	if (!pid) {
		close(end[1]);
		c = unshare(CLONE_NEWUSER);
		if (write(ready[1], &c, 1) != 1)
			_exit(1);
		_exit(read(end[0], &c, 1) != 0);
	}
	if (read(ready[0], &c, 1) != 1 || c)
		die("unshare");
	for (const char **p = (const char *[]){ "uid", "gid", NULL }; *p; p++) {
		snprintf(path, sizeof(path), "/proc/%d/%s_map", pid, *p);
		f = fopen(path, "w");
		if (!f || fprintf(f, "0 %d 10000", SHIFT) < 0 || fclose(f))
			die(path);
	}
	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	fd = open(path, O_RDONLY);
	close(end[1]);
	wait(NULL);
	return fd;
}

static bool owned(const char *file, unsigned int uid, unsigned int gid)
{
	struct stat st;

	return !lstat(file, &st) && st.st_uid == uid && st.st_gid == gid;
}

static void copy_self(const char *to)
{
	int in = open("/proc/self/exe", O_RDONLY), out = open(to, O_CREAT | O_WRONLY, 0755);

	while (sendfile(out, in, NULL, 1 << 20) > 0)
		;
	close(in);
	close(out);
}

/* What a user does in the shifted mount: 0, or which step failed. */
static int shifted_user(void)
{
	struct acl a = acl_for(SHIFT + 7, 6, 6);
	char path[64];
	int fd;

	umask(022);
	if (setgroups(0, NULL) || setresgid(SHIFT + 1000, SHIFT + 1000, SHIFT + 1000) ||
	    setresuid(SHIFT + 1000, SHIFT + 1000, SHIFT + 1000))
		return 1;
	if (close(open("/tmp/shifted/new", O_CREAT | O_EXCL | O_RDWR, 0600)))
		return 2;
	if (mkdir("/tmp/shifted/dir", 0700))
		return 3;
	if (symlink("new", "/tmp/shifted/link"))
		return 4;
	if (mkfifo("/tmp/shifted/fifo", 0600))
		return 5;
	if (chmod("/tmp/shifted/mine", 0640))
		return 6;
	if (acl_set("/tmp/shifted/mine", ACCESS, &a, 5) ||
	    !acl_is("/tmp/shifted/mine", ACCESS, &a, 5))
		return 7;
	if (acl_set("/tmp/shifted/dir", DEFAULT, &a, 5) ||
	    close(open("/tmp/shifted/dir/f", O_CREAT | O_EXCL | O_RDWR, 0600)))
		return 8;
	if (chmod("/tmp/shifted/root", 0666) != -1 || errno != EPERM)
		return 9;
	if (rename("/tmp/shifted/new", "/tmp/shifted/renamed"))
		return 10;
	fd = open("/tmp/shifted", O_TMPFILE | O_RDWR, 0600);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, path, AT_FDCWD, "/tmp/shifted/named", AT_SYMLINK_FOLLOW) || close(fd))
		return 11;
	if (sys_rename("/tmp/shifted/named", "/tmp/shifted/kept", RENAME_WHITEOUT))
		return 12;
	if (close(open("/tmp/shifted/group/f", O_CREAT | O_EXCL | O_RDWR, 0600)) ||
	    mkdir("/tmp/shifted/group/d", 0700))
		return 13;
	return 0;
}

static void test_idmap(void)
{
	static const char * const made[] = {
		"mine", "root", "suid", "renamed", "link", "fifo", "dir/f", "named", "kept",
		"group/f", NULL };
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };
	struct acl a = acl_for(7, 6, 6);
	struct stat st;
	char arg[16];
	int fd, status;

	mkdir("base", 0755);
	chown("base", 1000, 1000);
	touch("base/mine");
	chown("base/mine", 1000, 1000);
	touch("base/root");
	copy_self("base/suid");
	chown("base/suid", 1000, 1000);
	chmod("base/suid", 06755);
	mkdir("base/group", 0700);
	chown("base/group", 1000, 2000);
	chmod("base/group", 02770);

	mkdir("/tmp/shifted", 0755);
	attr.userns_fd = shifted_ns();
	fd = syscall(SYS_open_tree, AT_FDCWD, "base", OPEN_TREE_CLONE | O_CLOEXEC);
	if (!ok(fd >= 0 &&
		!syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) &&
		!syscall(SYS_move_mount, fd, "", AT_FDCWD, "/tmp/shifted", 4 /* empty path */),
		"a mount with shifted ids"))
		return;
	close(fd);
	close(attr.userns_fd);

	ok(owned("/tmp/shifted/mine", SHIFT + 1000, SHIFT + 1000) &&
	   owned("/tmp/shifted/root", SHIFT, SHIFT) && owned("base/mine", 1000, 1000),
	   "owners are shifted");
	ok(open_as(1000, "/tmp/shifted/mine", O_RDWR) == EACCES &&
	   !open_as(SHIFT + 1000, "/tmp/shifted/mine", O_RDWR) &&
	   open_as(SHIFT + 1000, "base/mine", O_RDWR) == EACCES, "and with them who may open");
	if (!fork())
		_exit(shifted_user());
	wait(&status);
	ok(!status, "a user at work there: step %d", WEXITSTATUS(status));
	ok(owned("base/renamed", 1000, 1000) && owned("base/dir", 1000, 1000) &&
	   owned("base/link", 1000, 1000) && owned("base/fifo", 1000, 1000) &&
	   owned("base/dir/f", 1000, 1000) && owned("base/kept", 1000, 1000),
	   "what he made is his");
	ok(!lstat("base/named", &st) && S_ISCHR(st.st_mode) && !st.st_rdev &&
	   owned("base/named", 1000, 1000), "a whiteout too");
	ok(owned("base/group/f", 1000, 2000) && owned("base/group/d", 1000, 2000) &&
	   mode_of("base/group/d") == 02700, "in a setgid directory the group is that one's");
	ok(mode_of("base/mine") == 0760 && acl_is("base/mine", ACCESS, &a, 5) &&
	   acl_is("base/dir", DEFAULT, &a, 5), "ids in ACLs are shifted");
	a.e[0].e_perm = 6;
	a.e[3].e_perm = 0;
	ok(acl_is("base/dir/f", ACCESS, &a, 5), "inherited ones too");
	ok(!open_as(SHIFT + 7, "/tmp/shifted/mine", O_RDWR) && !open_as(7, "base/mine", O_RDWR) &&
	   open_as(7, "/tmp/shifted/mine", O_RDWR) == EACCES, "and mean something");

	fails(open("/tmp/shifted/other", O_CREAT | O_RDWR, 0600), EOVERFLOW,
	      "a file of one who has no id there");
	fails(mkdir("/tmp/shifted/other", 0700), EOVERFLOW, "a directory");
	fails(chown("/tmp/shifted/root", 5, 5), EOVERFLOW, "chown to one");
	ok(!chown("/tmp/shifted/root", SHIFT + 5, SHIFT + 6) && owned("base/root", 5, 6), "chown");

	snprintf(arg, sizeof(arg), "%d", SHIFT + 1000);
	if (!fork()) {
		setgroups(0, NULL);
		if (setresgid(SHIFT + 1, SHIFT + 1, SHIFT + 1) ||
		    setresuid(SHIFT + 1, SHIFT + 1, SHIFT + 1))
			_exit(2);
		execl("/tmp/shifted/suid", "fs_acl", "ids", arg, NULL);
		_exit(3);
	}
	wait(&status);
	ok(!status, "a setuid program runs as its shifted owner: %#x", status);
	ok(!chown("/tmp/shifted/suid", SHIFT + 5, -1) && mode_of("base/suid") == 0755,
	   "chown takes setuid and setgid away");

	umount("/tmp/shifted");
	fd = open("base", O_RDONLY);
	for (const char * const *p = made; *p; p++)
		unlinkat(fd, *p, 0);
	close(fd);
	ok(!rmdir("base/dir") && !rmdir("base/group/d") && !rmdir("base/group") &&
	   !rmdir("base"), "nothing else is there");
}

/* --- over a kexec -------------------------------------------------------------- */

static void write_all(void)
{
	struct acl a = acl_for(1000, 6, 6), d = acl_for(1001, 5, 7);

	chmod(".", 0755);
	touch("file");
	if (acl_set("file", ACCESS, &a, 5) || mkdir("dir", 0755) || acl_set("dir", ACCESS, &d, 5) ||
	    acl_set("dir", DEFAULT, &a, 5))
		die("write");
}

static void check_all(void)
{
	struct acl a = acl_for(1000, 6, 6), d = acl_for(1001, 5, 7);

	ok(acl_is("file", ACCESS, &a, 5) && mode_of("file") == 0760, "an ACL");
	ok(!open_as(1000, "file", O_RDWR) && open_as(1002, "file", O_RDWR) == EACCES,
	   "and what it means");
	ok(acl_is("dir", ACCESS, &d, 5) && acl_is("dir", DEFAULT, &a, 5), "two of a directory");
	close(open("dir/new", O_CREAT | O_RDWR, 0666));
	a.e[0].e_perm = 6;
	ok(acl_is("dir/new", ACCESS, &a, 5), "are inherited");
}

int main(int argc, char **argv)
{
	int rc;

	if (argc < 3)
		die("usage");
	if (!strcmp(argv[1], "ids"))
		return geteuid() != (uid_t)atoi(argv[2]) || getegid() != (gid_t)atoi(argv[2]);
	enter(argc - 1, argv + 1);
	rc = over_kexec(argv[1], write_all, check_all);
	if (rc >= 0)
		return rc;
	chmod(".", 0755);
	/* The first name takes a block for good. */
	touch("f");
	unlink("f");
	test_access();
	test_bad();
	test_inherit();
	test_tmpfile();
	test_idmap();
	return tap_done();
}
