/* list: a List: million appends and million gets a second of 8 bytes, by one process (append, get) and by two
 * (append2, get2). A Namespace: million sets of a number under a name and gets of it a second, by two
 * (name_set, name_get). */
#include "config.h"

#include "../bench.h"
#include "kith.h"

enum { ELEMENTS = 300000, GETS = 1000000, NAMES = 300000 };

struct role {
    kith_list l;
    kith_ns ns;
};

static int appends(const void *arg)
{
    const struct role *r = arg;

    for (long i = 0; i < ELEMENTS; i++)
        if (kith_list_append(r->l, KITH_ARG(i)) < 0)
            return 1;
    return 0;
}

static int gets(const void *arg)
{
    const struct role *r = arg;
    long x;

    for (int i = 0; i < GETS; i++)
        if (kith_list_get(r->l, i % ELEMENTS, &x, sizeof x) != sizeof x || x != i % ELEMENTS)
            return 1;
    return 0;
}

static int sets_name(const void *arg)
{
    const struct role *r = arg;

    for (long i = 0; i < NAMES; i++)
        if (kith_ns_set(r->ns, "steps", KITH_ARG(i)) < 0)
            return 1;
    return 0;
}

static int gets_name(const void *arg)
{
    const struct role *r = arg;
    long x;

    for (int i = 0; i < NAMES; i++)
        if (kith_ns_get(r->ns, "steps", &x, sizeof x) != sizeof x)
            return 1;
    return 0;
}

static double rate_of_one(kith_target *fn, const struct role *r, int rounds)
{
    double start = now();

    if (fn(r) != 0)
        die("a call has failed");
    return 1e-6 * rounds / (now() - start);
}

static double rate_of_two(kith_target *fn, const struct role *r, int rounds)
{
    double start = now();
    kith_process p = kith_process_start(fn, KITH_ARG(*r));
    int code = 1, failed = fn(r);

    kith_process_join(p, KITH_FOREVER);
    start = now() - start;
    kith_process_exitcode(p, &code);
    if (failed || code != 0)
        die("a call has failed");
    return 2e-6 * rounds / start;
}

int main(int argc, char **argv)
{
    struct role r = { { 0 }, { 0 } };

    kith_init(&argc, &argv);
    r.l = kith_list_open();
    r.ns = kith_ns_open();
    say("append", rate_of_one(appends, &r, ELEMENTS));
    say("get", rate_of_one(gets, &r, GETS));
    say("get2", rate_of_two(gets, &r, GETS));
    say("append2", rate_of_two(appends, &r, ELEMENTS));
    if (kith_list_len(r.l) != 3L * ELEMENTS)
        die("an element is lost");
    say("name_set", rate_of_two(sets_name, &r, NAMES));
    say("name_get", rate_of_two(gets_name, &r, NAMES));
    return kith_finalize();
}
