/* test_heap_death.c: processes that die while they change the heap: at each step there is, and at any moment.
 */
#include "config.h"
#include "check.h"
#include "shared.h"
#include "base/system.h"

#include <sys/mman.h>

enum { CHILD = 7 }; /* owner of what a child of a test allocates */

/* ---- death at each step */

static struct {
    _Atomic int steps, seen;
} * watch; /* of the child: steps that it made; it came by wanted */
static const char *wanted, *die_on;
static int die_at; /* number of a step; 0: only count */

static void count_or_die(const char *step)
{
    if (wanted && strcmp(step, wanted) == 0)
        atomic_store(&watch->seen, 1);
    if (atomic_fetch_add(&watch->steps, 1) + 1 == die_at || (die_on && strcmp(step, die_on) == 0))
        raise(SIGKILL);
}

/* A moment of the heap's life: what was before, and what the one does who dies over it. */
struct scene {
    const char *name, *step; /* step: one that it must come by */
    void (*before)(void);
    void (*act)(void);
    const char *limit; /* KITH_MEM */
    int stride;        /* of many steps each stride-th; 1: all */
};

static uint64_t kept[8]; /* blocks of the parent */

static void keep(int i, uint64_t size)
{
    kept[i] = alloc(size);
    if (size <= MIB)
        fill(kept[i], size, (uint64_t)i);
}

static int kept_well(int i, uint64_t size)
{
    return kith__heap_check(kept[i]) == 0 && is_filled(kept[i], size, (uint64_t)i);
}

static void nothing_before(void) {}

static void some_before(void) /* kept[0] and kept[4] stay; between them is what the child frees */
{
    for (int i = 0; i < 5; i++)
        keep(i, 1000);
    for (int i = 1; i < 4; i++)
        atomic_store(kith__heap_owner(kept[i]), CHILD);
}

static void hole_before(void) /* free: kept[1] and kept[3] */
{
    some_before();
    kith__heap_free(kept[1]);
    kith__heap_free(kept[3]);
}

static void large_hole_before(void) /* free: 300 KiB that begin in the middle of a page */
{
    keep(0, 1000);
    keep(1, 300 * KIB);
    keep(4, 1000);
    kith__heap_free(kept[1]);
}

static void much_before(void)
{
    keep(0, 1000);
    keep(1, stats().warm_bound + 3 * MIB);
    atomic_store(kith__heap_owner(kept[1]), CHILD);
    keep(4, 1000);
}

static void full_before(void) /* of 24 MiB 16 are warm, in pieces */
{
    uint64_t odd[8], even[8];

    for (int i = 0; i < 8; i++) {
        odd[i] = alloc(2 * MIB);
        even[i] = alloc(4096);
    }
    for (int i = 0; i < 8; i++)
        kith__heap_free(odd[i]);
    for (int i = 0; i < 8; i++)
        kith__heap_free(even[i]);
    keep(0, 1000);
    keep(4, 1000);
}

static void alloc_small(void)
{
    uint64_t block = kith__heap_alloc(100, CHILD);

    REQUIRE(block);
    memset(kith__at(block), 0x55, 100);
}

static void alloc_page_aligned(void)
{
    uint64_t block = kith__heap_alloc(100 * KIB, CHILD);

    REQUIRE(block);
    memset(kith__at(block), 0x55, 100 * KIB);
}

static void alloc_large(void)
{
    uint64_t block = kith__heap_alloc(3 * MIB + 5, CHILD);

    REQUIRE(block);
    memset(kith__at(block), 0x55, 3 * MIB + 5);
}

static void alloc_more_than_fits_warm(void)
{
    uint64_t block = kith__heap_alloc(20 * MIB, CHILD);

    REQUIRE(block);
}

static void alloc_too_much(void)
{
    REQUIRE(kith__heap_alloc(40 * MIB, CHILD) == 0);
}

static void free_one(void)
{
    kith__heap_free(kept[2]);
}

