/* race: one Process withdraws from an account, and another one deposits into it as
 * often, at the same time. Why is the balance not 100 at the end? To load a value, to
 * compute, and to store it again are three steps, and the other Process comes between
 * them. With the value's lock around the three, or in one step, nothing is lost.
 *
 *     ./race 1e6
 *     mpirun -n 4 ./race 10000
 */
#include "args.h"

#include <kith.h>
#include <stdio.h>

struct account {
    kith_value balance;
    int by;
    uint64_t times;
};

static int without_lock(const void *arg)
{
    const struct account *a = arg;
    int balance;

    for (uint64_t i = 0; i < a->times; i++) {
        kith_load(a->balance, &balance);
        kith_store(a->balance, balance + a->by);
    }
    return 0;
}

static int with_lock(const void *arg)
{
    const struct account *a = arg;
    int balance;

    for (uint64_t i = 0; i < a->times; i++) {
        kith_value_lock(a->balance, KITH_FOREVER);
        kith_load(a->balance, &balance);
        kith_store(a->balance, balance + a->by);
        kith_value_unlock(a->balance);
    }
    return 0;
}

static int in_one_step(const void *arg)
{
    const struct account *a = arg;

    for (uint64_t i = 0; i < a->times; i++)
        kith_add(a->balance, a->by);
    return 0;
}

static int perform_transactions(kith_target *transaction, uint64_t times)
{
    kith_value balance = kith_value_of(100);
    struct account withdraw = { balance, -1, times }, deposit = { balance, 1, times };
    kith_process p1 = kith_process_start(transaction, KITH_ARG(withdraw));
    kith_process p2 = kith_process_start(transaction, KITH_ARG(deposit));
    int final;

    kith_process_join(p1, KITH_FOREVER);
    kith_process_join(p2, KITH_FOREVER);
    kith_load(balance, &final);
    return final;
}

int main(int argc, char **argv)
{
    kith_init(&argc, &argv);
    uint64_t times = args_count(argc, argv, "transactions", 1000000000);

    printf("Final balance = %d\n", perform_transactions(without_lock, times));
    printf("Final balance with the lock = %d\n", perform_transactions(with_lock, times));
    printf("Final balance in one step = %d\n", perform_transactions(in_one_step, times));
    return kith_finalize();
}
