/* descriptors.h: the file descriptors that a process keeps for itself, and those that a forked one has from
 * its parent and should not keep. */
#ifndef KITH_DESCRIPTORS_H
#define KITH_DESCRIPTORS_H

#include <sys/stat.h>
#include <sys/types.h>

/* One that stays open while the program's own code runs. Programs close what they did not open, and reuse the
 * numbers: so it is known by what it refers to, and looked at before each use. */
struct kith__descriptor {
    int fd; /* -1: none */
    dev_t dev;
    ino_t ino;
    int mark;
};

/* Takes fd over, and moves it to a high number, where programs that use fixed numbers have none of theirs. */
void kith__descriptor_own(struct kith__descriptor *d, int fd);
void kith__descriptor_know(struct kith__descriptor *d, int fd); /* somebody else's: it stays as it is */
int kith__descriptor_stat(const struct kith__descriptor *d,
                          struct stat *st); /* 1: it is ours still; what fstat says of it */
int kith__descriptor_is_ours(const struct kith__descriptor *d);
int kith__descriptor_number(const struct kith__descriptor *d); /* -1 when it is not ours any more */
void kith__descriptor_close(struct kith__descriptor *d);       /* unless somebody has done so */

/* Those of a library that runs in this process: what it has opened since kith__descriptors_begin, up to room.
 * How many. */
enum { KITH__DESCRIPTORS = 1024 };
struct kith__open_descriptors {
    int fds[KITH__DESCRIPTORS], count;
};
void kith__descriptors_begin(struct kith__open_descriptors *before);
int kith__descriptors_since(const struct kith__open_descriptors *before, struct kith__descriptor *found,
                            int room);

/* Closes all from 3 on but those in keep. */
void kith__descriptors_close(const int *keep, int count);

/* From 3 on, and but for those in keep: lets go of what somebody may wait for the end of, that is pipes,
 * sockets and the terminals that programs make. In its place stands one that can be neither read nor written,
 * so that the number is not given to another file, which an old FILE would then write to. Files stay. */
void kith__descriptors_let_go(const int *keep, int count);

#endif
