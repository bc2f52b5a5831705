/* picture.c: see picture.h. Both axes are logarithmic, so that the ideal is a straight line and 64 cores have
 * as much room between them and 32 as 2 have to 1. */
#include "config.h"
#include "picture.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

enum { WIDTH = 640, HEIGHT = 440, LEFT = 75, RIGHT = 30, TOP = 50, BOTTOM = 60, TITLE = 80 };

static const char grey[] = "#666", measured[] = "#1f5fa8", ideal[] = "#b3541e";

struct axis {
    double least, most; /* the values at its ends */
    double from, to;    /* where these are drawn */
};

static double place(const struct axis *a, double value)
{
    return a->from + log(value / a->least) / log(a->most / a->least) * (a->to - a->from);
}

/* Leaves some room beyond the ends, also if both are the same. */
static struct axis axis(double least, double most, double from, double to)
{
    double room = most > least ? 1.1 : 2;

    return (struct axis){ least / room, most * room, from, to };
}

static void line(FILE *f, double x1, double y1, double x2, double y2, const char *colour, double width)
{
    fprintf(f,
            "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" stroke-width=\"%.1f\"/>\n",
            x1, y1, x2, y2, colour, width);
}

static void begin_text(FILE *f, double x, double y, const char *anchor, const char *colour)
{
    fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" fill=\"%s\">", x, y, anchor, colour);
}

static void end_text(FILE *f)
{
    fputs("</text>\n", f);
}

static void text(FILE *f, double x, double y, const char *anchor, const char *colour, const char *words)
{
    begin_text(f, x, y, anchor, colour);
    fputs(words, f);
    end_text(f);
}

/* A command line may have any bytes. */
static void put_title(FILE *f, const char *title)
{
    int n = 0;

    begin_text(f, WIDTH / 2.0, TOP / 2.0, "middle", "#222");
    for (; *title && n < TITLE; title++, n++)
        if (*title == '<' || *title == '>' || *title == '&')
            fprintf(f, "&#%d;", *title);
        else
            putc(*title >= ' ' && *title < 127 ? *title : '?', f);
    fputs(*title ? "..." : "", f);
    end_text(f);
}

/* 1, 2, 5, 10, 20 ... seconds, as far as they are on the axis. */
static void put_seconds(FILE *f, const struct axis *x, const struct axis *y)
{
    static const double steps[] = { 1, 2, 5 };

    for (int decade = (int)floor(log10(y->least)); decade <= log10(y->most); decade++)
        for (int i = 0; i < 3; i++) {
            double value = steps[i] * pow(10, decade);

            if (value < y->least || value > y->most)
                continue;
            line(f, x->from, place(y, value), x->to, place(y, value), "#ddd", 1);
            begin_text(f, LEFT - 8, place(y, value) + 4, "end", grey);
            fprintf(f, "%g s", value);
            end_text(f);
        }
}

static void put_cores(FILE *f, const struct axis *x, const struct timing *timings, int count)
{
    for (int i = 0; i < count; i++) {
        begin_text(f, place(x, (double)timings[i].workers), HEIGHT - BOTTOM + 20, "middle", grey);
        fprintf(f, "%ld", timings[i].workers);
        end_text(f);
    }
    text(f, (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 15, "middle", grey, "CPU cores");
}

static void put_ideal(FILE *f, const struct axis *x, const struct axis *y, const struct timing *first,
                      const struct timing *last)
{
    double end = timing_ideal(first, (double)last->workers);

    line(f, place(x, (double)first->workers), place(y, timing_median(first)), place(x, (double)last->workers),
         place(y, end), ideal, 2);
    text(f, place(x, (double)last->workers), place(y, end) - 8, "end", ideal, "ideal");
}

static void put_timings(FILE *f, const struct axis *x, const struct axis *y, const struct timing *timings,
                        int count)
{
    for (int i = 0; i < count; i++) {
        const struct timing *t = &timings[i];
        double at = place(x, (double)t->workers), height = place(y, timing_median(t));

        if (i > 0)
            line(f, place(x, (double)t[-1].workers), place(y, timing_median(&t[-1])), at, height, measured,
                 2);
        line(f, at, place(y, timing_fastest(t)), at, place(y, timing_slowest(t)), measured, 1);
        fprintf(f, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"%s\"/>\n", at, height, measured);
    }
}

/* The axes have room for each run, and for the end of the ideal line. */
static void put_all(FILE *f, const struct timing *timings, int count)
{
    const struct timing *first = &timings[0], *last = &timings[count - 1];
    double least = timing_ideal(first, (double)last->workers), most = timing_slowest(first);
    struct axis x, y;

    for (int i = 0; i < count; i++) {
        least = fmin(least, timing_fastest(&timings[i]));
        most = fmax(most, timing_slowest(&timings[i]));
    }
    x = axis((double)first->workers, (double)last->workers, LEFT, WIDTH - RIGHT);
    y = axis(fmax(least, 1e-6), fmax(most, 1e-6), HEIGHT - BOTTOM, TOP);
    put_seconds(f, &x, &y);
    put_cores(f, &x, timings, count);
    put_ideal(f, &x, &y, first, last);
    put_timings(f, &x, &y, timings, count);
}

int picture_write(const char *path, const char *title, const struct timing *timings, int count)
{
    FILE *f = fopen(path, "we");
    int failed;

    if (!f)
        return errno;
    fprintf(f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" "
            "font-size=\"13\">\n<rect width=\"%d\" height=\"%d\" fill=\"white\"/>\n",
            WIDTH, HEIGHT, WIDTH, HEIGHT);
    put_title(f, title);
    put_all(f, timings, count);
    fputs("</svg>\n", f);
    failed = ferror(f);
    if (fclose(f) != 0)
        return errno;
    return failed ? EIO : 0;
}
