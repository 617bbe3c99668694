// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: as the upper and work directory of an overlay.
 *
 * usage: fs_overlay test REGION-MOUNT LOWER OVERLAY; kexec; fs_overlay check the same
 *
 * LOWER is any filesystem with trusted attributes, empty; OVERLAY is where to mount.
 */
#include <dirent.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "fs_test.h"

static const char *region, *lower, *overlay;

static const char *low(const char *name)	{ return in(lower, name); }
static const char *ov(const char *name)		{ return in(overlay, name); }
static const char *up(const char *name)
{
	char path[300];

	snprintf(path, sizeof(path), "upper/%s", name);
	return in(region, path);
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_APPEND, 0640);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		die(path);
	close(fd);
}

static bool holds(const char *path, const char *text)
{
	char buf[256] = "";
	int fd = open(path, O_RDONLY);
	bool same = fd >= 0 && read(fd, buf, sizeof(buf) - 1) >= 0 && !strcmp(buf, text);

	if (fd >= 0)
		close(fd);
	return same;
}

static bool attr_is(const char *path, const char *name, const char *want)
{
	char buf[256];
	ssize_t len = lgetxattr(path, name, buf, sizeof(buf));

	return len == (ssize_t)strlen(want) && !memcmp(buf, want, len);
}

static bool is_whiteout(const char *path)
{
	struct stat st;

	return !lstat(path, &st) && S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0);
}

static bool absent(const char *path)
{
	struct stat st;

	return lstat(path, &st) && errno == ENOENT;
}

/* Names of a directory, sorted, one blank behind each. */
static const char *names(const char *path)
{
	static char text[1024];
	struct dirent **de;
	int i, n = scandir(path, &de, NULL, alphasort);

	*text = 0;
	for (i = 0; i < n; i++) {
		if (*de[i]->d_name != '.')
			strcat(strcat(text, de[i]->d_name), " ");
		free(de[i]);
	}
	return text;
}

/* Is there such a line of overlayfs in the kernel's log? */
static bool overlay_said(const char *text)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	char line[8192];
	bool found = false;
	ssize_t bytes;

	while (fd >= 0 && (bytes = read(fd, line, sizeof(line) - 1)) > 0) {
		line[bytes] = 0;
		found |= strstr(line, "overlayfs: ") && strstr(line, text);
	}
	close(fd);
	return found;
}

static int mount_overlay(void)
{
	char options[1024];

	snprintf(options, sizeof(options),
		 "lowerdir=%s,upperdir=%s/upper,workdir=%s/work,%s", lower, region, region,
		 "redirect_dir=on,index=on,metacopy=on");
	return mount("overlay", overlay, "overlay", 0, options);
}

static void prepare(void)
{
	put(low("keep"), "keep");
	put(low("gone"), "gone");
	put(low("moved"), "moved");
	put(low("change"), "change");
	put(low("meta"), "meta");
	put(low("one"), "links");
	if (link(low("one"), low("two")) || mkdir(low("dir"), 0750) || mkdir(low("old"), 0755) ||
	    mkdir(low("emptied"), 0755) || mkdir(low("dir/sub"), 0700))
		die("prepare");
	put(low("dir/file"), "file");
	put(low("old/file"), "old");
	put(low("emptied/file"), "file");
	if (setxattr(low("change"), "trusted.of-lower", "value", 5, 0) ||
	    setxattr(low("dir"), "trusted.of-lower", "value", 5, 0) ||
	    chown(low("change"), 12, 34))
		die("prepare");
	if (mkdir(in(region, "upper"), 0755) || mkdir(in(region, "work"), 0755))
		die("upper");
}

