/* stopwatch: milliseconds from the start of a program to its end, as its parent sees it. A program of its
 * own, as forking a Python process of some size would be counted too. stopwatch TIMES PROGRAM [ARGUMENT...]
 */
#include "config.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

extern char **environ;

static double run_ms(char **argv, const posix_spawn_file_actions_t *silent)
{
    double start = now();
    int status;
    pid_t pid;

    if (posix_spawnp(&pid, argv[0], silent, NULL, argv, environ))
        die("cannot start the program");
    if (waitpid(pid, &status, 0) != pid || status)
        die("the program failed");
    return 1e3 * (now() - start);
}

int main(int argc, char **argv)
{
    posix_spawn_file_actions_t silent;

    if (argc < 3)
        die("usage: stopwatch TIMES PROGRAM [ARGUMENT...]");
    posix_spawn_file_actions_init(&silent);
    posix_spawn_file_actions_addopen(&silent, 1, "/dev/null", O_WRONLY, 0);
    run_ms(argv + 2, &silent); /* its files are in the page cache now */
    for (unsigned long i = number(argc, argv, 1, 1); i > 0; i--)
        say("wall", run_ms(argv + 2, &silent));
    return 0;
}
