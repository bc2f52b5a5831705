/* deal.c: see deal.h. */
#include "config.h"
#include "pool/deal.h"
#include "pool/chunk.h"

/* A grant costs both agents and the foreman some 0.1 ms, whatever is in it: so it is worth more than that
 * also where the round trip is short. */
static const double worth_ns = 1000000;
static const uint64_t small_bytes = 4096; /* such a message takes a round trip, and nothing for its bytes */
static const double short_ns = 100000;    /* a single task: to wait for a batch of them is no long wait */
static const double slack = 1.125;        /* of a way: as much longer it may be */
static const double long_trips = 64;      /* a unit of so many: to wait for it costs more than a round trip */

void kith__deal_ran(struct kith__deal *d, uint64_t units, int64_t ns)
{
    double each = (double)(ns > 0 ? ns : 1) / (double)units;

    /* As in chunk.c: a dear one is remembered for some grants. */
    d->unit_ns = each > d->unit_ns ? each : d->unit_ns * 0.75 + each * 0.25;
    d->last = units;
}

void kith__deal_travelled(struct kith__deal *d, uint64_t bytes, int64_t ns)
{
    double all = (double)(ns > 0 ? ns : 1), each;

    if (bytes <= small_bytes) {
        /* The shortest is the line; what is longer may have waited for somebody's turn. */
        d->trip_ns = d->trip_ns == 0 || all < d->trip_ns ? all : d->trip_ns * 0.875 + all * 0.125;
        return;
    }
    each = all > d->trip_ns ? (all - d->trip_ns) / (double)bytes : 0;
    d->byte_ns = d->byte_ns == 0 ? each : d->byte_ns * 0.75 + each * 0.25;
}

/* Arguments and results go opposite ways, so only the larger ones keep others waiting. */
static double line_ns(const struct kith__deal *d, uint64_t in_size, uint64_t out_size)
{
    return (double)(in_size > out_size ? in_size : out_size) * d->byte_ns;
}

double kith__deal_rate(const struct kith__deal *d, uint64_t in_size, uint64_t out_size)
{
    double line = line_ns(d, in_size, out_size), work;

    if (d->last == 0)
        return 0;
    work = d->unit_ns / d->workers;
    return 1 / (work > line ? work : line);
}

static uint64_t at_most(uint64_t size, uint64_t most)
{
    return size < most ? size : most;
}

/* Those of size units that go into one transfer each way: one in any case. */
static uint64_t that_fit(uint64_t size, uint64_t in_size, uint64_t out_size)
{
    uint64_t each = in_size > out_size ? in_size : out_size;

    if (each > 0)
        size = at_most(size, KITH__DEAL_BYTES / each);
    return size < 1 ? 1 : size;
}

/* What is worth its way, and fits. Before anything is known: one for each worker; then eightfold at most, as
 * one grant of cheap units says little of the next ones. */
static uint64_t batch(const struct kith__deal *d, uint64_t in_size, uint64_t out_size)
{
    uint64_t size = d->workers;

    if (d->last) {
        double span = d->trip_ns > worth_ns ? d->trip_ns : worth_ns;
        double worth = span * kith__deal_rate(d, in_size, out_size);

        size = worth < 1 ? 1 : worth > KITH__CHUNK_MOST ? KITH__CHUNK_MOST : (uint64_t)worth;
        size = at_most(size, d->last * 8);
    }
    return that_fit(at_most(size, KITH__CHUNK_MOST), in_size, out_size);
}

/* From a claim of so many units until they are there; and their results have left. */
static double way_ns(const struct kith__deal *d, uint64_t in_size, uint64_t out_size, uint64_t units)
{
    return d->trip_ns + (double)units * line_ns(d, in_size, out_size);
}

/* By Little's law: so many units are between their claim and their end when the node does as many as it can.
 * And one for what the law's means leave out, as the way does that is longer than the shortest. */
static uint64_t needed(const struct kith__deal *d, uint64_t in_size, uint64_t out_size, uint64_t size)
{
    double most = (double)d->workers * KITH__CHUNK_MOST, units;

    if (d->last == 0)
        return (uint64_t)d->workers + 1;
    units = kith__deal_rate(d, in_size, out_size) * (way_ns(d, in_size, out_size, size) * slack + d->unit_ns);
    return (uint64_t)(units < most ? units : most) + 1;
}

uint32_t kith__deal_asks(const struct kith__deal *d, uint64_t in_size, uint64_t out_size, uint64_t unfinished,
                         uint32_t asking)
{
    uint64_t size = batch(d, in_size, out_size), need = needed(d, in_size, out_size, size);
    uint64_t has = unfinished + size * asking, asks;
    uint32_t most = d->workers + KITH__DEAL_AHEAD;

    if (has >= need || asking >= most)
        return 0;
    asks = (need - has + size - 1) / size;
    return asks < most - asking ? (uint32_t)asks : most - asking;
}

