// SPDX-License-Identifier: GPL-2.0
/*
 * dump.pkernfs: print the metadata of a region, as text or JSON, one object after the
 * other. What is damaged is printed as far as it can be read.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "check.h"
#include "ctl.h"

static bool json;

/* In text an object is a line of its own, indented by depth. */
static void open_object(const char *what)
{
	if (json)
		json_open(NULL, '{');
	else
		printf("%s:", what);
}

static void close_object(void)
{
	if (json)
		json_close('}');
	else
		putchar('\n');
}

static void number(const char *name, uint64_t value)
{
	if (json)
		json_number(name, value);
	else
		printf(" %s=%llu", name, (unsigned long long)value);
}

static void address(const char *name, uint64_t value)
{
	if (json)
		json_number(name, value);
	else
		printf(" %s=%#llx", name, (unsigned long long)value);
}

/* Text of the region: it may have any bytes. */
static void text(const char *name, const char *value, size_t bytes)
{
	char copy[512];
	size_t i;

	bytes = strnlen(value, bytes < sizeof(copy) ? bytes : sizeof(copy) - 1);
	memcpy(copy, value, bytes);
	copy[bytes] = 0;
	if (json) {
		json_string(name, copy);
		return;
	}
	printf(" %s=\"", name);
	for (i = 0; i < bytes; i++)
		if (copy[i] == '"')
			printf("\\x%02x", copy[i]);
		else
			put_char(copy[i], stdout);
	putchar('"');
}

static void good(bool sound)
{
	if (json)
		json_bool("checksum", sound);
	else if (!sound)
		printf(" CHECKSUM-WRONG");
}

static void list(const char *name)
{
	if (json)
		json_open(name, '[');
}

static void list_end(void)
{
	if (json)
		json_close(']');
}

/* --- superblock, log, records ------------------------------------------------------------ */

static void dump_sb(struct image *img, unsigned int copy)
{
	static const char * const areas[] = {
		"journal", "inodes", "records", "handover", "pool", "data", "small", "huge"
	};
	const struct pkernfs_sb *sb = image_block(img, image_sb_block(img, copy));
	const char *why = image_sb_damage(img, copy);
	const struct pkernfs_area *a = &sb->journal;
	char name[32], uuid[33];
	unsigned int i;

	open_object("superblock");
	number("copy", copy);
	if (why)
		text("damage", why, strlen(why));
	number("version", le32toh(sb->version));
	address("compat", le64toh(sb->feature_compat));
	address("incompat", le64toh(sb->feature_incompat));
	address("base", le64toh(sb->base));
	number("bytes", le64toh(sb->bytes));
	number("index", le32toh(sb->index));
	number("granule", 1ULL << (le32toh(sb->granule_shift) & 63));
	for (i = 0; i < sizeof(sb->uuid); i++)
		sprintf(uuid + 2 * i, "%02x", sb->uuid[i]);
	text("uuid", uuid, sizeof(uuid));
	text("label", sb->label, sizeof(sb->label));
	for (i = 0; i < SB_AREAS; i++) {
		snprintf(name, sizeof(name), "%s_start", areas[i]);
		number(name, area_start(&a[i]));
		snprintf(name, sizeof(name), "%s_blocks", areas[i]);
		number(name, area_count(&a[i]));
	}
	close_object();
}

static void dump_journal(struct image *img)
{
	const struct pkernfs_journal_ser *j = image_block(img, area_start(&img->sb.journal));

	open_object("journal");
	number("version", le32toh(j->version));
	number("committed", !!j->commit);
	number("sequence", le64toh(j->commit) >> 32);
	number("bytes", le64toh(j->bytes));
	close_object();
}

static void dump_records(struct image *img)
{
	uint64_t i;

	for (i = 0; i < area_count(&img->sb.records); i++) {
		const struct pkernfs_dev_record *rec =
			image_block(img, area_start(&img->sb.records) + i);

		if (le32toh(rec->state) == PKERNFS_RECORD_FREE)
			continue;
		open_object("record");
		number("slot", i);
		number("state", le32toh(rec->state));
		number("inode", le64toh(rec->ino));
		number("generation", le32toh(rec->generation));
		number("segment", le16toh(rec->pci.segment));
		address("rid", le16toh(rec->pci.rid));
		address("vendor", le16toh(rec->pci.vendor));
		address("device", le16toh(rec->pci.device));
		number("did", le16toh(rec->iommu.did));
		address("ss_root", le64toh(rec->iommu.ss_root));
		number("tables", le64toh(rec->iommu.tables));
		number("pages", le64toh(rec->iommu.pages));
		if (le64toh(rec->feature_compat) & PKERNFS_COMPAT_LEAVES)
			address("leaves", le32toh(rec->iommu.leaves));
		good(le32toh(rec->crc) == image_crc(~0, &rec->magic,
						    offsetof(struct pkernfs_dev_record, crc) -
						    offsetof(struct pkernfs_dev_record, magic)));
		close_object();
	}
}

