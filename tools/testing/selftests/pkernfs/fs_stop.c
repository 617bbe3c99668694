// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: system calls that stop after each of their stores to the metadata.
 *
 * usage: fs_stop REGION MOUNT [STEP [NAME]]
 *
 * The region is formatted and not mounted, and the kernel has regionN_stores in debugfs.
 * Each system call is done once in a twin folder, which shows the state before and after
 * it, and then again and again in another folder: it is cut off after 0, 1, 2, 3, 4 stores
 * and from then on at every STEP-th. Then the kernel reads the region anew, and what is
 * there must be the state before or after, and sound. To commit takes two stores: with
 * these it has happened. A store by another user takes set-user-ID from the file first, so
 * there is a state in between; never is the data or the size a new one and that still there.
 * NAME is one of them alone.
 */
#include <linux/falloc.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "fs_state.h"

#define ACCESS	"system.posix_acl_access"
#define DEFAULT	"system.posix_acl_default"
#define COMMIT	2	/* stores: the length, the commit word */

static const char *region, *mnt;
static char knob[64];
static long stop_after;		/* stores; -1: never */
static long cuts;		/* after a commit */

/* --- the kernel ------------------------------------------------------------------- */

static long stores_left(void)
{
	int fd = open(knob, O_RDONLY);
	char text[32] = "";

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		die(knob);
	close(fd);
	return strtol(text, NULL, 0);
}

/* Right before the system call. */
static void arm(void)
{
	int fd;

	if (stop_after < 0)
		return;
	fd = open(knob, O_WRONLY);
	if (fd < 0 || dprintf(fd, "%ld", stop_after) < 0)
		die(knob);
	close(fd);
}

static void go_to(const char *folder)
{
	if (chdir(mnt) || (folder && chdir(folder)))
		die("chdir");
}

static bool fsck_clean(void)
{
	int status, fd;
	pid_t pid = vfork();

	if (!pid) {
		fd = open("/tmp/fsck", O_CREAT | O_TRUNC | O_WRONLY, 0600);
		dup2(fd, 1);
		execl("/bin/fsck.pkernfs", "fsck.pkernfs", "-n", region, NULL);
		_exit(255);
	}
	return waitpid(pid, &status, 0) == pid && !status;
}

/* The kernel lets go of what it has of the region, and reads it. It is sound: true. */
static bool read_anew(const char *name)
{
	char dev[32];
	bool clean;
	int fd;

	snprintf(dev, sizeof(dev), "/dev/pkernfs%s", region + strlen("region"));
	if (chdir("/") || umount(mnt))
		die("umount");
	fd = open(dev, O_RDONLY | O_EXCL);
	if (fd < 0)
		die(dev);
	close(fd);
	clean = fsck_clean();
	if (mount(region, mnt, "pkernfs", 0, NULL)) {
		ok(false, "%s, stopped after %ld stores: the region is not loaded", name,
		   stop_after);
		die("mount");
	}
	if (stores_left() != -1)
		die("it has not been loaded anew");
	return clean;
}

/* --- what there is before ----------------------------------------------------------- */

static void put(const char *name, mode_t mode, size_t bytes)
{
	static char data[16384];
	int fd = create(name);

	fill(data, sizeof(data), name[0]);
	if (fchmod(fd, mode) || write(fd, data, bytes) != (ssize_t)bytes)
		die(name);
	close(fd);
}

/* Owner, one user with @perm, group, mask, others. */
static int set_acl(const char *path, const char *kind, unsigned int perm)
{
	struct {
		struct posix_acl_xattr_header head;
		struct posix_acl_xattr_entry e[5];
	} a = {
		.head.a_version = POSIX_ACL_XATTR_VERSION,
		.e = {
			{ ACL_USER_OBJ, 7, ACL_UNDEFINED_ID },
			{ ACL_USER, perm, 1000 },
			{ ACL_GROUP_OBJ, 4, ACL_UNDEFINED_ID },
			{ ACL_MASK, perm | 4, ACL_UNDEFINED_ID },
			{ ACL_OTHER, 0, ACL_UNDEFINED_ID },
		},
	};

	return setxattr(path, kind, &a, sizeof(a), 0);
}

static void must(int ret, const char *what)
{
	if (ret)
		die(what);
}