static void free_much(void)
{
    kith__heap_free(kept[1]);
}

static void alloc_many(void)
{
    for (int i = 0; i < 300; i++)
        REQUIRE(kith__heap_alloc(64, CHILD));
}

static void sweep_many(void)
{
    while (kith__heap_sweep(CHILD))
        ;
}

static void many_before(void)
{
    keep(0, 1000);
    keep(4, 1000);
    for (int i = 0; i < 20; i++)
        kith__heap_alloc(64 + (size_t)i * 64, CHILD);
}

/* Somebody died while pages were taken for him: the next one finds the lease. */
static void death_before(void)
{
    pid_t pid;

    some_before();
    pid = fork();
    if (pid == 0) {
        die_on = "heap: pages taken";
        kith__failpoint_hook = count_or_die;
        alloc_large();
        _exit(0);
    }
    CU_ASSERT_EQUAL(check_wait(pid), -SIGKILL);
}

static const struct scene scenes[] = {
    { "first block", "heap: pages taken", nothing_before, alloc_small, NULL, 1 },
    { "small warm block", "guard: mark cleared", some_before, alloc_small, NULL, 1 },
    { "block with gaps on both sides", "guard: mark cleared", large_hole_before, alloc_page_aligned, NULL,
      1 },
    { "large cold block", "heap: pages taken", some_before, alloc_large, NULL, 1 },
    { "free between used ones", "guard: mark cleared", some_before, free_one, NULL, 1 },
    { "free between free ones", "guard: mark cleared", hole_before, free_one, NULL, 1 },
    { "free of more than is kept warm", "heap: pages given back", much_before, free_much, NULL, 1 },
    { "block for which warm pieces must go", "heap: pages given back", full_before, alloc_more_than_fits_warm,
      "24M", 1 },
    { "block that the budget refuses", "heap: pages given back", some_before, alloc_too_much, "24M", 1 },
    { "many blocks, new descriptors", "heap: descriptors backed", some_before, alloc_many, NULL, 97 },
    { "sweep of many blocks", "guard: mark cleared", many_before, sweep_many, NULL, 7 },
    { "block after a death over another", "heap: pages taken", death_before, alloc_large, NULL, 1 },
    { "sweep after a death over a block", "heap: pages given back", death_before, sweep_many, NULL, 1 },
};

static uint64_t metadata; /* pages of the arena that are no blocks, when the scene began */

static void set_scene(const struct scene *scene)
{
    if (scene->limit)
        setenv("KITH_MEM", scene->limit, 1);
    memset(kept, 0, sizeof kept);
    open_arena();
    unsetenv("KITH_MEM");
    scene->before();
    metadata = pages() - stats().backed_bytes;
}

/* Runs fn in a child that dies at that step; 0: at none. Gives how many steps it made. */
static int run_until(void (*fn)(void), int step)
{
    pid_t pid;

    atomic_store(&watch->steps, 0);
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        die_at = step;
        kith__failpoint_hook = count_or_die;
        fn();
        _exit(0);
    }
    CU_ASSERT_EQUAL(check_wait(pid), step ? -SIGKILL : 0);
    return atomic_load(&watch->steps);
}

static void audit_and_sweep(void)
{
    kith__heap_audit();
    sweep_many();
}

/* Nothing is lost, nothing is torn, and life goes on. */
static void look_after_death(void)
{
    uint64_t block, before;
    int mine = 0;

    PASS(kith__heap_audit());
    sweep_many();
    PASS(kith__heap_audit());
    for (int i = 0; i < 5; i += 4)
        if (kept[i]) {
            CU_ASSERT(kept_well(i, 1000));
            mine++;
        }
    CU_ASSERT_EQUAL(stats().used_blocks, (uint64_t)mine);
    CU_ASSERT_EQUAL(stats().used_bytes, (uint64_t)mine * 1024);
    CU_ASSERT(pages() <= stats().backed_bytes + metadata + 256 * KIB);
    block = alloc(3 * MIB);
    before = pages();
    memset(kith__at(block), 1, 3 * MIB);
    CU_ASSERT_EQUAL(pages(), before);
    kith__heap_free(block);
    PASS(kith__heap_audit());
}

