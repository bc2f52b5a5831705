/* members.c: see members.h. */
#include "config.h"
#include "member/members.h"
#include "base/error.h"
#include "base/log.h"
#include "base/moves.h"
#include "base/system.h"
#include "member/wait.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

uint32_t kith__me;

void (*_Atomic kith__seat_is_left)(void);

static _Thread_local struct kith__seat *my_seat;
static pthread_key_t seat_key;
static pthread_once_t seat_once = PTHREAD_ONCE_INIT;

_Static_assert(sizeof(struct kith__tables) < (KITH__TABLES_SIZE >> 2),
               "the objects need the rest of the tables");

/* In every process that is forked. The fork server's children become somebody else at once; those of the
 * program are nobody, and must not take themselves for their parent. */
static void be_nobody(void)
{
    kith__me = 0;
    my_seat = NULL;
}

int kith__not_in_job(const char *what)
{
    if (kith__base)
        return kith__fail(
            KITH_ENOTINIT,
            "%s in process %d, which the program forked itself: it is not part of the job; start it with "
            "kith_process_start, or fork (as daemon does) before kith_init",
            what, (int)getpid());
    return kith__fail(KITH_ENOTINIT, "%s before kith_init, or after kith_finalize", what);
}

int kith__members_init(int usable_cpus)
{
    static int knows_forks;
    pthread_mutexattr_t attr;

    if (!knows_forks && pthread_atfork(NULL, NULL, be_nobody) != 0)
        return kith__fail(KITH_ENOMEM, "no memory for a handler of fork");
    knows_forks = 1;

    if (kith__arena_back_tables(KITH__TABLES_START, offsetof(struct kith__tables, members)) < 0)
        return KITH_ENOMEM;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    if (pthread_mutex_init(&kith__shared->server_lives, &attr) != 0)
        return kith__fail(KITH_ENOMEM, "no robust mutexes on this system");
    pthread_mutexattr_destroy(&attr);
    kith__shared->usable_cpus = kith__shared->workers = (uint32_t)usable_cpus;
    kith__shared->nodes = 1;
    gethostname(kith__shared->host, sizeof kith__shared->host - 1);
    return kith__guard_init(&kith__shared->names);
}

/* One that was never started ends, too; and a worker's successor, which the fork server takes for it, begins
 * without having been asked for. */
static const struct kith__move moves[] = {
    { KITH__FREE, KITH__MEMBER_IS_TAKEN, KITH__TAKEN },  { KITH__TAKEN, KITH__MEMBER_IS_ASKED, KITH__ASKED },
    { KITH__TAKEN, KITH__MEMBER_BEGINS, KITH__RUNNING }, { KITH__ASKED, KITH__MEMBER_BEGINS, KITH__RUNNING },
    { KITH__ASKED, KITH__MEMBER_ENDS, KITH__ENDED },     { KITH__RUNNING, KITH__MEMBER_ENDS, KITH__ENDED },
    { KITH__ENDED, KITH__MEMBER_IS_DEAD, KITH__DEAD },   { KITH__DEAD, KITH__MEMBER_IS_SWEPT, KITH__SWEPT },
    { KITH__TAKEN, KITH__MEMBER_IS_FREED, KITH__FREE },  { KITH__ASKED, KITH__MEMBER_IS_FREED, KITH__FREE },
    { KITH__ENDED, KITH__MEMBER_IS_FREED, KITH__FREE },  { KITH__SWEPT, KITH__MEMBER_IS_FREED, KITH__FREE },
    { KITH__ENDED, KITH__MEMBER_IS_ASKED, KITH__ASKED }, /* its number is the next worker's of its lane */
    { KITH__SWEPT, KITH__MEMBER_IS_ASKED, KITH__ASKED },
};

int kith__member_move(struct kith__member *m, enum kith__member_event event)
{
    return KITH__MOVE(&m->state, event, moves);
}

static void raise_to(_Atomic uint32_t *most, uint32_t value)
{
    uint32_t seen = atomic_load(most);

    while (seen < value && !atomic_compare_exchange_weak(most, &seen, value))
        ;
}

