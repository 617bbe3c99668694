// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: what is left of operations when the kernel stops at any instant.
 *
 * usage: fs_crash work FOLDER LOG SEED	until it is killed, or a kexec has begun
 *	  fs_crash check FOLDER LOG	in the next kernel
 *
 * A stream of operations on names, made from SEED, each one system call, or one store
 * through a mapping, and each sure to succeed. LOG is a file on another filesystem, which
 * lives on too and is mapped: the number of an operation is in it before it begins, and
 * again when it has returned. The check makes the same stream without the system calls,
 * which gives what must be there; of the operation that was under way, all or nothing.
 */
#include <dirent.h>
#include <linux/mman.h>
#include <signal.h>
#include <sys/xattr.h>

#include "fs_test.h"

#define NAMES	24
#define OBJECTS	(NAMES + 1)
#define LOG_BYTES	4096
#define ATTR	"user.crash"
#define MAPPINGS	4

struct log {
	uint64_t seed;
	volatile uint64_t begun;	/* operations */
	volatile uint64_t done;
	volatile uint64_t holes[2];	/* that were stored to; [1]: with MAP_SYNC */
};

/* What a name can lead to. Number 0 is nothing. */
struct object {
	int links;
	mode_t type;
	mode_t mode;
	uint32_t tag;		/* in the data of a file, the target of a link */
	uint64_t size;
	uint32_t attr;		/* value of ATTR, 0: none */
	uint64_t data_at;	/* what was last written to it */
	uint32_t data[2];	/* the tag first; 0: nothing, or it has been cut off */
};

struct model {
	uint64_t rand;
	struct object obj[OBJECTS];
	int name[NAMES];
	uint32_t tags;
	bool act;		/* do it, too */
	struct log *log;
};

static uint64_t next(struct model *m)
{
	m->rand ^= m->rand << 13;
	m->rand ^= m->rand >> 7;
	m->rand ^= m->rand << 17;
	return m->rand;
}

static const char *path(int n)
{
	static char p[4][16];
	static int i;

	i = (i + 1) % 4;
	snprintf(p[i], sizeof(p[i]), "name-%d", n);
	return p[i];
}

/* A system call of the stream; it cannot fail, but that a kexec has begun. */
static void must(struct model *m, long ret, const char *what)
{
	if (!m->act || ret >= 0)
		return;
	if (errno == ESHUTDOWN)
		exit(0);
	printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

static int new_object(struct model *m, mode_t type, mode_t mode)
{
	int i = 1;

	while (m->obj[i].links)
		i++;
	m->obj[i] = (struct object){ .links = 1, .type = type, .mode = mode, .tag = ++m->tags };
	return i;
}

static int create_file(int n, mode_t mode)
{
	int fd = open(path(n), O_CREAT | O_EXCL | O_RDWR, mode);

	return fd < 0 ? -1 : close(fd);
}

static void op_create(struct model *m, int n)
{
	char target[32];
	int o;

	switch (next(m) % 4) {
	case 0:
		o = new_object(m, S_IFDIR, 0755);
		if (m->act)
			must(m, mkdir(path(n), 0755), "mkdir");
		break;
	case 1:
		o = new_object(m, S_IFLNK, 0777);
		snprintf(target, sizeof(target), "target-%u", m->obj[o].tag);
		if (m->act)
			must(m, symlink(target, path(n)), "symlink");
		break;
	default:
		o = new_object(m, S_IFREG, 0644);
		if (m->act)
			must(m, create_file(n, 0644), "create");
	}
	m->name[n] = o;
}

static void drop_name(struct model *m, int n)
{
	m->obj[m->name[n]].links--;
	m->name[n] = 0;
}

static void op_remove(struct model *m, int n)
{
	bool dir = m->obj[m->name[n]].type == S_IFDIR;

	if (m->act)
		must(m, dir ? rmdir(path(n)) : unlink(path(n)), "remove");
	drop_name(m, n);
}

static bool is_dir(const struct model *m, int o)
{
	return m->obj[o].type == S_IFDIR;
}

/* To a free name, over another one, or in exchange with it. */
static void op_rename(struct model *m, int n)
{
	int to = next(m) % NAMES, a = m->name[n], b = m->name[to];
	bool exchange = b && next(m) % 2;

	/* Two links of one file: rename does nothing. A directory only over a directory. */
	if (to == n || (b && !exchange && (a == b || is_dir(m, a) != is_dir(m, b))))
		return;
	if (m->act)
		must(m, sys_rename(path(n), path(to), exchange ? 2 : 0), "rename");
	if (!exchange && b)
		drop_name(m, to);
	m->name[to] = a;
	m->name[n] = exchange ? b : 0;
}

static void op_link(struct model *m, int n)
{
	int to = next(m) % NAMES;

	if (m->name[to] || m->obj[m->name[n]].type != S_IFREG)
		return;
	if (m->act)
		must(m, link(path(n), path(to)), "link");
	m->name[to] = m->name[n];
	m->obj[m->name[n]].links++;
}

static void *map_page(int fd, off_t at, bool sync)
{
	return mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE,
		    sync ? MAP_SHARED_VALIDATE | MAP_SYNC : MAP_SHARED, fd,
		    at & -(off_t)getpagesize());
}

