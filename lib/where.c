/* where.c: see where.h. */
#include "config.h"
#include "where.h"
#include "member/members.h"

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
