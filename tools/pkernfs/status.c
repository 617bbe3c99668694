// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfsctl status, list: regions, files, devices.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <mntent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "ctl.h"

/* An attribute of sysfs without its newline; false and "": not there or empty. */
bool read_attr(const char *dir, const char *name, char *buf, size_t bytes)
{
	char path[512];
	FILE *f;
	bool ok;

	*buf = 0;
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "r");
	if (!f)
		return false;
	ok = fgets(buf, bytes, f);
	fclose(f);
	if (ok)
		buf[strcspn(buf, "\n")] = 0;
	return ok && *buf;
}

static const char * const texts[] = { "state", "reason", "handover_reason", "uuid", "label",
				       NULL };
static const char * const numbers[] = {
	"base", "size", "node", "mounted", "granules", "granules_free", "granules_held",
	"granules_busy", "small", "small_free", "small_held", "small_busy",
	"huge", "huge_free", "huge_held", "huge_busy",
	"inodes", "inodes_free", "pool_blocks", "pool_free", "orphans", "zeroing",
	"zeroed", "bad_pages", NULL
};

static void region_json(const char *name, const char *dir)
{
	char value[256];
	int i;

	json_open(NULL, '{');
	json_string("name", name);
	for (i = 0; texts[i]; i++) {
		read_attr(dir, texts[i], value, sizeof(value));
		json_string(texts[i], value);
	}
	for (i = 0; numbers[i]; i++)
		if (read_attr(dir, numbers[i], value, sizeof(value)))
			json_number(numbers[i], strtoull(value, NULL, 0));
	json_close('}');
}

static __u64 number(const char *dir, const char *name)
{
	char value[64];

	read_attr(dir, name, value, sizeof(value));
	return strtoull(value, NULL, 0);
}

static void region_text(const char *name, const char *dir)
{
	__u64 base = number(dir, "base"), size = number(dir, "size");
	char value[256];

	read_attr(dir, "state", value, sizeof(value));
	printf("%s: %s, %llu MiB at %#llx", name, value, size >> 20, base);
	if (read_attr(dir, "node", value, sizeof(value)))
		printf(", node %s", value);
	if (read_attr(dir, "reason", value, sizeof(value)))
		printf(": %s", value);
	if (read_attr(dir, "label", value, sizeof(value))) {
		printf(", label ");
		put_text(value, stdout);
	}
	if (read_attr(dir, "uuid", value, sizeof(value)))
		printf(", uuid %s", value);
	printf("\n");
	if (read_attr(dir, "handover_reason", value, sizeof(value)))
		printf("  devices were cut off: %s\n", value);
	if (!read_attr(dir, "granules", value, sizeof(value)))
		return;
	printf("  %s, %llu of %llu MiB free, %llu MiB held for devices\n",
	       number(dir, "mounted") ? "mounted" : "not mounted",
	       number(dir, "granules_free") << (PKERNFS_GRANULE_SHIFT - 20),
	       number(dir, "granules") << (PKERNFS_GRANULE_SHIFT - 20),
	       number(dir, "granules_held") << (PKERNFS_GRANULE_SHIFT - 20));
	if (number(dir, "small"))
		printf("  small files: %llu of %llu KiB free, %llu KiB held for devices\n",
		       number(dir, "small_free") << (PKERNFS_BLOCK_SHIFT - 10),
		       number(dir, "small") << (PKERNFS_BLOCK_SHIFT - 10),
		       number(dir, "small_held") << (PKERNFS_BLOCK_SHIFT - 10));
	if (number(dir, "huge"))
		printf("  granules of 1 GiB: %llu of %llu free, %llu held for devices\n",
		       number(dir, "huge_free"), number(dir, "huge"),
		       number(dir, "huge_held"));
	printf("  %llu inodes used, %llu of %llu pool blocks free, %llu orphans\n",
	       number(dir, "inodes") - number(dir, "inodes_free"),
	       number(dir, "pool_free"), number(dir, "pool_blocks"),
	       number(dir, "orphans"));
	if (number(dir, "zeroing"))
		printf("  being allocated: %llu of %llu MiB are zeroed\n",
		       number(dir, "zeroed") >> 20, number(dir, "zeroing") >> 20);
	if (number(dir, "bad_pages"))
		printf("  %llu pages with memory errors (%s/bad_addresses)\n",
		       number(dir, "bad_pages"), dir);
}

static int select_region(const struct dirent *d)
{
	return !strncmp(d->d_name, "region", 6);
}

