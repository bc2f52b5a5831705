/* wait.c: see wait.h. Figures in the comments: two CPUs of a Zen 4 virtual machine.
 *
 * To wake a sleeper costs the waker 5 µs and takes 22 µs until it runs; a spinning receiver answers in
 * 0.3 µs. But who spins on a CPU that somebody else needs only delays its own answer. So: spin while
 * fewer threads of the job are awake than CPUs are usable, offer the CPU in between
 * when there are a few more, and sleep at once when there are many more.
 *
 * The kernel often starts a woken thread on its waker's own CPU, though another one is idle. A caller and its
 * worker, who take turns, then spin against each other (10 µs a turn, for tens of ms); when they sleep for
 * each other instead, the next wake-up finds the other CPU. So those who take turns give way.
 *
 * Threads of a real-time policy sleep at once.
 */
#include "config.h"
#include "member/wait.h"
#include "base/error.h"
#include "base/system.h"
#include "member/bell.h"

#include <poll.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#ifndef SCHED_DEADLINE
#define SCHED_DEADLINE 6 /* glibc has it since 2.41 */
#endif

static const int64_t pause_ns = 2000, spin_ns = 50000, yield_ns = 20000, look_again_ns = 1000 * KITH__MS,
                     policy_ns = 1 * KITH__MS;
static const int64_t nap_ns = 100000, longest_nap_ns = 20 * KITH__MS, deaf_ns = 5 * KITH__MS;

int kith__timeout_fault(int timeout_ms)
{
    return kith__fail(KITH_EINVAL, "a timeout of %d ms: give KITH_FOREVER, 0 or more", timeout_ms);
}

static uint32_t this_cpu(void)
{
    return (uint32_t)sched_getcpu(); /* a look into the thread's rseq area */
}

struct crowd {
    uint32_t awake; /* threads of the job, up to enough */
    int here;       /* 1: another one of them was last seen on our CPU */
};

/* Once its word has changed it is on its way. */
static int sleeps(const struct kith__seat *s)
{
    uint32_t asleep = atomic_load_explicit(&s->asleep, memory_order_relaxed);

    return asleep && asleep == (atomic_load_explicit(&s->word, memory_order_relaxed) << 1 | 1);
}

static struct crowd look_around(const struct kith__seat *me, uint32_t enough)
{
    uint32_t used = atomic_load_explicit(&kith__shared->seats_used, memory_order_relaxed);
    uint32_t cpu = me ? atomic_load_explicit(&me->cpu, memory_order_relaxed) : 0;
    struct crowd c = { 0, 0 };

    for (uint32_t i = 0; i < used && c.awake < enough; i++) {
        struct kith__seat *s = &kith__shared->seats[i];

        if (atomic_load_explicit(&s->member, memory_order_relaxed) == 0 || sleeps(s))
            continue;
        c.awake++;
        c.here |= s != me && atomic_load_explicit(&s->cpu, memory_order_relaxed) == cpu;
    }
    return c;
}

/* When the system was asked for this thread's policy, which takes 0.1 µs: more than a short wait. In its
 * lowest bit the answer, 1: real-time; 0 as a whole: never. */
static _Thread_local int64_t policy;

/* On its CPU nothing else runs while it spins, sched_yield or not: maybe the one that it waits for. */
static int is_realtime(int64_t now)
{
    if (policy == 0 || now - policy > policy_ns || now < policy - 1) {
        int p = sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;

        policy = (now & ~INT64_C(1)) | (p == SCHED_FIFO || p == SCHED_RR || p == SCHED_DEADLINE);
    }
    return (int)(policy & 1);
}

int kith__may_spin(void)
{
    uint32_t cpus = kith__shared->usable_cpus;

    if (policy & 1)
        return 0;
    return look_around(NULL, cpus + 1).awake <= cpus;
}

/* 1: with so many threads awake as *awake tells, up to most, s may spin. */
static int is_room(struct kith__seat *s, int64_t now, uint32_t most, int give_way, uint32_t *awake)
{
    struct crowd crowd;

    if (is_realtime(now))
        return 0;
    atomic_store_explicit(&s->cpu, this_cpu(), memory_order_relaxed);
    crowd = look_around(s, most + 1);
    *awake = crowd.awake;
    return crowd.awake <= most && !(give_way && crowd.here);
}

