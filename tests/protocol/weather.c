/* weather.c: frames on their way between nodes. */
#include "config.h"
#include "../check.h"
#include "bytes.h"
#include "weather.h"
#include "net/channel.h"

enum { FRAMES = 1 << 16 };

static const int64_t ms = 1000000;

struct flying {
    int64_t at;
    uint32_t from, to;
    size_t size;
    unsigned char *bytes;
};

struct net net;
static struct flying flying[FRAMES];
static int in_flight;
static int64_t soonest = INT64_MAX; /* nothing arrives before */

/* The first size bytes of it. */
static void fly(const struct kith__out *out, uint32_t from, int64_t delay, size_t size)
{
    struct flying *f = &flying[in_flight++];
    size_t head = size < out->head_size ? size : out->head_size;

    CU_ASSERT_FATAL(in_flight < FRAMES);
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
    if (!net.cut[from][out->peer] && draw(1000) >= (uint64_t)net.weather.lose)
        fly(out, from, delay, size);
    if (!net.cut[from][out->peer] && draw(1000) < (uint64_t)net.weather.repeat)
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
}
