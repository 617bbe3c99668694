// SPDX-License-Identifier: GPL-2.0
/*
 * Mount a region, use what is in it in every way, unmount it; for each line on the
 * standard input, as somebody damages the region in between. Before each the kernel is
 * made to forget what it knows of it, by opening its device.
 *
 * usage: fs_hostile N FOLDER: of region N. After each: "TRIED mounted" or "TRIED ERRNO",
 * and on the way whatever goes wrong with the program itself.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define HUGE	(1UL << 30)

static const char *folder;

/* On the console, whole, in order with the kernel's lines */
static void say(const char *fmt, const char *what, int number)
{
	char line[256];
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);

	strcpy(line + snprintf(line, sizeof(line) - 1, fmt, what, number), "\n");
	if (fd < 0 || write(fd, line, strlen(line)) < 0)
		puts(line);
	if (fd >= 0)
		close(fd);
}

static void by_handle(const char *path)
{
	char buf[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	struct file_handle *h = (void *)buf;
	int id, root, fd;

	h->handle_bytes = MAX_HANDLE_SZ;
	if (name_to_handle_at(AT_FDCWD, path, h, &id, 0))
		return;
	root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = open_by_handle_at(root, h, O_PATH | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	if (root >= 0)
		close(root);
}

/* Would memory for a file come in granules of 1 GiB? */
static bool takes_huge(int fd)
{
	struct fsxattr x = {};
	struct stat st = {};

	fstat(fd, &st);
	ioctl(fd, FS_IOC_FSGETXATTR, &x);
	return st.st_blocks * 512 >= HUGE || (!st.st_blocks && x.fsx_extsize == HUGE);
}

static void use_file(const char *path, off_t size)
{
	static char buf[65536];
	int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	bool fill;
	char *p;

	if (fd < 0)
		return;
	if (pread(fd, buf, sizeof(buf), 0) < 0 || pread(fd, buf, 4096, size - 10) < 0 ||
	    pread(fd, buf, 4096, 4 << 20) < 0)
		*buf = 0;
	/* To zero a granule of 1 GiB takes seconds: only where there is one. */
	fill = !lseek(fd, 0, SEEK_DATA) || !takes_huge(fd);
	lseek(fd, 1, SEEK_HOLE);
	p = mmap(NULL, 2 << 20, PROT_READ, MAP_SHARED, fd, 0);
	if (p != MAP_FAILED) {
		if (size > 4096 && fill)
			buf[0] = *(volatile char *)p;
		munmap(p, 2 << 20);
	}
	if ((fill && pwrite(fd, "hostile", 7, size > 100 ? 50 : 0) < 0) ||
	    fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2 << 20, 2 << 20) ||
	    ftruncate(fd, size > 5 << 20 ? 5 << 20 : 1000))
		*buf = 0;
	close(fd);
}

static void use_any(const char *path)
{
	static char buf[65536];
	struct stat st;

	if (lstat(path, &st))
		return;
	if (llistxattr(path, buf, sizeof(buf)) < 0 || lgetxattr(path, "user.one", buf, 4096) < 0 ||
	    readlink(path, buf, sizeof(buf)) < 0)
		*buf = 0;
	by_handle(path);
	lsetxattr(path, "user.new", "value", 5, 0);
	if (S_ISREG(st.st_mode))
		use_file(path, st.st_size);
}

/* Deeper than any tree that is not a circle. */
static void walk(const char *path, int depth)
{
	char name[PATH_MAX];
	struct dirent *de;
	DIR *d = opendir(path);

	if (depth > 10)
		say("<3>HOSTILE: %s: no end (%d)", "walk", depth);
	if (!d || depth > 10) {
		if (d)
			closedir(d);
		return;
	}
	while ((de = readdir(d))) {
		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
			continue;
		if (snprintf(name, sizeof(name), "%s/%s", path, de->d_name) >= (int)sizeof(name))
			continue;
		use_any(name);
		if (de->d_type == DT_DIR)
			walk(name, depth + 1);
	}
	closedir(d);
}

static void change(void)
{
	char a[PATH_MAX], b[PATH_MAX];
	int fd;

	snprintf(a, sizeof(a), "%s/new", folder);
	snprintf(b, sizeof(b), "%s/vm0/newer", folder);
	fd = open(a, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0) {
		if (write(fd, "new", 3) != 3)
			*a = '/';
		close(fd);
	}
	rename(a, b);
	link(b, a);
	unlink(b);
	snprintf(b, sizeof(b), "%s/folder", folder);
	mkdir(b, 0700);
	snprintf(a, sizeof(a), "%s/vm0/ram", folder);
	unlink(a);
	snprintf(a, sizeof(a), "%s/a", folder);
	rename(a, b);
	rmdir(b);
}

int main(int argc, char **argv)
{
	char device[32], source[32], line[64];
	struct statfs fs;
	int fd, err;

	if (argc != 3)
		return 2;
	folder = argv[2];
	snprintf(device, sizeof(device), "/dev/pkernfs%s", argv[1]);
	snprintf(source, sizeof(source), "region%s", argv[1]);
	say("<5>TRIED %s %d", "nothing", 0);
	while (fgets(line, sizeof(line), stdin) && strncmp(line, "end", 3)) {
		fd = open(device, O_RDONLY | O_EXCL | O_CLOEXEC);
		if (fd < 0)
			say("<3>HOSTILE: the device: %s %d", "errno", errno);
		else
			close(fd);
		err = mount(source, folder, "pkernfs", 0, NULL) ? errno : 0;
		if (!err) {
			statfs(folder, &fs);
			walk(folder, 0);
			change();
			if (umount(folder))
				say("<3>HOSTILE: umount: %s %d", "errno", errno);
		}
		say("<5>TRIED %s %d", err ? "refused" : "mounted", err);
	}
	return 0;
}