void kith__member_renew(struct kith__member *m)
{
    atomic_store(&m->unpublished, 0);
    atomic_store(&m->stop_signal, 0);
    atomic_store(&m->stop_sent, 0);
    m->killed_by = 0;
    m->why[0] = '\0';
    atomic_store(&m->busy, 0);
    atomic_store(&m->holds, 0);
    atomic_store(&m->serial, atomic_fetch_add(&kith__shared->serials, 1) + 1);
    memset(&m->crash, 0, sizeof m->crash);
}

static void fill_in(struct kith__member *m, enum kith__role role)
{
    atomic_store(&m->role, role);
    atomic_store(&m->pid, 0);
    atomic_store(&m->daemon, 0);
    kith__member_renew(m);
    atomic_store(&m->object, 0); /* before the next line: see kith_processes */
    atomic_store(&m->asked_by, 0);
    m->number = m->arg = m->arg_size = m->setup_size = 0;
    m->parent = m->memory = 0;
    m->limit_ms = 0;
    m->shape = 0;
    m->name[0] = '\0';
}

/* Who takes it stands there first: so it is known when that dies. 1: taken. */
static int take_entry(struct kith__member *m)
{
    uint32_t nobody = 0, me = kith__me;

    if (atomic_load_explicit(&m->state, memory_order_relaxed) != KITH__FREE ||
        !atomic_compare_exchange_strong(&m->asker, &nobody, me))
        return 0;
    kith__failpoint("member: claimed");
    if (kith__member_move(m, KITH__MEMBER_IS_TAKEN)) {
        kith__failpoint("member: about to be filled in");
        return 1;
    }
    atomic_compare_exchange_strong(&m->asker, &me, 0); /* a rank that comes has no number yet */
    return 0;
}

/* The first free one of first to last is *who then. 1; 0: none is free; KITH_ENOMEM. */
static int take_among(uint32_t first, uint32_t last, enum kith__role role, uint32_t *who)
{
    for (uint32_t i = first; i <= last; i++) {
        struct kith__member *m = kith__member(i);
        int rc = kith__arena_back_tables(kith__offset(m), sizeof *m);

        if (rc < 0)
            return rc;
        raise_to(&kith__shared->members_used, i);
        if (!take_entry(m))
            continue;
        fill_in(m, role);
        *who = i;
        kith__failpoint("member: taken");
        return 1;
    }
    return 0;
}

/* Looks first where the hint says. An entry that is freed just as somebody else's look has come past it may
 * lie before the hint then: it is found when there is no other. */
uint32_t kith__member_take(enum kith__role role)
{
    uint32_t in_use = atomic_load(&kith__shared->members_in_use), who = 0;
    int rc = take_among(in_use + 1, KITH__MEMBERS, role, &who);

    if (rc > 0) /* unless one before it was freed meanwhile */
        atomic_compare_exchange_strong(&kith__shared->members_in_use, &in_use, who);
    else if (take_among(1, in_use, role, &who) == 0 && rc == 0)
        kith__fail(KITH_ENOMEM, "%d processes on one node: no more can be started until one has ended",
                   KITH__MEMBERS);
    return who;
}

/* The serial number is looked at again last: what was up before was that process, and not the next one of its
 * entry. */
uint32_t kith__member_of(uint32_t serial)
{
    uint32_t used = atomic_load(&kith__shared->members_used);

    for (uint32_t i = 1; i <= used; i++) {
        const struct kith__member *m = kith__member(i);

        if (atomic_load(&m->serial) == serial && kith__member_is_up(m) && atomic_load(&m->serial) == serial)
            return i;
    }
    return 0;
}

static void lower_to(_Atomic uint32_t *least, uint32_t value)
{
    uint32_t seen = atomic_load(least);

    while (seen > value && !atomic_compare_exchange_weak(least, &seen, value))
        ;
}

/* What a free one names would be taken for that of who takes it next, and dies before it is filled in. */
void kith__member_free(uint32_t who)
{
    struct kith__member *m = kith__member(who);
    uint32_t asker = atomic_load(&m->asker);

    atomic_store(&m->role, KITH__NOBODY);
    atomic_store(&m->object, 0);
    m->arg = 0;
    kith__member_move(m, KITH__MEMBER_IS_FREED);
    kith__failpoint("member: freed");
    atomic_compare_exchange_strong(&m->asker, &asker, 0); /* unless a janitor has, and it is another one's */
    lower_to(&kith__shared->members_in_use, who - 1);
}

