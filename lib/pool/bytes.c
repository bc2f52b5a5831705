/* bytes.c: results of any size: what a task leaves of them, and what becomes of that. */
#include "config.h"
#include "base/error.h"
#include "kith.h"

#include <string.h>

int kith_bytes_set(kith_bytes *b, const void *data, size_t size)
{
    void *new;
    int rc = 0;

    if (!b)
        return kith__report(kith__fail(KITH_EINVAL, "kith_bytes_set was given NULL for the bytes"));
    if (!(new = kith_alloc(size)))
        return KITH_ENOMEM;
    if (data && size)
        memcpy(new, data, size); /* before the old ones go, which it may be a part of */
    if (b->data)
        rc = kith_free(b->data);
    b->data = new;
    b->size = size;
    return rc;
}

int kith_bytes_free(kith_bytes *list, size_t n)
{
    int rc = 0;

    if (!list && n > 0)
        return kith__report(kith__fail(KITH_EINVAL, "kith_bytes_free was given NULL for %zu results", n));
    for (size_t i = 0; i < n; i++) {
        if (kith_free(list[i].data) < 0)
            rc = KITH_EINVAL;
        list[i] = (kith_bytes){ NULL, 0 };
    }
    return rc;
}