static int play(const struct scene *scene)
{
    int steps, kills = 0;

    set_scene(scene);
    wanted = scene->step;
    atomic_store(&watch->seen, 0);
    steps = run_until(scene->act, 0);
    CU_ASSERT(atomic_load(&watch->seen));
    look_after_death();
    /* A child costs some 20 ms under ThreadSanitizer. */
    for (int step = 1; step <= steps; step += SANITIZED ? 7 * scene->stride : scene->stride, kills++) {
        set_scene(scene);
        CU_ASSERT_EQUAL(run_until(scene->act, step), step);
        look_after_death();
    }
    return kills;
}

static void death_at_each_step_is_harmless(void)
{
    for (size_t i = 0; i < sizeof scenes / sizeof scenes[0]; i++) {
        unsigned before = CU_get_number_of_failures();
        int kills = play(&scenes[i]);

        if (CU_get_number_of_failures() > before)
            printf("\n    scene: %s", scenes[i].name);
        printf("\n    %s: %d deaths", scenes[i].name, kills);
    }
    printf("\n    ");
}

static void death_over_the_repair_is_harmless(void)
{
    unsigned seed = check_seed();
    int kills = 0;

    for (size_t i = 0; i < sizeof scenes / sizeof scenes[0]; i++) {
        int steps, repairs;

        set_scene(&scenes[i]);
        steps = run_until(scenes[i].act, 0);
        for (int k = 0; k < (SANITIZED ? 4 : 8); k++, kills++) {
            int first = 1 + rand_r(&seed) % steps;
            unsigned again = seed;

            set_scene(&scenes[i]);
            run_until(scenes[i].act, first);
            repairs = run_until(audit_and_sweep, 0);
            set_scene(&scenes[i]);
            run_until(scenes[i].act, first);
            run_until(audit_and_sweep, 1 + rand_r(&again) % repairs);
            look_after_death();
        }
    }
    printf("%d repairs died ", kills);
}

/* ---- many processes, and deaths at any instruction */

enum { PROCESSES = 8, SLOTS = 32 };

/* A board on which blocks are published: owner and slot change in one commit, as in a queue. */
struct board {
    struct kith__guard guard;
    kith__word slots[SLOTS]; /* block, 0: empty; in its first word stands its size */
};

static uint64_t board_at;

static struct board *board(void)
{
    return kith__at(board_at);
}

static void put_on_board(int slot, uint64_t block)
{
    kith__guard_set(&board()->guard, &board()->slots[slot], block);
    kith__guard_set(&board()->guard, kith__heap_owner(block), 0);
    kith__guard_commit(&board()->guard);
}

static uint64_t take_from_board(int slot, uint32_t owner)
{
    uint64_t block = atomic_load(&board()->slots[slot]);

    kith__guard_set(&board()->guard, &board()->slots[slot], 0);
    kith__guard_set(&board()->guard, kith__heap_owner(block), owner);
    kith__guard_commit(&board()->guard);
    return block;
}

static uint64_t new_block(uint64_t size, uint32_t owner)
{
    uint64_t block = kith__heap_alloc(size, owner);

    REQUIRE(block != 0);
    *(uint64_t *)kith__at(block) = size;
    fill(block + 8, size - 8, block / 64);
    return block;
}

static void end_block(uint64_t block)
{
    REQUIRE(is_filled(block + 8, *(uint64_t *)kith__at(block) - 8, block / 64));
    kith__heap_free(block);
}

