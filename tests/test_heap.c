/* test_heap.c: blocks and their pages. */
#include "config.h"
#include "check.h"
#include "shared.h"
#include "base/system.h"

#include <pthread.h>

static void block_is_aligned_and_large_enough(void)
{
    static const uint64_t sizes[] = { 0, 1, 63, 64, 65, 4095, 4096, 65535, 65536, 65537, MIB, 3 * MIB + 1 };

    open_arena();
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint64_t block = alloc(sizes[i]);

        CU_ASSERT_EQUAL(block % (sizes[i] < 64 * KIB ? 64 : 4096), 0);
        CU_ASSERT(kith__heap_size_of(block) >= sizes[i] && kith__heap_size_of(block) > 0);
        CU_ASSERT(kith__arena_holds(kith__at(block), kith__heap_size_of(block)));
        memset(kith__at(block), 0xa5, kith__heap_size_of(block));
    }
    PASS(kith__heap_audit());
}

static void freed_blocks_leave_nothing(void)
{
    uint64_t blocks[64];

    open_arena();
    for (int i = 0; i < 64; i++)
        blocks[i] = alloc(1 + (uint64_t)i * i * 50);
    for (int i = 0; i < 64; i++)
        kith__heap_free(blocks[i * 37 % 64]);
    CU_ASSERT_EQUAL(stats().used_bytes, 0);
    CU_ASSERT_EQUAL(stats().used_blocks, 0);
    PASS(kith__heap_audit());
}

static void live_blocks_never_overlap(void)
{
    enum { LIVE = 400, ROUNDS = 20000 };
    static uint64_t block[LIVE], size[LIVE];
    unsigned seed = check_seed();

    open_arena();
    memset(block, 0, sizeof block);
    for (int round = 0; round < ROUNDS; round++) {
        int i = rand_r(&seed) % LIVE;

        if (block[i]) {
            CU_ASSERT_FATAL(is_filled(block[i], size[i], (uint64_t)i));
            kith__heap_free(block[i]);
            block[i] = 0;
            continue;
        }
        size[i] = (uint64_t)rand_r(&seed) % (rand_r(&seed) % 50 ? 2000 : 300000);
        block[i] = alloc(size[i]);
        fill(block[i], size[i], (uint64_t)i);
        if (round % 500 == 0)
            PASS(kith__heap_audit());
    }
    for (int i = 0; i < LIVE; i++)
        kith__heap_free(block[i]);
    CU_ASSERT_EQUAL(stats().used_bytes, 0);
    PASS(kith__heap_audit());
}

/* A page that is not there would be added at the first write: then the kernel's count rises. */
static void every_byte_of_a_block_is_backed(void)
{
    unsigned seed = 1;

    open_arena();
    for (int i = 0; i < 300; i++) {
        uint64_t size = (uint64_t)rand_r(&seed) % (i % 10 ? 5000 : 900000), block = alloc(size),
                 before = pages();

        memset(kith__at(block), 1, kith__heap_size_of(block));
        CU_ASSERT_EQUAL(pages(), before);
        if (rand_r(&seed) % 2)
            kith__heap_free(block);
    }
}

static void hundreds_of_mebibytes_are_one_block(void)
{
    uint64_t a, b;

    open_arena();
    a = alloc(100 * MIB);
    b = alloc(333 * MIB + 1);
    memset(kith__at(a), 1, 100 * MIB);
    ((char *)kith__at(b))[333 * MIB] = 7;
    CU_ASSERT(a + 100 * MIB <= b || b + 333 * MIB < a);
    kith__heap_free(a);
    CU_ASSERT_EQUAL(((char *)kith__at(b))[333 * MIB], 7);
    kith__heap_free(b);
    PASS(kith__heap_audit());
}

