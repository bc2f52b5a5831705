/* named: shared memory by name as POSIX has it, likewise: shm_open, ftruncate and mmap. */
#include "config.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../bench.h"

enum { TIMES = 1000, SIZE = 64 << 10 };

static double took[2][TIMES];

static void *timed(const char *name, int fill, double *us)
{
    double start = now();
    int fd = shm_open(name, O_RDWR | O_CREAT, 0600);
    char *p;

    if (fd < 0 || (fill && ftruncate(fd, SIZE) < 0))
        die("no shared memory");
    p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        die("no shared memory");
    close(fd);
    if (fill)
        memset(p, 1, SIZE);
    else if (p[0] != 1)
        die("other memory");
    *us = 1e6 * (now() - start);
    return p;
}

int main(void)
{
    char name[32];

    for (int i = 0; i < TIMES; i++) {
        void *first, *second;

        snprintf(name, sizeof name, "/bench-%d-%d", getpid(), i);
        first = timed(name, 1, &took[0][i]);
        second = timed(name, 0, &took[1][i]);
        munmap(first, SIZE);
        munmap(second, SIZE);
        shm_unlink(name);
    }
    say("make", quantile(took[0], TIMES, 0.5));
    say("find", quantile(took[1], TIMES, 0.5));
    return 0;
}
