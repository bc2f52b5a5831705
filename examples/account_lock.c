/* account_lock: two Processes change the balance of one account at the same time, 10000
 * times each. A change reads, counts and writes, and another may come in between: the
 * Lock makes each change whole, so nothing is lost. Both run on the node whose memory
 * the balance is in.
 *
 *     ./account_lock
 *     mpirun -n 4 ./account_lock
 */
#include <kith.h>
#include <stdio.h>

struct account {
    kith_lock lock;
    int *balance;
};

static void change(const struct account *a, int by)
{
    for (int i = 0; i < 10000; i++) {
        kith_lock_acquire(a->lock, KITH_FOREVER);
        *a->balance += by;
        kith_lock_release(a->lock);
    }
}

static int withdraw(const void *account)
{
    change(account, -1);
    return 0;
}

static int deposit(const void *account)
{
    change(account, 1);
    return 0;
}

int main(int argc, char **argv)
{
    kith_process p1, p2;

    kith_init(&argc, &argv);
    struct account a = { kith_lock_open(), kith_alloc(sizeof *a.balance) };

    *a.balance = 100;
    p1 = kith_process_start_with(withdraw, KITH_ARG(a), .node = KITH_HERE);
    p2 = kith_process_start_with(deposit, KITH_ARG(a), .node = KITH_HERE);
    kith_process_join(p1, KITH_FOREVER);
    kith_process_join(p2, KITH_FOREVER);
    printf("Final balance = %d\n", *a.balance);
    return kith_finalize();
}
