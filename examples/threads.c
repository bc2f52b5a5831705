/* threads: 2000 threads add their numbers to one sum. Joined one by one they are in
 * order, and never at the same time. All at once, without a lock, an addition may be
 * lost between the load and the store of another; with a Lock none is. A Lock serves
 * the threads of one program as it does Processes.
 *
 *     ./threads
 *     mpirun -n 4 ./threads
 */
#include <kith.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

enum { THREADS = 2000 };

static atomic_long sum;
static kith_lock lock;

static void *worker(void *val)
{
    long before = atomic_load(&sum);

    atomic_store(&sum, before + (intptr_t)val);
    return NULL;
}

static void *locked_worker(void *val)
{
    kith_lock_acquire(lock, KITH_FOREVER);
    worker(val);
    kith_lock_release(lock);
    return NULL;
}

static void run(const char *title, void *(*fn)(void *), int one_by_one)
{
    static pthread_t t[THREADS];

    sum = 0;
    for (int i = 0; i < THREADS; i++) {
        pthread_create(&t[i], NULL, fn, (void *)(intptr_t)i);
        if (one_by_one)
            pthread_join(t[i], NULL);
    }
    for (int i = 0; i < THREADS && !one_by_one; i++)
        pthread_join(t[i], NULL);
    printf("%s: %ld\n", title, (long)sum);
}

int main(int argc, char **argv)
{
    kith_init(&argc, &argv);
    lock = kith_lock_open();
    run("joined one by one", worker, 1);
    run("all at once", worker, 0);
    run("all at once, with a lock", locked_worker, 0);
    return kith_finalize();
}
