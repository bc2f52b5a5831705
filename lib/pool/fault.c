/* fault.c: see fault.h. */
#include "config.h"
#include "pool/fault.h"
#include "pool/chunk.h"
#include "pool/settle.h"
#include "base/error.h"
#include "base/log.h"
#include "base/own.h"
#include "code/crashtext.h"
#include "shm/heap.h"
#include "base/system.h"
#include "rpc/agent_control.h"
#include "rpc/mailbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const int64_t patience_ns = 100 * KITH__MS, each_ns = 1000 * KITH__MS;

/* The faults of this thread's last call that had some, in order of task. */
struct faults {
    size_t count;
    struct kith_fault list[];
};

static const struct faults *last_faults(void)
{
    static const struct faults none;

    return kith__owned[KITH__OWN_FAULTS] ? kith__owned[KITH__OWN_FAULTS] : &none;
}

#undef kith_last_fault /* which adds the size */
int kith_last_fault(struct kith_fault *f, size_t size, size_t index)
{
    const struct faults *known = last_faults();

    if (!f)
        return kith__report(kith__fail(KITH_EINVAL, "kith_last_fault was given NULL for the fault"));
    if (index >= known->count)
        return kith__fail(
            KITH_EEND,
            "this thread's last call that returned KITH_ETASK had %zu faults: there is none with index %zu",
            known->count, index);
    memset(f, 0, size); /* a program of a later version may know of more */
    memcpy(f, &known->list[index], size < sizeof *f ? size : sizeof *f);
    return 0;
}

const char *kith__job_name(struct kith__job *j)
{
    if (j->name[0] == '\0')
        kith__token_name(&j->fn, j->name, sizeof j->name);
    return j->name;
}

static uint64_t first_element(const struct kith__job *j, uint64_t unit)
{
    uint64_t lo, hi;

    if (kith__is_map(j->kind))
        return j->first + kith__job_element(j, unit);
    kith__part(j->n, j->blocks, j->first + unit, &lo, &hi);
    return lo;
}

static void fill_end(struct kith_fault *f, const struct kith__fault_entry *e)
{
    memset(f, 0, sizeof *f);
    f->end = e->end;
    f->code = e->code;
    f->signal = e->signal;
    f->pid = e->pid;
    f->worker = e->worker;
    if (e->signal && atomic_load(&e->crash.signal))
        kith__crash_text(&e->crash, getpid(), kith__kin(&(struct kith__kin){ 0 }), f->text, sizeof f->text);
}

/* node: + 1; 0: this one. */
static const char *host_of(uint32_t node)
{
    return node ? kith__agent_host(node - 1) : kith__shared->host;
}

static void fill_place(struct kith_fault *f, const char *name, uint32_t node, const char *text)
{
    f->rank = node ? -1 : kith_rank();
    snprintf(f->host, sizeof f->host, "%s", host_of(node));
    snprintf(f->function, sizeof f->function, "%s", name);
    if (f->text[0] == '\0')
        snprintf(f->text, sizeof f->text, "%s", text);
}

static void fill_fault(struct kith_fault *f, struct kith__job *j, const struct kith__fault_entry *e)
{
    fill_end(f, e);
    f->task = first_element(j, e->unit);
    fill_place(f, kith__job_name(j), e->node, e->text);
}

void kith__fault_text(const struct kith__fault_entry *e, char *text, size_t room)
{
    struct kith_fault f;

    fill_end(&f, e);
    snprintf(text, room, "%s", f.text[0] ? f.text : e->text);
}

static int by_task(const void *a, const void *b)
{
    const struct kith_fault *x = a, *y = b;

    return x->task < y->task ? -1 : x->task > y->task;
}

/* One more; NULL: there is no memory for it, and it is only counted in the sentence. */
static struct kith_fault *add_fault(struct faults **kept, size_t *count, size_t *room)
{
    if (*count == *room) {
        size_t wanted = *room ? 2 * *room : 4;
        struct faults *more = realloc(*kept, sizeof **kept + wanted * sizeof *more->list);

        if (!more)
            return NULL;
        *room = wanted;
        *kept = more;
    }
    return &(*kept)->list[(*count)++];
}

