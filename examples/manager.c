/* manager: a dict and a list in shared memory, which a Process changes: what Python's
 * Manager is for. There is no manager process: every process uses them where they are,
 * also from another node.
 *
 *     ./manager
 *     mpirun --hostfile hosts ./manager
 */
#include <kith.h>
#include <stdio.h>

struct shared {
    kith_dict d;
    kith_list l;
};

static int f(const void *arg)
{
    const struct shared *s = arg;

    kith_set(s->d, "one", 1);
    kith_set(s->d, "two", 2);
    kith_list_reverse(s->l);
    return 0;
}

int main(int argc, char **argv)
{
    int numbers[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 };

    kith_init(&argc, &argv);
    struct shared s = { kith_dict_open(), kith_list_open() };

    kith_extend(s.l, numbers, 10);
    kith_process p = kith_process_start_with(f, KITH_ARG(s), .node = KITH_NODE(kith_nodes() - 1));
    kith_process_join(p, KITH_FOREVER);

    struct kith_view *v = kith_dict_view(s.d);
    for (struct kith_item i; kith_view_next(v, &i);)
        printf("%s: %d\n", (const char *)i.key, *(const int *)i.value);
    kith_view_free(v);
    for (int n = 0; n < 10; n++) {
        kith_fetch(s.l, n, &numbers[n]);
        printf("%d%s", numbers[n], n < 9 ? " " : "\n");
    }
    return kith_finalize();
}
