/* process.c: the Process; see process.h, class.h and kith.h.
 *
 * A Process is at home on the node where it runs: its methods look at what the fork server there has filled
 * in.
 */
#include "config.h"
#include "object/process.h"
#include "member/bell.h"
#include "base/error.h"
#include "base/log.h"
#include "base/system.h"
#include "member/output.h"
#include "shm/heap.h"
#include "object/class.h"
#include "object/memory.h"
#include "object/setup.h"
#include "object/start.h"
#include "object/target.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ENDED, SIDES };

enum { NOT_STARTED = 127 }; /* exit code */

static int call_it(const struct kith__member *m, kith__anyfn *fn)
{
    const void *arg = m->arg_size ? kith__at(m->arg) : NULL;

    return m->shape ? kith__call_shaped(m->shape, fn, arg, m->arg_size)
                    : kith__call_target((kith_target *)fn, arg, m->arg_size);
}

int kith__process_main(uint32_t who)
{
    struct kith__member *m = kith__member(who);
    kith__anyfn *fn;
    int rc;

    if (kith__token_resolve(&m->target, &fn) < 0) {
        kith__tell("%s: %s", m->name, kith_last_error());
        return 1;
    }
    if ((m->setup_size && kith__setup_apply((char *)kith__at(m->arg) + m->arg_size, m->setup_size) < 0) ||
        kith__setup_limit_memory(m->memory) < 0) {
        kith__tell("%s was not started: %s [on %s]", m->name, kith_last_error(), kith__shared->host);
        return NOT_STARTED;
    }
    rc = call_it(m, fn);
    kith__memory_settle_all();
    if (kith__task.failed) /* an exception that nobody caught */
        kith__tell("%s failed: %s", m->name, kith__task_text());
    kith__heap_free(m->arg);
    if (m->arg)
        atomic_fetch_sub(&m->unpublished, 1);
    return rc & 255 ? rc & 255 : rc != 0;
}

/* ------------------------------------------------------------ what is done at its home */

/* No sum: more than all memory stays more than that. */
static uint64_t size_with(uint64_t size, uint64_t more)
{
    return size > SIZE_MAX / 2 ? size : size + more;
}

/* Copies the argument and the setup into a block that belongs to the new member. */
static int copy_bytes(struct kith__member *m, const struct kith__start *s, const void *arg, const void *setup)
{
    m->arg_size = s->arg_size;
    m->setup_size = s->setup_size;
    if (s->arg_size == 0 && s->setup_size == 0)
        return 0;
    if ((m->arg = kith__heap_alloc(size_with(s->arg_size, s->setup_size), kith__me)) == 0)
        return KITH_ENOMEM;
    if (s->arg_size > 0)
        memcpy(kith__at(m->arg), arg, s->arg_size);
    if (s->setup_size > 0)
        memcpy((char *)kith__at(m->arg) + s->arg_size, setup, s->setup_size);
    return 0;
}

/* From the moment that it is ASKED, the member and its bytes are the fork server's. */
static uint64_t ask(uint32_t who, struct kith__object *o)
{
    struct kith__member *m = kith__member(who);
    uint64_t id;

    atomic_store(&m->object, kith__object_id(o)); /* before it is there: see kith__processes_sweep */
    atomic_store(&kith__process_body(o)->member, who);
    atomic_store(&kith__process_body(o)->state, KITH__PROCESS_RUNS);
    memcpy(kith__process_body(o)->name, m->name, sizeof m->name);
    kith__guard_enter(&o->guard);
    id = kith__object_publish(o, KITH__PROCESS_KIND);
    if (m->arg) {
        atomic_store(kith__heap_owner(m->arg), who);
        atomic_store(&m->unpublished, 1); /* should it end by exit, its janitor frees it */
    }
    kith__failpoint("process: about to be asked for");
    kith__member_move(m, KITH__MEMBER_IS_ASKED);
    kith__server_ring();
    return id;
}

