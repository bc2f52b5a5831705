/* test_linked.c: lists and tables whose elements have their links in themselves (base/list.h, base/table.h).
 */
#include "config.h"
#include "base/table.h"
#include "check.h"

enum { MOST = 300, ROUNDS = 20000 };

struct element {
    KITH__LINK(struct element) line, other;
    KITH__TABLE_LINK(struct element) entry;
    uint64_t key;
    int at; /* where the model has it; -1: nowhere */
};

static struct element all[MOST];

static void begin(void)
{
    memset(all, 0, sizeof all);
    for (int i = 0; i < MOST; i++) {
        all[i].key = (uint64_t)i / 3; /* three have each key */
        all[i].at = -1;
    }
}

/* What a list is compared with. */
static struct {
    struct element *in[MOST];
    int count;
} model;

static void model_add(struct element *e, int at)
{
    memmove(&model.in[at + 1], &model.in[at], (size_t)(model.count - at) * sizeof model.in[0]);
    model.in[at] = e;
    model.count++;
    for (int i = at; i < model.count; i++)
        model.in[i]->at = i;
}

static void model_remove(struct element *e)
{
    memmove(&model.in[e->at], &model.in[e->at + 1], (size_t)(--model.count - e->at) * sizeof model.in[0]);
    for (int i = e->at; i < model.count; i++)
        model.in[i]->at = i;
    e->at = -1;
}

static KITH__LIST(struct element) line;

static int is_as_the_model(void)
{
    const struct element *last = NULL;
    int i = 0;

    for (const struct element *e = line.first; e; last = e, e = e->line.next)
        if (i == model.count || e != model.in[i++] || e->line.prev != last)
            return 0;
    return i == model.count && line.last == last;
}

static void an_empty_list_is_zeros(void)
{
    begin();
    CU_ASSERT(line.first == NULL && line.last == NULL);
    kith__link_last(&line, &all[0], line);
    CU_ASSERT(line.first == &all[0] && line.last == &all[0]);
    kith__unlink(&line, &all[0], line);
    CU_ASSERT(line.first == NULL && line.last == NULL);
    CU_ASSERT(all[0].line.next == NULL && all[0].line.prev == NULL);
}

static void a_list_is_what_was_done_to_it(void)
{
    unsigned seed = check_seed();

    begin();
    model.count = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct element *e = &all[rand_r(&seed) % (round % 2000 < 1000 ? MOST : 4)];
        int at = rand_r(&seed) % (model.count + 1);

        if (e->at >= 0) {
            kith__unlink(&line, e, line);
            model_remove(e);
        } else if (rand_r(&seed) % 3 == 0) {
            kith__link_first(&line, e, line);
            model_add(e, 0);
        } else if (rand_r(&seed) % 2 == 0) {
            kith__link_last(&line, e, line);
            model_add(e, model.count);
        } else {
            kith__link_before(&line, e, at < model.count ? model.in[at] : NULL, line);
            model_add(e, at);
        }
        if (!is_as_the_model()) {
            CU_FAIL_FATAL("a list is not what was done to it");
        }
    }
    while (line.first)
        kith__unlink(&line, line.first, line);
    CU_ASSERT_PTR_NULL(line.last);
}

static void an_element_is_in_one_list_of_each_of_its_links(void)
{
    KITH__LIST(struct element) other = { NULL, NULL };

    begin();
    for (int i = 0; i < 5; i++) {
        kith__link_last(&line, &all[i], line);
        kith__link_first(&other, &all[i], other);
    }
    kith__unlink(&line, &all[2], line);
    CU_ASSERT(other.last == &all[0] && all[3].other.next == &all[2] && all[1].other.prev == &all[2]);
    CU_ASSERT(all[1].line.next == &all[3] && all[3].line.prev == &all[1]);
    for (struct element *e = line.first, *next; e; e = next) { /* may go on the way */
        next = e->line.next;
        kith__unlink(&line, e, line);
    }
    CU_ASSERT(line.first == NULL && other.first == &all[4]);
}

/* ---- tables */

static KITH__TABLE(struct element) table;
static uint32_t (*hash_of)(uint64_t key);

static uint32_t spread(uint64_t key)
{
    return kith__hash(key, 7);
}

static uint32_t the_same(uint64_t key)
{
    (void)key;
    return 4711;
}

/* How often the elements with that key are found, and e among them. */
static int times_found(uint64_t key, const struct element *wanted)
{
    int times = 0;

    for (const struct element *e = kith__table_at(&table, hash_of(key)); e; e = e->entry.same.next)
        times += e->key == key && e == wanted;
    return times;
}

static int all_are_in_order(void)
{
    int i = 0;

    for (const struct element *e = table.all.first; e; e = e->entry.all.next)
        if (i == model.count || e != model.in[i++])
            return 0;
    return i == model.count;
}

static void play_table(void)
{
    unsigned seed = check_seed();

    begin();
    model.count = 0;
    for (int round = 0; round < ROUNDS / 4; round++) {
        struct element *e = &all[rand_r(&seed) % MOST];

        if (times_found(e->key, e) != (e->at >= 0)) {
            CU_FAIL_FATAL("an element is not found as often as it is there");
        }
        if (e->at >= 0) {
            kith__table_unlink(&table, e, entry);
            model_remove(e);
        } else {
            kith__table_link(&table, e, hash_of(e->key), entry);
            model_add(e, model.count);
        }
        if (!all_are_in_order()) {
            CU_FAIL_FATAL("the elements of a table are not those, or not in the order of coming");
        }
    }
    while (table.all.first)
        kith__table_unlink(&table, table.all.first, entry);
    for (int i = 0; i < KITH__TABLE_BUCKETS; i++)
        CU_ASSERT(table.buckets[i].first == NULL && table.buckets[i].last == NULL);
}

static void a_table_finds_what_is_there(void)
{
    hash_of = spread;
    play_table();
}

static void so_does_one_whose_keys_have_the_same_hash(void)
{
    hash_of = the_same;
    play_table();
}

/* As agents have them: a seat and a number in one word, and a node; objects, which differ in a few bits. */
static void keys_that_are_alike_have_places_of_their_own(void)
{
    enum { KEYS = 1024 };
    static int count[3][KITH__TABLE_BUCKETS];
    int most[3] = { 0 };

    for (uint64_t i = 0; i < KEYS; i++) {
        count[0][kith__hash(i << 48 | 1, 3) % KITH__TABLE_BUCKETS]++;
        count[1][kith__hash(i, 0) % KITH__TABLE_BUCKETS]++;
        count[2][kith__hash(5, i << 32) % KITH__TABLE_BUCKETS]++;
    }
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < KITH__TABLE_BUCKETS; i++)
            most[k] = count[k][i] > most[k] ? count[k][i] : most[k];
    CU_ASSERT(most[0] <= 10 && most[1] <= 10 && most[2] <= 10);
}

static struct test tests[] = {
    TEST(an_empty_list_is_zeros),
    TEST(a_list_is_what_was_done_to_it),
    TEST(an_element_is_in_one_list_of_each_of_its_links),
    TEST(a_table_finds_what_is_there),
    TEST(so_does_one_whose_keys_have_the_same_hash),
    TEST(keys_that_are_alike_have_places_of_their_own),
    TEST_END,
};

int main(void)
{
    return run_tests("linked", tests);
}
