/* process.c: see process.h and kith.h. */
#include "config.h"
#include "process.h"
#include "error.h"
#include "heap.h"
#include "task.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char noun[] = "Process";

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
    if (kith__task.failed)              /* an exception that nobody caught */
        dprintf(STDERR_FILENO, "kith: %s failed: %s\n", m->name, kith__task.text);
    kith__heap_free(m->arg);
    atomic_store(&m->unpublished, 0);
    return rc & 255 ? rc & 255 : rc != 0;
}

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

static int fill(struct kith__member *m, kith_target *fn, const void *arg, size_t size, const struct kith_process_options *o)
{
    char function[48];
    int rc;

    if ((rc = kith__token_make(&m->target, (kith__anyfn *)fn)) < 0 || (rc = copy_arg(m, arg, size)) < 0)
        return rc;
    m->daemon = o->daemon != 0;
    m->number = atomic_fetch_add(&kith__shared->processes, 1) + 1;
    kith__token_name(&m->target, function, sizeof function);
    if (o->name)
        snprintf(m->name, sizeof m->name, "%.63s", o->name);
    else
        snprintf(m->name, sizeof m->name, "%s-%llu", function, (unsigned long long)m->number);
    return 0;
}

/* From the moment that it is ASKED, the member and its bytes are the fork server's. */
static uint64_t ask(uint32_t who, struct kith__object *o)
{
    struct kith__member *m = kith__member(who);
    uint64_t id;

    atomic_store(&kith__process_body(o)->member, who);
    atomic_store(&kith__process_body(o)->state, 1);
    id = kith__object_publish(o, KITH__PROCESS_KIND);
    m->object = id;
    if (m->arg) {
        atomic_store(kith__heap_owner(m->arg), who);
        atomic_store(&m->unpublished, 1);       /* should it end by exit, its janitor frees it */
    }
    atomic_store(&m->state, KITH__ASKED);
    kith__ring(kith__server_bell);
    return id;
}

static int start_here(uint64_t *id, kith_target *fn, const void *arg, size_t size, const struct kith_process_options *options)
{
    struct kith__object *o;
    uint32_t who;
    int rc;

    if (kith__server_dead())
        return KITH_EPEER;
    if ((who = kith__member_take(KITH__PROCESS)) == 0)
        return KITH_ENOMEM;
    if ((rc = fill(kith__member(who), fn, arg, size, options)) < 0)
        goto out;
    if (!(o = kith__object_new())) {
        rc = KITH_ENOMEM;
        goto out;
    }
    fflush(stdout);                     /* what we printed before stands before what it prints */
    *id = ask(who, o);
    return 0;
out:
    kith__heap_free(kith__member(who)->arg);
    kith__member_free(who);
    return rc;
}

static int start(uint64_t *id, kith_target *fn, const void *arg, size_t size, const struct kith_process_options *given,
                 size_t given_size)
{
    struct kith_process_options options = { 0 };

    if (!kith__base || kith__me == 0)
        return kith__fail(KITH_ENOTINIT, "kith_process_start was called before kith_init, or after kith_finalize");
    if (!fn)
        return kith__fail(KITH_EINVAL, "kith_process_start was given no function");
    if (!arg && size > 0)
        return kith__fail(KITH_EINVAL, "kith_process_start was given %zu bytes at NULL", size);
    if (given)
        memcpy(&options, given, given_size < sizeof options ? given_size : sizeof options);
    if (options.node < KITH_HERE || options.node > (int)kith__shared->nodes)
        return kith__fail(KITH_EINVAL, "a Process on node %d: this job has the nodes 0 to %u", options.node - 1,
                          kith__shared->nodes - 1);
    return start_here(id, fn, arg, size, &options);
}

kith_process kith__process_start(kith_target *fn, const void *arg, size_t size, const struct kith_process_options *options,
                                 size_t options_size)
{
    kith_process p = { 0 };
    int rc = kith__report(start(&p.id, fn, arg, size, options, options_size));

    if (rc < 0)
        p.id = kith__failed_handle(rc);
    return p;
}

kith_process kith_process_start(kith_target *fn, const void *arg, size_t size)
{
    return kith__process_start(fn, arg, size, NULL, 0);
}