static void keep(struct faults *kept, size_t count)
{
    if (kept) {
        qsort(kept->list, count, sizeof *kept->list, by_task);
        kept->count = count;
    }
    kith__own_replace(KITH__OWN_FAULTS, kept);
}

void kith__faults_keep(struct kith__job *j)
{
    struct faults *kept = NULL;
    size_t count = 0, room = 0;

    for (uint64_t at; (at = kith__job_pop_fault(j)) != 0; kith__heap_free(at)) {
        struct kith_fault *f = add_fault(&kept, &count, &room);

        if (f)
            fill_fault(f, j, kith__at(at));
    }
    keep(kept, count);
}

void kith__faults_keep_list(const struct kith_fault *list, size_t count)
{
    struct faults *kept = malloc(sizeof *kept + count * sizeof *list);

    if (kept) {
        memcpy(kept->list, list, count * sizeof *list);
        kept->count = count;
    }
    kith__own_replace(KITH__OWN_FAULTS, kept);
}

static void describe(const struct kith_fault *f, char *text, size_t room)
{
    static const char over_memory[] = "got no more memory, as .memory of its pool says, and";

    switch ((enum kith_end)f->end) {
    case KITH_END_SIGNALLED:
        snprintf(text, room, "was killed by signal %d (%s)%s%s", f->signal, strsignal(f->signal),
                 *f->text ? ": " : "", f->text);
        break;
    case KITH_END_EXITED: snprintf(text, room, "called exit(%d)", f->code); break;
    case KITH_END_OVER_MEMORY:
        if (f->signal)
            snprintf(text, room, "%s was killed by signal %d (%s)%s%s", over_memory, f->signal,
                     strsignal(f->signal), *f->text ? ": " : "", f->text);
        else
            snprintf(text, room, "%s called exit(%d)", over_memory, f->code);
        break;
    case KITH_END_OVER_LIMIT: snprintf(text, room, "timed out"); break;
    default: snprintf(text, room, "failed: %s", f->text);
    }
}

/* "f(task 3) failed: … [worker 0, pid 77 on node1]" */
static void sentence(struct kith__job *j, const struct kith_fault *f, char *text, size_t room)
{
    char end[640];

    describe(f, end, sizeof end);
    snprintf(text, room, "%s(%s%llu) %s [worker %d, pid %d on %s]", kith__job_name(j),
             !kith__is_map(j->kind) ? "from " : "task ", (unsigned long long)f->task, end, f->worker, f->pid,
             f->host);
}

/* 1: it is our turn to say something, when the program has no way of its own with faults. */
static int may_tell(void)
{
    int64_t last = atomic_load(&kith__shared->faults_told), now = kith__now_ns();

    return !atomic_load(&kith__shared->faults_have_handler) && (!last || now >= last + each_ns) &&
           atomic_compare_exchange_strong(&kith__shared->faults_told, &last, now);
}

void kith__fault_tell_unseen(const char *sentence)
{
    if (may_tell())
        kith__tell("%s; its Result was dropped", sentence);
}

void kith__fault_tell_dropped(const char *name, uint64_t block)
{
    const struct kith__fault_entry *e = block ? kith__at(block) : NULL;
    struct kith_fault f;
    char end[640], text[896];

    if (!e)
        return;
    fill_end(&f, e);
    fill_place(&f, name, e->node, e->text);
    describe(&f, end, sizeof end);
    snprintf(text, sizeof text, "%s %s [worker %d, pid %d on %s]", name, end, f.worker, f.pid, f.host);
    kith__fault_tell_unseen(text);
}

int kith__fault_keep_one(const char *name, uint64_t task, uint64_t block)
{
    const struct kith__fault_entry *e = block ? kith__at(block) : NULL;
    struct faults *kept = e ? malloc(sizeof *kept + sizeof *kept->list) : NULL;
    char end[640];

    kith__own_replace(KITH__OWN_FAULTS, kept);
    if (!kept)
        return kith__fail(KITH_ETASK, "%s failed, and there is no memory to record why", name);
    fill_end(kept->list, e);
    fill_place(kept->list, name, e->node, e->text);
    kept->list->task = task;
    kept->count = 1;
    describe(kept->list, end, sizeof end);
    return kith__fail(KITH_ETASK, "%s %s [worker %d, pid %d on %s]", name, end, kept->list->worker,
                      kept->list->pid, kept->list->host);
}

