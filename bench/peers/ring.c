/* ring: the limit of a queue: rings in shared memory between forked processes, without sleeping, without
 * safety against a death, with a fixed item size. Prints million items a second and GB/s. ring pair 1 1 SIZE
 * COUNT         one writer, one reader: two positions ring cells P T SIZE COUNT        any number: cells with
 * a turn each (the bounded queue of D. Vyukov) Each writer writes COUNT items. ring turns: 8 bytes there and
 * back over two rings, in µs. */
#include "config.h"

#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../bench.h"

#define LAST UINT64_MAX /* tells a reader to end */
enum { LINE = 64 };

struct ring {
    _Alignas(LINE) atomic_ulong head; /* next to be written */
    _Alignas(LINE) atomic_ulong tail; /* next to be read */
    _Alignas(LINE) atomic_ulong taken, sum;
    atomic_int ready, go;
    size_t size, stride, cells; /* cells: a power of 2 */
    _Alignas(LINE) char data[];
};

struct cell {
    atomic_ulong turn;
    char item[];
};

typedef void transfer(struct ring *r, void *item);

static struct ring *ring_new(size_t size)
{
    size_t cells = size > 4096 ? 8 : 1024, stride = (size + sizeof(struct cell) + LINE - 1) / LINE * LINE;
    struct ring *r = mmap(NULL, sizeof *r + cells * stride, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

    if (r == MAP_FAILED)
        die("no shared memory");
    r->size = size;
    r->stride = stride;
    r->cells = cells;
    for (size_t i = 0; i < cells; i++)
        atomic_init(&((struct cell *)(r->data + i * stride))->turn, i);
    return r;
}

static struct cell *cell_at(struct ring *r, unsigned long i)
{
    return (struct cell *)(r->data + (i & (r->cells - 1)) * r->stride);
}

/* With more processes than CPUs a pure spin would wait for somebody who cannot run. */
static void wait_a_bit(int *spins)
{
    if (++*spins % 64 == 0)
        sched_yield();
#if defined __x86_64__ || defined __i386__
    else
        __builtin_ia32_pause();
#endif
}

static void pair_put(struct ring *r, void *item)
{
    static unsigned long seen; /* the tail as last looked at: its cache line stays with the reader */
    unsigned long head = atomic_load_explicit(&r->head, memory_order_relaxed);

    for (int spins = 0; head - seen == r->cells; wait_a_bit(&spins))
        seen = atomic_load_explicit(&r->tail, memory_order_acquire);
    memcpy(cell_at(r, head)->item, item, r->size);
    atomic_store_explicit(&r->head, head + 1, memory_order_release);
}

static void pair_take(struct ring *r, void *item)
{
    static unsigned long seen;
    unsigned long tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

    for (int spins = 0; seen == tail; wait_a_bit(&spins))
        seen = atomic_load_explicit(&r->head, memory_order_acquire);
    memcpy(item, cell_at(r, tail)->item, r->size);
    atomic_store_explicit(&r->tail, tail + 1, memory_order_release);
}

/* Takes position i when its cell's turn has come, and the position is still free. */
static unsigned long claim(struct ring *r, atomic_ulong *position, unsigned long offset)
{
    unsigned long i = atomic_load_explicit(position, memory_order_relaxed);

    for (int spins = 0;;) {
        unsigned long turn = atomic_load_explicit(&cell_at(r, i)->turn, memory_order_acquire);

        if (turn == i + offset) {
            if (atomic_compare_exchange_weak_explicit(position, &i, i + 1, memory_order_relaxed,
                                                      memory_order_relaxed))
                return i;
        } else {
            if (turn < i + offset)
                wait_a_bit(&spins);
            i = atomic_load_explicit(position, memory_order_relaxed);
        }
    }
}

static void cells_put(struct ring *r, void *item)
{
    unsigned long i = claim(r, &r->head, 0);

    memcpy(cell_at(r, i)->item, item, r->size);
    atomic_store_explicit(&cell_at(r, i)->turn, i + 1, memory_order_release);
}

static void cells_take(struct ring *r, void *item)
{
    unsigned long i = claim(r, &r->tail, 1);

    memcpy(item, cell_at(r, i)->item, r->size);
    atomic_store_explicit(&cell_at(r, i)->turn, i + r->cells, memory_order_release);
}

static void start_line(struct ring *r)
{
    atomic_fetch_add(&r->ready, 1);
    while (!atomic_load(&r->go))
        sched_yield();
}

static void writer(struct ring *r, transfer *put, uint64_t count)
{
    char *item = malloc(r->size);

    memset(item, 1, r->size);
    start_line(r);
    for (uint64_t i = 0; i < count; i++) {
        memcpy(item, &i, sizeof i);
        put(r, item);
    }
    free(item);
}

static void reader(struct ring *r, transfer *take)
{
    char *item = malloc(r->size);
    uint64_t taken = 0, sum = 0, i;

    memset(item, 1, r->size);
    start_line(r);
    for (;;) {
        take(r, item);
        memcpy(&i, item, sizeof i);
        if (i == LAST)
            break;
        taken++;
        sum += i;
    }
    atomic_fetch_add(&r->taken, taken);
    atomic_fetch_add(&r->sum, sum);
    free(item);
}

static void start(struct ring *r, transfer *put, transfer *take, int writers, int readers, uint64_t count)
{
    for (int i = 0; i < writers + readers; i++)
        if (fork() == 0) {
            if (i < writers)
                writer(r, put, count);
            else
                reader(r, take);
            _exit(0);
        }
}

/* The last writer ends the readers: the parent does, when all writers are through. */
static void finish(struct ring *r, transfer *put, int writers, int readers)
{
    char *last = malloc(r->size);

    memset(last, 0xff, r->size);
    for (int i = 0; i < writers; i++)
        wait(NULL);
    for (int i = 0; i < readers; i++)
        put(r, last);
    for (int i = 0; i < readers; i++)
        wait(NULL);
    free(last);
}

/* A process's end of two rings, of which it knows the position without a look. */
static void cross(struct ring *r, unsigned long turn, uint64_t *item, int writes)
{
    if (writes) {
        memcpy(cell_at(r, turn)->item, item, sizeof *item);
        atomic_store_explicit(&r->head, turn + 1, memory_order_release);
        return;
    }
    for (int spins = 0; atomic_load_explicit(&r->head, memory_order_acquire) == turn; wait_a_bit(&spins))
        ;
    memcpy(item, cell_at(r, turn)->item, sizeof *item);
}

static int turns(void)
{
    enum { WARM = 20000, TURNS = 200000 };
    struct ring *there = ring_new(sizeof(uint64_t)), *back = ring_new(sizeof(uint64_t));
    int child = fork() == 0;
    double start = 0;

    for (unsigned long i = 0; i < WARM + TURNS; i++) {
        uint64_t x = i;

        if (i == WARM)
            start = now();
        cross(there, i, &x, !child);
        cross(back, i, &x, child);
        if (x != i)
            die("an answer is lost");
    }
    if (child)
        _exit(0);
    say("turn", (now() - start) * 1e6 / TURNS);
    wait(NULL);
    return 0;
}

int main(int argc, char **argv)
{
    int pair = argc > 1 && !strcmp(argv[1], "pair");
    int writers = (int)number(argc, argv, 2, 1), readers = (int)number(argc, argv, 3, 1);
    uint64_t count = number(argc, argv, 5, 1000000), total = (uint64_t)writers * count;
    struct ring *r = ring_new(number(argc, argv, 4, 8));
    transfer *put = pair ? pair_put : cells_put, *take = pair ? pair_take : cells_take;
    double t;

    if (argc > 1 && !strcmp(argv[1], "turns"))
        return turns();
    start(r, put, take, writers, readers, count);
    while (atomic_load(&r->ready) < writers + readers)
        sched_yield();
    t = now();
    atomic_store(&r->go, 1);
    finish(r, put, writers, readers);
    t = now() - t;
    if (r->taken != total || r->sum != (uint64_t)writers * (count * (count - 1) / 2))
        die("items are lost, or came twice");
    say("items", (double)total / t * 1e-6);
    say("bytes", (double)total * (double)r->size / t * 1e-9);
    return 0;
}
