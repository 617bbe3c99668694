// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: no inode is left, or no block for metadata: what fails with ENOSPC changes
 * nothing, and what needs none goes on.
 *
 * usage: fs_full MOUNT, in a region with so few inodes that all of them are used
 */
#include <linux/falloc.h>
#include <signal.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "fs_test.h"

static const char no_piece[] =
	", offset 0x32000: no page for a fault (-28): no memory is left that it could have, or";

static char buf[32 * 4096], back[4096];

/* As many files as statfs promises, and what fails after that changes nothing. */
static void test_no_inodes(void)
{
	uint64_t inodes = free_inodes(), i, made = 0;
	struct stat st, st2;
	char name[32];
	int fd;

	mkdir("i", 0700);
	for (i = 0; i < inodes - 1; i++) {
		snprintf(name, sizeof(name), "i/%lu", (long)i);
		fd = open(name, O_CREAT | O_EXCL | O_RDWR, 0600);
		made += fd >= 0;
		close(fd);
	}
	ok(made == inodes - 1 && free_inodes() == 0, "as many inodes as were free");
	fails(open("i/more", O_CREAT | O_RDWR, 0600), ENOSPC, "one more");
	fails(open("i", O_TMPFILE | O_RDWR, 0600), ENOSPC, "O_TMPFILE");
	fails(mkfifo("i/fifo", 0600), ENOSPC, "mkfifo");
	stat("i/7", &st);
	fails(sys_rename("i/7", "i/8", RENAME_WHITEOUT), ENOSPC, "WHITEOUT over a file");
	fails(sys_rename("i/7", "i/new", RENAME_WHITEOUT), ENOSPC, "WHITEOUT");
	ok(!stat("i/7", &st2) && st.st_ino == st2.st_ino && !stat("i/8", &st2) &&
	   st.st_ino != st2.st_ino && access("i/new", F_OK), "changes no name");
	ok(!link("i/7", "i/link") && !unlink("i/link"), "a link takes none");
	for (i = 0; i < inodes - 1; i++) {
		snprintf(name, sizeof(name), "i/%lu", (long)i);
		made -= !unlink(name);
	}
	ok(!made && !rmdir("i") && free_inodes() == inodes, "all inodes are back");
}

/* A name of 255 bytes, of which 14 fill a block. Good for two calls. */
static const char *long_name(int i)
{
	static char names[2][300];
	static int last;
	char *name = names[last ^= 1];
	int len = snprintf(name, sizeof(names[0]), "p/full/%03d", i);

	memset(name + len, 'n', 252);
	name[len + 252] = 0;
	return name;
}

static int punch_page(int fd, int page)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, page * 4096, 4096);
}