/* The first fault of j, which is still under way: only its poster takes one away. */
static const struct kith__fault_entry *first_fault(const struct kith__job *j)
{
    const struct kith__fault_entry *first = NULL;

    for (uint64_t at = atomic_load(&j->faults); at; at = atomic_load(&first->next))
        first = kith__at(at);
    return first;
}

static void tell(struct kith__job *j, uint64_t count)
{
    const struct kith__fault_entry *first = first_fault(j);
    unsigned long long failed = count, all = j->units;
    struct kith_fault f;
    char text[896];

    if (j->told > 0 || !first) {
        kith__tell("%s goes on: %llu of %llu tasks failed so far", kith__job_name(j), failed, all);
        return;
    }
    fill_fault(&f, j, first);
    sentence(j, &f, text, sizeof text);
    kith__tell("%s; the call goes on, %llu of %llu tasks failed so far", text, failed, all);
}

/* Most calls that fail end soon after that, and then their own sentence is enough: so the first fault has
 * some patience. */
int64_t kith__faults_tell(struct kith__job *j)
{
    uint64_t count = atomic_load(&j->fault_count);
    int64_t now, last = atomic_load(&kith__shared->faults_told);

    if (count == 0 || j->is_part || atomic_load(&kith__shared->faults_have_handler)) /* the whole tells */
        return -1;
    if (atomic_load(&j->is_ended)) /* whoever cancelled it knows what becomes of its tasks */
        return -1;
    now = kith__now_ns();
    if (j->tell_at == 0)
        j->tell_at = now + patience_ns;
    if (now < j->tell_at)
        return j->tell_at;
    if (last && now < last + each_ns)
        return j->tell_at = last + each_ns;
    j->tell_at = now + each_ns;
    if (count > j->told && atomic_compare_exchange_strong(&kith__shared->faults_told, &last, now)) {
        tell(j, count);
        j->told = count;
    }
    return j->tell_at;
}

/* Why the rest was not begun. */
static const char *halt_reason(const struct kith__job *j)
{
    return j->halt > 0 ? ", so the rest was cancelled, as .halt of the pool says"
                       : " and none succeeded, so the rest was cancelled: see .halt of "
                         "kith_pool_open_with";
}

int kith__faults_report(struct kith__job *j, int halted)
{
    const struct faults *known = last_faults();
    uint64_t all = atomic_load(&j->fault_count);
    char text[896];

    if (known->count == 0)
        return kith__fail(KITH_ETASK, "%llu tasks of %s failed, and there is no memory to record why%s",
                          (unsigned long long)all, kith__job_name(j), halted ? halt_reason(j) : "");
    sentence(j, known->list, text, sizeof text);
    return kith__fail(KITH_ETASK, "%s; %llu of %llu tasks failed%s", text, (unsigned long long)all,
                      (unsigned long long)j->units, halted ? halt_reason(j) : "");
}

/* Its process ended before the initializer had returned. */
static int init_death(const struct kith__pool *p)
{
    struct kith__fault_entry e;
    struct kith_fault f;
    char text[640];

    if (!atomic_load(&p->init_death.unsettled))
        return kith__fail(KITH_ETASK, "the initializer of the pool failed: its processes died");
    kith__death_fault(&p->init_death, p->init_worker, &e);
    fill_end(&f, &e);
    if (f.text[0] == '\0')
        snprintf(f.text, sizeof f.text, "%s", p->init_death.why);
    if (f.end == KITH_END_OVER_LIMIT)
        snprintf(text, sizeof text, "timed out after %u ms, see .init_limit_ms", p->init_limit_ms);
    else
        describe(&f, text, sizeof text);
    return kith__fail(KITH_ETASK, "the initializer of the pool %s [worker %u, pid %d on %s]", text,
                      (unsigned)f.worker + p->trunk.first_worker, f.pid, kith__shared->host);
}

void kith__pool_keep_init_fault(struct kith__object *o, uint64_t block)
{
    struct kith__pool *p = kith__pool_body(o);

    if (!block)
        return;
    kith__guard_enter(&o->guard);
    if (atomic_load(&p->init_fault) == 0 && !atomic_load(&p->gone)) {
        kith__guard_set(&o->guard, &p->init_fault, block);
        kith__guard_set(&o->guard, kith__heap_owner(block), 0);
        kith__guard_commit(&o->guard);
        block = 0;
    }
    kith__guard_leave(&o->guard);
    kith__heap_free(block);
}

