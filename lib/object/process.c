/* process.c: the Process; see process.h, class.h and kith.h.
 *
 * A Process is at home on the node where it runs: its methods look at what the fork server there has filled
 * in.
 */
#include "config.h"
#include "object/process.h"
#include "member/bell.h"
#include "base/error.h"
#include "base/system.h"
#include "member/output.h"
#include "shm/heap.h"
#include "object/class.h"
#include "object/memory.h"
#include "object/target.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ENDED, SIDES };

int kith__process_main(uint32_t who)
{
    struct kith__member *m = kith__member(who);
    kith__anyfn *fn;
    int rc;

    if (kith__token_resolve(&m->target, &fn) < 0) {
        dprintf(STDERR_FILENO, "kith: %s: %s\n", m->name, kith_last_error());
        return 1;
    }
    rc = kith__call_target((kith_target *)fn, m->arg ? kith__at(m->arg) : NULL, m->arg_size);
    kith__memory_settle_all();
    if (kith__task.failed) /* an exception that nobody caught */
        dprintf(STDERR_FILENO, "kith: %s failed: %s\n", m->name, kith__task_text());
    kith__heap_free(m->arg);
    if (m->arg)
        atomic_fetch_sub(&m->unpublished, 1);
    return rc & 255 ? rc & 255 : rc != 0;
}

/* ------------------------------------------------------------ what is done at its home */

/* Copies arg into a block that belongs to the new member. */
static int copy_arg(struct kith__member *m, const void *arg, size_t size)
{
    m->arg_size = size;
    if (size == 0)
        return 0;
    if ((m->arg = kith__heap_alloc(size, kith__me)) == 0)
        return KITH_ENOMEM;
    memcpy(kith__at(m->arg), arg, size);
    return 0;
}

/* From the moment that it is ASKED, the member and its bytes are the fork server's. */
static uint64_t ask(uint32_t who, struct kith__object *o)
{
    struct kith__member *m = kith__member(who);
    uint64_t id;

    atomic_store(&kith__process_body(o)->member, who);
    atomic_store(&kith__process_body(o)->state, 1);
    kith__guard_enter(&o->guard);
    id = kith__object_publish(o, KITH__PROCESS_KIND);
    m->object = id;
    if (m->arg) {
        atomic_store(kith__heap_owner(m->arg), who);
        atomic_store(&m->unpublished, 1); /* should it end by exit, its janitor frees it */
    }
    atomic_store(&m->state, KITH__ASKED);
    kith__server_ring();
    return id;
}

static int64_t begin(const struct kith__start *s, const void *arg)
{
    struct kith__object *o;
    struct kith__member *m;
    uint32_t who;
    int rc;

    if (kith__server_dead())
        return KITH_EPEER;
    if ((who = kith__member_take(KITH__PROCESS)) == 0)
        return KITH_ENOMEM;
    m = kith__member(who);
    m->target = s->target;
    atomic_store(&m->daemon, s->daemon);
    m->number = s->number;
    memcpy(m->name, s->name, sizeof m->name);
    m->name[sizeof m->name - 1] = '\0';
    rc = copy_arg(m, arg, s->arg_size);
    if (rc == 0 && (o = kith__object_new()))
        return (int64_t)ask(who, o);
    kith__heap_free(m->arg);
    kith__member_free(who);
    return KITH_ENOMEM;
}

static int64_t begin_counted(const struct kith__start *s, const void *arg)
{
    int64_t rc = begin(s, arg);

    if (s->placed) /* last: whoever sees it counted sees the Process too */
        atomic_fetch_add(&kith__shared->placed, 1);
    return rc;
}

/* For another node. The bytes: struct kith__start, then the argument. */
static int64_t start_for(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                         struct kith__result *out)
{
    struct kith__start s;
    kith__anyfn *fn;
    int rc;

    (void)o;
    (void)who;
    (void)out;
    if (in->size < sizeof s)
        return kith__fail(KITH_EINVAL, "a Process was requested with too few bytes");
    memcpy(&s, in->bytes, sizeof s);
    if (s.arg_size != in->size - sizeof s)
        return kith__fail(KITH_EINVAL, "a Process was requested with %llu bytes, but %llu arrived",
                          (unsigned long long)s.arg_size, (unsigned long long)(in->size - sizeof s));
    if ((rc = kith__token_resolve(&s.target, &fn)) < 0)
        return rc;
    return begin_counted(&s, (const char *)in->bytes + sizeof s);
}