/* No block is left for metadata. What fails changes nothing, what needs none goes on. */
static void test_no_pool(void)
{
	uint64_t inodes = free_inodes(), bytes = free_bytes(), inodes_full;
	long pool = region_attr("pool_free");
	int dirs, fd, pieces, i, bad = 0;
	char name[32], target[1000];
	struct stat st, st2;
	pid_t pid;
	char *p;

	memset(target, 't', sizeof(target) - 1);
	target[sizeof(target) - 1] = 0;
	mkdir("p", 0700);
	mkdir("p/full", 0700);
	touch(long_name(0));
	fd = create("p/first");
	for (i = 1; i < 14; i++)
		bad += !!link("p/first", long_name(i));
	pieces = create("p/pieces");
	/* As many as there is room for in the inode */
	if (set_wish(pieces, 4096) || pwrite(pieces, buf, 32 * 4096, 0) != 32 * 4096)
		die("pieces");
	for (i = 0; i < 7; i++)
		bad += !!punch_page(pieces, 2 * i + 1);
	ok(!bad && region_attr("pool_free") == pool - 2, "a file in 8 pieces, a full directory");
	/* Two blocks a directory, for a name and for an attribute */
	for (dirs = 0;; dirs++) {
		snprintf(name, sizeof(name), "p/%d", dirs);
		if (mkdir(name, 0700) || setxattr(name, "user.x", "x", 1, 0))
			break;
		strcat(name, "/l");
		if (link("p/first", name))
			break;
	}
	ok(region_attr("pool_free") == 0 && free_inodes() > 10, "all blocks of the pool are used");
	inodes_full = free_inodes();
	stat("p/full", &st);

	fails(open(long_name(20), O_CREAT | O_RDWR, 0600), ENOSPC, "create");
	fails(mkdir(long_name(20), 0700), ENOSPC, "mkdir");
	fails(mknod(long_name(20), S_IFIFO | 0600, 0), ENOSPC, "mknod");
	fails(symlink("x", long_name(20)), ENOSPC, "symlink");
	fails(link("p/pieces", long_name(20)), ENOSPC, "link");
	fails(rename("p/pieces", long_name(20)), ENOSPC, "rename to there");
	fails(sys_rename("p/pieces", long_name(20), RENAME_WHITEOUT), ENOSPC, "WHITEOUT");
	fails(name_it(pieces, long_name(20)), ENOSPC, "linkat");
	fails(symlink(target, "s"), ENOSPC, "a long symlink");
	fails(setxattr("p/pieces", "user.x", "x", 1, 0), ENOSPC, "the first attribute of a file");
	fails(punch_page(pieces, 20), ENOSPC, "a punch that makes two pieces of one");
	pid = fork();
	if (!pid) {
		p = mmap(NULL, 64 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, pieces, 0);
		if (p == MAP_FAILED || ftruncate(pieces, 64 * 4096))
			_exit(1);
		__atomic_store_n(p + 50 * 4096, 1, __ATOMIC_RELAXED);
		_exit(2);
	}
	ok(waitpid(pid, &i, 0) == pid && WIFSIGNALED(i) && WTERMSIG(i) == SIGBUS,
	   "a store into a hole, which would be one more piece: SIGBUS");
	ok(logged(pieces, no_piece), "the log says that it may be this");
	ok(free_inodes() == inodes_full && !stat("p/full", &st2) &&
	   st.st_mtim.tv_nsec == st2.st_mtim.tv_nsec && st.st_nlink == st2.st_nlink &&
	   access(long_name(20), F_OK) && lstat("s", &st2),
	   "no name and no inode has come");
	ok(!fstat(pieces, &st2) && st2.st_nlink == 1 && !access("p/pieces", F_OK) &&
	   st2.st_blocks == 25 * 8 && pread(pieces, back, 4096, 20 * 4096) == 4096 &&
	   !memcmp(back, buf + 20 * 4096, 4096), "the file is what it was");

	ok(!sys_rename(long_name(0), long_name(1), 0), "rename over a file");
	touch(long_name(21));
	ok(!unlink(long_name(2)) && !rename("p/pieces", long_name(22)) &&
	   !rename(long_name(22), "p/pieces"), "a place that is free is taken");
	touch(long_name(2));
	ok(!sys_rename(long_name(2), long_name(3), RENAME_EXCHANGE), "EXCHANGE");
	ok(!punch_page(pieces, 14) && !ftruncate(pieces, 10 * 4096) && !fstat(pieces, &st2) &&
	   st2.st_blocks == 5 * 8, "a punch at an edge, and truncate");
	ok(!setxattr("p/0", "user.x", "other", 5, 0) && !removexattr("p/0", "user.x") &&
	   region_attr("pool_free") == 1 && !setxattr("p/pieces", "user.x", "x", 1, 0) &&
	   region_attr("pool_free") == 0, "attributes where there is a block, which goes on");
	ok(pwrite(fd, "data", 4, 0) == 4 && !chmod("p/full", 0755), "write and chmod");
	drop(fd, "p/first");
	drop(pieces, "p/pieces");
	for (i = 0; i < 30; i++)
		unlink(long_name(i));
	bad = rmdir("p/full");
	while (dirs-- >= 0) {
		snprintf(name, sizeof(name), "p/%d/l", dirs + 1);
		unlink(name);
		*strrchr(name, '/') = 0;
		rmdir(name);
	}
	ok(!bad && !rmdir("p") && region_attr("pool_free") == pool && free_inodes() == inodes &&
	   free_bytes() == bytes, "all is back");
}

int main(int argc, char **argv)
{
	enter(argc, argv);
	fill(buf, sizeof(buf), 3);
	test_no_inodes();
	test_no_pool();
	return tap_done();
}
