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

/* Length of the UTF-8 character here, 0: these bytes are none. */
static int utf8_bytes(const unsigned char *s)
{
	int n = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4, i;

	if (n > 1 && (s[0] < 0xc2 || s[0] > 0xf4))
		return 0;
	for (i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* Longer than need be, a surrogate, or behind the last character. */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

/*
 * A file name may have any bytes; JSON is UTF-8. A byte that fits in nowhere is
 * written as a lone surrogate, as Python does, and so can be told from any other.
 */
void json_string(const char *name, const char *value)
{
	const unsigned char *s = (const unsigned char *)value;

	json_next(name);
	putchar('"');
	while (*s) {
		int n = utf8_bytes(s);

		if (!n) {
			printf("\\udc%02x", *s++);
		} else if (*s == '"' || *s == '\\') {
			printf("\\%c", *s++);
		} else if (*s < 0x20 || *s == 0x7f) {
			printf("\\u%04x", *s++);
		} else if (*s == 0xc2 && s[1] < 0xa0) {	/* more that a terminal obeys */
			printf("\\u%04x", s[1]);
			s += 2;
		} else {
			while (n--)
				putchar(*s++);
		}
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
