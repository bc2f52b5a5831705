/* dicts.c: see dicts.h. */
#include "config.h"
#include "dicts.h"
#include "world.h"

#include <string.h>

enum { KEYS = 40, LARGEST = 600 };

static kith_dict dict(void)
{
    return (kith_dict){ atomic_load(&world->dict) };
}

static kith_list list(void)
{
    return (kith_list){ atomic_load(&world->list) };
}

void open_dict(void)
{
    kith_dict d = kith_dict_open();
    kith_list l = kith_list_open();
    int rc = kith_check(d), rd = kith_check(l);

    CHECK(rc == 0 || excused(rc), "a Dict cannot be opened: %d", rc);
    CHECK(rd == 0 || excused(rd), "a List cannot be opened: %d", rd);
    if (rc == 0)
        atomic_store(&world->dict, d.id);
    if (rd == 0)
        atomic_store(&world->list, l.id);
}

static int adds_one(struct kith_entry *e, void *arg)
{
    long x = 0;

    (void)arg;
    if (e->exists)
        memcpy(&x, e->value, sizeof x);
    x++;
    memcpy(e->value, &x, sizeof x);
    e->size = sizeof x;
    e->exists = 1;
    return 0;
}

/* Counts before and after: who dies between them has added it, or has not. 0: no more. */
static int add(struct dice *d)
{
    int rc;

    atomic_fetch_add(&world->incs_begun, 1);
    if (roll(d, 2))
        rc = kith_dict_update(dict(), KITH_TEXT("updates"), sizeof(long), adds_one, NULL, KITH_FOREVER);
    else
        rc = kith_inc(dict(), "updates", 1L);
    CHECK(rc == 0 || excused(rc), "an update of a Dict gives %d", rc);
    if (rc == 0)
        atomic_fetch_add(&world->incs_done, 1);
    return rc == 0;
}

/* All of one letter. */
static size_t draw_value(struct dice *d, char *bytes)
{
    size_t size = roll(d, 4) ? 1 + roll(d, 16) : 1 + roll(d, LARGEST);

    memset(bytes, 'a' + (int)roll(d, 26), size);
    return size;
}

static int is_whole(const char *bytes, int64_t size)
{
    for (int64_t i = 1; i < size; i++)
        if (bytes[i] != bytes[0])
            return 0;
    return 1;
}

static int64_t change(struct dice *d)
{
    char bytes[LARGEST];
    int key = (int)roll(d, KEYS);
    size_t size;
    int64_t rc;

    switch (roll(d, 6)) {
    case 0:
    case 1: size = draw_value(d, bytes); return kith_dict_set(dict(), &key, sizeof key, bytes, size);
    case 2: return kith_dict_del(dict(), &key, sizeof key);
    case 3: rc = kith_dict_pop(dict(), &key, sizeof key, bytes, sizeof bytes); break;
    default: rc = kith_dict_get(dict(), &key, sizeof key, bytes, sizeof bytes); break;
    }
    CHECK(rc < 0 || is_whole(bytes, rc), "a value of a Dict is torn");
    return rc;
}

static int64_t look_through(void)
{
    struct kith_view *v = kith_dict_view(dict());
    struct kith_item i;

    while (kith_view_next(v, &i))
        CHECK(i.key_size != sizeof(int) || is_whole(i.value, (int64_t)i.size), "a value in a view is torn");
    kith_view_free(v);
    return v ? 0 : KITH_EMISSING;
}

static int64_t use_list(struct dice *d)
{
    char bytes[LARGEST];
    int64_t rc;

    if (roll(d, 2)) {
        size_t size = draw_value(d, bytes);

        atomic_fetch_add(&world->appends_begun, 1);
        rc = roll(d, 2) ? kith_list_append(list(), bytes, size)
                        : kith_list_insert(list(), (int64_t)roll(d, 8) - 4, bytes, size);
        if (rc == 0)
            atomic_fetch_add(&world->appends_done, 1);
        return rc;
    }
    atomic_fetch_add(&world->pops_begun, 1);
    rc = kith_list_pop(list(), (int64_t)roll(d, 8) - 4, bytes, sizeof bytes);
    CHECK(rc < 0 || is_whole(bytes, rc), "an element of a List is torn");
    if (rc >= 0)
        atomic_fetch_add(&world->pops_done, 1);
    return rc;
}

void use_dict(struct dice *d)
{
    int n = 1 + (int)roll(d, 30);

    for (int i = 0; i < n && atomic_load(&world->dict) && atomic_load(&world->list); i++) {
        uint64_t what = roll(d, 8);
        int64_t rc;

        if (what < 2) {
            if (!add(d))
                break;
            continue;
        }
        rc = what < 5 ? change(d) : what < 7 ? use_list(d) : look_through();
        CHECK(rc >= 0 || rc == KITH_EMISSING || excused((int)rc), "a call on a Dict or List gives %d",
              (int)rc);
        if (rc < 0 && rc != KITH_EMISSING)
            break;
    }
}

static void end_list(void)
{
    int64_t n;
    int rc;

    if (!atomic_load(&world->list))
        return;
    n = kith_list_len(list());
    CHECK(n >= 0 || excused((int)n), "the length of a List is %d", (int)n);
    CHECK(n < 0 || (n >= atomic_load(&world->appends_done) - atomic_load(&world->pops_begun) &&
                    n <= atomic_load(&world->appends_begun) - atomic_load(&world->pops_done)),
          "a List of %lld elements after %ld to %ld appends and %ld to %ld pops", (long long)n,
          atomic_load(&world->appends_done), atomic_load(&world->appends_begun),
          atomic_load(&world->pops_done), atomic_load(&world->pops_begun));
    rc = kith_list_close(list());
    CHECK(rc == 0 || server_lost(rc), "close of a List gives %d", rc);
}

void end_dict(void)
{
    long x = 0;
    int rc;

    end_list();
    if (!atomic_load(&world->dict))
        return;
    rc = kith_fetch(dict(), "updates", &x);
    CHECK(rc == 0 || rc == KITH_EMISSING || excused(rc), "fetch from a Dict gives %d", rc);
    CHECK((rc < 0 && rc != KITH_EMISSING) ||
              (x >= atomic_load(&world->incs_done) && x <= atomic_load(&world->incs_begun)),
          "an entry of a Dict is %ld after %ld updates, of which %ld are certain", x,
          atomic_load(&world->incs_begun), atomic_load(&world->incs_done));
    rc = kith_dict_close(dict());
    CHECK(rc == 0 || server_lost(rc), "close of a Dict gives %d", rc);
}
