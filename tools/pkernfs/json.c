// SPDX-License-Identifier: GPL-2.0
/*
 * A JSON writer that is as small as what it writes.
 */

#include "ctl.h"

static int depth;
static bool first = true;

static void json_next(const char *name)
{
	if (depth)
		printf("%s\n%*s", first ? "" : ",", 2 * depth, "");
	first = false;
	if (name)
		printf("\"%s\": ", name);
}

void json_open(const char *name, char bracket)
{
	json_next(name);
	putchar(bracket);
	depth++;
	first = true;
}

void json_close(char bracket)
{
	depth--;
	if (!first)
		printf("\n%*s", 2 * depth, "");
	putchar(bracket);
	first = false;
	if (!depth)
		putchar('\n');
}

void json_string(const char *name, const char *value)
{
	json_next(name);
	putchar('"');
	for (; *value; value++) {
		unsigned char ch = *value;

		if (ch == '"' || ch == '\\')
			printf("\\%c", ch);
		else if (ch < 0x20)
			printf("\\u%04x", ch);
		else
			putchar(ch);
	}
	putchar('"');
}

void json_number(const char *name, __u64 value)
{
	json_next(name);
	printf("%llu", value);
}

void json_bool(const char *name, bool value)
{
	json_next(name);
	printf(value ? "true" : "false");
}
