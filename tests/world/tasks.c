/* tasks.c: what the tasks of all calls do: each tells who it is, rests, uses an object, fails; and gives a
 * result that tells of what it was made. */
#include "config.h"
#include "world.h"

int fails(uint64_t unit)
{
    return play.fails && unit % 89 == 7;
}

uint32_t count_failing(uint64_t lo, uint64_t n)
{
    uint32_t failing = 0;

    for (uint64_t i = lo; i < lo + n; i++)
        failing += (uint32_t)fails(i);
    return failing;
}

int runs_once(void)
{
    return play.tries == 1 && !world.losses;
}

/* In some worker: what each task does besides its result. 0, or the code with which it fails. */
static int attempt(uint32_t call, uint64_t unit)
{
    REQUIRE(call < CALLS && unit < play.units);
    if ((play.calls[call].ended || play.calls[call].over[unit]) &&
        (sim_node(sim_current) == 0 || runs_once()))
        wrong("unit %llu of call %u begins on node %u when it has ended", (unsigned long long)unit, call,
              sim_node(sim_current));
    play.calls[call].ran[unit]++;
    counted.units++;
    counted.elsewhere += sim_node(sim_current) != 0;
    play.wide += !play.has_run[sim_node(sim_current)];
    play.has_run[sim_node(sim_current)] = 1;
    counted.widest = play.wide > counted.widest ? play.wide : counted.widest;
    if (draw(20) == 0)
        sim_rest((int64_t)draw(draw(20) ? 20 : 4000));
    if (draw(20) == 0)
        use_things(sim_current);
    if (play.nested && draw(60) == 0)
        call_again(1);
    return fails(unit) ? 9 : 0;
}

double argument(uint32_t call, uint64_t unit)
{
    return (double)(call * UNITS + unit);
}

/* What was made of a result would be told from it. */
double result_of(double x)
{
    return -x - 1;
}

int read_argument(double x, uint32_t *call, uint64_t *unit)
{
    REQUIRE(x >= 0 && x < CALLS * UNITS);
    *call = (uint32_t)x / UNITS;
    *unit = (uint64_t)x % UNITS;
    return attempt(*call, *unit);
}

int with_bytes(const void *in, void *out)
{
    uint32_t call;
    uint64_t unit;
    double x;
    int rc;

    memcpy(&x, in, sizeof x);
    if ((rc = read_argument(x, &call, &unit)) != 0)
        return rc;
    x = result_of(x);
    memcpy(out, &x, sizeof x);
    return 0;
}

double with_number(double x)
{
    uint32_t call;
    uint64_t unit;
    int rc = read_argument(x, &call, &unit);

    if (rc)
        kith_fail(rc, "over");
    return result_of(x);
}

double adds(uint64_t lo, uint64_t hi, const void *arg)
{
    const struct context *x = arg;
    double sum = 0;

    for (uint64_t i = lo; i < hi; i++) {
        int rc = attempt(x->call, i);

        if (rc)
            kith_fail(rc, "over");
        sum += 1 / (double)(i + 1);
    }
    return sum;
}

int counts(uint64_t lo, uint64_t hi, const void *arg, void *part)
{
    const struct context *x = arg;
    uint64_t n = 0;
    int rc = 0;

    for (uint64_t i = lo; i < hi; i++, n++)
        rc = rc ? rc : attempt(x->call, i);
    memcpy(part, &n, sizeof n);
    return rc;
}

void add_counts(void *total, const void *part)
{
    uint64_t a, b;

    memcpy(&a, total, sizeof a);
    memcpy(&b, part, sizeof b);
    a += b;
    memcpy(total, &a, sizeof a);
}

int loops(uint64_t lo, uint64_t hi, const void *arg)
{
    const struct context *x = arg;
    int rc = 0;

    for (uint64_t i = lo; i < hi; i++)
        rc = rc ? rc : attempt(x->call, i);
    return rc;
}
