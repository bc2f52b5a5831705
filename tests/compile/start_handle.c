/* Another object than the function takes. wrong: error kith_start takes functions of up to four handles */
#include <kith.h>

static int worker(kith_queue tasks, kith_lock lock)
{
    return kith_lock_acquire(lock, 0) + kith_queue_done(tasks);
}

int main(void)
{
    kith_queue tasks = kith_queue_open(0);
    kith_lock lock = kith_lock_open();

#ifdef WRONG
    return kith_check(kith_start(worker, lock, tasks));     /* here */
#else
    return kith_check(kith_start(worker, tasks, lock));
#endif
}
