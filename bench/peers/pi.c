/* pi: the kernels of the examples in plain processes: fork, an equal part each, wait. Prints seconds.
 *     pi montecarlo|midpoint PROCESSES POINTS */
#include "config.h"

#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../examples/pi.h"
#include "../bench.h"

enum { SEED = 1, MOST = 1024 };

static double part(int montecarlo, uint64_t lo, uint64_t hi, uint64_t points)
{
    return montecarlo ? 4.0 * (double)pi_inside(lo, hi, SEED) : pi_midpoint(lo, hi, points);
}

static double total(int montecarlo, unsigned processes, uint64_t points, double *parts)
{
    double sum = 0.0;

    for (unsigned i = 0; i < processes; i++)
        if (fork() == 0) {
            parts[i] = part(montecarlo, points / processes * i,
                            i + 1 == processes ? points : points / processes * (i + 1), points);
            _exit(0);
        }
    while (wait(NULL) > 0)
        ;
    for (unsigned i = 0; i < processes; i++)
        sum += parts[i];
    return sum;
}

int main(int argc, char **argv)
{
    int montecarlo = argc > 1 && !strcmp(argv[1], "montecarlo");
    unsigned processes = (unsigned)number(argc, argv, 2, 2);
    uint64_t points = number(argc, argv, 3, 1000000000);
    double start = now(), *parts, sum;

    parts = mmap(NULL, MOST * sizeof *parts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (parts == MAP_FAILED || processes > MOST)
        die("no memory for the parts");
    sum = total(montecarlo, processes, points, parts);
    say("seconds", now() - start);
    if (fabs(sum / (double)points - acos(-1.0)) > (montecarlo ? 10.0 / sqrt((double)points) : 1e-9))
        die("a wrong result");
    return 0;
}
