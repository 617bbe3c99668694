// SPDX-License-Identifier: GPL-2.0
/* The timeline as an SVG file. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"

#define SVG_LEFT	60
#define SVG_TOP		70
#define SVG_WIDTH	1000
#define SVG_HEIGHT	220
#define SVG_BOTTOM	(SVG_TOP + SVG_HEIGHT)

static const char * const svg_shades[] = { "#eef3fb", "#fdf3e6" };

static double svg_x(u64 ns, u64 begin_ns, u64 span_ns)
{
	return SVG_LEFT + (double)SVG_WIDTH * (ns - begin_ns) / span_ns;
}

static void svg_box(FILE *f, double x, double y, double w, double h,
		    const char *fill)
{
	fprintf(f, "<rect x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" ", x, y, w);
	fprintf(f, "height=\"%.1f\" fill=\"%s\"/>\n", h, fill);
}

static __printf(5, 6)
void svg_text(FILE *f, double x, double y, const char *how, const char *fmt, ...)
{
	va_list args;

	fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"11\" %s>", x, y,
		how);
	va_start(args, fmt);
	vfprintf(f, fmt, args);
	va_end(args);
	fputs("</text>\n", f);
}

/* The kexec is what a reader looks for first. */
static bool svg_is_kexec(const char *name)
{
	return strstr(name, "kexec") || strstr(name, "jump");
}

static void svg_phases(FILE *f, const struct phases *p, u64 begin_ns,
		       u64 span_ns)
{
	const double end = SVG_LEFT + SVG_WIDTH;
	char turn[64];

	for (unsigned int i = 0; i < p->count; i++) {
		const struct phase *a = &p->at[i];
		double x, w;

		if (a->end_ns <= begin_ns || a->begin_ns > begin_ns + span_ns)
			continue;
		x = a->begin_ns < begin_ns ? SVG_LEFT :
		    svg_x(a->begin_ns, begin_ns, span_ns);
		w = svg_x(a->end_ns, begin_ns, span_ns) - x;
		if (x + w > end)
			w = end - x;
		svg_box(f, x, SVG_TOP, w, SVG_HEIGHT, svg_shades[i % 2]);
		snprintf(turn, sizeof(turn), "transform=\"rotate(-35 %.1f %d)\"",
			 x + 3, SVG_TOP - 4);
		svg_text(f, x + 3, SVG_TOP - 4, turn, "%s", a->name);
		if (svg_is_kexec(a->name))
			svg_box(f, x - 1, SVG_TOP, 2, SVG_HEIGHT, "#c00");
	}
}

/**
 * svg_write() - bars of frames landed, phases behind them
 * @path: file
 * @l: the frames
 * @p: the phases, or none
 * @begin_ns: left end
 * @bucket_ns: width of a bar
 *
 * Return: 0 or -errno.
 */
int svg_write(const char *path, const struct landings *l,
	      const struct phases *p, u64 begin_ns, u64 bucket_ns)
{
	const u64 end_ns = l->at[l->count - 1].landed_ns;
	const u64 span_ns = end_ns - begin_ns + bucket_ns;
	const size_t buckets = span_ns / bucket_ns + 1;
	u32 *bar = calloc(buckets, sizeof(*bar)), top = 1;
	const double w = (double)SVG_WIDTH * bucket_ns / span_ns;
	FILE *f = fopen(path, "w");

	if (!f || !bar) {
		if (f)
			fclose(f);
		free(bar);
		return host_fail("open %s", path);
	}
	for (size_t i = 0; i < l->count; i++)
		if (l->at[i].landed_ns >= begin_ns)
			bar[(l->at[i].landed_ns - begin_ns) / bucket_ns]++;
	for (size_t i = 0; i < buckets; i++)
		if (bar[i] > top)
			top = bar[i];
	fputs("<svg xmlns=\"http://www.w3.org/2000/svg\" font-family=\"sans-serif\" ",
	      f);
	fprintf(f, "width=\"%d\" height=\"%d\">\n", SVG_LEFT + SVG_WIDTH + 20,
		SVG_BOTTOM + 50);
	svg_box(f, 0, 0, SVG_LEFT + SVG_WIDTH + 20, SVG_BOTTOM + 50, "white");
	svg_phases(f, p, begin_ns, span_ns);
	for (size_t i = 0; i < buckets; i++) {
		double h = (double)SVG_HEIGHT * bar[i] / top;

		if (bar[i])
			svg_box(f, SVG_LEFT + i * w, SVG_BOTTOM - h,
				w > 1 ? w - 0.3 : w, h, "#2a6fb0");
	}
	for (u64 s = 0; s * 1000000000 <= span_ns; s++)
		svg_text(f, svg_x(begin_ns + s * 1000000000, begin_ns, span_ns),
			 SVG_BOTTOM + 16, "text-anchor=\"middle\"", "%llu s", s);
	svg_text(f, SVG_LEFT - 4, SVG_TOP + 10, "text-anchor=\"end\"", "%u",
		 top);
	svg_text(f, SVG_LEFT, SVG_BOTTOM + 38, "",
		 "frames landed in guest RAM per %llu ms; %zu in all",
		 bucket_ns / 1000000, l->count);
	fputs("</svg>\n", f);
	free(bar);
	if (fclose(f))
		return host_fail("write %s", path);
	return 0;
}