/*
 * Nothing follows it: neither msync() nor munmap(), as the mapping stays for some time, and
 * may have a file in memory that has lost its names.
 */
static void do_store(struct model *m, int n, off_t at, bool sync, uint64_t data)
{
	static void *mapped[MAPPINGS];
	static unsigned int i;
	int fd = open(path(n), O_RDWR);
	bool hole;
	void *p;

	must(m, fd, "open");
	hole = lseek(fd, at, SEEK_HOLE) == at;
	p = map_page(fd, at, sync);
	must(m, p == MAP_FAILED ? -1 : 0, "mmap");
	must(m, close(fd), "close");
	i = (i + 1) % MAPPINGS;
	if (mapped[i])
		must(m, munmap(mapped[i], getpagesize()), "munmap");
	mapped[i] = p;
	__atomic_store_n((uint64_t *)(p + (at & (getpagesize() - 1))), data, __ATOMIC_SEQ_CST);
	if (hole)
		m->log->holes[sync]++;
}

static void op_store(struct model *m, int n, uint64_t value)
{
	struct object *o = &m->obj[m->name[n]];
	uint64_t data;

	if (o->size < sizeof(data))
		return;
	o->data_at = value / 2 % (o->size / sizeof(data)) * sizeof(data);
	o->data[0] = o->tag;
	o->data[1] = value;
	memcpy(&data, o->data, sizeof(data));
	if (m->act)
		do_store(m, n, o->data_at, value & 1, data);
}

static void op_file(struct model *m, int n)
{
	struct object *o = &m->obj[m->name[n]];
	uint64_t what = next(m) % 10, value = next(m);
	uint32_t data[2] = { o->tag, value };

	switch (what) {
	case 0:
	case 1:
		o->size = value % (5 * MIB);
		if (o->size < o->data_at + sizeof(o->data))
			o->data[0] = 0;
		if (m->act)
			must(m, truncate(path(n), o->size), "truncate");
		break;
	case 2:		/* at the end: both, or neither */
		if (o->size % MIB > MIB - 8 || o->size > 4 * MIB)
			break;
		if (m->act) {
			int fd = open(path(n), O_WRONLY | O_APPEND);

			must(m, fd, "open");
			must(m, write(fd, data, sizeof(data)) - (long)sizeof(data), "write");
			close(fd);
		}
		o->data_at = o->size;
		memcpy(o->data, data, sizeof(data));
		o->size += sizeof(data);
		break;
	case 3:
		o->attr = value | 1;
		if (m->act)
			must(m, setxattr(path(n), ATTR, &o->attr, sizeof(o->attr), 0), "setxattr");
		break;
	case 4:
		if (!o->attr)
			break;
		o->attr = 0;
		if (m->act)
			must(m, removexattr(path(n), ATTR), "removexattr");
		break;
	case 5:
	case 6:
	case 7:
		op_store(m, n, value);
		break;
	default:
		o->mode = value & 0777;
		if (m->act)
			must(m, chmod(path(n), o->mode), "chmod");
	}
}

/* One operation; some of the numbers are no system call. */
static void step(struct model *m)
{
	int n = next(m) % NAMES;

	if (!m->name[n])
		return op_create(m, n);
	switch (next(m) % 16) {
	case 0:
	case 1:
		return op_remove(m, n);
	case 2:
	case 3:
		return op_rename(m, n);
	case 4:
		return op_link(m, n);
	default:
		if (m->obj[m->name[n]].type == S_IFREG)
			op_file(m, n);
	}
}

/* --- what is there ------------------------------------------------------------- */

static bool same_data(const struct object *o, const char *name)
{
	uint32_t data[2] = {};
	int fd;

	if (!o->data[0])
		return true;
	fd = open(name, O_RDONLY);
	if (fd < 0 || pread(fd, data, sizeof(data), o->data_at) != sizeof(data))
		data[0] = 0;
	if (fd >= 0)
		close(fd);
	return !memcmp(data, o->data, sizeof(data));
}

