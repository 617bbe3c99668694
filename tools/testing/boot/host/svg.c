// SPDX-License-Identifier: GPL-2.0
/* The timeline as an SVG file. */
#include <stdlib.h>
#include <string.h>

#include "host.h"

#define SVG_LEFT	60
#define SVG_TOP		70
#define SVG_WIDTH	1000
#define SVG_HEIGHT	220

static const char * const svg_shades[] = { "#eef3fb", "#fdf3e6" };

static double svg_x(u64 ns, u64 begin_ns, u64 span_ns)
{
	return SVG_LEFT + (double)SVG_WIDTH * (ns - begin_ns) / span_ns;
}

/* The kexec is what a reader looks for first. */
static bool svg_is_kexec(const char *name)
{
	return strstr(name, "kexec") || strstr(name, "jump");
}

static void svg_phases(FILE *f, const struct phases *p, u64 begin_ns,
		       u64 span_ns)
{
	for (unsigned int i = 0; i < p->count; i++) {
		const struct phase *a = &p->at[i];
		double x, w;

		if (a->end_ns <= begin_ns || a->begin_ns > begin_ns + span_ns)
			continue;
		x = a->begin_ns < begin_ns ? SVG_LEFT :
		    svg_x(a->begin_ns, begin_ns, span_ns);
		w = svg_x(a->end_ns, begin_ns, span_ns) - x;
		if (x + w > SVG_LEFT + SVG_WIDTH)
			w = SVG_LEFT + SVG_WIDTH - x;
		fprintf(f, "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n",
			x, SVG_TOP, w, SVG_HEIGHT, svg_shades[i % 2]);
		fprintf(f, "<text x=\"%.1f\" y=\"%d\" font-size=\"11\" transform=\"rotate(-35 %.1f %d)\">%s</text>\n",
			x + 3, SVG_TOP - 4, x + 3, SVG_TOP - 4, a->name);
		if (svg_is_kexec(a->name))
			fprintf(f, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" stroke=\"#c00\" stroke-width=\"2\"/>\n",
				x, x, SVG_TOP, SVG_TOP + SVG_HEIGHT);
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
	fprintf(f, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\">\n",
		SVG_LEFT + SVG_WIDTH + 20, SVG_TOP + SVG_HEIGHT + 50);
	fprintf(f, "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n");
	svg_phases(f, p, begin_ns, span_ns);
	for (size_t i = 0; i < buckets; i++) {
		double h = (double)SVG_HEIGHT * bar[i] / top;

		if (bar[i])
			fprintf(f, "<rect x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%.1f\" fill=\"#2a6fb0\"/>\n",
				SVG_LEFT + i * w, SVG_TOP + SVG_HEIGHT - h,
				w > 1 ? w - 0.3 : w, h);
	}
	for (u64 s = 0; s * 1000000000 <= span_ns; s++)
		fprintf(f, "<text x=\"%.1f\" y=\"%d\" font-size=\"11\" text-anchor=\"middle\">%llu s</text>\n",
			svg_x(begin_ns + s * 1000000000, begin_ns, span_ns),
			SVG_TOP + SVG_HEIGHT + 16, s);
	fprintf(f, "<text x=\"%d\" y=\"%d\" font-size=\"11\" text-anchor=\"end\">%u</text>\n",
		SVG_LEFT - 4, SVG_TOP + 10, top);
	fprintf(f, "<text x=\"%d\" y=\"%d\" font-size=\"12\">frames landed in guest RAM per %llu ms; %zu in all</text>\n",
		SVG_LEFT, SVG_TOP + SVG_HEIGHT + 38, bucket_ns / 1000000,
		l->count);
	fputs("</svg>\n", f);
	free(bar);
	if (fclose(f))
		return host_fail("write %s", path);
	return 0;
}