static int select_device(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

/* --- files --------------------------------------------------------------------- */

static bool want_json, devices_only, incomplete;

/* Devices whose files were found: segment << 16 | rid */
static __u32 *found;
static size_t found_count;

static void device_found(__u16 segment, __u16 rid)
{
	__u32 *more = reallocarray(found, found_count + 1, sizeof(*found));

	if (!more)
		return;		/* shown twice, then */
	found = more;
	found[found_count++] = (__u32)segment << 16 | rid;
}

static bool device_was_found(const char *name)
{
	unsigned int segment, bus, slot, function;
	size_t i;

	if (sscanf(name, "%x:%x:%x.%x", &segment, &bus, &slot, &function) != 4)
		return false;
	for (i = 0; i < found_count; i++)
		if (found[i] == (segment << 16 | bus << 8 | slot << 3 | function))
			return true;
	return false;
}

/*
 * What a regular file is: 0 or errno. Its owner can put something else in its place, or have
 * a lease of it (EWOULDBLOCK): nobody is waited for.
 */
static int file_info(const char *path, struct pkernfs_info *info)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC), err = 0;
	struct stat st;

	if (fd < 0)
		return errno == ELOOP || errno == ENXIO ? ENOENT : errno;
	if (fstat(fd, &st))
		err = errno;
	else
		err = S_ISREG(st.st_mode) ? get_info(fd, info) : ENOENT;
	close(fd);
	if (err)
		memset(info, 0, sizeof(*info));
	return err;
}

static int visit(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	struct pkernfs_info info = { .state = PKERNFS_STATE_ORDINARY };
	bool device;
	int err = 0;

	if (type == FTW_DNR || type == FTW_NS) {
		complain("%s: cannot be read", path);
		incomplete = true;
	}
	if (!ftw->level || type == FTW_NS || S_ISLNK(st->st_mode))
		return 0;
	if (S_ISREG(st->st_mode))
		err = file_info(path, &info);
	if (err == ENOENT)
		return 0;	/* removed meanwhile */
	if (err) {
		complain("%s: %s", path, err == EWOULDBLOCK ? "somebody has a lease of it" :
			 strerror(err));
		incomplete = true;
	}
	device = info.state != PKERNFS_STATE_ORDINARY;
	if (device)
		device_found(info.segment, info.rid);
	if (devices_only && !device && !err)
		goto out;
	if (want_json) {
		json_open(NULL, '{');
		json_string("path", path);
		json_number("inode", st->st_ino);
		json_string("type", S_ISDIR(st->st_mode) ? "directory" :
			    err ? "unknown" : device ? "device" : "file");
		json_number("size", st->st_size);
		json_number("allocated", (__u64)st->st_blocks * 512);
		if (device && !print_info(path, &info, true))
			incomplete = true;
		json_close('}');
		goto out;
	}
	printf("  ");
	put_text(path, stdout);
	if (device)
		printf(": %04x:%02x:%02x.%x %s, %llu pages\n",
		       info.segment, info.rid >> 8, info.rid >> 3 & 31, info.rid & 7,
		       state_name(info.state), info.pages);
	else if (err)
		printf(": unknown\n");
	else
		printf("%s: %llu bytes, %llu allocated\n",
		       S_ISDIR(st->st_mode) ? "/" : "", (__u64)st->st_size,
		       (__u64)st->st_blocks * 512);
out:
	free((void *)(uintptr_t)info.ranges);
	return 0;
}

static int walk(const char *path)
{
	incomplete = false;
	if (!nftw(path, visit, 16, FTW_PHYS | FTW_MOUNT))
		return incomplete ? EXIT_REFUSED : EXIT_OK;
	complain("%s: %s", path, strerror(errno));
	return EXIT_REFUSED;
}

/* Folders that have been walked: roots of regions, and such as are mounted by themselves */
static struct seen {
	dev_t dev;
	ino_t ino;
} *seen;
static size_t seen_count;

/* Is it one, or in a region that has been walked from its root? */
static bool walked(const struct stat *st)
{
	size_t i;

	for (i = 0; i < seen_count; i++)
		if (seen[i].dev == st->st_dev &&
		    (seen[i].ino == st->st_ino || seen[i].ino == PKERNFS_ROOT_INO))
			return true;
	return false;
}

static int walk_mount(const char *path, bool roots)
{
	struct statfs fs;
	struct seen *more;
	struct stat st;
	bool root;

	/* The table has it, but something else may be mounted over it. */
	if (stat(path, &st) || statfs(path, &fs) || fs.f_type != PKERNFS_SUPER_MAGIC)
		return EXIT_OK;
	root = st.st_ino == PKERNFS_ROOT_INO;
	if (root != roots || walked(&st))
		return EXIT_OK;
	more = reallocarray(seen, seen_count + 1, sizeof(*seen));
	if (more) {		/* shown twice, otherwise */
		seen = more;
		seen[seen_count++] = (struct seen) { st.st_dev, st.st_ino };
	}
	return walk(path);
}

