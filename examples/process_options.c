/* process_options: a Process with an environment, a directory and an output of its own;
 * one that may not take more than 64 MiB; and one that may not run for longer than a
 * tenth of a second.
 *
 *     ./process_options
 *     mpirun -n 4 ./process_options
 */
#define _DEFAULT_SOURCE /* mkdtemp */
#include <kith.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MIB = 1 << 20 };

static int greet(const void *arg)
{
    char where[100];

    (void)arg;
    printf("%s from %s\n", getenv("GREETING"), getcwd(where, sizeof where));
    return 0;
}

/* Returns how many blocks of 16 MiB it got. */
static int take_memory(const void *arg)
{
    int blocks = 0;

    (void)arg;
    while (blocks < 100 && kith_alloc(16 * MIB))
        blocks++;
    return blocks;
}

static int sleep_for_ever(const void *arg)
{
    (void)arg;
    for (;;)
        pause();
    return 0;
}

static int end_of(kith_process p)
{
    int code = 0;

    kith_process_join(p, KITH_FOREVER);
    kith_process_exitcode(p, &code);
    return code;
}

int main(int argc, char **argv)
{
    static const char *const env[] = { "GREETING=hello", NULL };
    char folder[] = "/tmp/process_options_XXXXXX", file[100], line[100] = "";

    kith_init(&argc, &argv);
    kith_on_fault(NULL); /* how they end is looked at here */
    if (!mkdtemp(folder))
        return 1;
    snprintf(file, sizeof file, "%s/greeting", folder);
    end_of(kith_process_start_with(greet, NULL, 0, .env = env, .directory = "/", .out = file,
                                   .node = KITH_HERE));
    FILE *f = fopen(file, "r");
    if (f && fgets(line, sizeof line, f))
        printf("in its file: %s", line);
    if (f)
        fclose(f);
    remove(file);
    rmdir(folder);
    printf("blocks of 16 MiB: %d\n",
           end_of(kith_process_start_with(take_memory, NULL, 0, .memory = 64 * MIB)));
    printf("exit code %d\n", end_of(kith_process_start_with(sleep_for_ever, NULL, 0, .limit_ms = 100)));
    return kith_finalize();
}