int kith__wait_briefly(int (*is_there)(const void *of), const void *of, int give_way, int64_t ns)
{
    struct kith__seat *s = kith__time ? NULL : kith__seat();
    int64_t start;
    uint32_t awake;

    if (!s || !is_room(s, start = kith__now_ns(), kith__shared->usable_cpus, give_way, &awake))
        return 0;
    do
        for (int i = 0; i < 16; i++) {
            if (is_there(of))
                return 1;
            kith__pause();
        }
    while (kith__now_ns() - start < ns);
    return 0;
}

/* 1 when the seat's word has left seen meanwhile. Whom we wait for may be bound to the very CPU that we spin
 * on: so after the first moments the CPU is offered in between, which costs 0.4 µs a time. */
static int spin(struct kith__seat *s, uint32_t seen, int give_way)
{
    uint32_t cpus = kith__shared->usable_cpus, awake;
    int64_t start = kith__now_ns(), passed = 0;

    if (!is_room(s, start, 2 * cpus, give_way, &awake))
        return 0;
    while (passed < (awake <= cpus ? spin_ns : yield_ns)) {
        for (int i = 0; i < 32; i++) {
            if (atomic_load_explicit(&s->word, memory_order_acquire) != seen)
                return 1;
            kith__pause();
        }
        if (awake > cpus || passed > pause_ns)
            sched_yield();
        passed = kith__now_ns() - start;
    }
    return 0;
}

static void sleep_on(struct kith__seat *s, uint32_t seen, int64_t ns)
{
    atomic_store_explicit(&s->cpu, this_cpu(), memory_order_relaxed);
    atomic_store(&s->asleep, seen << 1 | 1);
    if (atomic_load(&s->word) == seen)
        kith__futex_wait(&s->word, seen, ns);
    atomic_store(&s->asleep, 0);
}

/* The same for one that waits for descriptors, too: they are polled together with a bell, which is rung by
 * who changes the word after asleep is set. We have made it silent before we look at the word, so that a ring
 * in between is seen by poll. Without a bell we look now and then. */
static void poll_on(struct kith__wait *w, int64_t ns)
{
    struct kith__seat *s = w->seat;
    int bell = kith__pollers_bell();
    int64_t most = bell < 0 && ns > deaf_ns ? deaf_ns : ns;
    struct timespec time = { most / 1000000000, most % 1000000000 };

    w->polled[0] = (struct pollfd){ bell, POLLIN, 0 }; /* a number below 0 is left out */
    atomic_store_explicit(&s->cpu, this_cpu(), memory_order_relaxed);
    atomic_store(&s->polls, 1);
    atomic_store(&s->asleep, w->word << 1 | 1);
    if (atomic_load(&s->word) == w->word)
        ppoll(w->polled, (nfds_t)w->polled_count, &time, NULL);
    atomic_store(&s->asleep, 0);
    atomic_store(&s->polls, 0);
    if (bell >= 0)
        close(bell);
}

/* 1: our bit was there already. */
static int join(struct kith__wait *w, struct kith__waiters *set)
{
    uint32_t n = kith__seat_number(w->seat);
    uint64_t bit = UINT64_C(1) << n % 64, before = atomic_fetch_or(&set->bits[n / 64], bit);

    atomic_fetch_or(&set->summary, UINT64_C(1) << n / 64);
    return (before & bit) != 0;
}

int kith__wait_join(struct kith__wait *w, struct kith__waiters *set)
{
    return !w->seat || join(w, set);
}

/* 1: no wake-up was spent on us there since we joined. */
static int take_bit(struct kith__wait *w, struct kith__waiters *set)
{
    uint32_t n = kith__seat_number(w->seat);
    uint64_t bit = UINT64_C(1) << n % 64;

    return (atomic_fetch_and(&set->bits[n / 64], ~bit) & bit) != 0;
}

void kith__wait_leave(struct kith__wait *w, struct kith__waiters *set, int spent)
{
    if (w->seat && (!take_bit(w, set) || spent))
        kith__wake_one(set);
}