static int enter(kith_process p, struct kith__object **o)
{
    int rc = kith__handle_usable(p.id, noun);

    return rc < 0 ? rc : kith__object_enter(p.id, KITH__PROCESS_KIND, noun, o);
}

/* 0 and its state and status as of now. */
static int look(kith_process p, uint32_t *state, int *status)
{
    struct kith__object *o;
    int rc = enter(p, &o);

    if (rc < 0)
        return rc;
    *state = atomic_load(&kith__process_body(o)->state);
    *status = atomic_load(&kith__process_body(o)->status);
    kith__object_leave(o);
    return *state != 2 && kith__server_dead() ? KITH_EPEER : 0;
}

static int join(kith_process p, int timeout_ms)
{
    struct kith__wait w;
    uint32_t state;
    int rc, status;

    if ((rc = kith__check_timeout(timeout_ms)) < 0 || (rc = look(p, &state, &status)) < 0 || state == 2)
        return rc;
    if ((rc = kith__wait_begin(&w, &kith__object_slot(p.id)->waiters[0], timeout_ms)) < 0)
        return rc;
    do
        rc = look(p, &state, &status);
    while (rc == 0 && state != 2 && (rc = kith__wait_sleep(&w)) == 0);
    kith__wait_end(&w, 1);
    return rc;
}

int kith_process_join(kith_process p, int timeout_ms)
{
    return kith__report(join(p, timeout_ms));
}

int kith_process_exitcode(kith_process p, int *code)
{
    uint32_t state;
    int status, rc = look(p, &state, &status);

    if (rc < 0)
        return kith__report(rc);
    if (!code)
        return kith__report(kith__fail(KITH_EINVAL, "kith_process_exitcode was given no place for the code"));
    if (state != 2)
        return kith__fail(KITH_ETIMEDOUT, "the Process is still running");
    *code = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
    return 0;
}

int kith_process_alive(kith_process p)
{
    uint32_t state;
    int status, rc = look(p, &state, &status);

    return rc < 0 ? kith__report(rc) : state != 2;
}

int kith_process_pid(kith_process p)
{
    struct kith__object *o;
    int rc, pid, ended;

    for (;;) {
        if ((rc = enter(p, &o)) < 0)
            return kith__report(rc);
        pid = atomic_load(&kith__process_body(o)->pid);
        ended = atomic_load(&kith__process_body(o)->state) == 2;
        kith__object_leave(o);
        if (pid || ended)
            return pid;
        if (kith__server_dead())
            return kith__report(KITH_EPEER);
        nanosleep(&(struct timespec){ 0, 100000 }, NULL);      /* known some 0.2 ms after the start */
    }
}

static int send_signal(kith_process p, int sig)
{
    struct kith__object *o;
    int rc = enter(p, &o);

    if (rc < 0)
        return rc;
    if (atomic_load(&kith__process_body(o)->state) == 1)
        atomic_store(&kith__member(atomic_load(&kith__process_body(o)->member))->stop_signal, (uint32_t)sig);
    kith__object_leave(o);
    kith__ring(kith__server_bell);
    return 0;
}

int kith_process_terminate(kith_process p)
{
    return kith__report(send_signal(p, SIGTERM));
}

int kith_process_kill(kith_process p)
{
    return kith__report(send_signal(p, SIGKILL));
}

int kith_process_close(kith_process p)
{
    struct kith__object *o;
    int rc = enter(p, &o);

    if (rc < 0)
        return kith__report(rc);
    kith__object_end(o);
    kith__wake_all(&o->waiters[0]);
    kith__object_recycle(o);
    return 0;
}

static int is_awaited(const struct kith__member *m)
{
    uint32_t state = atomic_load(&m->state);

    return atomic_load(&m->role) == KITH__PROCESS && !m->daemon && (state == KITH__ASKED || state == KITH__RUNNING);
}

void kith__processes_join(void)
{
    for (;;) {
        uint32_t used = atomic_load(&kith__shared->members_used), running = 0;
        struct timespec nap = { 0, 1000000 };

        for (uint32_t i = 1; i <= used; i++)
            running += is_awaited(kith__member(i)) != 0;
        if (running == 0 || kith__server_dead())
            return;
        nanosleep(&nap, NULL);
    }
}