static void what_is_no_block_is_refused(void)
{
    uint64_t block;

    open_arena();
    block = alloc(1000);
    PASS(kith__heap_check(block));
    FAILS_WITH(KITH_EINVAL, kith__heap_check(0));
    FAILS_WITH(KITH_EINVAL, kith__heap_check(1));
    FAILS_WITH(KITH_EINVAL, kith__heap_check(block + 1));
    FAILS_WITH(KITH_EINVAL, kith__heap_check(block + 64));
    FAILS_WITH(KITH_EINVAL, kith__heap_check(kith__layout.heap_start + kith__layout.heap_size));
    FAILS_WITH(KITH_EINVAL, kith__heap_check(kith__layout.heap_start + kith__layout.heap_size - 64));
    FAILS_WITH(KITH_EINVAL, kith__heap_check(kith__layout.heap_start - 64));
    FAILS_WITH(KITH_EINVAL, kith__heap_check(UINT64_MAX - 63));
    for (uint64_t at = kith__layout.heap_start; at < kith__layout.heap_start + 8 * MIB; at += 64)
        if (at != block && kith__heap_check(at) == 0)
            FAILS_WITH(KITH_EINVAL, kith__heap_check(at));
    CU_ASSERT(!kith__arena_holds("", 1));
    CU_ASSERT(!kith__arena_holds(kith__at(kith__layout.heap_start), kith__layout.heap_size + 1));
    CU_ASSERT(!kith__arena_holds(kith__at(kith__layout.heap_start - 1), 1));
}

/* The kernel must not give a page for a look at what was never a block. */
static void looking_at_foreign_offsets_takes_no_pages(void)
{
    uint64_t before;

    open_arena();
    alloc(1);
    before = pages();
    for (uint64_t at = kith__layout.heap_start; at < kith__layout.heap_start + kith__layout.heap_size;
         at += kith__layout.heap_size / 1024 / 64 * 64)
        FAILS_WITH(at == kith__layout.heap_start ? 0 : KITH_EINVAL, kith__heap_check(at));
    CU_ASSERT_EQUAL(pages(), before);
}

static void double_free_changes_nothing(void)
{
    uint64_t a, b, c;

    open_arena();
    a = alloc(100);
    b = alloc(100);
    c = alloc(100);
    kith__heap_free(b);
    FAILS_WITH(KITH_EINVAL, kith__heap_check(b));
    kith__heap_free(b);
    kith__heap_free(a); /* now b lies inside of a larger free block */
    FAILS_WITH(KITH_EINVAL, kith__heap_check(b));
    kith__heap_free(b);
    kith__heap_free(a);
    kith__heap_free(0);
    CU_ASSERT_EQUAL(stats().used_blocks, 1);
    PASS(kith__heap_check(c));
    PASS(kith__heap_audit());
}

static void owner_is_a_word_that_its_holder_sets(void)
{
    uint64_t mine, published;

    open_arena();
    mine = kith__heap_alloc(100, 5);
    published = kith__heap_alloc(100, 5);
    CU_ASSERT_FATAL(mine && published);
    CU_ASSERT_EQUAL(atomic_load(kith__heap_owner(mine)), 5);
    atomic_store(kith__heap_owner(published), 0);
    CU_ASSERT_EQUAL(kith__heap_sweep(6), 0);
    CU_ASSERT_EQUAL(stats().used_blocks, 2);
    CU_ASSERT_EQUAL(kith__heap_sweep(5), 0);
    FAILS_WITH(KITH_EINVAL, kith__heap_check(mine));
    PASS(kith__heap_audit());
    PASS(kith__heap_check(published));
    CU_ASSERT_EQUAL(kith__heap_sweep(0), 0);
    PASS(kith__heap_check(published));
    kith__heap_free(published);
    CU_ASSERT_EQUAL(stats().used_bytes, 0);
}

