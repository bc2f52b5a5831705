/* strand.c: see strand.h. */
#include "config.h"
#undef _FORTIFY_SOURCE /* it takes a jump from one stack to another for an error */
#include "../check.h"
#include "strand.h"
#include "base/system.h"
#include "shm/arena.h"

#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <setjmp.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <ucontext.h>

enum { STACK = 512 << 10, GUARD = 64 << 10, VARIABLES = 1024, KEYS = 16, HELD = 32 };

struct strand {
    void (*run)(void *arg);
    void *arg;
    /* a context */
    ucontext_t begin;
    jmp_buf at; /* where it goes on */
    int begun;
    char *stack;
    char variables[VARIABLES];
    const void *values[KEYS];
    pthread_mutex_t *held[HELD];
    int held_count;
    struct strand *next; /* in the list of those that are nobody's, with their stacks */
    /* or a thread */
    pthread_t thread;
    sem_t go;
};

static int are_threads;
static struct strand *current, *unused;
static void (*wait_once)(void);
static void (*sleep_on)(_Atomic uint32_t *word, uint32_t value);

/* ---- the variables of a thread */

static struct {
    char *at;
    size_t size, filled;
    const void *image; /* of the first bytes, filled of them; the others are 0 */
} variables;

static int find_variables(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    (void)arg;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];

        if (p->p_type != PT_TLS)
            continue;
        variables.at = info->dlpi_tls_data;
        variables.size = p->p_memsz;
        variables.filled = p->p_filesz;
        variables.image = (const void *)(info->dlpi_addr + p->p_vaddr);
    }
    return 1; /* the first one is the program */
}

static void change_variables(char *from, const char *to)
{
    memcpy(from, variables.at, variables.size);
    memcpy(variables.at, to, variables.size);
}

/* ---- the variables of a process */

extern char __start_kith_process[], __stop_kith_process[];

uint64_t process_size(void)
{
    return (uint64_t)(__stop_kith_process - __start_kith_process);
}

void process_read(void *image)
{
    memcpy(image, __start_kith_process, process_size());
}

void process_exchange(void *image)
{
    char was[8192];

    REQUIRE(process_size() <= sizeof was);
    memcpy(was, __start_kith_process, process_size());
    memcpy(__start_kith_process, image, process_size());
    memcpy(image, was, process_size());
}

int is_of_process(const volatile void *at, uint64_t *offset)
{
    *offset = (uint64_t)((const volatile char *)at - __start_kith_process);
    return *offset < process_size();
}

/* ---- the functions that the library calls */

int __real_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attr);
int __real_pthread_mutex_lock(pthread_mutex_t *mutex);
int __real_pthread_mutex_trylock(pthread_mutex_t *mutex);
int __real_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attr);
int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex);
int __wrap_pthread_cond_signal(pthread_cond_t *cond);
int __wrap_pthread_cond_broadcast(pthread_cond_t *cond);
int __real_pthread_key_create(pthread_key_t *key, void (*end)(void *));
int __real_pthread_setspecific(pthread_key_t key, const void *value);
int __wrap_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attr);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_trylock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_pthread_key_create(pthread_key_t *key, void (*end)(void *));
int __wrap_pthread_setspecific(pthread_key_t key, const void *value);

static pthread_mutex_t **dead; /* whose owners have died in them */
static int dead_count, dead_room;

static int was_dead(const pthread_mutex_t *mutex)
{
    for (int i = 0; i < dead_count; i++)
        if (dead[i] == mutex) {
            dead[i] = dead[--dead_count];
            return 1;
        }
    return 0;
}

static int taken(pthread_mutex_t *mutex, int rc)
{
    if (rc != 0 || are_threads)
        return rc;
    if (current) {
        REQUIRE(current->held_count < HELD);
        current->held[current->held_count++] = mutex;
    }
    return was_dead(mutex) ? EOWNERDEAD : 0;
}

int __wrap_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attr)
{
    uint64_t offset;

    was_dead(mutex);
    if (is_of_process(mutex, &offset)) {
        memset(mutex, 0, sizeof *mutex);
        return 0;
    }
    return __real_pthread_mutex_init(mutex, attr);
}

/* One that goes to another place and back with its process is a word: 0 is PTHREAD_MUTEX_INITIALIZER. */
static int try_lock(pthread_mutex_t *mutex)
{
    int *word = (int *)mutex;
    uint64_t offset;

    if (!is_of_process(mutex, &offset))
        return __real_pthread_mutex_trylock(mutex);
    if (*word)
        return EBUSY;
    *word = 1;
    return 0;
}

int __wrap_pthread_mutex_trylock(pthread_mutex_t *mutex)
{
    return taken(mutex, try_lock(mutex));
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    uint64_t offset;
    int rc;

    if (!current && !is_of_process(mutex, &offset))
        return taken(mutex, __real_pthread_mutex_lock(mutex));
    while ((rc = try_lock(mutex)) == EBUSY)
        wait_once();
    return taken(mutex, rc);
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    uint64_t offset;

    for (int i = current ? current->held_count : 0; i-- > 0;)
        if (current->held[i] == mutex) {
            current->held[i] = current->held[--current->held_count];
            break;
        }
    if (!is_of_process(mutex, &offset))
        return __real_pthread_mutex_unlock(mutex);
    *(int *)mutex = 0;
    return 0;
}

/* A word that counts: 0 is PTHREAD_COND_INITIALIZER. */
int __wrap_pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attr)
{
    (void)attr;
    memset(cond, 0, sizeof *cond);
    return 0;
}

int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
    _Atomic uint32_t *word = (void *)cond;
    uint32_t seen = atomic_load(word);

    pthread_mutex_unlock(mutex);
    sleep_on(word, seen);
    return pthread_mutex_lock(mutex);
}

