/* descriptors.h: the file descriptors that a forked process has from its parent, and should not keep. */
#ifndef KITH_DESCRIPTORS_H
#define KITH_DESCRIPTORS_H

/* Closes all from 3 on but those in keep. */
void kith__descriptors_close(const int *keep, int count);

/* From 3 on, and but for those in keep: lets go of what somebody may wait for the end of, that is pipes,
 * sockets and the terminals that programs make. In its place stands one that can be neither read nor written,
 * so that the number is not given to another file, which an old FILE would then write to. Files stay. */
void kith__descriptors_let_go(const int *keep, int count);

#endif
