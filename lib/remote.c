/* remote.c: see remote.h. This version of the job has one node, and says so. */
#include "config.h"
#include "remote.h"
#include "error.h"
#include "object.h"

int kith__is_remote(uint64_t id)
{
    return kith__handle_home(id) != kith__shared->node;
}

static int far(uint64_t id)
{
    return kith__fail(KITH_EPEER, "the object is at home on node %u, which this job has not", kith__handle_home(id));
}

int kith__remote_put(uint64_t queue, const void *item, size_t size, int timeout_ms)
{
    (void)item;
    (void)size;
    (void)timeout_ms;
    return far(queue);
}

int64_t kith__remote_get(uint64_t queue, void *buf, size_t room, int exact, int peek, int timeout_ms)
{
    (void)buf;
    (void)room;
    (void)exact;
    (void)peek;
    (void)timeout_ms;
    return far(queue);
}

int64_t kith__remote_count(uint64_t queue)
{
    return far(queue);
}

int kith__remote_end(uint64_t queue)
{
    return far(queue);
}

int kith__remote_find(const char *name, size_t bound, uint64_t *id)
{
    (void)bound;
    (void)id;
    return kith__fail(KITH_EPEER, "the Queue \"%s\" is at home on node 0, which this job has not", name);
}