static void *take_and_give(void *arg)
{
    uint64_t key = (uintptr_t)arg << 8;
    unsigned seed = (unsigned)key;
    uint64_t mine[16] = { 0 }, size[16] = { 0 };

    for (int round = 0; round < 20000; round++) {
        int i = rand_r(&seed) % 16;

        if (mine[i]) {
            if (!is_filled(mine[i], size[i], key + (uint64_t)i))
                return (void *)1;
            kith__heap_free(mine[i]);
            mine[i] = 0;
            continue;
        }
        size[i] = (uint64_t)rand_r(&seed) % (rand_r(&seed) % 200 ? 300 : 100000);
        mine[i] = kith__heap_alloc(size[i], 0);
        if (!mine[i])
            return (void *)2;
        fill(mine[i], size[i], key + (uint64_t)i);
    }
    for (int i = 0; i < 16; i++)
        kith__heap_free(mine[i]);
    return NULL;
}

static void threads_share_the_heap(void)
{
    pthread_t threads[4];
    void *result;

    open_arena();
    for (uintptr_t i = 0; i < 4; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, take_and_give, (void *)(i + 1)), 0);
    for (int i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(pthread_join(threads[i], &result), 0);
        CU_ASSERT_PTR_NULL(result);
    }
    CU_ASSERT_EQUAL(stats().used_bytes, 0);
    PASS(kith__heap_audit());
}

/* ---- pages: kept warm, and given back */

static void warm_pages_are_used_again(void)
{
    uint64_t before = 0;

    open_arena();
    kith__heap_free(alloc(MIB));
    for (int i = 0; i < 1000; i++) {
        uint64_t a = alloc(1000 + (uint64_t)i), b = alloc(MIB - 70 * KIB);

        if (i == 0)
            before = pages(); /* with the metadata for blocks that begin there */
        kith__heap_free(a);
        kith__heap_free(b);
    }
    CU_ASSERT_EQUAL(pages(), before);
}

static void same_sizes_meet_the_same_blocks(void)
{
    static const uint64_t sizes[] = { 100000, 64, 5000, 777777, 65536, 1200 };
    uint64_t block[6], before;

    open_arena();
    for (int i = 0; i < 6; i++)
        block[i] = alloc(sizes[i]);
    before = pages();
    for (int round = 0; round < 200; round++) {
        int i = round * 5 % 6;

        kith__heap_free(block[i]);
        block[i] = alloc(sizes[i]);
    }
    CU_ASSERT_EQUAL(pages(), before);
}

static void warm_bytes_beyond_the_bound_go_back(void)
{
    uint64_t block[40], bound;

    open_arena();
    bound = stats().warm_bound;
    for (int i = 0; i < 40; i++)
        block[i] = alloc(bound / 16);
    CU_ASSERT(pages() >= 2 * bound);
    for (int i = 0; i < 40; i++)
        kith__heap_free(block[i * 7 % 40]);
    CU_ASSERT(stats().warm_free_bytes <= bound);
    CU_ASSERT(pages() <= bound + 3 * MIB);
    CU_ASSERT(stats().warm_free_bytes >= bound / 4 * 3);
    PASS(kith__heap_audit());
    kith__heap_free(alloc(3 * bound));
    CU_ASSERT(pages() <= bound + 3 * MIB);
    PASS(kith__heap_audit());
}

/* ---- for who must not be away for long: in steps */

static void pages_of_a_hollow_block_come_as_they_are_used(void)
{
    const uint64_t size = 40 * MIB + 5;
    uint64_t block, empty, before, most = 0;

    open_arena();
    empty = pages();
    CU_ASSERT_FATAL((block = kith__heap_alloc_hollow(size, 0)) != 0);
    CU_ASSERT(pages() < empty + MIB);
    for (uint64_t at = 0, to; at < size; at = to) {
        before = pages();
        CU_ASSERT_FATAL((to = kith__heap_fill(block, at, at + 1)) > at);
        most = pages() - before > most ? pages() - before : most;
        before = pages();
        memset((char *)kith__at(block) + at, 3, to - at);
        CU_ASSERT_EQUAL(pages(), before);
    }
    CU_ASSERT(most < 8 * MIB && pages() >= size);
    PASS(kith__heap_audit());
    kith__heap_free(block);
    PASS(kith__heap_audit());
}

static void open_limited(const char *limit)
{
    setenv("KITH_MEM", limit, 1);
    open_arena();
    unsetenv("KITH_MEM");
}

