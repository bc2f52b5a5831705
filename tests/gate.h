/* gate.h: tasks for the tests of calls that go on while their caller does something else: each counts or
 * waits in words that all processes share. */
#ifndef KITH_GATE_H
#define KITH_GATE_H

#include "check.h"

#include <stdatomic.h>
#include <sys/mman.h>

static _Atomic int *shared; /* words that tasks and this program share */
enum { GATE, COUNT, BEGUN, TRIES };

static inline int cube(int x)
{
    return x * x * x;
}

static inline double power(double x, double y)
{
    double p = 1;

    while (y-- > 0)
        p *= x;
    return p;
}

static inline int count(int x)
{
    atomic_fetch_add(&shared[COUNT], 1);
    return x;
}

static inline int wait_at_gate(int x)
{
    atomic_fetch_add(&shared[BEGUN], 1);
    while (!atomic_load(&shared[GATE]))
        usleep(100);
    return x + 1;
}

static inline void reset(void)
{
    for (int i = 0; i < 16; i++)
        atomic_store(&shared[i], 0);
}

static inline void await(int what, int value)
{
    for (double end = kith_time() + 30; atomic_load(&shared[what]) < value && kith_time() < end;)
        usleep(100);
    CU_ASSERT(atomic_load(&shared[what]) >= value);
}

static inline int run_gate_tests(const char *name, struct test *tests, int *argc, char ***argv)
{
    int rc;

    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    kith_init(argc, argv);
    kith_on_fault(NULL);
    rc = run_tests(name, tests);
    return kith_finalize() ? 1 : rc;
}

#endif
