/* process_names: the name of a Process identifies it in messages and logs. By default
 * it is the name of its function and a number.
 *
 *     ./process_names
 *     KITH_LOG=info ./process_names        # the log, on stderr, has the names too
 */
#include <kith.h>
#include <stdio.h>

static void work(int steps)
{
    printf("%s: %d steps\n", kith_name(), steps);
    kith_log(KITH_LOG_INFO, "done");
}

static int serve(const void *arg)
{
    char parent[64];

    (void)arg;
    kith_process_name(kith_parent(), parent, sizeof parent);
    printf("%s: started by %s\n", kith_name(), parent);
    kith_log(KITH_LOG_INFO, "done");
    return 0;
}

int main(int argc, char **argv)
{
    char name[64];

    kith_init(&argc, &argv);
    kith_process worker = kith_start(work, 3);
    kith_process_join(worker, KITH_FOREVER);
    kith_process service = kith_process_start_with(serve, NULL, 0, .name = "mail service");
    kith_process_join(service, KITH_FOREVER);
    kith_process_name(service, name, sizeof name);
    printf("%s: %s has ended\n", kith_name(), name);
    return kith_finalize();
}
