/* where.c: see where.h. */
#include "config.h"
#include "where.h"
#include "base/error.h"
#include "base/log.h"
#include "member/members.h"
#include "object/class.h"

#include <unistd.h>

static struct {
    int rank, size;
} me = { 0, 1 };

void kith__where_set(int rank, int size)
{
    me.rank = rank;
    me.size = size;
}

int kith_rank(void)
{
    return me.rank;
}
int kith_size(void)
{
    return me.size;
}
int kith_node(void)
{
    return kith__base ? (int)kith__shared->node : 0;
}
int kith_nodes(void)
{
    return kith__base ? (int)kith__shared->nodes : 1;
}

const char *kith_host(void)
{
    static char host[64];

    if (kith__base)
        return kith__shared->host;
    gethostname(host, sizeof host - 1);
    return host;
}

/* A node that is lost says nothing any more. */
static void tell_nodes(unsigned method, uint64_t number)
{
    for (uint32_t k = 0; kith__base && kith__me && k < kith__shared->nodes; k++)
        if (k != kith__shared->node)
            kith__ask_node(k, KITH__NODE_KIND, method, &(struct kith__args){ .number = number });
}

int kith_log_level(int level)
{
    if (level < 1)
        return kith__report(kith__fail(KITH_EINVAL, "a log level of %d: give KITH_LOG_DEBUG or more", level));
    kith__log_set(level);
    tell_nodes(KITH__NODE_LOG, (uint64_t)level);
    return 0;
}

void kith__where_handler(void)
{
    tell_nodes(KITH__NODE_FAULTS, 0);
}
