/* weather.c: frames on their way between nodes. */
#include "config.h"
#include "../check.h"
#include "bytes.h"
#include "weather.h"
#include "net/channel.h"

enum { CUTS = 64 };

static const int64_t ms = 1000000;

struct flying {
    int64_t at;
    uint32_t from, to;
    size_t size;
    unsigned char *bytes;
};

struct net net;
static struct flying *flying;
static int in_flight, room;
static int64_t soonest = INT64_MAX; /* nothing arrives before */

static struct cut {
    uint32_t a, b;
} cuts[CUTS];
static int cut_count;

static int is_cut(uint32_t a, uint32_t b)
{
    for (const struct cut *c = cuts; c < cuts + cut_count; c++)
        if ((c->a == a && (c->b == b || c->b == ANY_NODE)) || (c->a == b && (c->b == a || c->b == ANY_NODE)))
            return 1;
    return 0;
}

void cut(uint32_t a, uint32_t b, int yes)
{
    int i = 0;

    while (i < cut_count && !(cuts[i].a == a && cuts[i].b == b) && !(cuts[i].a == b && cuts[i].b == a))
        i++;
    if (yes && i == cut_count) {
        CU_ASSERT_FATAL(cut_count < CUTS);
        cuts[cut_count++] = (struct cut){ a, b };
    } else if (!yes && i < cut_count) {
        cuts[i] = cuts[--cut_count];
    }
}

void mend(void)
{
    cut_count = 0;
}

/* The first size bytes of it. */
static void fly(const struct kith__out *out, uint32_t from, int64_t delay, size_t size)
{
    size_t head = size < out->head_size ? size : out->head_size;
    struct flying *f;

    if (in_flight == room)
        REQUIRE(flying = realloc(flying, (size_t)(room = room ? 2 * room : 1024) * sizeof *flying));
    f = &flying[in_flight++];
    *f = (struct flying){ net.now + delay, from, out->peer, size, new_bytes(size) };
    memcpy(f->bytes, out->head, head);
    if (size > head)
        memcpy(f->bytes + head, out->body, size - head);
    soonest = f->at < soonest ? f->at : soonest;
}

void transmit(const struct kith__out *out, uint32_t from)
{
    size_t size = out->head_size + out->body_size;
    int64_t delay =
        (int64_t)draw(3) * ms / 10 + (draw(1000) < (uint64_t)net.weather.delay ? (int64_t)draw(300) * ms : 0);
    int gone = is_cut(from, out->peer);

    CU_ASSERT(size <= KITH__FRAME_MOST);
    if (net.rate) {
        if (net.busy_until[from] < net.now)
            net.busy_until[from] = net.now;
        net.busy_until[from] += (int64_t)(size * (uint64_t)ms / net.rate);
        delay += net.busy_until[from] - net.now;
    }
    if (out->frame && ((struct kith__frame *)out->frame)->sent > 0)
        net.resent_bytes += size;
    else
        net.fresh_bytes += size;
    if (draw(1000) < (uint64_t)net.weather.truncate)
        size = draw(size);
    if (!gone && draw(1000) >= (uint64_t)net.weather.lose)
        fly(out, from, delay, size);
    if (!gone && draw(1000) < (uint64_t)net.weather.repeat)
        fly(out, from, delay + (int64_t)draw(50) * ms, size);
}

int64_t land(void (*arrived)(uint32_t from, uint32_t to, const void *bytes, size_t size))
{
    int64_t next = INT64_MAX;

    if (net.now < soonest)
        return soonest;
    for (int i = 0; i < in_flight; i++) {
        struct flying f = flying[i];

        if (f.at > net.now) {
            next = f.at < next ? f.at : next;
            continue;
        }
        flying[i--] = flying[--in_flight];
        arrived(f.from, f.to, f.bytes, f.size);
        free_bytes(f.bytes, f.size);
    }
    soonest = next;
    return next;
}

void clear_sky(void)
{
    for (; in_flight > 0; in_flight--)
        free_bytes(flying[in_flight - 1].bytes, flying[in_flight - 1].size);
    soonest = INT64_MAX;
    free(flying);
    flying = NULL;
    room = 0;
    mend();
}
