/* transfers: Processes move money between accounts. A transfer is two deposits, each of
 * which acquires the lock itself; so does the transfer, to make the two one step. An
 * RLock may be acquired again by whoever owns it, where a Lock would wait forever.
 *
 *     ./transfers
 *     mpirun -n 4 ./transfers
 */
#include <kith.h>
#include <stdio.h>

enum { ACCOUNTS = 3 };

struct bank {
    kith_rlock lock;
    kith_array balances;
};

static void deposit(const struct bank *b, size_t account, long amount)
{
    kith_rlock_acquire(b->lock, KITH_FOREVER);
    kith_add_at(b->balances, account, amount);
    kith_rlock_release(b->lock);
}

static void transfer(const struct bank *b, size_t from, size_t to, long amount)
{
    kith_rlock_acquire(b->lock, KITH_FOREVER);
    deposit(b, from, -amount);
    deposit(b, to, amount);
    kith_rlock_release(b->lock);
}

static int clerk(const void *bank)
{
    for (size_t i = 0; i < 200; i++)
        transfer(bank, i % ACCOUNTS, (i + 1) % ACCOUNTS, 10);
    return 0;
}

/* No money is on its way while we own the lock. */
static long total(const struct bank *b)
{
    long balances[ACCOUNTS], sum = 0;

    kith_rlock_acquire(b->lock, KITH_FOREVER);
    kith_load_slice(b->balances, 0, balances, ACCOUNTS);
    kith_rlock_release(b->lock);
    for (int i = 0; i < ACCOUNTS; i++)
        sum += balances[i];
    return sum;
}

int main(int argc, char **argv)
{
    kith_process p[2];
    int wrong = 0;

    kith_init(&argc, &argv);
    struct bank b = { kith_rlock_open(), kith_array_open('l', ACCOUNTS) };

    for (size_t i = 0; i < ACCOUNTS; i++)
        deposit(&b, i, 100);
    for (int i = 0; i < 2; i++)
        p[i] = kith_process_start(clerk, KITH_ARG(b));
    for (int i = 0; i < 100; i++)
        wrong += total(&b) != 300;
    for (int i = 0; i < 2; i++)
        kith_process_join(p[i], KITH_FOREVER);
    printf("%ld in all, and %d times another sum\n", total(&b), wrong);
    return kith_finalize();
}
