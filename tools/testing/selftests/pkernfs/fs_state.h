/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pkernfs selftests: the state of a folder as the VFS shows it.
 */
#ifndef PKERNFS_FS_STATE_H
#define PKERNFS_FS_STATE_H

#include <dirent.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "fs_test.h"

/* All that the VFS shows of a folder but times; and the memory of files, by itself. */
struct sig {
	char *text, *memory;
	size_t bytes, memory_bytes;
	FILE *to, *memory_to;
	ino_t ino[64];
	int inodes;
};

/* Names of one inode have the same number. */
static int sig_number(struct sig *s, ino_t ino)
{
	int i;

	for (i = 0; i < s->inodes; i++)
		if (s->ino[i] == ino)
			return i;
	if (s->inodes == 64)
		die("too many files");
	s->ino[s->inodes++] = ino;
	return i;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char **)a, *(char **)b);
}

static void sig_attrs(struct sig *s, const char *path)
{
	static char list[4096], value[4096];
	char *name[32];
	int names = 0, i;
	ssize_t len = llistxattr(path, list, sizeof(list)), at, k;

	if (len < 0)
		die("listxattr");
	for (at = 0; at < len && names < 32; at += strlen(list + at) + 1)
		name[names++] = list + at;
	qsort(name, names, sizeof(*name), by_name);
	for (i = 0; i < names; i++) {
		at = lgetxattr(path, name[i], value, sizeof(value));
		fprintf(s->to, " %s=%zd:", name[i], at);
		for (k = 0; k < at; k++)
			fprintf(s->to, "%02x", (unsigned char)value[k]);
	}
}

static uint64_t data_hash(int fd)
{
	static uint64_t data[8192];
	uint64_t hash = 0xcbf29ce484222325UL;
	ssize_t got, i;
	off_t at = 0;

	for (;; at += got) {
		memset(data, 0, sizeof(data));
		got = pread(fd, data, sizeof(data), at);
		if (got < 0)
			die("read");
		if (!got)
			return hash;
		for (i = 0; i < (got + 7) / 8; i++)
			hash = (hash ^ data[i]) * 0x100000001b3UL;
	}
}

static void sig_open(struct sig *s, const char *path, const struct stat *st)
{
	int fd = open(path, O_RDONLY), flags;
	struct fsxattr x;

	if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags) || ioctl(fd, FS_IOC_FSGETXATTR, &x))
		die(path);
	fprintf(s->to, " flags %x %x %u", flags, x.fsx_xflags, x.fsx_extsize);
	if (S_ISREG(st->st_mode))
		fprintf(s->to, " data %016llx", (unsigned long long)data_hash(fd));
	close(fd);
}

static void sig_folder(struct sig *s, const char *path);

static void sig_one(struct sig *s, const char *path)
{
	char target[4096];
	struct stat st;
	ssize_t len;

	if (lstat(path, &st))
		die(path);
	fprintf(s->to, "%s #%d %o %u:%u links %lu size %lld", path, sig_number(s, st.st_ino),
		st.st_mode, st.st_uid, st.st_gid, (unsigned long)st.st_nlink,
		(long long)st.st_size);
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
		fprintf(s->to, " %u:%u", major(st.st_rdev), minor(st.st_rdev));
	if (S_ISLNK(st.st_mode)) {
		len = readlink(path, target, sizeof(target));
		fprintf(s->to, " -> %.*s", (int)len, target);
	}
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
		sig_open(s, path, &st);
	sig_attrs(s, path);
	fprintf(s->to, "\n");
	fprintf(s->memory_to, "%s blocks %lld\n", path, (long long)st.st_blocks);
	if (S_ISDIR(st.st_mode))
		sig_folder(s, path);
}

static void sig_folder(struct sig *s, const char *path)
{
	struct dirent **de;
	char sub[512];
	int i, n = scandir(path, &de, NULL, alphasort);

	if (n < 0)
		die(path);
	for (i = 0; i < n; i++) {
		snprintf(sub, sizeof(sub), "%s/%s", path, de[i]->d_name);
		if (strcmp(de[i]->d_name, ".") && strcmp(de[i]->d_name, ".."))
			sig_one(s, sub);
		free(de[i]);
	}
	free(de);
}

static void sig_drop(struct sig *s)
{
	free(s->text);
	free(s->memory);
	memset(s, 0, sizeof(*s));
}

/* Of the folder that we are in. */
static void sig_take(struct sig *s)
{
	sig_drop(s);
	s->to = open_memstream(&s->text, &s->bytes);
	s->memory_to = open_memstream(&s->memory, &s->memory_bytes);
	sig_one(s, ".");
	fclose(s->to);
	fclose(s->memory_to);
}

static bool sig_same(const struct sig *a, const struct sig *b, bool memory)
{
	return !strcmp(a->text, b->text) && (!memory || !strcmp(a->memory, b->memory));
}

/* Lines that only one of two texts has. */
static void sig_lines(const char *mark, const char *a, const char *b)
{
	const char *end;

	for (; *a; a = end) {
		char *line;

		end = strchr(a, '\n') + 1;
		line = strndup(a, end - a);
		if (!strstr(b, line))
			printf("# %s %.200s%s", mark, line, end - a > 200 ? "\n" : "");
		free(line);
	}
}

static void sig_differ(const struct sig *want, const struct sig *is)
{
	sig_lines("expected", want->text, is->text);
	sig_lines("found", is->text, want->text);
	sig_lines("expected", want->memory, is->memory);
	sig_lines("found", is->memory, want->memory);
}

#endif
