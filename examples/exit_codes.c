/* exit_codes: how a Process has ended. The exit code is what its function returned or
 * passed to exit; if a signal ended the Process, it is the negative number of that
 * signal.
 *
 *     ./exit_codes
 *     mpirun -n 4 ./exit_codes
 */
#include <kith.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int return_value(void)
{
    return 42;
}

static int leave_by_exit(void)
{
    exit(3);
}

static void no_value(void) {}

static void stay(void)
{
    for (;;)
        pause();
}

static void print_code(const char *what, kith_process p)
{
    int code;

    kith_process_join(p, KITH_FOREVER);
    kith_process_exitcode(p, &code);
    printf("%s: %d\n", what, code);
}

int main(int argc, char **argv)
{
    kith_init(&argc, &argv);
    print_code("returns 42", kith_start(return_value));
    print_code("calls exit(3)", kith_start(leave_by_exit));
    print_code("returns nothing", kith_start(no_value));
    kith_process p = kith_start(stay);
    kith_process_terminate(p);
    print_code("is terminated", p);
    p = kith_start(stay);
    kith_process_kill(p);
    print_code("is killed", p);
    return kith_finalize();
}
