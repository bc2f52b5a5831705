/* maps.c: see maps.h. */
#include "config.h"
#include "base/maps.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* Of user space; the page of system calls lies above it. What is larger than any memory that a program points
 * into is reserved space: the shadow memory of a sanitizer. */
static const uint64_t lowest = UINT64_C(1) << 32, highest = UINT64_C(1) << 47, largest = UINT64_C(1) << 36;

struct range {
    uint64_t start, end;
};

static struct {
    pthread_once_t once;
    struct range *ranges; /* in order of address */
    size_t count, room;
} self = { .once = PTHREAD_ONCE_INIT };

static int is_of_program(const struct range *r, const char *access)
{
    return access[0] == 'r' && r->start >= lowest && r->end <= highest && r->end - r->start <= largest;
}

/* Without memory the rest is left out. */
static int add(const struct range *r)
{
    if (self.count > 0 && self.ranges[self.count - 1].end == r->start) {
        self.ranges[self.count - 1].end = r->end;
        return 1;
    }
    if (self.count == self.room) {
        size_t room = self.room ? 2 * self.room : 64;
        struct range *more = realloc(self.ranges, room * sizeof *more);

        if (!more)
            return 0;
        self.ranges = more;
        self.room = room;
    }
    self.ranges[self.count++] = *r;
    return 1;
}

static void read_maps(void)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char *line = NULL, access[5];
    struct range r;
    size_t room = 0;

    while (maps && getline(&line, &room, maps) > 0)
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s", &r.start, &r.end, access) == 3 &&
            is_of_program(&r, access) && !add(&r))
            break;
    free(line);
    if (maps)
        fclose(maps);
}

int kith__maps_hold(uint64_t address)
{
    size_t low = 0, high;

    if (address < lowest || address >= highest)
        return 0;
    pthread_once(&self.once, read_maps);
    high = self.count;
    while (low < high) {
        size_t middle = (low + high) / 2;

        if (address < self.ranges[middle].start)
            high = middle;
        else if (address >= self.ranges[middle].end)
            low = middle + 1;
        else
            return 1;
    }
    return 0;
}