static void prepare(void)
{
	put("file", 04755, 5000);
	put("suid", 06777, 5000);
	put("two", 0600, 100);
	must(link("two", "names"), "link");
	must(mkdir("a", 0755) ?: mkdir("a/sub", 0700) ?: mkdir("b", 0711) ?: mkdir("empty", 0755),
	     "mkdir");
	put("a/x", 0640, 300);
	put("a/sub/z", 0600, 10);
	put("b/y", 0604, 4096);
	must(symlink("target", "b/link"), "symlink");
	put("attr", 0600, 0);
	must(setxattr("attr", "user.old", "value", 5, 0), "setxattr");
	put("acl", 0600, 0);
	must(set_acl("acl", ACCESS, 6), "ACL");
	must(mkdir("inherit", 0755) ?: set_acl("inherit", DEFAULT, 7), "default ACL");
}

/* Three large granules. */
static void prepare_big(void)
{
	int fd, i;

	fd = create("big");
	must(set_wish(fd, GRANULE), "FS_IOC_FSSETXATTR");
	for (i = 0; i < 3; i++)
		if (pwrite(fd, "data", 4, i * GRANULE + 5 * i) != 4)
			die("write");
	must(ftruncate(fd, 3 * GRANULE - 100), "ftruncate");
	close(fd);
}

static void clear(const char *path)
{
	struct dirent **de;
	char sub[512];
	struct stat st;
	int i, n = scandir(path, &de, NULL, NULL);

	if (n < 0)
		die(path);
	for (i = 0; i < n; i++) {
		snprintf(sub, sizeof(sub), "%s/%s", path, de[i]->d_name);
		if (strcmp(de[i]->d_name, ".") && strcmp(de[i]->d_name, "..")) {
			must(lstat(sub, &st), sub);
			if (S_ISDIR(st.st_mode))
				clear(sub);
			must(remove(sub), sub);
		}
		free(de[i]);
	}
	free(de);
}

/* --- the system calls ----------------------------------------------------------------- */

static int do_create_in(const char *path)
{
	int fd;

	arm();
	fd = open(path, O_CREAT | O_EXCL | O_RDWR, 0666);
	return fd < 0 ? -1 : close(fd);
}

static int with_fd(const char *path, int (*call)(int fd))
{
	int fd = open(path, O_RDWR), ret;

	if (fd < 0)
		die(path);
	arm();
	ret = call(fd);
	close(fd);
	return ret;
}

/* By a user who may write to it, but has no CAP_FSETID. */
static int with_other(const char *path, int (*call)(int fd))
{
	int fd = open(path, O_RDWR), ret;

	if (fd < 0)
		die(path);
	arm();
	must(seteuid(1000), "seteuid");
	ret = call(fd);
	must(seteuid(0), "seteuid");
	close(fd);
	return ret;
}

static int call_punch(int fd)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, GRANULE, GRANULE);
}

