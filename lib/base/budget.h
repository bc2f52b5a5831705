/* budget.h: how much memory this job may take on this node.
 *
 * The least of what the machine has left and what each memory cgroup above this process has left (v1
 * and v2). Pure but for the files that it reads: root stands before each path, "" for the real
 * ones, so that tests can offer a tree of their own.
 */
#ifndef KITH_BUDGET_H
#define KITH_BUDGET_H

#include <stdint.h>

struct kith__budget {
    uint64_t left;   /* bytes; some are kept back */
    uint64_t limit;  /* of what bounds it */
    char where[256]; /* what bounds it: "" the machine, else the file that holds the limit */
};

enum { KITH__BUDGET_GROUPS = 16 };

/* The groups that were found, kept for the next time: zeros at first. A process may be moved to another one.
 */
struct kith__budget_groups {
    char seen[2048]; /* /proc/self/cgroup */
    int count;
    struct {
        int version;
        char directory[512];
    } group[KITH__BUDGET_GROUPS];
    char path[4096], text[8192]; /* room to work, which would be much of a small stack */
};

void kith__budget_read(const char *root, struct kith__budget_groups *groups, struct kith__budget *out);

/* "512M", "4G", "1.5GiB", "100000": *bytes, or KITH_EINVAL with a sentence that names variable. */
int kith__parse_size(const char *variable, const char *text, uint64_t *bytes);

/* Writes bytes for people, "1.5 GiB", into text, and returns text. */
#define KITH__SIZE_TEXT 32
const char *kith__size_text(uint64_t bytes, char text[KITH__SIZE_TEXT]);

#endif