/* state << 32 | status as of waitpid. The fork server alone could say that it has ended. The number: 1:
 * whoever asks wants to know its exit code. */
static int64_t look(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                    struct kith__result *out)
{
    uint32_t state = atomic_load(&kith__process_body(o)->state);
    uint32_t status = (uint32_t)atomic_load(&kith__process_body(o)->status);

    (void)who;
    (void)out;
    if (state != 2 && kith__server_dead())
        return KITH_EPEER;
    if (state == 2 && in->number && atomic_exchange(&kith__process_body(o)->is_counted, 0))
        atomic_fetch_sub(&kith__shared->killed, 1);
    return (int64_t)state << 32 | status;
}

static int64_t join(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                    struct kith__result *out)
{
    int64_t seen = look(o, who, in, out);
    uint32_t error = atomic_load(&kith__process_body(o)->fork_error);

    if (seen < 0 || seen >> 32 != 2)
        return seen < 0 ? seen : KITH__PARKED;
    if (error)
        return kith__fail(KITH_ENOMEM,
                          "the Process could not be started: %s; see ulimit -u, and pids.max of the cgroup",
                          strerror((int)error));
    return 0;
}

/* 0: it has ended before it had one. */
static int64_t pid(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                   struct kith__result *out)
{
    const struct kith__process_body *p = kith__process_body(o);
    int known = atomic_load(&p->pid);

    (void)who;
    (void)in;
    (void)out;
    if (known || atomic_load(&p->state) == 2)
        return known;
    return kith__server_dead() ? KITH_EPEER : KITH__PARKED;
}

/* The fork server may not have looked since the last one: SIGKILL is not taken back. */
static void leave_signal(struct kith__member *m, uint32_t sig)
{
    uint32_t before = atomic_load(&m->stop_signal);

    while (before != SIGKILL && !atomic_compare_exchange_weak(&m->stop_signal, &before, sig))
        ;
}

static int64_t send_signal(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                           struct kith__result *out)
{
    const struct kith__process_body *p = kith__process_body(o);

    (void)who;
    (void)out;
    if (atomic_load(&p->state) == 1)
        leave_signal(kith__member(atomic_load(&p->member)), (uint32_t)in->number);
    kith__server_ring();
    return 0;
}

/* The serial number of its process, which will have something when it ends; 0: it has ended. */
static int64_t member(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                      struct kith__result *out)
{
    const struct kith__process_body *p = kith__process_body(o);
    struct kith__member *m;
    uint32_t serial;

    (void)who;
    (void)in;
    (void)out;
    if (atomic_load(&p->state) != 1)
        return 0;
    m = kith__member(atomic_load(&p->member));
    serial = m->serial;
    atomic_fetch_or(&m->holds, KITH__HOLDS_UNITS | KITH__HOLDS_GIVEN);
    return atomic_load(&p->state) == 1 ? serial : 0; /* else its entry may be another's */
}

/* How many were ever asked for here, when none but daemons run. In the upper half: how many signals have
 * ended, and nobody has asked for their exit codes. */
static int64_t await(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                     struct kith__result *out)
{
    uint32_t used = atomic_load(&kith__shared->members_used);
    uint64_t asked = atomic_load(&kith__shared->processes);

    (void)o;
    (void)who;
    (void)in;
    (void)out;
    for (uint32_t i = 1; i <= used; i++)
        if (kith__member_is_up(kith__member(i)) && atomic_load(&kith__member(i)->role) == KITH__PROCESS &&
            !atomic_load(&kith__member(i)->daemon))
            return kith__server_dead() ? KITH_EPEER : KITH__PARKED;
    return (int64_t)atomic_load(&kith__shared->killed) << 32 | (int64_t)(asked & UINT32_MAX);
}

uint32_t kith__node_busy(void)
{
    uint32_t used = atomic_load(&kith__shared->members_used), busy = 0;

    for (uint32_t i = 1; i <= used; i++) {
        const struct kith__member *m = kith__member(i);
        uint32_t role = atomic_load(&m->role);

        busy += kith__member_is_up(m) &&
                (role == KITH__PROCESS || (role == KITH__WORKER && atomic_load(&m->busy)));
    }
    return busy;
}

/* ------------------------------------------------------------------------- the class */