int __wrap_pthread_cond_broadcast(pthread_cond_t *cond)
{
    atomic_fetch_add((_Atomic uint32_t *)(void *)cond, 1);
    return 0;
}

int __wrap_pthread_cond_signal(pthread_cond_t *cond)
{
    return __wrap_pthread_cond_broadcast(cond);
}

static struct {
    pthread_key_t key;
    void (*end)(void *);
} keys[KEYS];
static int key_count;

int __wrap_pthread_key_create(pthread_key_t *key, void (*end)(void *))
{
    int rc = __real_pthread_key_create(key, end);

    REQUIRE(rc == 0 && key_count < KEYS);
    keys[key_count].key = *key;
    keys[key_count++].end = end;
    return rc;
}

int __wrap_pthread_setspecific(pthread_key_t key, const void *value)
{
    for (int i = 0; current && !are_threads && i < key_count; i++)
        if (keys[i].key == key) {
            current->values[i] = value;
            return 0;
        }
    return __real_pthread_setspecific(key, value);
}

static void end_values(struct strand *s)
{
    for (int i = 0; i < key_count; i++) {
        void *value = (void *)(uintptr_t)s->values[i];

        s->values[i] = NULL;
        if (value && keys[i].end)
            keys[i].end(value);
    }
}

/* ---- contexts: swapcontext would change the signal mask each time, which is the same for all */

static jmp_buf test;
static char of_test[VARIABLES];

static void live(void)
{
    struct strand *s = current;

    s->run(s->arg);
    end_values(s);
    longjmp(test, 1);
}

static void enter(struct strand *s)
{
    if (setjmp(test) != 0)
        return;
    if (s->begun++)
        longjmp(s->at, 1);
    setcontext(&s->begin);
}

static struct strand *new_strand(void)
{
    struct strand *s = unused;

    if (s) {
        unused = s->next;
        return s;
    }
    REQUIRE(s = calloc(1, sizeof *s));
    if (are_threads)
        return s;
    s->stack = mmap(NULL, STACK + GUARD, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    REQUIRE(s->stack != MAP_FAILED && mprotect(s->stack, GUARD, PROT_NONE) == 0);
    return s;
}

static void begin_context(struct strand *s)
{
    memcpy(s->variables, variables.image, variables.filled);
    memset(s->variables + variables.filled, 0, variables.size - variables.filled);
    s->held_count = s->begun = 0;
    getcontext(&s->begin);
    s->begin.uc_stack.ss_sp = s->stack + GUARD;
    s->begin.uc_stack.ss_size = STACK;
    s->begin.uc_link = NULL;
    makecontext(&s->begin, live, 0);
}

/* ---- threads */

static sem_t back;

static void *live_as_thread(void *arg)
{
    struct strand *s = arg;

    while (sem_wait(&s->go) < 0)
        ;
    s->run(s->arg);
    sem_post(&back);
    return NULL;
}

static void begin_thread(struct strand *s)
{
    pthread_attr_t attr;

    sem_init(&s->go, 0, 0);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK);
    REQUIRE(pthread_create(&s->thread, &attr, live_as_thread, s) == 0);
    pthread_attr_destroy(&attr);
}

/* ---- both */

void strands_init(void (*wait)(void), void (*sleep)(_Atomic uint32_t *word, uint32_t value))
{
    wait_once = wait;
    sleep_on = sleep;
    are_threads = SANITIZED || kith__under_valgrind() || getenv("KITH_TEST_THREADS");
    sem_init(&back, 0, 0);
    dl_iterate_phdr(find_variables, NULL);
    REQUIRE(variables.size <= VARIABLES);
}

struct strand *strand_begin(void (*run)(void *arg), void *arg)
{
    struct strand *s = new_strand();

    s->run = run;
    s->arg = arg;
    if (are_threads)
        begin_thread(s);
    else
        begin_context(s);
    return s;
}

void strand_go(struct strand *s)
{
    current = s;
    if (are_threads) {
        sem_post(&s->go);
        while (sem_wait(&back) < 0)
            ;
    } else {
        change_variables(of_test, s->variables);
        enter(s);
        change_variables(s->variables, of_test);
    }
    current = NULL;
}

void strand_give_way(struct strand *s)
{
    if (are_threads) {
        sem_post(&back);
        while (sem_wait(&s->go) < 0)
            ;
    } else if (setjmp(s->at) == 0)
        longjmp(test, 1);
}

/* What it holds of its process alone ends with that, and may be on a stack that is no more. */
void strand_die(struct strand *s)
{
    for (; !are_threads && s->held_count > 0; s->held_count--) {
        pthread_mutex_t *mutex = s->held[s->held_count - 1];

        if (!kith__base || (char *)mutex < kith__base ||
            (char *)mutex >= kith__base + kith__layout.heap_start + kith__layout.heap_size)
            continue;
        __real_pthread_mutex_unlock(mutex);
        if (dead_count == dead_room)
            REQUIRE(dead = realloc(dead, (size_t)(dead_room = 2 * dead_room + 32) * sizeof *dead));
        dead[dead_count++] = mutex;
    }
}

void strand_end(struct strand *s)
{
    if (are_threads) {
        pthread_join(s->thread, NULL); /* as itself; and what it held at its end is marked by the kernel */
        sem_destroy(&s->go);
    }
    s->next = unused;
    unused = s;
}

void strands_forget(const void *from, uint64_t size)
{
    for (int i = dead_count; i-- > 0;)
        if ((char *)dead[i] >= (const char *)from && (char *)dead[i] < (const char *)from + size)
            dead[i] = dead[--dead_count];
}
