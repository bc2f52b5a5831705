/* namespace: one Process stores values under names, and another one reads them once an
 * Event says that they are there. In Python, a list in a Namespace that is changed in
 * place stays as it was; here, a value is always replaced as a whole.
 *
 *     ./namespace
 *     mpirun --hostfile hosts ./namespace
 */
#include <kith.h>
#include <stdio.h>

struct shared {
    kith_ns ns;
    kith_event is_there;
};

static int produce(const void *arg)
{
    const struct shared *s = arg;

    kith_set(s->ns, "value", "from the producer");
    kith_set(s->ns, "count", 3);
    kith_event_set(s->is_there);
    return 0;
}

static int consume(const void *arg)
{
    const struct shared *s = arg;
    char value[40];
    int count = 0;

    printf("before: %s\n", kith_ns_has(s->ns, "value") ? "there is a value" : "there is no value");
    fflush(stdout);
    kith_process p = kith_process_start_with(produce, arg, sizeof *s, .node = KITH_NODE(kith_nodes() - 1));
    kith_event_wait(s->is_there, KITH_FOREVER);
    kith_ns_get(s->ns, "value", value, sizeof value);
    kith_fetch(s->ns, "count", &count);
    printf("after: \"%s\", %d\n", value, count);
    kith_process_join(p, KITH_FOREVER);
    return 0;
}

int main(int argc, char **argv)
{
    kith_init(&argc, &argv);
    struct shared s = { kith_ns_open(), kith_event_open() };

    kith_process_join(kith_process_start(consume, KITH_ARG(s)), KITH_FOREVER);
    return kith_finalize();
}