void kith__processes_sweep(uint32_t asker)
{
    uint32_t used = atomic_load(&kith__shared->members_used);

    for (uint32_t i = KITH__FIRST_MEMBER; i <= used; i++) {
        struct kith__member *m = kith__member(i);
        uint64_t id = atomic_load(&m->object);

        if (atomic_load(&m->state) != KITH__TAKEN || atomic_load(&m->asker) != asker)
            continue;
        if (id)
            kith__close_here(id, KITH__PROCESS_KIND, 0); /* stale: it was not there yet */
        if (m->arg)
            atomic_store(kith__heap_owner(m->arg), asker);
    }
}

static void fill_member(struct kith__member *m, const struct kith__start *s, uint64_t asked_by)
{
    m->target = s->target;
    atomic_store(&m->daemon, s->daemon);
    m->number = s->number;
    m->shape = s->shape;
    atomic_store(&m->internal, s->internal);
    m->limit_ms = s->limit_ms;
    m->memory = s->memory;
    m->parent = s->parent;
    atomic_store(&m->asked_by, asked_by);
    memcpy(m->name, s->name, sizeof m->name);
    m->name[sizeof m->name - 1] = '\0';
}

static int64_t begin(const struct kith__start *s, const void *arg, const void *setup, uint64_t asked_by)
{
    struct kith__object *o;
    struct kith__member *m;
    uint64_t block;
    uint32_t who;
    int rc;

    if (kith__server_dead())
        return KITH_EPEER;
    if ((who = kith__member_take(KITH__PROCESS)) == 0)
        return KITH_ENOMEM;
    m = kith__member(who);
    fill_member(m, s, asked_by);
    rc = copy_bytes(m, s, arg, setup);
    if (rc == 0 && (o = kith__object_new()))
        return (int64_t)ask(who, o);
    block = m->arg;
    m->arg = 0; /* before it is another one's: see kith__processes_sweep */
    kith__heap_free(block);
    kith__member_free(who);
    return KITH_ENOMEM;
}

static int64_t begin_counted(const struct kith__start *s, const void *arg, const void *setup,
                             uint64_t asked_by)
{
    int64_t rc = begin(s, arg, setup, asked_by);

    if (s->placed) /* last: whoever sees it counted sees the Process too */
        atomic_fetch_add(&kith__shared->placed, 1);
    return rc;
}

/* For another node. The bytes: struct kith__start, then the argument, then the setup. */
static int64_t start_for(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                         struct kith__result *out)
{
    const char *bytes = in->bytes;
    struct kith__start s;
    kith__anyfn *fn;
    int rc;

    (void)o;
    (void)out;
    if (in->size < sizeof s)
        return kith__fail(KITH_EINVAL, "a Process was requested with too few bytes");
    memcpy(&s, bytes, sizeof s);
    if (s.arg_size > in->size - sizeof s || s.setup_size != in->size - sizeof s - s.arg_size)
        return kith__fail(KITH_EINVAL, "a Process was requested with %llu and %llu bytes, but %llu arrived",
                          (unsigned long long)s.arg_size, (unsigned long long)s.setup_size,
                          (unsigned long long)(in->size - sizeof s));
    if ((rc = kith__token_resolve(&s.target, &fn)) < 0)
        return rc;
    return begin_counted(&s, bytes + sizeof s, bytes + sizeof s + s.arg_size, kith__holder(who));
}

void kith__process_ends(struct kith__object *o, uint64_t id, int status, int settling)
{
    if (!kith__object_is(o, id))
        return;
    atomic_store(&kith__process_body(o)->status, status);
    atomic_store(&kith__process_body(o)->state, settling ? KITH__PROCESS_SETTLING : KITH__PROCESS_ENDED);
}

static int is_settling(struct kith__object *o, uint64_t id)
{
    return kith__object_is(o, id) && (atomic_load(&o->ident) & 255) == KITH__PROCESS_KIND &&
           atomic_load(&kith__process_body(o)->state) == KITH__PROCESS_SETTLING;
}

int kith__process_settle(uint64_t id, int may_wait)
{
    struct kith__object *o = kith__object_known(id);

    if (!o || !is_settling(o, id))
        return 1;
    if (may_wait)
        kith__guard_enter(&o->guard);
    else if (!kith__guard_try(&o->guard))
        return 0;
    if (is_settling(o, id))
        atomic_store(&kith__process_body(o)->state, KITH__PROCESS_ENDED);
    kith__guard_leave(&o->guard);
    kith__wake_all(kith__object_waiters(o, ENDED));
    return 1;
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
    if (state != KITH__PROCESS_ENDED && kith__server_dead())
        return KITH_EPEER;
    if (state == KITH__PROCESS_ENDED && in->number && atomic_exchange(&kith__process_body(o)->is_counted, 0))
        atomic_fetch_sub(&kith__shared->killed, 1);
    return (int64_t)state << 32 | status;
}

