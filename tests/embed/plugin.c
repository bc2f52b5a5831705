/* A plugin that uses kith, in a host that does not; see tests/embed.sh. */
#include <kith.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static int twice(int x)
{
    return 2 * x;
}

static int fails(int x)
{
    return kith_fail(7, "no luck with %d", x);
}

/* Sentences, faults and tokens in blocks of a thread that ends. */
static void *thread(void *arg)
{
    kith_pool *pool = arg;
    int a[2] = { 1, 2 }, b[2];
    struct kith_fault f;

    kith_on_fault(NULL);
    if (kith_map(*pool, fails, a, b, 2) != KITH_ETASK || !strstr(kith_last_error(), "no luck with 1") ||
        kith_last_fault(&f, 1) != 0 || !strstr(f.text, "no luck with 2"))
        return arg;
    return NULL;
}

int run(int again)
{
    int a[4] = { 1, 2, 3, 4 }, b[4];
    pthread_t t;
    void *failed;

    if (again) { /* a process is one job: that is told, also by a plugin that has been loaded anew */
        kith_on_fault(NULL);
        return kith_init(NULL, NULL) != KITH_EINVAL || !strstr(kith_last_error(), "after kith_finalize");
    }
    if (kith_init(NULL, NULL) < 0)
        return 1;
    kith_pool pool = kith_pool_open(2);
    kith_map(pool, twice, a, b, 4);
    if (pthread_create(&t, NULL, thread, &pool) != 0 || pthread_join(t, &failed) != 0 || failed)
        return 2;
    kith_pool_close(pool);
    printf("plugin: %d\n", b[3]);
    return kith_finalize();
}