static bool same_object(const struct model *m, int n, char *why, size_t bytes)
{
	const struct object *o = &m->obj[m->name[n]];
	char target[64], want[64];
	uint32_t attr = 0;
	struct stat st;
	ssize_t len;

	if (lstat(path(n), &st)) {
		snprintf(why, bytes, "%s is not there", path(n));
		return m->name[n] == 0;
	}
	snprintf(why, bytes, "%s: type %o, mode %o, size %lld, links %lu; expected %o %o %llu %d",
		 path(n), st.st_mode & S_IFMT, st.st_mode & 07777, (long long)st.st_size,
		 (unsigned long)st.st_nlink, o->type, o->mode, (unsigned long long)o->size,
		 o->links);
	if (!m->name[n] || (st.st_mode & S_IFMT) != o->type || (st.st_mode & 07777) != o->mode)
		return false;
	if (o->type == S_IFREG && ((uint64_t)st.st_size != o->size ||
				   st.st_nlink != (nlink_t)o->links))
		return false;
	if (o->type == S_IFLNK) {
		len = readlink(path(n), target, sizeof(target) - 1);
		target[len < 0 ? 0 : len] = 0;
		snprintf(want, sizeof(want), "target-%u", o->tag);
		snprintf(why, bytes, "%s: a link to %s, not %s", path(n), target, want);
		return !strcmp(target, want);
	}
	if (o->type != S_IFREG)
		return true;
	snprintf(why, bytes, "%s: not what was written at %llu", path(n),
		 (unsigned long long)o->data_at);
	if (!same_data(o, path(n)))
		return false;
	len = getxattr(path(n), ATTR, &attr, sizeof(attr));
	snprintf(why, bytes, "%s: attribute %#x, expected %#x", path(n), attr, o->attr);
	return o->attr ? len == sizeof(attr) && attr == o->attr : len < 0;
}

/* Links of one file are one file. */
static bool same_files(const struct model *m)
{
	struct stat a, b;
	int i, j;

	for (i = 0; i < NAMES; i++)
		for (j = 0; j < i; j++) {
			if (!m->name[i] || !m->name[j])
				continue;
			if (lstat(path(i), &a) || lstat(path(j), &b))
				return false;
			if (m->name[i] == m->name[j] ? a.st_ino != b.st_ino : a.st_ino == b.st_ino)
				return false;
		}
	return true;
}

static bool is_there(const struct model *m, char *why, size_t bytes)
{
	int n, names = 0, found = 0;
	struct dirent *de;
	DIR *d;

	for (n = 0; n < NAMES; n++) {
		names += !!m->name[n];
		if (!same_object(m, n, why, bytes))
			return false;
	}
	if (!same_files(m)) {
		snprintf(why, bytes, "links of other files than expected");
		return false;
	}
	d = opendir(".");
	while ((de = readdir(d)))
		found += de->d_name[0] != '.';
	closedir(d);
	snprintf(why, bytes, "%d names, expected %d", found, names);
	return found == names;
}

/* --------------------------------------------------------------------------------- */

static struct log *map_log(const char *name, bool create)
{
	int fd = open(name, create ? O_RDWR | O_CREAT | O_TRUNC : O_RDWR, 0600);
	void *p;

	if (fd < 0 || (create && ftruncate(fd, LOG_BYTES)))
		die(name);
	p = mmap(NULL, LOG_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		die("mmap");
	close(fd);
	return p;
}

static void __attribute__((noreturn)) work(struct log *log, uint64_t seed)
{
	struct model m = { .rand = seed * 2 + 1, .act = true, .log = log };
	uint64_t i;

	umask(0);
	log->seed = seed;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (i = 1; ; i++) {
		__atomic_store_n(&log->begun, i, __ATOMIC_SEQ_CST);
		step(&m);
		__atomic_store_n(&log->done, i, __ATOMIC_SEQ_CST);
	}
}

static int check(const struct log *log)
{
	struct model m = { .rand = log->seed * 2 + 1 };
	char why[256], why2[256];
	uint64_t i;

	if (log->begun != log->done && log->begun != log->done + 1)
		die("the log makes no sense");
	for (i = 0; i < log->done; i++)
		step(&m);
	if (is_there(&m, why, sizeof(why))) {
		printf("%llu operations, %llu stores to holes, all there%s\n",
		       (unsigned long long)log->done,
		       (unsigned long long)(log->holes[0] + log->holes[1]),
		       log->begun > log->done ? "; one begun, not there" : "");
		/* Too few to say anything */
		return log->done < 10 || !log->holes[0] || !log->holes[1];
	}
	if (log->begun > log->done) {
		step(&m);
		if (is_there(&m, why2, sizeof(why2))) {
			printf("%llu operations, all there; one begun, and there\n",
			       (unsigned long long)log->done);
			return 0;
		}
		printf("with operation %llu: %s\n", (unsigned long long)log->begun, why2);
	}
	printf("after operation %llu: %s\n", (unsigned long long)log->done, why);
	return 1;
}

int main(int argc, char **argv)
{
	struct log *log;

	if (argc < 4 || (strcmp(argv[1], "check") && (strcmp(argv[1], "work") || argc < 5)))
		die("usage");
	log = map_log(argv[3], argv[1][0] == 'w');
	enter(argc - 1, argv + 1);
	if (argv[1][0] == 'w')
		work(log, strtoull(argv[4], NULL, 0));
	return check(log);
}