void kith__members_sweep(uint32_t asker)
{
    uint32_t used = atomic_load(&kith__shared->members_used);

    for (uint32_t i = 1; i <= used; i++) {
        struct kith__member *m = kith__member(i);
        uint32_t state = atomic_load(&m->state), name = asker;

        if (i == asker || atomic_load(&m->asker) != asker)
            continue;
        if (state == KITH__TAKEN)
            kith__member_free(i);
        else if (state == KITH__FREE)
            atomic_compare_exchange_strong(&m->asker, &name, 0);
    }
}

void kith__become(uint32_t who)
{
    kith__me = who;
    my_seat = NULL;
    if (who)
        kith__log_name(kith__member(who)->name, kith__shared->nodes > 1 ? kith__shared->host : "");
}

void kith__bind(uint32_t from, uint32_t to)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    for (uint32_t i = from; i < to; i++)
        CPU_SET(kith__shared->cpus[i], &set);
    sched_setaffinity(0, sizeof set, &set);
}

void kith__unbind(void)
{
    if (kith__shared->bound && kith__shared->cpu_count > 0)
        kith__bind(0, kith__shared->cpu_count);
}

int kith__server_dead(void)
{
    int rc = pthread_mutex_trylock(&kith__shared->server_lives);

    if (rc == EBUSY)
        return 0;
    if (rc == 0 || rc == EOWNERDEAD) {
        if (rc == EOWNERDEAD)
            pthread_mutex_consistent(&kith__shared->server_lives);
        pthread_mutex_unlock(&kith__shared->server_lives);
    }
    kith__fail(KITH_EPEER, "the fork server of this node (pid %d on %s) is gone, and all workers with it",
               (int)atomic_load(&kith__shared->server_pid), kith__shared->host);
    return 1;
}

static void seat_leave(void *seat)
{
    struct kith__seat *s = seat;
    void (*is_left)(void);

    if (!kith__base || atomic_load(&s->member) != kith__me)
        return;
    if ((is_left = atomic_load(&kith__seat_is_left)))
        is_left();
    atomic_store(&s->pinned, 0);
    atomic_store(&s->member, 0);
}

static void make_key(void)
{
    pthread_key_create(&seat_key, seat_leave);
}

struct kith__seat *kith__seat(void)
{
    if (my_seat)
        return my_seat;
    pthread_once(&seat_once, make_key);
    for (uint32_t i = 0; i < KITH__SEATS; i++) {
        struct kith__seat *s = &kith__shared->seats[i];
        uint32_t nobody = 0;

        if (kith__arena_back_tables(kith__offset(s), sizeof *s) < 0)
            return NULL;
        if (atomic_load_explicit(&s->member, memory_order_relaxed) != 0)
            continue;
        raise_to(&kith__shared->seats_used, i + 1);
        if (!atomic_compare_exchange_strong(&s->member, &nobody, kith__me))
            continue;
        atomic_fetch_add(&s->users, 1);
        atomic_store(&s->asleep, 0);
        atomic_store(&s->waiting, 0);
        my_seat = s;
        pthread_setspecific(seat_key, s);
        return s;
    }
    return NULL;
}

struct kith__seat *kith__seat_needed(void)
{
    struct kith__seat *s = kith__seat();

    if (!s && atomic_load(&kith__shared->seats_used) ==
                  KITH__SEATS) /* else there was no memory, and the sentence is set */
        kith__fail(KITH_ENOMEM,
                   "%d threads of this job wait on one node: no more of them can use objects of other nodes",
                   KITH__SEATS);
    return s;
}

void kith__seats_release(uint32_t member)
{
    uint32_t used = atomic_load(&kith__shared->seats_used);

    for (uint32_t i = 0; i < used; i++) {
        struct kith__seat *s = &kith__shared->seats[i];

        if (atomic_load(&s->member) != member)
            continue;
        atomic_store(&s->waiting, 0);
        atomic_store(&s->asleep, 0);
        atomic_store(&s->pinned, 0);
        atomic_store(&s->member, 0);
    }
}

/* Who was forked has them from the fork server, and need not ask the system for its memory. */
const struct kith__kin *kith__kin(struct kith__kin *kin)
{
    kin->head = atomic_load(&kith__shared->head_pid);
    kin->server = kin->head == getpid() ? atomic_load(&kith__shared->server_pid) : getpid();
    return kith__me && atomic_load(&kith__member(kith__me)->role) == KITH__RANK ? NULL : kin;
}
