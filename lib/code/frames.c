/* frames.c: see frames.h. */
#include "config.h"
#include "code/frames.h"
#include "code/image.h"

#include <string.h>

void kith__frame_by_symbol(uint64_t pc, struct kith__frame *frame)
{
    memset(frame, 0, sizeof *frame);
    frame->pc = pc;
    frame->known = kith__image_function((uintptr_t)pc, frame->function, sizeof frame->function);
}

int kith__frame_is_system(const struct kith__frame *frame)
{
    static const char *const libraries[] = {
        "ld-", "libasan.", "libc.", "liblsan.", "libtsan.", "libubsan."
    };
    struct kith__image image;

    if (strncmp(frame->function, "__interceptor_", 14) == 0 || strcmp(frame->function, "abort") == 0)
        return 1; /* they are in the program when it was linked so */
    if (!kith__image_at((uintptr_t)frame->pc, &image) || image.is_program)
        return 0;
    for (size_t i = 0; i < sizeof libraries / sizeof libraries[0]; i++)
        if (strncmp(image.name, libraries[i], strlen(libraries[i])) == 0)
            return 1;
    return 0;
}
