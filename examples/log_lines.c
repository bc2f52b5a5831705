/* log_lines: what Processes report, each line with its level and the name of who wrote
 * it. Lines below the level, at first that of warnings, are not shown. By default they
 * go to stderr; here a function prints them.
 *
 *     ./log_lines
 *     KITH_LOG=info ./log_lines        # more of them, and some of kith's own
 *     mpirun -n 4 ./log_lines
 */
#include <kith.h>
#include <stdio.h>

static void print(int level, const char *process, const char *text)
{
    printf("%s, %s: %s\n", level >= KITH_LOG_ERROR ? "error" : "note", process, text);
}

static void count(int files)
{
    if (files < 0)
        kith_log(KITH_LOG_ERROR, "there cannot be %d files", files);
    else if (files == 0)
        kith_log(KITH_LOG_WARNING, "there is nothing to count");
    else
        kith_log(KITH_LOG_INFO, "%d files", files);
}

static int count_files(const void *arg)
{
    const int *files = arg;

    count(*files);
    return 0;
}

int main(int argc, char **argv)
{
    static const char *const names[] = { "letters", "photos", "songs" };
    int files[] = { 0, 5, -1 };

    kith_log_to(print); /* before kith_init: Processes have it, too */
    kith_init(&argc, &argv);
    for (int i = 0; i < 3; i++) {
        kith_process p = kith_process_start_with(count_files, KITH_ARG(files[i]), .name = names[i]);
        kith_process_join(p, KITH_FOREVER);
    }
    kith_log(KITH_LOG_WARNING, "that was all");
    printf("lines of information are %s\n", kith_log_on(KITH_LOG_INFO) ? "shown" : "left out");
    return kith_finalize();
}