int kith__time_left(int timeout_ms, int64_t began_ns)
{
    int64_t passed_ms;

    if (timeout_ms <= 0)
        return timeout_ms;
    passed_ms = (kith__now_ns() - began_ns) / KITH__MS;
    return passed_ms < timeout_ms ? timeout_ms - (int)passed_ms : 0;
}

int kith__wait_begin(struct kith__wait *w, struct kith__waiters *set, int timeout_ms)
{
    if (kith__check_timeout(timeout_ms) < 0)
        return KITH_EINVAL;
    w->set = set;
    w->at_once = w->give_way = w->hasty = w->away = 0;
    w->look_at = INT64_MAX;
    w->polled = NULL;
    w->deadline = timeout_ms == KITH_FOREVER ? -1 : kith__now_ns() + timeout_ms * KITH__MS;
    w->nap = nap_ns;
    if (!(w->seat = kith__seat()))
        return 0;
    w->word = atomic_load(&w->seat->word);
    atomic_store(&w->seat->since, (uint64_t)kith__now_ns());
    atomic_store(&w->seat->waiting, set ? kith__offset(set) : KITH__ANYTHING);
    if (set)
        join(w, set);
    return 0;
}

/* Without a seat nobody can wake us. */
static int nap(struct kith__wait *w, int64_t most)
{
    int64_t ns = w->nap < most ? w->nap : most;

    if (w->polled)
        ppoll(w->polled + 1, (nfds_t)w->polled_count - 1, &(struct timespec){ 0, (long)ns }, NULL);
    else
        kith__nap(ns);
    if (w->nap < longest_nap_ns)
        w->nap *= 2;
    return kith__server_dead() ? KITH_EPEER : 0;
}

/* Its bit went with a wake-up, and what it was for is gone. One look more, with the bit. */
static void come_back(struct kith__wait *w)
{
    w->away = 0;
    w->word = atomic_load(&w->seat->word);
    join(w, w->set);
}

int kith__wait_sleep(struct kith__wait *w)
{
    int64_t ns = look_again_ns;
    uint32_t word;

    if (w->away) {
        come_back(w);
        return 0;
    }
    if (w->deadline >= 0) {
        int64_t left = w->deadline - kith__now_ns();

        if (left <= 0)
            return kith__fail(KITH_ETIMEDOUT, "the timeout expired");
        if (left < ns)
            ns = left;
    }
    if (w->look_at != INT64_MAX) {
        int64_t left = w->look_at - kith__now_ns();

        ns = left < 1 ? 1 : left < ns ? left : ns;
    }
    if (!w->seat)
        return nap(w, ns);
    if (w->at_once || kith__time || !spin(w->seat, w->word, w->give_way)) {
        if (w->polled)
            poll_on(w, ns);
        else
            sleep_on(w->seat, w->word, ns);
        if (atomic_load(&w->seat->word) == w->word && kith__server_dead())
            return KITH_EPEER;
    }
    word = atomic_load(&w->seat->word);
    w->away = w->hasty && w->set && word != w->word;
    w->word = word;
    if (w->set && !w->away)
        join(w, w->set); /* the waker took our bit; the caller looks once more after this */
    return 0;
}

void kith__wait_end(struct kith__wait *w, int got)
{
    if (!w->seat)
        return;
    atomic_store(&w->seat->waiting, 0);
    if (w->away && got)
        return; /* where the bit has stayed, as we were woken for something else, it is dropped by the next
                   waker */
    if (w->set && !take_bit(w, w->set) && !got)
        kith__wake_one(w->set);
}

void kith__wake_seat(struct kith__seat *s)
{
    atomic_fetch_add(&s->word, 1);
    if (!atomic_load(&s->asleep))
        return;
    if (kith__seat_number(s) + 1 == atomic_load(&kith__shared->agent_seat))
        kith__agent_ring();
    if (atomic_load(&s->polls))
        kith__pollers_ring();
    kith__futex_wake(&s->word, 1);
}

/* The summary says too much at times, never too little: it is cleared before the last look. */
static uint64_t look(struct kith__waiters *set, int i)
{
    uint64_t bits = atomic_load(&set->bits[i]);

    if (bits == 0) {
        atomic_fetch_and(&set->summary, ~(UINT64_C(1) << i));
        bits = atomic_load(&set->bits[i]);
        if (bits != 0)
            atomic_fetch_or(&set->summary, UINT64_C(1) << i);
    }
    return bits;
}