static void dump_bad(struct image *img)
{
	const struct pkernfs_bad_block_ser *b = image_block(img, area_start(&img->sb.pool));
	uint32_t i;

	if (!(le64toh(img->sb.feature_incompat) & PKERNFS_INCOMPAT_BAD))
		return;
	if (le32toh(b->crc) != image_block_crc(b)) {
		open_object("bad");
		good(false);
		close_object();
	}
	for (i = 0; i < le32toh(b->count) && i < PKERNFS_BAD_PAGES; i++) {
		open_object("bad");
		number("page", le64toh(b->page[i]));
		address("phys", le64toh(img->sb.base) + le64toh(b->page[i]) * BLOCK);
		close_object();
	}
}

static void dump_table(struct image *img)
{
	const struct pkernfs_table_ser *t = (const void *)image_inode(img, 0);

	if (!(le64toh(img->sb.feature_incompat) & PKERNFS_INCOMPAT_MARK))
		return;
	open_object("table");
	number("slots", image_inodes(img));
	number("mark", le64toh(t->mark));
	good(le32toh(t->magic) == PKERNFS_TABLE_MAGIC && !t->ino &&
	     le32toh(t->crc) == image_inode_crc((const void *)t));
	close_object();
}

/* --- inodes ------------------------------------------------------------------------------ */

static void dump_extent(const struct pkernfs_extent_ser *e)
{
	if (!e->bytes)
		return;
	open_object("  extent");
	number("logical", le64toh(e->logical));
	address("phys", le64toh(e->phys));
	number("bytes", le64toh(e->bytes));
	close_object();
}

static void dump_entries(const struct pkernfs_dir_block_ser *b)
{
	unsigned int unit = 0;

	while (unit < PKERNFS_DIR_UNITS) {
		const struct pkernfs_dirent_ser *de = (const void *)b->unit[unit];
		size_t room = (PKERNFS_DIR_UNITS - unit) * PKERNFS_DIR_UNIT - sizeof(*de);

		unit += de->ino && de->units ? de->units : 1;
		if (!de->ino)
			continue;
		open_object("  entry");
		text("name", de->name, de->len < room ? de->len : room);
		number("inode", le64toh(de->ino));
		number("type", de->type);
		close_object();
	}
}

/* The chain as far as it is one; it may be a circle. */
static void dump_chain(struct image *img, const struct pkernfs_inode_ser *ser, uint32_t magic)
{
	const struct pkernfs_extent_block_ser *b;
	uint64_t block = le64toh(ser->chain);
	uint64_t left = area_count(&img->sb.pool);
	unsigned int i;

	for (; block && left; block = le64toh(b->next), left--) {
		if (!area_has(&img->sb.pool, block))
			return;
		b = image_block(img, block);
		if (le32toh(b->magic) != magic || b->ino != ser->ino)
			return;
		open_object("  block");
		number("block", block);
		good(le32toh(b->crc) == image_block_crc(b));
		close_object();
		if (magic == PKERNFS_DIR_MAGIC)
			dump_entries((const void *)b);
		for (i = 0; magic == PKERNFS_EXTENT_MAGIC && i < PKERNFS_BLOCK_EXTENTS; i++)
			dump_extent(&b->extent[i]);
	}
}

static void dump_xattr(struct image *img, const struct pkernfs_inode_ser *ser)
{
	static const char * const spaces[PKERNFS_XATTR_SPACES] = {
		"?", "user.", "trusted.", "security.", "system.posix_acl_access",
		"system.posix_acl_default"
	};
	const struct pkernfs_xattr_block_ser *b;
	uint32_t block = le32toh(ser->xattr), at = 0, bytes, next;
	char name[300];

	if (!area_has(&img->sb.pool, block))
		return;
	b = image_block(img, block);
	if (le32toh(b->magic) != PKERNFS_XATTR_MAGIC)
		return;
	bytes = le32toh(b->bytes) < PKERNFS_XATTR_BYTES ? le32toh(b->bytes) : PKERNFS_XATTR_BYTES;
	for (; bytes - at >= sizeof(struct pkernfs_xattr_ser); at = next) {
		const struct pkernfs_xattr_ser *e = (const void *)(b->entry + at);

		next = (at + sizeof(*e) + e->name_len + le16toh(e->value_len) + 3) & ~3U;
		if (next > bytes)
			return;
		snprintf(name, sizeof(name), "%s%.*s",
			 spaces[e->space < PKERNFS_XATTR_SPACES ? e->space : 0],
			 e->name_len, (const char *)e->data);
		open_object("  attribute");
		text("name", name, sizeof(name));
		number("bytes", le16toh(e->value_len));
		close_object();
	}
}