static const struct kith__method methods[] = {
    [KITH__PROCESS_LOOK] = { "look", look, -1, KITH__LOOKS },
    [KITH__PROCESS_JOIN] = { "join", join, ENDED, KITH__LOOKS },
    [KITH__PROCESS_PID] = { "pid", pid, -1, KITH__LOOKS }, /* known some 0.2 ms after the start */
    [KITH__PROCESS_SIGNAL] = { "signal", send_signal, -1, 0 },
    [KITH__PROCESS_START] = { "start", start_for, -1, KITH__NO_OBJECT },
    [KITH__PROCESS_AWAIT] = { "await", await, -1, KITH__NO_OBJECT },
    [KITH__PROCESS_MEMBER] = { "member", member, -1, 0 },
};

const struct kith__class kith__process_class = {
    .noun = "Process",
    .methods = methods,
    .count = sizeof methods / sizeof methods[0],
    .sides = SIDES,
};

/* ------------------------------------------------------------------------ starting */

static int fill(struct kith__start *s, kith_target *fn, size_t size, const struct kith_process_options *o)
{
    uint64_t count = atomic_fetch_add(&kith__shared->processes, 1) + 1;
    char function[48];
    int rc;

    memset(s, 0, sizeof *s);
    if ((rc = kith__token_make(&s->target, (kith__anyfn *)fn)) < 0)
        return rc;
    s->arg_size = size;
    s->daemon = o->daemon != 0;
    s->number = (uint64_t)kith__shared->node << 32 | count;
    kith__token_name(&s->target, function, sizeof function);
    if (o->name)
        snprintf(s->name, sizeof s->name, "%.63s", o->name);
    else
        snprintf(s->name, sizeof s->name, "%s-%llu", function, (unsigned long long)count);
    return 0;
}

/* The node on which it is to run: here while a CPU is free, then where most are. */
static int64_t choose_node(int wish, uint32_t *placed)
{
    int64_t node;

    if (wish > 0)
        return wish - 1;
    if (wish == KITH_HERE || kith__shared->nodes == 1 || kith__node_busy() < kith__shared->usable_cpus)
        return kith__shared->node;
    node = kith__ask_node(0, KITH__NODE_KIND, KITH__NODE_PLACE, &(struct kith__args){ 0 });
    *placed = node >= 0;
    return node < 0 ? (int64_t)kith__shared->node : node;
}

static int64_t start_there(uint32_t node, const struct kith__start *s, const void *arg)
{
    /* No sum: more than all memory stays more than that. */
    uint64_t block =
        kith__heap_alloc(s->arg_size > SIZE_MAX / 2 ? s->arg_size : sizeof *s + s->arg_size, kith__me);
    struct kith__args in = { .size = sizeof *s + s->arg_size };
    int64_t rc;

    if (block == 0)
        return KITH_ENOMEM;
    memcpy(kith__at(block), s, sizeof *s);
    if (s->arg_size > 0)
        memcpy((char *)kith__at(block) + sizeof *s, arg, s->arg_size);
    in.bytes = kith__at(block);
    rc = kith__ask_node(node, KITH__PROCESS_KIND, KITH__PROCESS_START, &in);
    kith__heap_free(block);
    return rc;
}

static int64_t start(kith_target *fn, const void *arg, size_t size, const struct kith_process_options *given,
                     size_t given_size)
{
    struct kith_process_options options = { 0 };
    struct kith__start s;
    int64_t rc, node;

    if (!kith__base || kith__me == 0)
        return kith__not_in_job("kith_process_start was called");
    if (!fn)
        return kith__fail(KITH_EINVAL, "kith_process_start was given no function");
    if (!arg && size > 0)
        return kith__fail(KITH_EINVAL, "kith_process_start was given %zu bytes at NULL", size);
    if (given)
        memcpy(&options, given, given_size < sizeof options ? given_size : sizeof options);
    if (options.node < KITH_HERE || options.node > (int)kith__shared->nodes)
        return kith__fail(KITH_EINVAL, "a Process on node %d: this job has nodes 0 to %u", options.node - 1,
                          kith__shared->nodes - 1);
    kith__memory_pass_on();
    if ((rc = kith__remote_settle()) < 0 || (rc = fill(&s, fn, size, &options)) < 0)
        return rc;
    node = choose_node(options.node, &s.placed);
    kith__output_flush(); /* what we printed before stands before what it prints */
    if (node == kith__shared->node && !kith__shared->through_net)
        return begin_counted(&s, arg);
    return start_there((uint32_t)node, &s, arg);
}

