/* things.c: objects at home anywhere, which tasks and clients use: no item of the Queue is lost or doubled,
 * the Lock has one holder, the Value is what was added. */
#include "config.h"
#include "world.h"
#include "object/memory.h"

enum fate { NEVER, MAYBE, PUT, NOT, TAKEN };

static struct {
    kith_queue queue;
    kith_lock lock;
    kith_value value;
    uint32_t queue_home, lock_home, value_home;
    long adds_begun, adds_done;
    uint32_t items, dead_takers;
    unsigned char fate[ITEMS];
    uint32_t from[ITEMS], by[ITEMS]; /* nodes of who has put and taken it */
} things;

/* A code that may come of a call on what is at home on that node: where nodes stop an answer may be too late.
 */
static int may_be(int rc, uint32_t home)
{
    return rc == KITH_ETIMEDOUT || (rc == KITH_EPEER && (sim_is_lost(home) || world.stops)) ||
           (rc == KITH_EOWNERDEAD && somebody_dies());
}

static void put_item(void)
{
    uint32_t item = things.items;
    int rc;

    if (item == ITEMS)
        return;
    things.items++;
    things.fate[item] = MAYBE;
    things.from[item] = sim_node(sim_current);
    rc = kith_queue_put(things.queue, &item, sizeof item, draw(4) ? KITH_FOREVER : (int)draw(200));
    if (rc < 0 && !may_be(rc, things.queue_home))
        wrong("a put gives %d", rc);
    if (rc == KITH_ETIMEDOUT) {
        if (things.fate[item] == TAKEN)
            wrong("item %u was taken, and its put is over its time limit", item);
        things.fate[item] = NOT;
    }
    if (rc == 0 && things.fate[item] == MAYBE)
        things.fate[item] = PUT;
}

static void hold_lock(struct client *c)
{
    int rc = kith_lock_acquire(things.lock, draw(4) ? KITH_FOREVER : (int)draw(200));

    if (rc < 0 && !may_be(rc, things.lock_home))
        wrong("the lock gives %d", rc);
    if (rc < 0 && rc != KITH_EOWNERDEAD)
        return;
    sim_doing(c, HOLDING);
    for (int i = (int)draw(3); i >= 0; i--) {
        if (sim_count(HOLDING) > 1 && !sim_is_lost(things.lock_home))
            wrong("the lock has %d holders", sim_count(HOLDING));
        sim_rest((int64_t)draw(10));
    }
    sim_doing(c, ELSE);
    rc = kith_lock_release(things.lock);
    if (rc < 0 && !may_be(rc, things.lock_home))
        wrong("the release gives %d", rc);
}

static void add_one(void)
{
    int rc;

    things.adds_begun++;
    rc = kith_add(things.value, 1L);
    if (rc < 0 && !may_be(rc, things.value_home))
        wrong("an add gives %d", rc);
    things.adds_done += rc == 0;
}

/* By a put, an add, or the release of a Lock a task passes on what it has taken, which is left when the task
 * does not end well: so it has nothing then. */
void use_things(struct client *c)
{
    if (atomic_load(&kith__taken) > 0)
        return;
    switch (draw(3)) {
    case 0: put_item(); break;
    case 1: hold_lock(c); break;
    default: add_one(); break;
    }
}

static void took(const struct client *c, uint32_t item)
{
    unsigned char *fate = &things.fate[item % ITEMS];

    if (item >= things.items)
        wrong("item %u, which nobody has put", item);
    else if (*fate != MAYBE && *fate != PUT && !(*fate == TAKEN && sim_is_lost(things.by[item])))
        wrong("item %u was %s", item, *fate == TAKEN ? "taken before" : "not put");
    *fate = TAKEN;
    things.by[item % ITEMS] = sim_node(c);
    counted.items++;
}

/* Tasks that put wait for ever for room: somebody takes as long as there are any. */
static int are_needed(void)
{
    return !stopping || sim_count(CALLING) > 0;
}

/* until: 1: nobody puts any more. */
static void take_items(struct client *c, int until)
{
    int64_t rc;
    uint32_t item;

    do {
        sim_doing(c, GETTING);
        things.dead_takers++;
        rc = kith_queue_get(things.queue, &item, sizeof item, until ? 5000 : 200 + (int)draw(500));
        things.dead_takers--;
        sim_doing(c, TAKING);
        if (rc == (int64_t)sizeof item)
            took(c, item);
        else if (!may_be((int)rc, things.queue_home))
            wrong("a get gives %lld", (long long)rc);
    } while (rc >= 0 || (rc == KITH_ETIMEDOUT && !until && are_needed()));
}

void takes_items(struct client *c, void *arg)
{
    (void)arg;
    take_items(c, 0);
}

static void empties(struct client *c, void *arg)
{
    (void)arg;
    take_items(c, 1);
    PASS(kith_queue_close(things.queue));
}

static void checks_value(struct client *c, void *arg)
{
    long x = -1;

    (void)c;
    (void)arg;
    PASS(kith_load(things.value, &x));
    if (x < things.adds_done || x > things.adds_begun)
        wrong("the Value is %ld after %ld adds, of which %ld are certain", x, things.adds_begun,
              things.adds_done);
    PASS(kith_value_close(things.value));
}

static void checks_lock(struct client *c, void *arg)
{
    int rc = kith_lock_acquire(things.lock, 60000);

    (void)c;
    (void)arg;
    if (rc < 0 && !may_be(rc, things.lock_home))
        wrong("the lock gives %d at the end", rc);
    PASS(kith_lock_close(things.lock));
}

void open_things(void)
{
    memset(&things, 0, sizeof things);
    /* A task whose items do not arrive fails: so this home is not lost. */
    things.queue_home = world.losses ? 0 : (uint32_t)draw(world.nodes);
    things.lock_home = (uint32_t)draw(world.nodes);
    things.value_home = (uint32_t)draw(world.nodes);
    sim_enter(things.queue_home);
    PASS(kith_check(things.queue = kith_queue_open(draw(2) ? 0 : 1 + draw(50))));
    sim_leave();
    sim_enter(things.lock_home);
    PASS(kith_check(things.lock = kith_lock_open()));
    sim_leave();
    sim_enter(things.value_home);
    PASS(kith_check(things.value = kith_value_of(0L)));
    sim_leave();
}

void close_things(void)
{
    if (!sim_is_lost(things.queue_home))
        sim_start(things.queue_home, empties, NULL);
    if (!sim_is_lost(things.lock_home))
        sim_start(things.lock_home, checks_lock, NULL);
    if (!sim_is_lost(things.value_home))
        sim_start(things.value_home, checks_value, NULL);
}

void check_things(void)
{
    uint32_t lost = 0;

    for (uint32_t i = 0; i < things.items; i++)
        lost += things.fate[i] == PUT && !sim_is_lost(things.from[i]);
    if (!sim_is_lost(things.queue_home) && lost > things.dead_takers)
        wrong("%u items are lost, %u at most may be", lost, things.dead_takers);
}

uint32_t home_of_items(void)
{
    return things.queue_home;
}
