/* shares.c: see shares.h. */
#include "config.h"
#include "memory.h"
#include "shares.h"
#include "world.h"

#include <stdlib.h>
#include <string.h>

enum { LARGEST = 300, COUNTERS = 100 };

static kith_ns ns(void)
{
    return (kith_ns){ atomic_load(&world->ns) };
}

void open_names(void)
{
    kith_ns n = kith_ns_open();
    int rc = kith_check(n);

    CHECK(rc == 0 || excused(rc), "a Namespace cannot be opened: %d", rc);
    if (rc == 0)
        atomic_store(&world->ns, n.id);
}

/* --------------------------------------------------------------------------- the Namespace */

static int64_t change_name(struct dice *d)
{
    static const char *const names[] = { "a", "b", "c", "a longer name" };
    const char *name = names[roll(d, 4)];
    char bytes[LARGEST];
    size_t size = 1 + roll(d, LARGEST);
    int64_t rc;

    switch (roll(d, 5)) {
    case 0: memset(bytes, 'a' + (int)roll(d, 26), size); return kith_ns_set(ns(), name, bytes, size);
    case 1: return kith_ns_del(ns(), name);
    case 2: return kith_ns_has(ns(), name);
    default: break;
    }
    rc = kith_ns_get(ns(), name, bytes, sizeof bytes);
    for (int64_t i = 1; i < rc; i++)
        if (bytes[i] != bytes[0]) {
            wrong("a value of a Namespace is torn");
            break;
        }
    return rc;
}

/* Counts before and after: who dies between them has added it, or has not. 0: no more. */
static int add_to_name(void)
{
    int rc;

    atomic_fetch_add(&world->names_begun, 1);
    rc = kith_inc(ns(), "count", 1L);
    CHECK(rc == 0 || excused(rc), "an increment in a Namespace gives %d", rc);
    if (rc == 0)
        atomic_fetch_add(&world->names_done, 1);
    return rc == 0;
}

/* --------------------------------------------------------------------------- memory by name */

static _Atomic long *counters(void)
{
    _Atomic long *p = kith_alloc_named("counters", COUNTERS * sizeof *p);

    CHECK(p || disturbed() || getenv("KITH_MEM"), "kith_alloc_named gives none");
    return p;
}

/* 0: no more. */
static int add_to_memory(struct dice *d)
{
    _Atomic long *p;

    atomic_fetch_add(&world->counts_begun, 1);
    if (!(p = counters()))
        return 0;
    atomic_fetch_add(&p[roll(d, COUNTERS)], 1);
    atomic_fetch_add(&world->counts_done, 1);
    return 1;
}

void use_names(struct dice *d)
{
    int n = 1 + (int)roll(d, 20);

    for (int i = 0; i < n && atomic_load(&world->ns); i++) {
        uint64_t what = roll(d, 4);
        int64_t rc;

        if (what < 2) {
            if (!(what ? add_to_name() : add_to_memory(d)))
                break;
            continue;
        }
        rc = change_name(d);
        CHECK(rc >= 0 || rc == KITH_EMISSING || excused((int)rc), "a call on a Namespace gives %d", (int)rc);
        if (excused((int)rc))
            break;
    }
}

/* --------------------------------------------------------------------------- shared data */

struct reader {
    kith_shared s;
    size_t size;
    char letter;
};

static int is_there(const struct reader *r)
{
    const char *p = kith_shared_data(r->s);

    if (!p || kith_shared_size(r->s) != (int64_t)r->size)
        return 0;
    for (size_t i = 0; i < r->size; i += 1 + i % 61)
        if (p[i] != r->letter) {
            wrong("byte %zu of %zu of shared data is wrong", i, r->size);
            return 0;
        }
    return 1;
}

static int read_it(const void *arg)
{
    return is_there(arg) ? 0 : 1;
}

/* In a Process, or here. */
static void let_read(const struct reader *r)
{
    kith_process p;
    int code = 0, rc;

    CHECK(is_there(r) || now.trouble == NO_SERVER, "shared data cannot be had");
    if (now.alone)
        return;
    p = kith_process_start_with(read_it, KITH_ARG(*r), .daemon = 1);
    if ((rc = kith_check(p)) == 0 && (rc = kith_process_join(p, KITH_FOREVER)) == 0)
        rc = kith_process_exitcode(p, &code);
    CHECK(excused(rc) || (rc == 0 && code_is_right(code, 0)), "who reads shared data: %d, exit code %d", rc,
          code);
    rc = kith_process_close(p);
    CHECK(rc == 0 || excused(rc), "close of a reader gives %d", rc);
}

/* Memory of the node becomes the shared data; other memory is copied. */
void share(struct dice *d)
{
    struct reader r = { .size = 1 + roll(d, roll(d, 4) ? 5000 : 500000), .letter = 'a' + (char)roll(d, 26) };
    enum memory kind = some_memory(d);
    char *data;
    int rc;

    atomic_fetch_add(&world->open, 1);
    if (!(data = give(r.size, kind)))
        return;
    memset(data, r.letter, r.size);
    r.s = kith_share(data, r.size);
    rc = kith_check(r.s);
    CHECK(rc == 0 || excused(rc), "data cannot be shared: %d", rc);
    if (rc < 0)
        return;
    if (kind == MALLOCED)
        take_back(data, kind);
    let_read(&r);
    rc = kith_shared_close(r.s);
    CHECK(rc == 0 || server_lost(rc), "close of shared data gives %d", rc);
    if (rc == 0 && kind == KITHS)
        atomic_fetch_sub(&world->blocks, 1);
    atomic_fetch_sub(&world->open, 1);
    CHECK(kith_shared_data(r.s) == NULL, "shared data is there after its close");
}

/* --------------------------------------------------------------------------- the end */

static void compare(const char *what, long x, long begun, long done)
{
    CHECK(x >= done && x <= begun, "%s has %ld after %ld additions, of which %ld are certain", what, x, begun,
          done);
}

static void end_memory(void)
{
    _Atomic long *p = counters();
    long sum = 0;

    if (!p)
        return;
    for (int i = 0; i < COUNTERS; i++)
        sum += atomic_load(&p[i]);
    compare("memory by name", sum, atomic_load(&world->counts_begun), atomic_load(&world->counts_done));
    CHECK(kith_free((void *)p) == 0, "memory by name cannot be freed");
}

void end_names(void)
{
    long x = 0;
    int rc;

    end_memory();
    if (!atomic_load(&world->ns))
        return;
    rc = kith_fetch(ns(), "count", &x);
    CHECK(rc == 0 || rc == KITH_EMISSING || excused(rc), "fetch from a Namespace gives %d", rc);
    if (rc == 0 || rc == KITH_EMISSING)
        compare("a Namespace", x, atomic_load(&world->names_begun), atomic_load(&world->names_done));
    rc = kith_ns_close(ns());
    CHECK(rc == 0 || server_lost(rc), "close of a Namespace gives %d", rc);
}