/* All mounted regions, each once: from the root, or what is mounted of it. */
static int walk_mounts(void)
{
	int ret = EXIT_OK, part;
	struct mntent *m;
	FILE *f;

	for (part = 0; part < 2; part++) {
		f = setmntent("/proc/self/mounts", "r");
		if (!f)
			return EXIT_OK;
		while ((m = getmntent(f)))
			if (!strcmp(m->mnt_type, "pkernfs") && walk_mount(m->mnt_dir, !part))
				ret = EXIT_REFUSED;
		endmntent(f);
	}
	return ret;
}

/* --- devices whose files nobody sees ---------------------------------------------- */

static void device_json(const char *name, const char *dir)
{
	char value[256];

	json_open(NULL, '{');
	json_number("region", number(dir, "region"));
	json_number("inode", number(dir, "inode"));
	read_attr(dir, "state", value, sizeof(value));
	json_string("state", value);
	json_string("device", name);
	json_number("domain_id", number(dir, "domain_id"));
	read_attr(dir, "irq", value, sizeof(value));
	json_bool("interrupts_quiesced", !strcmp(value, "quiesced"));
	json_number("table_blocks", number(dir, "tables"));
	json_number("pages", number(dir, "pages"));
	if (read_attr(dir, "reason", value, sizeof(value)))
		json_string("reason", value);
	json_close('}');
}

static void device_text(const char *name, const char *dir)
{
	char value[256];

	read_attr(dir, "state", value, sizeof(value));
	printf("  inode %llu of region %llu: %s %s, %llu pages", number(dir, "inode"),
	       number(dir, "region"), name, value, number(dir, "pages"));
	if (read_attr(dir, "reason", value, sizeof(value)))
		printf(": %s", value);
	printf("\n");
}

/*
 * Of a region that is not mounted, or not where we may look: by sysfs alone. One that
 * becomes ordinary meanwhile has lost its state.
 */
static void other_devices(void)
{
	char dir[300], state[32];
	struct dirent **d = NULL;
	int i, n = scandir(SYSFS "/devices", &d, select_device, versionsort);

	for (i = 0; i < n; i++) {
		snprintf(dir, sizeof(dir), SYSFS "/devices/%s", d[i]->d_name);
		if (!device_was_found(d[i]->d_name) &&
		    read_attr(dir, "state", state, sizeof(state)) &&
		    strcmp(state, state_name(PKERNFS_STATE_ORDINARY))) {
			if (want_json)
				device_json(d[i]->d_name, dir);
			else
				device_text(d[i]->d_name, dir);
		}
		free(d[i]);
	}
	free(d);
}

int cmd_list(int argc, char **argv)
{
	int i, ret = EXIT_OK;

	want_json = take_flag(&argc, argv, "--json");
	devices_only = false;
	if (want_json)
		json_open(NULL, '[');
	for (i = 0; i < argc; i++)
		if (walk(argv[i]))
			ret = EXIT_REFUSED;
	if (!argc)
		ret = walk_mounts();
	if (want_json)
		json_close(']');
	return ret;
}

int cmd_status(int argc, char **argv)
{
	struct dirent **d = NULL;
	char dir[300], armed[8];
	int i, n, ret;

	want_json = take_flag(&argc, argv, "--json");
	if (argc)
		return usage_error("no argument expected", argv[0]);
	n = scandir(SYSFS, &d, select_region, versionsort);
	if (n < 0) {
		complain("%s: %s", SYSFS, strerror(errno));
		return EXIT_NO_KERNEL;
	}
	read_attr(SYSFS, "armed", armed, sizeof(armed));

	if (want_json) {
		json_open(NULL, '{');
		json_bool("armed", !strcmp(armed, "1"));
		json_open("regions", '[');
	} else if (!n) {
		printf("no region (pkernfs= on the kernel's command line)\n");
	}
	for (i = 0; i < n; i++) {
		snprintf(dir, sizeof(dir), SYSFS "/%s", d[i]->d_name);
		if (want_json)
			region_json(d[i]->d_name, dir);
		else
			region_text(d[i]->d_name, dir);
		free(d[i]);
	}
	free(d);
	devices_only = true;
	if (want_json) {
		json_close(']');
		json_open("devices", '[');
	} else {
		printf("kexec image: %s\n", !strcmp(armed, "1") ? "armed" : "not armed");
		printf("devices:\n");
	}
	ret = walk_mounts();
	other_devices();
	if (want_json) {
		json_close(']');
		json_close('}');
	}
	return n ? ret : EXIT_NO_KERNEL;
}
