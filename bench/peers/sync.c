/* sync: two processes by a raw futex: microseconds of a hand-over between them when they take turns, and of
 * half a round of a barrier, which is a count and a word with the number of the round. */
#include "config.h"

#include <sys/wait.h>

#include "word.h"

enum { TURNS = 100000 };

struct shared {
    _Alignas(64) _Atomic uint32_t turn;
    _Alignas(64) _Atomic int asleep[2];
    _Alignas(64) _Atomic uint32_t arrived;
    _Alignas(64) _Atomic uint32_t round;
    _Alignas(64) _Atomic int waits[2];
};

static void take_turns(struct shared *s, uint32_t me)
{
    for (int i = 0; i < TURNS; i++) {
        word_await(&s->turn, me, &s->asleep[me]);
        word_set(&s->turn, !me, &s->asleep[!me]);
    }
}

static void meet(struct shared *s, uint32_t me)
{
    for (uint32_t i = 0; i < TURNS; i++) {
        if (atomic_fetch_add(&s->arrived, 1) == 0) {
            word_await(&s->round, i + 1, &s->waits[me]);
        } else {
            atomic_store(&s->arrived, 0);
            word_set(&s->round, i + 1, &s->waits[!me]);
        }
    }
}

static double turn_us(void (*fn)(struct shared *s, uint32_t me), struct shared *s)
{
    double start = now();
    pid_t pid = fork();

    if (pid < 0)
        die("cannot fork");
    fn(s, pid == 0);
    if (pid == 0)
        _exit(0);
    waitpid(pid, NULL, 0);
    return 1e6 * (now() - start) / (2 * TURNS);
}

int main(void)
{
    struct shared *s = shared(sizeof *s);

    double us = turn_us(take_turns, s);

    say("handover", us);
    say("event", us);
    say("condition", us);
    say("barrier", turn_us(meet, s));
    return 0;
}