void kith__pool_keep_exit_fault(struct kith__object *o, uint64_t block, uint64_t count)
{
    struct kith__pool *p = kith__pool_body(o);
    uint64_t before;

    kith__guard_enter(&o->guard);
    before = atomic_load(&p->exit_count);
    if (block && before < KITH__EXIT_FAULTS && !atomic_load(&p->gone)) {
        atomic_store(&((struct kith__fault_entry *)kith__at(block))->next, atomic_load(&p->exit_faults));
        kith__guard_set(&o->guard, &p->exit_faults, block);
        kith__guard_set(&o->guard, kith__heap_owner(block), 0);
        block = 0;
    }
    kith__guard_set(&o->guard, &p->exit_count, before + count);
    kith__guard_commit(&o->guard);
    kith__guard_leave(&o->guard);
    kith__heap_free(block);
}

int kith__pool_init_fault(const struct kith__pool *p)
{
    uint64_t block = atomic_load(&p->init_fault);
    const struct kith__fault_entry *e = block ? kith__at(block) : NULL;
    uint32_t error = atomic_load(&p->fork_error);

    if (error)
        return kith__fail(
            KITH_ENOMEM,
            "no worker of the pool can be started: %s; see ulimit -u, and pids.max of the cgroup",
            strerror((int)error));
    if (!e)
        return init_death(p);
    if (e->node) /* of another node, which has told it whole */
        return kith__fail(KITH_ETASK, "%s [on %s]", e->text, host_of(e->node));
    return kith__fail(KITH_ETASK, "the initializer of the pool failed in worker %u: %s",
                      (unsigned)e->worker + p->trunk.first_worker, e->text);
}

static void fill_exit(struct kith_fault *f, const struct kith__pool *p, const char *name,
                      const struct kith__fault_entry *e, const char *text)
{
    fill_end(f, e);
    if (!e->node)
        f->worker += (int)p->trunk.first_worker;
    f->task = (uint64_t)f->worker;
    fill_place(f, name, e->node, text);
}

/* In one list, in the order of workers: those that said so, and the first process that ended there. */
static struct faults *exit_faults(struct kith__object *o, const char *name)
{
    const struct kith__pool *p = kith__pool_body(o);
    struct faults *kept = NULL;
    size_t count = 0, room = 0;
    struct kith_fault *f;
    uint64_t at;

    if (atomic_load(&p->exit_death.unsettled) && (f = add_fault(&kept, &count, &room))) {
        struct kith__fault_entry e;

        kith__death_fault(&p->exit_death, p->exit_worker, &e);
        fill_exit(f, p, name, &e, p->exit_death.why);
    }
    for (; (at = kith__pool_pop_fault(o)) != 0; kith__heap_free(at))
        if ((f = add_fault(&kept, &count, &room))) {
            const struct kith__fault_entry *e = kith__at(at);

            fill_exit(f, p, name, e, e->text);
        }
    keep(kept, count);
    return kept;
}

int kith__pool_exit_report(struct kith__object *o)
{
    const struct kith__pool *p = kith__pool_body(o);
    unsigned long long all = atomic_load(&p->exit_count) + atomic_load(&p->exit_deaths);
    const struct faults *known;
    const struct kith_fault *f;
    char name[64], end[640];

    if (all == 0)
        return 0;
    kith__token_name(&kith__pool_functions(p)->exit, name, sizeof name);
    if (!(known = exit_faults(o, name)))
        return kith__fail(
            KITH_ETASK,
            "%llu calls of %s, the exit function of the pool, failed, and there is no memory to "
            "record why",
            all, name);
    f = known->list;
    if (f->end == KITH_END_OVER_LIMIT)
        snprintf(end, sizeof end, "timed out after %u ms, see .exit_limit_ms", p->exit_limit_ms);
    else
        describe(f, end, sizeof end);
    return kith__fail(
        KITH_ETASK,
        "%s, the exit function of the pool, %s [worker %d, pid %d on %s]; %llu of its calls failed", name,
        end, f->worker, f->pid, f->host, all);
}
