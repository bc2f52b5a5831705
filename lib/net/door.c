/* door.c: see door.h. */
#include "config.h"
#include "net/door.h"

#include <stdio.h>
#include <string.h>
#include <zmq.h>

struct question {
    char id[256];
    size_t id_size;
    int parts;
    struct kith__caller caller;
};

void *kith__door_open(void *context)
{
    void *door = zmq_socket(context, ZMQ_REP);

    if (door && zmq_bind(door, "inproc://zeromq.zap.01") < 0) {
        zmq_close(door);
        return NULL;
    }
    return door;
}

static size_t part(void *socket, void *to, size_t room)
{
    int n = zmq_recv(socket, to, room, ZMQ_DONTWAIT);

    return n < 0 ? 0 : (size_t)n < room ? (size_t)n : room;
}

static int has_more(void *socket)
{
    int more = 0;
    size_t size = sizeof more;

    return zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size) == 0 && more;
}

static void hear_credential(void *door, struct kith__caller *c, int i)
{
    c->sizes[i] = part(door, c->credentials[i], KITH__CREDENTIALS - 1);
}

/* Parts: version, id, domain, address, identity, mechanism, credentials. 0: nobody asks. */
static int hear(void *door, struct question *q)
{
    char skipped[256];

    memset(q, 0, sizeof *q);
    for (; q->parts == 0 || has_more(door); q->parts++)
        switch (q->parts) {
        case 0:
            if (part(door, skipped, sizeof skipped) == 0)
                return 0;
            break;
        case 1: q->id_size = part(door, q->id, sizeof q->id); break;
        case 5: part(door, q->caller.mechanism, sizeof q->caller.mechanism - 1); break;
        case 6:
        case 7: hear_credential(door, &q->caller, q->parts - 6); break;
        default: part(door, skipped, sizeof skipped);
        }
    return q->id_size > 0;
}

int kith__door_same(const void *a, const void *b, size_t size)
{
    const unsigned char *x = a, *y = b;
    unsigned char differs = 0;

    for (size_t i = 0; i < size; i++)
        differs |= x[i] ^ y[i];
    return differs == 0;
}

static void say(void *door, const struct question *q, int64_t who)
{
    char user[16] = "";

    if (who >= 0)
        snprintf(user, sizeof user, "%u", (unsigned)who);
    zmq_send(door, "1.0", 3, ZMQ_SNDMORE);
    zmq_send(door, q->id, q->id_size, ZMQ_SNDMORE);
    zmq_send(door, who >= 0 ? "200" : "400", 3, ZMQ_SNDMORE);
    zmq_send(door, who >= 0 ? "OK" : "stranger", who >= 0 ? 2 : 8, ZMQ_SNDMORE);
    zmq_send(door, user, strlen(user), ZMQ_SNDMORE);
    zmq_send(door, "", 0, 0);
}

uint64_t kith__door_answer(void *door, int64_t (*known)(void *context, const struct kith__caller *caller),
                           void *context)
{
    struct question q;
    uint64_t refused = 0;

    while (hear(door, &q)) {
        int64_t who = q.parts >= 7 ? known(context, &q.caller) : -1;

        refused += who < 0;
        say(door, &q, who);
    }
    return refused;
}