static void exchange(uint32_t owner, unsigned *seed)
{
    int slot = rand_r(seed) % SLOTS;
    uint64_t block = 0;

    kith__guard_enter(&board()->guard);
    if (atomic_load(&board()->slots[slot]))
        block = take_from_board(slot, owner);
    kith__guard_leave(&board()->guard);
    if (block) {
        end_block(block);
        return;
    }
    block = new_block(8 + (uint64_t)rand_r(seed) % 3000, owner);
    kith__guard_enter(&board()->guard);
    if (atomic_load(&board()->slots[slot]) == 0) {
        put_on_board(slot, block);
        block = 0;
    }
    kith__guard_leave(&board()->guard);
    if (block)
        end_block(block);
}

static void hammer(uint32_t owner, unsigned seed)
{
    uint64_t mine[40] = { 0 };

    for (;;) {
        int i = rand_r(&seed) % 40;

        if (rand_r(&seed) % 4 == 0) {
            exchange(owner, &seed);
        } else if (mine[i]) {
            end_block(mine[i]);
            mine[i] = 0;
        } else {
            uint64_t most = rand_r(&seed) % 100 ? 3000 : 2000000;

            mine[i] = new_block(8 + (uint64_t)rand_r(&seed) % most, owner);
        }
    }
}

static pid_t start_hammer(int i, unsigned seed)
{
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0)
        hammer((uint32_t)i + 1, seed);
    return pid;
}

/* The guard of the board is entered first: what the dead one had decided there is done before. */
static void reap(int i, pid_t pid)
{
    CU_ASSERT_EQUAL(check_wait(pid), -SIGKILL);
    kith__guard_enter(&board()->guard);
    kith__guard_leave(&board()->guard);
    while (kith__heap_sweep((uint32_t)i + 1))
        kith__pause();
}

static void count_what_is_left(void)
{
    uint64_t published = 0;

    PASS(kith__heap_audit());
    for (int i = 0; i < SLOTS; i++)
        if (atomic_load(&board()->slots[i])) {
            uint64_t block = atomic_load(&board()->slots[i]);

            PASS(kith__heap_check(block));
            CU_ASSERT(is_filled(block + 8, *(uint64_t *)kith__at(block) - 8, block / 64));
            kith__heap_free(block);
            published++;
        }
    CU_ASSERT_EQUAL(stats().used_blocks, 1); /* the board itself */
    CU_ASSERT_EQUAL(stats().used_bytes, kith__heap_size_of(board_at));
    CU_ASSERT(stats().warm_free_bytes <= stats().warm_bound);
    CU_ASSERT(pages() <= stats().backed_bytes + 4 * MIB);
    printf("%llu published ", (unsigned long long)published);
}

static void kills_at_random_moments_harm_nobody(void)
{
    unsigned seed = check_seed();
    pid_t pids[PROCESSES];
    int kills = 0;
    int64_t end;

    open_arena();
    board_at = alloc(sizeof(struct board));
    memset(board(), 0, sizeof(struct board));
    PASS(kith__guard_init(&board()->guard));
    for (int i = 0; i < PROCESSES; i++)
        pids[i] = start_hammer(i, (unsigned)rand_r(&seed));
    for (end = kith__now_ns() + 4000 * KITH__MS; kith__now_ns() < end; kills++) {
        struct timespec moment = { 0, (long)(rand_r(&seed) % 8000000) };
        int i = rand_r(&seed) % PROCESSES;

        nanosleep(&moment, NULL);
        kill(pids[i], SIGKILL);
        reap(i, pids[i]);
        if (kills % 16 == 0)
            PASS(kith__heap_audit());
        pids[i] = start_hammer(i, (unsigned)rand_r(&seed));
    }
    for (int i = 0; i < PROCESSES; i++) {
        kill(pids[i], SIGKILL);
        reap(i, pids[i]);
    }
    count_what_is_left();
    printf("%d kills ", kills);
}

static struct test tests[] = { TEST(death_at_each_step_is_harmless), TEST(death_over_the_repair_is_harmless),
                               TEST(kills_at_random_moments_harm_nobody), TEST_END };

int main(void)
{
    watch = mmap(NULL, sizeof *watch, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return watch == MAP_FAILED ? 1 : run_tests("heap_death", tests);
}