/* From the beginning: else two that come in at the same time would both be let in, and neither could be
 * filled. And once: what is filled is no more than was counted. */
static void what_a_hollow_block_will_need_is_counted(void)
{
    const uint64_t size = 40 * MIB;
    uint64_t block, before, left, at;

    open_limited("64M");
    before = kith__memory_available();
    CU_ASSERT_FATAL((block = kith__heap_alloc_hollow(size, 0)) != 0);
    left = kith__memory_available();
    CU_ASSERT(left <= before - size && left > before - size - MIB);
    CU_ASSERT_EQUAL(kith__heap_alloc_hollow(size, 0), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "is left of KITH_MEM"));
    CU_ASSERT_EQUAL(kith__heap_alloc(size, 0), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "is left of KITH_MEM"));
    left = kith__memory_available(); /* tables may have grown */
    for (at = 0; at < size;)
        CU_ASSERT_FATAL((at = kith__heap_fill(block, at, at + 1)) > 0);
    CU_ASSERT_EQUAL(kith__memory_available(), left);
    kith__heap_free(block);
    CU_ASSERT_FATAL((block = alloc(size)) != 0);
    kith__heap_free(block);
    PASS(kith__heap_audit());
}

/* The system itself knows nothing of it yet: what else may happen on this machine meanwhile is less than a
 * fifth of what it has. */
static void so_it_is_where_the_system_bounds(void)
{
    uint64_t size, first;

    open_arena();
    size = kith__memory_available() / 5 * 3;
    if (size > kith__layout.heap_size)
        return; /* a sanitizer leaves little address space */
    CU_ASSERT_FATAL((first = kith__heap_alloc_hollow(size, 0)) != 0);
    CU_ASSERT_EQUAL(kith__heap_alloc_hollow(size, 0), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "is left"));
    kith__heap_free(first);
    PASS(kith__heap_audit());
}

/* The last one: this process goes on like that. */
static void what_is_freed_goes_back_in_steps(void)
{
    uint64_t block, before, most = 0;
    int more = 1;

    open_arena();
    block = alloc(stats().warm_bound + 100 * MIB);
    kith__heap_back_in_steps();
    CU_ASSERT_EQUAL(kith__heap_give_back(), 0);
    kith__heap_free(block);
    CU_ASSERT(stats().warm_free_bytes > stats().warm_bound);
    for (int i = 0; more && i < 1000; i++) {
        before = pages();
        more = kith__heap_give_back();
        most = before - pages() > most ? before - pages() : most;
    }
    CU_ASSERT(!more && most > 0 && most < 20 * MIB);
    CU_ASSERT(stats().warm_free_bytes <= stats().warm_bound && pages() <= stats().warm_bound + 3 * MIB);
    PASS(kith__heap_audit());
}

static struct test tests[] = { TEST(block_is_aligned_and_large_enough),
                               TEST_LIKE(freed_blocks_leave_nothing, "_TestHeap.test_heap"),
                               TEST_LIKE(live_blocks_never_overlap, "_TestHeap.test_heap"),
                               TEST(every_byte_of_a_block_is_backed),
                               TEST(hundreds_of_mebibytes_are_one_block),
                               TEST(what_is_no_block_is_refused),
                               TEST(looking_at_foreign_offsets_takes_no_pages),
                               TEST(double_free_changes_nothing),
                               TEST(owner_is_a_word_that_its_holder_sets),
                               TEST(threads_share_the_heap),
                               TEST(warm_pages_are_used_again),
                               TEST_LIKE(same_sizes_meet_the_same_blocks, "_TestHeap.test_heap"),
                               TEST(warm_bytes_beyond_the_bound_go_back),
                               TEST(pages_of_a_hollow_block_come_as_they_are_used),
                               TEST(what_a_hollow_block_will_need_is_counted),
                               TEST(so_it_is_where_the_system_bounds),
                               TEST(what_is_freed_goes_back_in_steps),
                               TEST_END };

int main(void)
{
    return run_tests("heap", tests);
}