static void dump_target(struct image *img, const struct pkernfs_inode_ser *ser)
{
	const struct pkernfs_link_block_ser *b;

	if (!ser->chain) {
		text("target", ser->target, sizeof(ser->target));
	} else if (area_has(&img->sb.pool, le64toh(ser->chain))) {
		b = image_block(img, le64toh(ser->chain));
		if (le32toh(b->magic) == PKERNFS_LINK_MAGIC)
			text("target", b->target, sizeof(b->target));
	}
}

/* What the memory of a file is made of, in bytes */
static uint64_t granule(uint16_t flags)
{
	switch (flags & PKERNFS_INODE_POOL) {
	case PKERNFS_INODE_POOL_4K:
		return PKERNFS_BLOCK_SIZE;
	case PKERNFS_INODE_POOL_1G:
		return PKERNFS_HUGE_SIZE;
	default:
		return PKERNFS_GRANULE_SIZE;
	}
}

static void dump_inode(struct image *img, uint32_t ino)
{
	const struct pkernfs_inode_ser *ser = image_inode(img, ino);
	uint16_t mode = le16toh(ser->mode);
	char rights[16];
	unsigned int i;

	if (!ser->magic || !mode)
		return;
	snprintf(rights, sizeof(rights), "%07o", mode);
	open_object("inode");
	number("inode", ino);
	number("generation", le32toh(ser->generation));
	text("mode", rights, sizeof(rights));
	address("flags", le16toh(ser->flags));
	number("uid", le32toh(ser->uid));
	number("gid", le32toh(ser->gid));
	number("links", le32toh(ser->nlink));
	number("size", le64toh(ser->size));
	number("parent", le64toh(ser->parent));
	number("chain", le64toh(ser->chain));
	number("xattr", le32toh(ser->xattr));
	good(le32toh(ser->crc) == image_inode_crc(ser) && le64toh(ser->ino) == ino);
	if (S_ISLNK(mode))
		dump_target(img, ser);
	if (S_ISREG(mode))
		number("granule", granule(le16toh(ser->flags)));
	if (S_ISCHR(mode) || S_ISBLK(mode))
		address("rdev", le32toh(ser->rdev));
	if (!json)
		putchar('\n');
	list("contents");
	if (S_ISREG(mode)) {
		for (i = 0; i < PKERNFS_INODE_EXTENTS; i++)
			dump_extent(&ser->extent[i]);
		dump_chain(img, ser, PKERNFS_EXTENT_MAGIC);
	} else if (S_ISDIR(mode)) {
		dump_chain(img, ser, PKERNFS_DIR_MAGIC);
	} else if (S_ISLNK(mode)) {
		dump_chain(img, ser, PKERNFS_LINK_MAGIC);
	}
	dump_xattr(img, ser);
	list_end();
	if (json)
		json_close('}');
}

static int dump(struct image *img)
{
	uint32_t ino;

	if (json)
		json_open(NULL, '{');
	list("superblocks");
	dump_sb(img, 0);
	dump_sb(img, 1);
	list_end();
	if (!image_superblock(img)) {
		if (json)
			json_close('}');
		complain("%s: no superblock is valid: nothing else can be found", img->path);
		return EXIT_REFUSED;
	}
	list("journal");
	dump_journal(img);
	list_end();
	list("records");
	dump_records(img);
	list_end();
	list("bad");
	dump_bad(img);
	list_end();
	list("table");
	dump_table(img);
	list_end();
	list("inodes");
	for (ino = PKERNFS_ROOT_INO; ino < image_inodes(img); ino++)
		dump_inode(img, ino);
	list_end();
	if (json)
		json_close('}');
	return EXIT_OK;
}

int cmd_dump(int argc, char **argv)
{
	const char *path;
	struct image img;
	int err, ret;

	if (take_flag(&argc, argv, "--help")) {
		printf("Usage: dump.pkernfs [--json] FILE|REGION\n\n"
		       "Print the metadata of a region. One that is mounted may change while it is\n"
		       "printed. Exit codes: 0 done, 1 cannot be read, 2 usage, 3 no such region.\n");
		return EXIT_OK;
	}
	if (take_flag(&argc, argv, "--version")) {
		printf("dump.pkernfs %s, format version %d\n", VERSION, PKERNFS_FORMAT_VERSION);
		return EXIT_OK;
	}
	json = take_flag(&argc, argv, "--json");
	if (argc && argv[0][0] == '-')
		return usage_error("no such option", argv[0]);
	if (argc != 1)
		return usage_error("one FILE or REGION is needed", NULL);
	path = region_device(argv[0]);
	if (!path)
		return EXIT_USAGE;
	err = image_open(&img, path, IMAGE_LOOK);
	if (err) {
		complain("%s: %s", argv[0], err == EINVAL ? "not a region" : strerror(err));
		return err == ENOENT ? EXIT_NO_KERNEL : EXIT_REFUSED;
	}
	ret = dump(&img);
	image_close(&img);
	return ret;
}
