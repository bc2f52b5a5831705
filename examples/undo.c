/* undo: what was put last is taken first, as from a stack: so steps are undone in reverse
 * order.
 *
 *     ./undo
 *     mpirun -n 4 ./undo
 */
#include <kith.h>
#include <stdio.h>

struct step {
    char what[24];
};

static void undo(kith_queue steps)
{
    struct step step;

    while (kith_get(steps, &step) == 0)
        printf("undo: %s\n", step.what);
}

int main(int argc, char **argv)
{
    static const struct step list[] = { { "open the door" }, { "step in" }, { "close the door" } };

    kith_init(&argc, &argv);
    kith_queue steps = kith_queue_open_with(0, .order = KITH_LIFO);

    for (int i = 0; i < 3; i++) {
        printf("do: %s\n", list[i].what);
        kith_put(steps, list[i]);
    }
    kith_queue_shutdown(steps);
    kith_process p = kith_start(undo, steps);
    kith_process_join(p, KITH_FOREVER);
    return kith_finalize();
}
