/* manager: a dict and a list in shared memory, which a Process changes: what Python's
 * Manager is for. There is no manager process: every process uses them where they are,
 * also from another node.
 *
 *     ./manager
 *     mpirun --hostfile hosts ./manager
 */
#include "args.h"

#include <kith.h>
#include <stdio.h>

struct shared {
    kith_dict d;
    kith_list l;
};

static int f(const void *arg)
{
    const struct shared *s = arg;

    kith_set(s->d, 1, "1");
    kith_set(s->d, "2", 2);
    kith_set(s->d, 0.25, "a quarter");
    kith_list_reverse(s->l);
    return 0;
}

/* As Python would print it: a view remembers of which type it is. */
static void print(const char *before, int type, const void *x)
{
    switch (type) {
    case 's': printf("%s'%s'", before, (const char *)x); break;
    case 'd': printf("%s%g", before, *(const double *)x); break;
    case 'q': printf("%s%lld", before, *(const long long *)x); break;
    default: printf("%s%d", before, *(const int *)x); break;
    }
}

int main(int argc, char **argv)
{
    kith_init(&argc, &argv);
    args_none(argc, argv);
    struct shared s = { kith_dict_open(), kith_list_open() };
    struct kith_item i;

    for (int n = 0; n < 10; n++)
        kith_append(s.l, n);
    kith_process p = kith_process_start_with(f, KITH_ARG(s), .node = KITH_NODE(kith_nodes() - 1));
    kith_process_join(p, KITH_FOREVER);

    struct kith_view *v = kith_dict_view(s.d);
    while (kith_view_next(v, &i)) {
        print("", i.key_type, i.key);
        print(": ", i.type, i.value);
        printf("\n");
    }
    kith_view_free(v);

    const char *before = "";
    v = kith_list_view(s.l, 0, INT64_MAX);
    for (; kith_view_next(v, &i); before = " ")
        print(before, i.type, i.value);
    printf("\n");
    kith_view_free(v);
    return kith_finalize();
}