static int is_main(void)
{
    return kith__fail(KITH_EINVAL, "this is the program itself, which ends after all Processes: it can be "
                                   "asked for its pid and name only");
}

static int64_t join(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                    struct kith__result *out)
{
    int64_t seen = kith__process_body(o)->is_main ? is_main() : look(o, who, in, out);
    uint32_t error = atomic_load(&kith__process_body(o)->fork_error);

    if (seen < 0 || seen >> 32 != KITH__PROCESS_ENDED)
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
    if (known || atomic_load(&p->state) == KITH__PROCESS_ENDED)
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
    if (p->is_main)
        return is_main();
    if (atomic_load(&p->state) == KITH__PROCESS_RUNS)
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
    if (atomic_load(&p->state) != KITH__PROCESS_RUNS)
        return 0;
    m = kith__member(atomic_load(&p->member));
    serial = m->serial;
    atomic_fetch_or(&m->holds, KITH__HOLDS_UNITS | KITH__HOLDS_GIVEN);
    return atomic_load(&p->state) == KITH__PROCESS_RUNS ? serial : 0; /* else its entry may be another's */
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

static int64_t name(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                    struct kith__result *out)
{
    const struct kith__process_body *p = kith__process_body(o);
    uint64_t length = strlen(p->name);
    int rc;

    (void)who;
    if (length > in->number)
        length = in->number;
    if ((rc = kith__give_bytes(out, p->name, length)) < 0)
        return rc;
    return (int64_t)length;
}

/* To those who have its handle, which is id. */
static int runs(const struct kith__member *m, uint64_t id)
{
    return kith__member_is_up(m) ? atomic_load(&m->role) == KITH__PROCESS
                                 : is_settling(kith__object_slot(id), id);
}

/* The handle of m when it is a Process that asked_by has started here, that runs, and whose handle is open;
 * else 0. Its entry may become another's meanwhile, so the handle is looked at once more. */
static uint64_t child(const struct kith__member *m, uint64_t asked_by)
{
    uint64_t id = atomic_load(&m->object);

    return runs(m, id) && atomic_load(&m->asked_by) == asked_by && !atomic_load(&m->internal) &&
                   kith__object_is(kith__object_slot(id), id) && atomic_load(&m->object) == id
               ? id
               : 0;
}

/* How many there are; the first room of them. */
static uint32_t find_children(uint64_t asked_by, uint64_t *ids, uint32_t room)
{
    uint32_t used = atomic_load(&kith__shared->members_used), found = 0;

    for (uint32_t i = KITH__FIRST_MEMBER; i <= used; i++) {
        uint64_t id = child(kith__member(i), asked_by);

        if (id == 0)
            continue;
        if (found < room)
            ids[found] = id;
        found++;
    }
    return found;
}

/* For a process of another node: how many there are; or, when number is the size of its room, the bytes of
 * their handles. */
static int64_t children_of(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                           struct kith__result *out)
{
    uint64_t asked_by = kith__holder(who), most = in->number / sizeof(uint64_t);
    uint32_t found = find_children(asked_by, NULL, 0), room = most < found ? (uint32_t)most : found, again;

    (void)o;
    if (in->number == 0 || room == 0)
        return in->number == 0 ? (int64_t)found : 0;
    if ((out->block = kith__heap_alloc(room * sizeof(uint64_t), kith__me)) == 0)
        return KITH_ENOMEM;
    again = find_children(asked_by, kith__at(out->block), room);
    out->size = (again < room ? again : room) * sizeof(uint64_t);
    return (int64_t)out->size;
}

uint32_t kith__node_busy(void)
{
    uint32_t used = atomic_load(&kith__shared->members_used), busy = 0;

    for (uint32_t i = 1; i <= used; i++) {
        const struct kith__member *m = kith__member(i);
        uint32_t role = atomic_load(&m->role);

        busy += kith__member_is_up(m) && ((role == KITH__PROCESS && !atomic_load(&m->internal)) ||
                                          (role == KITH__WORKER && atomic_load(&m->busy)));
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
    [KITH__PROCESS_AWAIT] = { "await", await, -1, KITH__NO_OBJECT | KITH__EACH },
    [KITH__PROCESS_MEMBER] = { "member", member, -1, 0 },
    [KITH__PROCESS_NAME] = { "name", name, -1, KITH__LOOKS },
    [KITH__PROCESS_CHILDREN] = { "children", children_of, -1, KITH__NO_OBJECT },
};

const struct kith__class kith__process_class = {
    .noun = "Process",
    .methods = methods,
    .count = sizeof methods / sizeof methods[0],
    .sides = SIDES,
    .ready = KITH__PROCESS_JOIN,
    .letter = 'p',
};

/* ------------------------------------------------------------------------ who we are */

/* An object for the head, or a rank that runs main. */
static uint64_t open_main(void)
{
    struct kith__object *o = kith__object_new();
    struct kith__process_body *p;

    if (!o)
        return 0;
    p = kith__process_body(o);
    p->is_main = 1;
    atomic_store(&p->pid, getpid());
    atomic_store(&p->member, kith__me);
    atomic_store(&p->state, KITH__PROCESS_RUNS);
    kith__guard_enter(&o->guard);
    return kith__object_publish(o, KITH__PROCESS_KIND);
}

int kith__process_is_main(const char *name)
{
    struct kith__member *me = kith__member(kith__me);
    uint64_t id = atomic_load(&me->object);

    snprintf(me->name, sizeof me->name, "%s", name);
    if (id == 0 && (id = open_main()) == 0)
        return KITH_ENOMEM;
    atomic_store(&me->object, id);
    memcpy(kith__process_body(kith__object_slot(id))->name, me->name, sizeof me->name);
    kith__log_name(me->name, kith__shared->nodes > 1 ? kith__shared->host : "");
    return 0;
}

/* 0: a worker, which is its pool's. */
static uint64_t own_handle(void)
{
    const struct kith__member *me = kith__member(kith__me);

    return atomic_load(&me->role) == KITH__WORKER ? 0 : atomic_load(&me->object);
}

static int is_process(void)
{
    return kith__base && kith__me && atomic_load(&kith__member(kith__me)->role) == KITH__PROCESS;
}

kith_process kith_self(void)
{
    if (!kith__base || kith__me == 0)
        return (kith_process){ kith__failed_handle(kith__report(kith__not_in_job("kith_self was called"))) };
    return (kith_process){ own_handle() };
}

kith_process kith_parent(void)
{
    if (!kith__base || kith__me == 0)
        return (
            kith_process){ kith__failed_handle(kith__report(kith__not_in_job("kith_parent was called"))) };
    return (kith_process){ is_process() ? kith__member(kith__me)->parent : 0 };
}

const char *kith_name(void)
{
    return kith__base && kith__me ? kith__member(kith__me)->name : "main";
}

static int64_t ask_children(uint32_t k, const struct kith__caller *who, kith_process *list, size_t room)
{
    struct kith__args in = { .number = room * sizeof *list };
    struct kith__result out = { .buf = list, .room = room * sizeof *list };

    return kith__remote_call(k, KITH__PROCESS_KIND << 8 | KITH__PROCESS_CHILDREN, 0, who, &in, &out,
                             KITH_FOREVER);
}

/* Those on node k: how many there are; a lost node has none. */
static int64_t children_on(uint32_t k, const struct kith__caller *who, kith_process *list, size_t room)
{
    int64_t found, bytes;

    if (k == kith__shared->node)
        return find_children(kith__holder(who), (uint64_t *)(void *)list,
                             room < INT32_MAX ? (uint32_t)room : INT32_MAX);
    found = ask_children(k, who, NULL, 0);
    if (found == KITH_EPEER)
        return 0;
    if (found <= 0 || room == 0)
        return found;
    if ((bytes = ask_children(k, who, list, room)) < 0)
        return bytes == KITH_EPEER ? 0 : bytes;
    return (size_t)found <= room ? bytes / (int64_t)sizeof *list : found; /* some may have ended in between */
}

static int64_t children(kith_process *list, size_t room)
{
    struct kith__caller who;
    uint64_t all = 0;

    if (!kith__base || kith__me == 0)
        return kith__not_in_job("kith_processes was called");
    if (!list && room > 0)
        return kith__fail(KITH_EINVAL, "kith_processes was given room for %zu handles at NULL", room);
    who = (struct kith__caller){ kith__shared->node, kith__member(kith__me)->serial, 0 };
    for (uint32_t k = 0; k < kith__shared->nodes; k++) {
        size_t stored = all < room ? (size_t)all : room;
        int64_t found = children_on(k, &who, list ? list + stored : NULL, room - stored);

        if (found < 0)
            return found;
        all += (uint64_t)found;
    }
    return (int64_t)all;
}

int kith_processes(kith_process *list, size_t room)
{
    return kith__report((int)children(list, room));
}

/* ------------------------------------------------------------------------ starting */

/* The name of a function that is not exported stands in its file, and is looked for there: so the last one is
 * remembered, as many Processes of one function are the rule. */
static void name_function(const struct kith__token *t, char *buf, size_t room)
{
    static atomic_flag is_busy = ATOMIC_FLAG_INIT;
    static struct kith__token last;
    static char name[48];

    if (atomic_flag_test_and_set(&is_busy)) { /* another thread, or one that was there when we were forked */
        kith__token_name(t, buf, room);
        return;
    }
    if (memcmp(&last, t, sizeof last) != 0) {
        kith__token_name(t, name, sizeof name);
        last = *t;
    }
    snprintf(buf, room, "%s", name);
    atomic_flag_clear(&is_busy);
}

static int fill(struct kith__start *s, const struct kith__run *run, const struct kith_process_options *o)
{
    uint64_t count = run->internal ? 0 : atomic_fetch_add(&kith__shared->processes, 1) + 1;
    char function[48];
    int rc;

    memset(s, 0, sizeof *s);
    if ((rc = kith__token_make(&s->target, run->fn)) < 0)
        return rc;
    s->arg_size = run->size;
    s->shape = run->shape;
    s->internal = (uint32_t)run->internal;
    s->limit_ms = (uint32_t)o->limit_ms;
    s->memory = o->memory;
    s->daemon = o->daemon != 0 || (is_process() && atomic_load(&kith__member(kith__me)->daemon));
    s->parent = own_handle();
    s->number = (uint64_t)kith__shared->node << 32 | count;
    if (o->name) {
        snprintf(s->name, sizeof s->name, "%.63s", o->name);
        return 0;
    }
    name_function(&s->target, function, sizeof function);
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

static int64_t start_there(uint32_t node, const struct kith__start *s, const void *arg, const void *setup)
{
    uint64_t block = kith__heap_alloc(size_with(s->arg_size, sizeof *s + s->setup_size), kith__me);
    struct kith__args in = { .size = sizeof *s + s->arg_size + s->setup_size };
    char *bytes;
    int64_t rc;

    if (block == 0)
        return KITH_ENOMEM;
    in.bytes = bytes = kith__at(block);
    memcpy(bytes, s, sizeof *s);
    if (s->arg_size > 0)
        memcpy(bytes + sizeof *s, arg, s->arg_size);
    if (s->setup_size > 0)
        memcpy(bytes + sizeof *s + s->arg_size, setup, s->setup_size);
    rc = kith__ask_node(node, KITH__PROCESS_KIND, KITH__PROCESS_START, &in);
    kith__heap_free(block);
    return rc;
}

static int check(const struct kith__run *run, const struct kith_process_options *o)
{
    if (!kith__base || kith__me == 0)
        return kith__not_in_job("kith_process_start was called");
    if (!run->fn)
        return kith__fail(KITH_EINVAL, "kith_process_start was given no function");
    if (!run->arg && run->size > 0)
        return kith__fail(KITH_EINVAL, "kith_process_start was given %zu bytes at NULL", run->size);
    if (o->node < KITH_HERE || o->node > (int)kith__shared->nodes)
        return kith__fail(KITH_EINVAL, "a Process on node %d: this job has nodes 0 to %u", o->node - 1,
                          kith__shared->nodes - 1);
    if (o->limit_ms < 0)
        return kith__fail(KITH_EINVAL, "a Process with a .limit_ms of %d: give 0 (no limit) or more",
                          o->limit_ms);
    return 0;
}

static int64_t begin_somewhere(const struct kith__run *run, const struct kith_process_options *o,
                               const void *setup, uint64_t setup_size)
{
    struct kith__start s;
    int64_t rc, node;

    kith__memory_pass_on();
    if ((rc = kith__remote_settle()) < 0 || (rc = fill(&s, run, o)) < 0)
        return rc;
    s.setup_size = setup_size;
    node = choose_node(o->node, &s.placed);
    kith__output_flush(); /* what we printed before stands before what it prints */
    if (node == kith__shared->node && !kith__shared->through_net)
        return begin_counted(&s, run->arg, setup,
                             (uint64_t)kith__shared->node << 32 | kith__member(kith__me)->serial);
    return start_there((uint32_t)node, &s, run->arg, setup);
}

static int64_t start(const struct kith__run *run, const struct kith_process_options *o)
{
    int64_t size, rc = check(run, o);
    char *setup = NULL;

    if (rc < 0 || (size = rc = kith__setup_pack(o, NULL, 0)) < 0)
        return rc;
    if (size > 0 && !(setup = malloc((size_t)size)))
        return kith__fail(KITH_ENOMEM, "no memory for the options of a Process");
    if (size > 0)
        kith__setup_pack(o, setup, (size_t)size);
    rc = begin_somewhere(run, o, setup, (uint64_t)size);
    free(setup);
    return rc;
}

int64_t kith__process_begin(const struct kith__run *run, const struct kith_process_options *o)
{
    return start(run, o);
}

kith_process kith__process_run(const struct kith__run *run, const struct kith_process_options *o)
{
    int64_t rc = kith__report64(start(run, o ? o : &(struct kith_process_options){ 0 }));

    return (kith_process){ rc < 0 ? kith__failed_handle((int)rc) : (uint64_t)rc };
}

#undef kith_process_start_with /* which adds the size */
kith_process kith_process_start_with(kith_target *fn, const void *arg, size_t size,
                                     const struct kith_process_options *given, size_t given_size)
{
    struct kith_process_options o = { 0 };

    if (given)
        memcpy(&o, given, given_size < sizeof o ? given_size : sizeof o);
    return kith__process_run(&(struct kith__run){ (kith__anyfn *)fn, 0, arg, size, 0 }, &o);
}

kith_process kith_process_start(kith_target *fn, const void *arg, size_t size)
{
    return kith_process_start_with(fn, arg, size, NULL, 0);
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
    if (kith__base && kith__me && p.id != 0 && atomic_load(&kith__member(kith__me)->object) == p.id)
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
    if (seen >> 32 != KITH__PROCESS_ENDED)
        return kith__fail(KITH_ERUNNING, "the Process is still running: it has no exit code yet");
    *code = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
    return 0;
}

int64_t kith__process_is_alive(uint64_t id)
{
    int64_t seen = ask_it((kith_process){ id }, KITH__PROCESS_LOOK, 0, KITH_FOREVER);

    return seen < 0 ? seen : seen >> 32 != KITH__PROCESS_ENDED;
}

int kith_process_alive(kith_process p)
{
    return kith__report((int)kith__process_is_alive(p.id));
}

int kith_process_pid(kith_process p)
{
    return kith__report((int)ask_it(p, KITH__PROCESS_PID, 0, KITH_FOREVER));
}

int kith_process_name(kith_process p, char *buf, size_t room)
{
    struct kith__args in = { .number = room - 1 };
    struct kith__result out = { .buf = buf, .room = room };
    int64_t rc;

    if (!buf || room == 0)
        return kith__report(kith__fail(KITH_EINVAL, "kith_process_name was given no room for the name"));
    if ((rc = kith__invoke(p.id, KITH__PROCESS_KIND, KITH__PROCESS_NAME, &in, &out, KITH_FOREVER)) < 0)
        return kith__report((int)rc);
    buf[(size_t)rc < room ? (size_t)rc : room - 1] = '\0';
    return 0;
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