static int waits_for(const struct kith__seat *s, const struct kith__waiters *set)
{
    uint64_t waiting = atomic_load(&s->waiting);

    return waiting == kith__offset(set) || waiting == KITH__ANYTHING;
}

/* Takes back the bit of a seat that waits for something else, unless it has come to wait here just now. */
static void drop(struct kith__waiters *set, int i, uint64_t bit, const struct kith__seat *s)
{
    atomic_fetch_and(&set->bits[i], ~bit);
    if (waits_for(s, set)) {
        atomic_fetch_or(&set->bits[i], bit);
        atomic_fetch_or(&set->summary, UINT64_C(1) << i);
    }
}

/* Which of two seats to wake: the one that came first, or the one that answers soonest. */
static int is_older(const struct kith__seat *a, const struct kith__seat *b)
{
    return atomic_load(&a->since) < atomic_load(&b->since);
}

static int is_quicker(const struct kith__seat *a, const struct kith__seat *b)
{
    uint32_t a_asleep = atomic_load(&a->asleep), b_asleep = atomic_load(&b->asleep);

    return a_asleep != b_asleep ? b_asleep != 0 : is_older(b, a);
}

/* The best seat in set, or NULL. Bits of those who wait for something else go. */
static struct kith__seat *best(struct kith__waiters *set,
                               int (*better)(const struct kith__seat *, const struct kith__seat *))
{
    struct kith__seat *found = NULL;

    for (uint64_t words = atomic_load(&set->summary); words; words &= words - 1) {
        int i = __builtin_ctzll(words);

        for (uint64_t bits = look(set, i); bits; bits &= bits - 1) {
            struct kith__seat *s = &kith__shared->seats[i * 64 + __builtin_ctzll(bits)];

            if (!waits_for(s, set))
                drop(set, i, bits & -bits, s);
            else if (!found || better(s, found))
                found = s;
        }
    }
    return found;
}

/* awake: not one that sleeps. */
static int wake(struct kith__waiters *set,
                int (*better)(const struct kith__seat *, const struct kith__seat *), int awake)
{
    struct kith__seat *s;

    while ((s = best(set, better)) && !(awake && sleeps(s))) {
        uint32_t n = kith__seat_number(s);
        uint64_t bit = UINT64_C(1) << n % 64;

        if (atomic_fetch_and(&set->bits[n / 64], ~bit) & bit) {
            kith__wake_seat(s);
            return 1;
        }
    }
    return 0;
}

int kith__wake_one(struct kith__waiters *set)
{
    return wake(set, is_older, 0);
}

int kith__wake_any(struct kith__waiters *set)
{
    return wake(set, is_quicker, 0);
}

int kith__wake_awake(struct kith__waiters *set)
{
    return wake(set, is_quicker, 1);
}

int kith__somebody_waits(struct kith__waiters *set)
{
    return best(set, is_quicker) != NULL;
}

uint32_t kith__waiters_count(struct kith__waiters *set)
{
    uint32_t count = 0;

    for (uint64_t words = atomic_load(&set->summary); words; words &= words - 1)
        for (uint64_t bits = atomic_load(&set->bits[__builtin_ctzll(words)]); bits; bits &= bits - 1)
            count++;
    return count;
}

void kith__wake_all(struct kith__waiters *set)
{
    for (uint64_t words = atomic_load(&set->summary); words; words &= words - 1) {
        int i = __builtin_ctzll(words);
        uint64_t bits = look(set, i);

        atomic_fetch_and(&set->bits[i], ~bits);
        for (; bits; bits &= bits - 1)
            kith__wake_seat(&kith__shared->seats[i * 64 + __builtin_ctzll(bits)]);
    }
}

void kith__wake_everybody(void)
{
    uint32_t used = atomic_load(&kith__shared->seats_used);

    for (uint32_t i = 0; i < used; i++)
        if (atomic_load(&kith__shared->seats[i].member))
            kith__wake_seat(&kith__shared->seats[i]);
}
