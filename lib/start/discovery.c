/* discovery.c: who shares this node; see discovery.h.
 *
 * A node is who can share the arena: a file descriptor passes from one to the other, and both mean the same
 * process by a pid. Host names say neither: containers may have the same and nothing in common. So ranks that
 * look alike (kernel, namespaces, user) try: each has a door, a socket without a file under a random name
 * that MPI told; the lowest rank of the undecided lets in who can come, and gives away its fds. Who cannot
 * tries with the next. Between two tries the ranks tell each other by MPI how it went, so nobody waits for
 * one that will not come.
 */
#include "config.h"
#include "start/discovery.h"
#include "base/error.h"
#include "base/system.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a rank says of itself between tries: the leader it belongs to, or one of these. */
enum { OPEN = -1, CAME = -2, AGAIN = -3 };

static const int64_t patience_ns = 20000 * KITH__MS, hello_ns = 2000 * KITH__MS;

struct search {
    struct kith__rendezvous *m;
    int32_t *states; /* [size] */
    int *order;      /* [size] the ranks, those that look alike together, the lowest first */
    int door, line;
};

static int compare_numbers(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

/* 0: they may be neighbours. */
static int compare_looks(const struct kith__record *a, const struct kith__record *b)
{
    int c = compare_numbers(a->uid, b->uid);

    if (c == 0)
        c = compare_numbers(a->network, b->network);
    if (c == 0)
        c = compare_numbers(a->pids, b->pids);
    if (c == 0)
        c = memcmp(a->boot, b->boot, sizeof a->boot);
    if (c == 0 && (a->network == 0 || a->pids == 0)) /* without /proc the name has to do */
        c = strcmp(a->host, b->host);
    return c;
}

static int by_looks(const void *x, const void *y, void *arg)
{
    const struct kith__record *records = arg;
    const int *a = x, *b = y;
    int c = compare_looks(&records[*a], &records[*b]);

    return c ? c : *a - *b;
}

static int tell_state(struct search *s, int32_t mine)
{
    if (s->m->mpi->allgather(&mine, s->states, sizeof mine) != 0)
        return kith__fail(KITH_EPEER, "%s cannot pass four bytes from each rank to each", s->m->mpi->title);
    return 0;
}

/* Comes to the door of leader; what to say of that. */
static int32_t come(struct search *s, int leader)
{
    const struct kith__record *r = &s->m->records[leader];
    struct kith__note note = { .kind = KITH__NOTE_HELLO, .rank = (uint32_t)s->m->rank };

    s->line = kith__conn_connect(r->door);
    if (s->line < 0)
        return errno == EAGAIN ? AGAIN : OPEN;
    memcpy(note.secret, r->secret, sizeof note.secret);
    if (kith__conn_peer(s->line) == r->pid && kith__conn_send(s->line, &note, NULL, 0))
        return CAME;
    close(s->line);
    s->line = -1;
    return OPEN;
}

/* 1: it is the rank that it says it is, and can be a neighbour. */
static int is_neighbour(const struct kith__rendezvous *m, int fd, const struct kith__note *note)
{
    const struct kith__record *mine = &m->records[m->rank];

    return note->kind == KITH__NOTE_HELLO && note->rank < (uint32_t)m->size &&
           memcmp(note->secret, mine->secret, sizeof note->secret) == 0 &&
           kith__conn_peer(fd) == m->records[note->rank].pid;
}

/* Keeps the line of one who came, or sends him away. */
static void answer(struct search *s, int fd, const struct kith__note *hello)
{
    struct kith__rendezvous *m = s->m;
    struct kith__note note = { .kind = KITH__NOTE_WELCOME, .rank = (uint32_t)m->rank };

    if (is_neighbour(m, fd, hello) && kith__rendezvous_add_line(m, &fd, (int)hello->rank) == 0) {
        if (kith__conn_send(fd, &note, m->fds, m->n_fds))
            return;
        m->downs--;
    }
    note.kind = KITH__NOTE_REFUSED;
    kith__conn_send(fd, &note, NULL, 0);
    close(fd);
}

/* One of us: nobody else is listened to. */
static int is_rank(const struct kith__rendezvous *m, pid_t pid)
{
    for (int i = 0; pid != 0 && i < m->size; i++)
        if (m->records[i].pid == pid)
            return 1;
    return 0;
}

/* A leader lets in those who came: it knows how many. Strangers do not count. */
static void let_in(struct search *s, int count)
{
    int64_t until = kith__now_ns() + patience_ns;

    while (count > 0) {
        struct kith__note hello;
        int fd = kith__conn_accept(s->door, until);

        if (fd < 0)
            return;
        if (!is_rank(s->m, kith__conn_peer(fd)) ||
            kith__conn_receive(fd, &hello, NULL, NULL, kith__now_ns() + hello_ns) != 1) {
            close(fd);
            continue;
        }
        answer(s, fd, &hello);
        count--;
    }
}

static int count_came(const struct search *s)
{
    const struct kith__rendezvous *m = s->m;
    int count = 0;

    for (int i = 0; i < m->size; i++)
        count += s->states[i] == CAME && m->leader[i] == m->rank;
    return count;
}

/* Is this rank let in? The leader, or OPEN. */
static int32_t enter(struct search *s, int leader)
{
    struct kith__rendezvous *m = s->m;
    int n = KITH__CONN_FDS, fds[KITH__CONN_FDS];
    struct kith__note note;

    if (kith__conn_receive(s->line, &note, fds, &n, kith__now_ns() + patience_ns) != 1 ||
        note.kind != KITH__NOTE_WELCOME) {
        close(s->line);
        s->line = -1;
        return OPEN;
    }
    memcpy(m->fds, fds, sizeof fds);
    m->n_fds = n;
    kith__descriptor_own(&m->up, s->line);
    s->line = -1;
    return leader;
}

/* Where each rank that is open tries: the lowest open one that looks like it. */
static void note_aims(struct search *s)
{
    struct kith__rendezvous *m = s->m;
    int lowest = -1;

    for (int i = 0; i < m->size; i++) {
        int rank = s->order[i];

        if (s->states[rank] != OPEN)
            continue;
        if (lowest < 0 || compare_looks(&m->records[lowest], &m->records[rank]) != 0)
            lowest = rank;
        m->leader[rank] = lowest;
    }
}

/* One try. A leader that was found in an earlier one still lets in those who come AGAIN. */
static int try_once(struct search *s)
{
    struct kith__rendezvous *m = s->m;
    int32_t mine = s->states[m->rank];
    int aim, rc;

    note_aims(s);
    aim = m->leader[m->rank];
    if (mine == AGAIN || (mine == OPEN && aim != m->rank))
        mine = come(s, aim);
    else if (mine == OPEN)
        mine = m->rank;
    if ((rc = tell_state(s, mine)) < 0)
        return rc;
    if (mine == m->rank)
        let_in(s, count_came(s));
    if (mine == CAME)
        mine = enter(s, aim);
    return tell_state(s, mine);
}

static int is_open(const struct search *s)
{
    for (int i = 0; i < s->m->size; i++)
        if (s->states[i] < 0)
            return 1;
    return 0;
}

int kith__discover_nodes(struct kith__rendezvous *m)
{
    struct search s = { .m = m, .door = -1, .line = -1 };
    int rc;

    s.states = malloc((size_t)m->size * sizeof *s.states);
    s.order = malloc((size_t)m->size * sizeof *s.order);
    if (!s.states || !s.order)
        return kith__fail(KITH_ENOMEM, "no memory for a table of %d ranks", m->size);
    for (int i = 0; i < m->size; i++) {
        s.states[i] = OPEN;
        s.order[i] = i;
    }
    qsort_r(s.order, (size_t)m->size, sizeof *s.order, by_looks, m->records);
    s.door = kith__conn_listen(m->records[m->rank].door); /* without a door nobody comes: the others go on */
    rc = tell_state(&s, OPEN);                            /* now all doors are there */
    while (rc == 0 && is_open(&s))
        rc = try_once(&s);
    for (int i = 0; i < m->size; i++)
        m->leader[i] = s.states[i];
    if (s.door >= 0)
        close(s.door);
    free(s.states);
    free(s.order);
    return rc;
}