uint32_t kith__deal_batch(const struct kith__deal *d)
{
    double worth;

    if (d->last == 0 || d->unit_ns > short_ns)
        return 1;
    worth = worth_ns * d->workers / d->unit_ns;
    return (uint32_t)at_most(worth < KITH__DEAL_BATCH ? (uint64_t)worth : KITH__DEAL_BATCH, d->last * 8);
}

double kith__deal_due(const struct kith__deal *d, uint64_t in_size, uint64_t out_size, uint64_t unfinished,
                      uint32_t asking)
{
    uint64_t size = batch(d, in_size, out_size), need = needed(d, in_size, out_size, size);
    uint64_t has = unfinished + size * asking, more = has >= need ? has - need + 1 : 0;
    double rate = kith__deal_rate(d, in_size, out_size);

    return rate > 0 && more <= unfinished ? (double)more / rate : 0;
}

/* Half of its part of what is left (see kith__chunk_next). But not less than an eighth of what is worth its
 * way, as long as it is part of its own: to wait for the next grant would take longer than that is too much.
 */
static uint64_t fair(const struct kith__deal *d, const struct kith__deal_job *j, uint64_t worth)
{
    double rate = kith__deal_rate(d, j->in_size, j->out_size);
    double part = rate > 0 && j->rate > 0 ? rate / j->rate : (double)d->workers / j->workers;
    double own = (double)j->left * (part < 1 ? part : 1), least = (double)worth / 8;
    double size = own / 2 > least ? own / 2 : least < own ? least : own;

    return size < 1 ? 1 : (uint64_t)size;
}

/* Until a worker there is free for one more unit: of those that it has, some are on their way, there or back.
 */
static double turn_ns(const struct kith__deal *d, const struct kith__deal_job *j)
{
    double ns;

    if (d->last == 0 || j->has < d->workers)
        return 0;
    ns = (double)(j->has + 1 - d->workers) / kith__deal_rate(d, j->in_size, j->out_size) - d->trip_ns;
    return ns > 0 ? ns : 0;
}

/* 1: the workers at home would have done all that is left before one unit could be done there. Of a node that
 * has done none yet it is assumed that they cost it what they cost at home. */
static int is_sooner_at_home(const struct kith__deal *d, const struct kith__deal_job *j)
{
    double unit = d->last ? d->unit_ns : j->home_unit_ns;

    if (j->home_rate <= 0)
        return 0;
    return way_ns(d, j->in_size, j->out_size, 1) + turn_ns(d, j) + unit >
           (double)j->left / j->home_rate + j->home_unit_ns;
}

int kith__deal_is_done_within(const struct kith__deal_job *j, uint64_t units, int64_t ns)
{
    return j->home_rate > 0 && (double)units / j->home_rate + j->home_unit_ns <= (double)ns;
}

/* A unit that may take long does not stand behind others while a worker elsewhere has none: of the last ones,
 * up to one for each worker of the other nodes, a node gets no more than its workers can begin. */
static uint64_t most_at_the_end(const struct kith__deal *d, const struct kith__deal_job *j)
{
    uint64_t others = j->workers > d->workers ? j->workers - d->workers : 0;
    uint64_t begins = d->workers > j->has ? d->workers - j->has : 0;

    if (d->last && d->unit_ns <= long_trips * d->trip_ns)
        return j->left;
    return j->left > others + begins ? j->left - others : begins;
}

uint64_t kith__deal_size(const struct kith__deal *d, const struct kith__deal_job *j)
{
    uint64_t size = batch(d, j->in_size, j->out_size), most = most_at_the_end(d, j);

    if (most == 0 || is_sooner_at_home(d, j))
        return 0;
    if (j->chunk) { /* whole ones, when they fit: it says what belongs together */
        size = size < j->chunk ? j->chunk : size - size % j->chunk;
        return at_most(that_fit(at_most(size, KITH__CHUNK_MOST), j->in_size, j->out_size), j->left);
    }
    return at_most(at_most(size, fair(d, j, size)), most);
}

enum kith__deal_takes kith__deal_takes(const struct kith__deal *d, uint64_t units, uint64_t items)
{
    int several = d->batch > 1;

    if (items >= (several ? KITH__DEAL_ITEMS : d->workers))
        return KITH__DEAL_NOTHING;
    return (several ? units == 0 : kith__deal_takes_alone(d, units, items)) ? KITH__DEAL_UNITS_OR_ITEMS
                                                                            : KITH__DEAL_UNITS;
}

uint32_t kith__deal_items(const struct kith__deal *d, uint64_t queued, uint64_t workers)
{
    uint64_t part = at_most(queued * d->workers / (2 * workers), d->batch);

    return part > 1 ? (uint32_t)part : 1;
}

int kith__deal_takes_alone(const struct kith__deal *d, uint64_t units, uint64_t items)
{
    return units + items < d->workers;
}