static int call_grow(int fd)		{ return ftruncate(fd, 100000); }
static int call_shrink(int fd)		{ return ftruncate(fd, GRANULE + 100); }
static int call_cut(int fd)		{ return ftruncate(fd, 100); }
static int call_keep(int fd)		{ return fallocate(fd, FALLOC_FL_KEEP_SIZE, 8192, 65536); }
static int call_allocate(int fd)	{ return fallocate(fd, 0, 8192, 65536); }
static int call_append(int fd)		{ return pwrite(fd, "0123456789", 10, 5000) - 10; }
static int call_write(int fd)		{ return pwrite(fd, "0123456789", 10, 100) - 10; }
static int call_extend(int fd)		{ return pwrite(fd, "0123456789", 10, 20000) - 10; }
static int call_outgrow(int fd)		{ return pwrite(fd, "0123456789", 10, GRANULE) - 10; }
static int call_zeroes(int fd)		{ return ftruncate(fd, GRANULE); }
static int call_wish(int fd)		{ return set_wish(fd, GRANULE); }
static int call_flags(int fd)
{
	int flags = FS_NODUMP_FL | FS_NOATIME_FL;

	return ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

static int do_symlink_long(void)
{
	char target[2000];

	memset(target, 'x', sizeof(target));
	target[sizeof(target) - 1] = 0;
	return symlink(target, "new");
}

static int do_unlink_open(void)
{
	int fd = open("file", O_RDWR), ret;

	arm();
	ret = unlink("file");
	close(fd);
	return ret;
}

static int do_tmpfile(void)
{
	int fd = open(".", O_TMPFILE | O_RDWR, 0640), ret;
	char path[64];

	if (fd < 0 || write(fd, "nameless", 8) != 8)
		die("O_TMPFILE");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	arm();
	ret = linkat(AT_FDCWD, path, AT_FDCWD, "b/named", AT_SYMLINK_FOLLOW);
	close(fd);
	return ret;
}

static int do_attr_large(void)
{
	char value[3000];

	memset(value, 'v', sizeof(value));
	return setxattr("attr", "user.large", value, sizeof(value), XATTR_CREATE);
}

#define CALL(name, expr) static int do_##name(void) { arm(); return expr; }
CALL(mkdir, mkdir("new", 0751))
CALL(mkdir_inherit, mkdir("inherit/new", 0777))
CALL(symlink, symlink("somewhere", "new"))
CALL(mknod, mknod("new", S_IFBLK | 0640, makedev(7, 300)))
CALL(mkfifo, mkfifo("a/new", 0600))
CALL(link, link("file", "new"))
CALL(link_elsewhere, link("two", "a/sub/new"))
CALL(unlink, unlink("file"))
CALL(unlink_one, unlink("two"))
CALL(rmdir, rmdir("empty"))
CALL(rename, sys_rename("file", "new", 0))
CALL(rename_elsewhere, sys_rename("file", "a/new", RENAME_NOREPLACE))
CALL(rename_over, sys_rename("file", "a/x", 0))
CALL(rename_over_one, sys_rename("b/y", "two", 0))
CALL(rename_dir, sys_rename("a", "new", 0))
CALL(rename_dir_elsewhere, sys_rename("a", "b/new", 0))
CALL(rename_dir_over, sys_rename("a", "empty", 0))
CALL(rename_dir_over_elsewhere, sys_rename("a/sub", "empty", 0))
CALL(exchange, sys_rename("file", "a", RENAME_EXCHANGE))
CALL(exchange_files, sys_rename("file", "b/y", RENAME_EXCHANGE))
CALL(exchange_dir, sys_rename("a/sub", "b/y", RENAME_EXCHANGE))
CALL(exchange_dirs, sys_rename("a/sub", "b", RENAME_EXCHANGE))
CALL(whiteout, sys_rename("file", "new", RENAME_WHITEOUT))
CALL(whiteout_elsewhere, sys_rename("a/x", "b/new", RENAME_WHITEOUT))
CALL(whiteout_over, sys_rename("file", "b/y", RENAME_WHITEOUT))
CALL(whiteout_dir, sys_rename("a/sub", "b/new", RENAME_WHITEOUT))
CALL(chmod, chmod("file", 0640))
CALL(chmod_dir, chmod("a", 01777))
CALL(chmod_acl, chmod("acl", 0711))
CALL(chown, chown("file", 5, 6))
CALL(chown_dir, chown("a", 7, -1))
CALL(chown_link, lchown("b/link", 8, 9))
CALL(attr_first, setxattr("file", "user.new", "1", 1, XATTR_CREATE))
CALL(attr_second, setxattr("attr", "trusted.new", "22", 2, 0))
CALL(attr_replace, setxattr("attr", "user.old", "longer than before", 18, XATTR_REPLACE))
CALL(attr_remove, removexattr("attr", "user.old"))
CALL(acl_new, set_acl("file", ACCESS, 1))
CALL(acl_replace, set_acl("acl", ACCESS, 7))
CALL(acl_remove, removexattr("acl", ACCESS))
CALL(acl_default, set_acl("a", DEFAULT, 5))
CALL(acl_default_remove, removexattr("inherit", DEFAULT))
CALL(truncate_all, truncate("big", 0))
#undef CALL

static int do_create(void)		{ return do_create_in("new"); }
static int do_create_inherit(void)	{ return do_create_in("inherit/new"); }
static int do_symlink_block(void)	{ arm(); return do_symlink_long(); }
static int do_attr_block(void)		{ arm(); return do_attr_large(); }
static int do_flags(void)		{ return with_fd("file", call_flags); }
static int do_wish(void)		{ return with_fd("attr", call_wish); }
static int do_grow(void)		{ return with_fd("file", call_grow); }
static int do_shrink(void)		{ return with_fd("big", call_shrink); }
static int do_punch(void)		{ return with_fd("big", call_punch); }
static int do_keep(void)		{ return with_fd("file", call_keep); }
static int do_allocate(void)		{ return with_fd("file", call_allocate); }
static int do_append(void)		{ return with_fd("file", call_append); }
static int do_extend(void)		{ return with_fd("file", call_extend); }
static int do_outgrow(void)		{ return with_fd("file", call_outgrow); }
static int do_zeroes(void)		{ return with_fd("file", call_zeroes); }
static int do_suid_grow(void)		{ return with_other("suid", call_grow); }
static int do_suid_cut(void)		{ return with_other("suid", call_cut); }
static int do_suid_write(void)		{ return with_other("suid", call_write); }
static int do_suid_append(void)		{ return with_other("suid", call_append); }
static int do_suid_extend(void)		{ return with_other("suid", call_extend); }
static int do_suid_allocate(void)	{ return with_other("suid", call_allocate); }
static int do_suid_gone(void)		{ return chmod("suid", 0777); }

/*
 * @big: wants a file of large granules. @memory: memory comes first, and with the size what
 * is in it: a stop in between leaves a file that has more memory. @between: makes a state that
 * there is in between: a write that is far behind the end lets the file grow first. @suid:
 * that is always there: the file is no longer set-user-ID, and then it is stored to.
 */
static const struct op {
	const char *name;
	int (*call)(void);
	bool big, memory, suid;
	int (*between)(void);
} ops[] = {
	{ "create", do_create },
	{ "create with a default ACL", do_create_inherit },
	{ "mkdir", do_mkdir },
	{ "mkdir with a default ACL", do_mkdir_inherit },
	{ "symlink", do_symlink },
	{ "symlink, long", do_symlink_block },
	{ "mknod", do_mknod },
	{ "mkfifo", do_mkfifo },
	{ "link", do_link },
	{ "link in another folder", do_link_elsewhere },
	{ "unlink", do_unlink },
	{ "unlink of one of two names", do_unlink_one },
	{ "unlink of an open file", do_unlink_open },
	{ "rmdir", do_rmdir },
	{ "rename", do_rename },
	{ "rename to another folder", do_rename_elsewhere },
	{ "rename over a file", do_rename_over },
	{ "rename over one of two names", do_rename_over_one },
	{ "rename of a folder", do_rename_dir },
	{ "rename of a folder to another", do_rename_dir_elsewhere },
	{ "rename over an empty folder", do_rename_dir_over },
	{ "rename over an empty folder elsewhere", do_rename_dir_over_elsewhere },
	{ "exchange", do_exchange },
	{ "exchange, two folders", do_exchange_files },
	{ "exchange, two folders, of a file and a folder", do_exchange_dir },
	{ "exchange, two folders, of folders", do_exchange_dirs },
	{ "whiteout", do_whiteout },
	{ "whiteout, two folders", do_whiteout_elsewhere },
	{ "whiteout over a file", do_whiteout_over },
	{ "whiteout for a folder", do_whiteout_dir },
	{ "a name for an O_TMPFILE", do_tmpfile },
	{ "chmod", do_chmod },
	{ "chmod of a folder", do_chmod_dir },
	{ "chmod with an ACL", do_chmod_acl },
	{ "chown", do_chown },
	{ "chown of a folder", do_chown_dir },
	{ "chown of a link", do_chown_link },
	{ "setxattr, the first", do_attr_first },
	{ "setxattr, the second", do_attr_second },
	{ "setxattr, large", do_attr_block },
	{ "setxattr, replace", do_attr_replace },
	{ "removexattr", do_attr_remove },
	{ "ACL", do_acl_new },
	{ "ACL, replace", do_acl_replace },
	{ "ACL, remove", do_acl_remove },
	{ "default ACL", do_acl_default },
	{ "default ACL, remove", do_acl_default_remove },
	{ "flags", do_flags },
	{ "size of granules", do_wish },
	{ "truncate, grow", do_grow },
	{ "truncate, shrink", do_shrink, .big = true },
	{ "truncate to nothing", do_truncate_all, .big = true },
	{ "fallocate, KEEP_SIZE", do_keep },
	{ "fallocate", do_allocate, .memory = true },
	{ "fallocate, PUNCH_HOLE", do_punch, .big = true },
	{ "write at the end", do_append },
	{ "write behind the end", do_extend, .memory = true },
	{ "write that takes large granules", do_outgrow, .memory = true, .between = do_zeroes },
	{ "truncate, grow, of another's set-user-ID file", do_suid_grow },
	{ "truncate, shrink, of such a file", do_suid_cut },
	{ "write in such a file", do_suid_write, .suid = true, .between = do_suid_gone },
	{ "write at the end of such a file", do_suid_append, .suid = true,
	  .between = do_suid_gone },
	{ "write behind the end of such a file", do_suid_extend, .memory = true, .suid = true,
	  .between = do_suid_gone },
	{ "fallocate of such a file", do_suid_allocate, .memory = true, .suid = true,
	  .between = do_suid_gone },
};

/* --- the sweep -------------------------------------------------------------------------- */

static void prepare_op(const struct op *op)
{
	clear(".");
	prepare();
	if (op->big)
		prepare_big();
}

/* What it does if nothing stops it; and what there may be in between. */
static bool both_states(const struct op *op, struct sig *before, struct sig *between,
			struct sig *after)
{
	bool good;

	stop_after = -1;
	go_to("twin");
	prepare_op(op);
	if (op->between) {
		must(op->between(), op->name);
		sig_take(between);
		prepare_op(op);
	}
	sig_take(before);
	good = !op->call();
	sig_take(after);
	good = ok(good && !sig_same(before, after, true), "%s", op->name);
	clear(".");
	return good;
}

static bool stop_at(const struct op *op, const struct sig *before, const struct sig *between,
		    const struct sig *after, long n, long *left, bool *done)
{
	struct sig is = {};
	bool clean, good;

	stop_after = n;
	op->call();
	*left = stores_left();
	clean = read_anew(op->name);
	go_to("cut");
	sig_take(&is);
	*done = sig_same(&is, after, true);
	/* To have it done takes the two stores; and with them it is done, or more follows. */
	if (*done)
		good = n >= COMMIT;
	else
		good = !*left && (n < COMMIT ? sig_same(&is, before, true) :
				  (op->memory && !op->suid && sig_same(&is, before, false)) ||
				  (op->between && sig_same(&is, between, !op->memory)));
	if (!good || !clean) {
		ok(false, "%s, stopped after %ld stores%s%s", op->name, n,
		   clean ? "" : ": fsck.pkernfs finds something",
		   *done || sig_same(&is, before, true) ? "" : ": neither before nor after");
		sig_differ(n < COMMIT ? before : after, &is);
	}
	cuts += n >= COMMIT && !*left;
	sig_drop(&is);
	return good && clean;
}

static void sweep(const struct op *op, long step)
{
	struct sig before = {}, between = {}, after = {}, is = {};
	bool done = true, was_done = false, good;
	long n, left = 0, stores = 0;

	good = both_states(op, &before, &between, &after);
	for (n = 0; good && !left; n += n < 4 ? 1 : step) {
		if (done || op->memory || op->suid) {
			go_to("cut");
			prepare_op(op);
			sig_take(&is);
			if (!sig_same(&is, &before, true))
				die("two folders that should be the same");
		}
		good = stop_at(op, &before, &between, &after, n, &left, &done);
		if (good && was_done && !done)
			good = ok(false, "%s: done after fewer than %ld stores, and then not",
				  op->name, n);
		was_done = done;
		stores = n - left;
	}
	if (good)
		ok(stores > 60, "%s, stopped anywhere in %ld stores", op->name, stores);
	sig_drop(&before);
	sig_drop(&between);
	sig_drop(&after);
	sig_drop(&is);
}

int main(int argc, char **argv)
{
	unsigned int i;
	long step;

	if (argc < 3 || strncmp(argv[1], "region", 6))
		die("usage");
	setvbuf(stdout, NULL, _IOLBF, 0);
	region = argv[1];
	mnt = argv[2];
	step = argc > 3 ? atol(argv[3]) : 16;
	umask(0);
	snprintf(knob, sizeof(knob), "/sys/kernel/debug/pkernfs/%s_stores", region);
	if (mount(region, mnt, "pkernfs", 0, NULL))
		die("mount");
	go_to(NULL);
	must(mkdir("twin", 0755) ?: mkdir("cut", 0755), "mkdir");
	for (i = 0; i < sizeof(ops) / sizeof(*ops); i++)
		if (argc <= 4 || !strcmp(ops[i].name, argv[4]))
			sweep(&ops[i], step);
	must(chdir("/") ?: umount(mnt), "umount");
	printf("# %ld times after a commit\n", cuts);
	return tap_done();
}
