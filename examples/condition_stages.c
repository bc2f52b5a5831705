/* condition_stages: two Processes wait at a Condition until the first stage is done,
 * which another one does and then notifies all. The stage is in memory of the node, and
 * the predicate looks at it.
 *
 *     ./condition_stages
 *     mpirun -n 4 ./condition_stages
 */
#include <kith.h>
#include <stdio.h>

struct work {
    kith_cond changed;
    int *stage;
};

static int is_done(void *stage)
{
    return *(const int *)stage >= 1;
}

static int stage_1(const void *arg)
{
    const struct work *w = arg;

    kith_cond_acquire(w->changed, KITH_FOREVER);
    printf("stage 1 done\n");
    *w->stage = 1;
    kith_cond_notify_all(w->changed);
    kith_cond_release(w->changed);
    return 0;
}

static int stage_2(const void *arg)
{
    const struct work *w = arg;

    kith_cond_acquire(w->changed, KITH_FOREVER);
    kith_cond_wait_for(w->changed, is_done, w->stage, KITH_FOREVER);
    printf("stage 2 done\n");
    kith_cond_release(w->changed);
    return 0;
}

int main(int argc, char **argv)
{
    kith_target *stages[] = { stage_2, stage_2, stage_1 };
    kith_process p[3];

    kith_init(&argc, &argv);
    struct work w = { kith_cond_open(), kith_alloc(sizeof *w.stage) };

    *w.stage = 0;
    for (int i = 0; i < 3; i++)
        p[i] = kith_process_start_with(stages[i], KITH_ARG(w), .node = KITH_HERE);
    for (int i = 0; i < 3; i++)
        kith_process_join(p[i], KITH_FOREVER);
    return kith_finalize();
}