kith_process kith__process_start(kith_target *fn, const void *arg, size_t size,
                                 const struct kith_process_options *options, size_t options_size)
{
    kith_process p;
    int64_t rc = kith__report64(start(fn, arg, size, options, options_size));

    p.id = rc < 0 ? kith__failed_handle((int)rc) : (uint64_t)rc;
    return p;
}

kith_process kith_process_start(kith_target *fn, const void *arg, size_t size)
{
    return kith__process_start(fn, arg, size, NULL, 0);
}

/* ------------------------------------------------------------ what its handle is good for */

static int64_t ask_it(kith_process p, unsigned method, uint64_t number, int timeout_ms)
{
    struct kith__args in = { .number = number };
    struct kith__result out = { 0 };

    return kith__invoke(p.id, KITH__PROCESS_KIND, method, &in, &out, timeout_ms);
}

int kith_process_join(kith_process p, int timeout_ms)
{
    if (kith__base && kith__me && p.id != 0 && kith__member(kith__me)->object == p.id)
        return kith__report(kith__fail(KITH_EINVAL, "a Process cannot join itself"));
    return kith__report((int)ask_it(p, KITH__PROCESS_JOIN, 0, timeout_ms));
}

int kith_process_exitcode(kith_process p, int *code)
{
    int64_t seen = ask_it(p, KITH__PROCESS_LOOK, code != NULL, KITH_FOREVER);
    int status = (int)(uint32_t)seen;

    if (seen < 0)
        return kith__report((int)seen);
    if (!code)
        return kith__report(kith__fail(KITH_EINVAL, "kith_process_exitcode was given NULL for the code"));
    if (seen >> 32 != 2)
        return kith__fail(KITH_ERUNNING, "the Process is still running: it has no exit code yet");
    *code = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
    return 0;
}

int kith_process_alive(kith_process p)
{
    int64_t seen = ask_it(p, KITH__PROCESS_LOOK, 0, KITH_FOREVER);

    return seen < 0 ? kith__report((int)seen) : seen >> 32 != 2;
}

int kith_process_pid(kith_process p)
{
    return kith__report((int)ask_it(p, KITH__PROCESS_PID, 0, KITH_FOREVER));
}

int kith_process_terminate(kith_process p)
{
    return kith__report((int)ask_it(p, KITH__PROCESS_SIGNAL, SIGTERM, KITH_FOREVER));
}

int kith_process_kill(kith_process p)
{
    return kith__report((int)ask_it(p, KITH__PROCESS_SIGNAL, SIGKILL, KITH_FOREVER));
}

int64_t kith__process_member(kith_process p)
{
    return ask_it(p, KITH__PROCESS_MEMBER, 0, KITH_FOREVER);
}

int kith_process_close(kith_process p)
{
    return kith__close(p.id, KITH__PROCESS_KIND);
}

/* --------------------------------------------------------------------------- the end */

static uint64_t killed; /* as kith__processes_join has seen it last, on all nodes */

static uint64_t await_here(void)
{
    int64_t rc;

    while ((rc = await(NULL, NULL, NULL, NULL)) == KITH__PARKED)
        kith__nap(1 * KITH__MS);
    return rc < 0 ? 0 : (uint64_t)rc;
}

/* Waits on each node until none run there; the number that was ever asked for. */
static uint64_t await_all(void)
{
    uint64_t asked = await_here();

    for (uint32_t k = 0; k < kith__shared->nodes; k++) {
        int64_t rc = k == kith__shared->node ? 0
                                             : kith__ask_node(k, KITH__PROCESS_KIND, KITH__PROCESS_AWAIT,
                                                              &(struct kith__args){ 0 });

        if (rc > 0)
            asked += (uint64_t)rc; /* what is gone with its node is not waited for */
    }
    return asked;
}

/* A Process may start another on a node that we have seen quiet: so two rounds must see the same. */
void kith__processes_join(void)
{
    uint64_t before = UINT64_MAX, asked;

    while ((asked = await_all()) != before && kith__shared->nodes > 1)
        before = asked;
    killed = asked >> 32;
}

int kith__processes_check(void)
{
    if (killed == 0)
        return 0;
    return kith__fail(KITH_EPEER, "%llu Process%s ended by a signal, and nobody has asked for %s",
                      (unsigned long long)killed, killed == 1 ? " was" : "es were",
                      killed == 1 ? "its exit code" : "their exit codes");
}