/* What of it is there at any later time. */
static void check_all(void)
{
	struct stat st;

	ok(!strcmp(names(overlay),
		   "change dir-new emptied keep link meta moved-new new old one two "),
	   "names: %s", names(overlay));
	ok(holds(ov("new"), "new") && holds(up("new"), "new") && holds(ov("link"), "new") &&
	   !stat(ov("new"), &st) && st.st_nlink == 2, "a new file, with two names");
	ok(absent(ov("gone")) && is_whiteout(up("gone")) && holds(low("gone"), "gone"),
	   "unlink leaves a whiteout");
	ok(holds(ov("moved-new"), "moved") && absent(ov("moved")) && is_whiteout(up("moved")) &&
	   holds(low("moved"), "moved"), "rename, too");
	ok(holds(ov("change"), "change, and more") && holds(low("change"), "change") &&
	   attr_is(ov("change"), "trusted.of-lower", "value") &&
	   attr_is(up("change"), "trusted.of-lower", "value") && !stat(up("change"), &st) &&
	   st.st_uid == 12 && st.st_gid == 34 && (st.st_mode & 07777) == 0640,
	   "a copy of a file has its attributes, owner and mode");
	ok(holds(ov("meta"), "meta") && !stat(ov("meta"), &st) && (st.st_mode & 07777) == 0604 &&
	   getxattr(up("meta"), "trusted.overlay.metacopy", NULL, 0) >= 0 &&
	   !stat(up("meta"), &st) && st.st_size == 4 && !st.st_blocks,
	   "a copy of the inode alone has no data");
	ok(attr_is(up("dir-new"), "trusted.overlay.redirect", "dir") && is_whiteout(up("dir")) &&
	   holds(ov("dir-new/file"), "file") && !stat(ov("dir-new/sub"), &st) &&
	   attr_is(ov("dir-new"), "trusted.of-lower", "value") && absent(up("dir-new/file")),
	   "a directory that was renamed leads to the lower one");
	ok(attr_is(up("old"), "trusted.overlay.opaque", "y") &&
	   !strcmp(names(ov("old")), "mine ") && holds(low("old/file"), "old"),
	   "one that was made in the place of another hides it");
	ok(!*names(ov("emptied")) && is_whiteout(up("emptied/file")), "one that was emptied");
	ok(holds(ov("one"), "links, both") && holds(ov("two"), "links, both") &&
	   !stat(ov("one"), &st) && st.st_nlink == 2 && holds(low("one"), "links"),
	   "links of a lower file are one file still");
	ok(!overlay_said("does not support") && !overlay_said("falling back"),
	   "nothing is missing that overlayfs wants of an upper directory");
}

static void test(void)
{
	struct statfs fs;
	int fd;

	prepare();
	ok(!mount_overlay(), "mount");
	ok(!statfs(overlay, &fs) && fs.f_type == 0x794c7630, "an overlay it is");

	put(ov("new"), "new");
	ok(!link(ov("new"), ov("link")), "link");
	ok(!unlink(ov("gone")), "unlink of a lower file");
	fd = open(ov("moved"), O_RDONLY);
	ok(!rename(ov("moved"), ov("moved-new")), "rename of a lower file, which is open");
	close(fd);
	put(ov("change"), ", and more");
	ok(!chmod(ov("meta"), 0604), "chmod of a lower file");
	ok(!rename(ov("dir"), ov("dir-new")), "rename of a lower directory");
	ok(!unlink(ov("old/file")) && !rmdir(ov("old")) && !mkdir(ov("old"), 0711),
	   "a lower directory is removed, and made anew");
	put(ov("old/mine"), "mine");
	ok(!unlink(ov("emptied/file")), "a lower directory is emptied");
	put(ov("two"), ", both");
	fd = open(overlay, O_TMPFILE | O_RDWR, 0600);
	ok(fd >= 0 && write(fd, "x", 1) == 1 && !name_it(fd, ov("temporary")) &&
	   holds(up("temporary"), "x") && !unlink(ov("temporary")), "a file that has no name yet");
	close(fd);
	ok(!setxattr(ov("keep"), "trusted.mine", "1", 1, 0) &&
	   attr_is(up("keep"), "trusted.mine", "1") &&
	   getxattr(low("keep"), "trusted.mine", NULL, 0) < 0 && errno == ENODATA,
	   "an attribute for a lower file");
	check_all();
	ok(!umount(overlay) && !mount_overlay(), "mounted again");
	check_all();
	ok(!umount(overlay), "umount");
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	umask(0);
	if (argc < 5)
		die("usage");
	region = argv[2];
	lower = argv[3];
	overlay = argv[4];
	if (!strcmp(argv[1], "test")) {
		test();
	} else {
		ok(!mount_overlay(), "mount");
		check_all();
		ok(!umount(overlay), "umount");
	}
	return tap_done();
}
