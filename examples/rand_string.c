/* rand_string: four Processes make a random string each and put it into a Queue,
 * from which main takes them. Each Process draws random numbers of its own. Under
 * mpirun on several nodes they take turns to run there, and the Queue is the same.
 *
 *     ./rand_string
 *     mpirun --hostfile hosts ./rand_string
 */
#include <kith.h>
#include <stdio.h>

struct job {
    size_t length;
    kith_queue out;
};

static int rand_string(const void *arg)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    const struct job *job = arg;
    char s[100];

    for (size_t i = 0; i < job->length; i++)
        s[i] = letters[kith_random() % (sizeof letters - 1)];
    return kith_queue_put(job->out, s, job->length, KITH_FOREVER);
}

int main(int argc, char **argv)
{
    kith_process p[4];
    char s[100];
    int64_t length;

    kith_init(&argc, &argv);
    struct job job = { 5, kith_queue_open(0) };

    for (int i = 0; i < 4; i++)
        p[i] = kith_process_start_with(rand_string, KITH_ARG(job), .node = KITH_NODE(i % kith_nodes()));
    for (int i = 0; i < 4; i++)
        kith_process_join(p[i], KITH_FOREVER);
    while ((length = kith_queue_get(job.out, s, sizeof s, 0)) >= 0) /* all that was put is there */
        printf("%.*s\n", (int)length, s);
    return kith_finalize();
}
