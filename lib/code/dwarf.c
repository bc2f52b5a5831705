/* dwarf.c: kith-trace.so, which knows files and lines by libdw of elfutils. Loaded when a crash is reported.
 */
#include "config.h"
#include "code/image.h"
#include "code/trace.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

kith__trace_fn kith__trace_by_dwarf __attribute__((visibility("default")));

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* Debug information is looked for in the file and, by its build-id, on this machine; the library's own way
 * would ask servers on the network. */
static int find_debuginfo(Dwfl_Module *module, void **data, const char *name, Dwarf_Addr base,
                          const char *file, const char *link, GElf_Word crc, char **found)
{
    (void)link;
    (void)crc;
    return dwfl_build_id_find_debuginfo(module, data, name, base, file, NULL, 0, found);
}

static const Dwfl_Callbacks callbacks = { .find_debuginfo = find_debuginfo };

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static void set_file(struct kith__frame *frame, const char *path, int line)
{
    snprintf(frame->file, sizeof frame->file, "%s", last_part(path));
    frame->line = line;
}

/* Where an inlined function was called: its own entry tells, and the list of files of its unit. */
static void set_call_site(struct kith__frame *frame, Dwarf_Die *unit, Dwarf_Die *inlined)
{
    Dwarf_Attribute attribute;
    Dwarf_Word file, line;
    Dwarf_Files *files;
    const char *path;

    if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_file, &attribute), &file) != 0 ||
        dwarf_formudata(dwarf_attr(inlined, DW_AT_call_line, &attribute), &line) != 0 ||
        dwarf_getsrcfiles(unit, &files, NULL) != 0)
        return;
    path = dwarf_filesrc(files, (size_t)file, NULL, NULL);
    if (path)
        set_file(frame, path, (int)line);
}

/* The compilation unit that pc belongs to. The index of addresses tells; clang writes none. */
static Dwarf_Die *find_unit(Dwfl_Module *module, Dwarf_Addr pc, Dwarf_Addr *bias)
{
    Dwarf_Die *unit = dwfl_module_addrdie(module, pc, bias);

    if (unit)
        return unit;
    while ((unit = dwfl_module_nextcu(module, unit, bias)))
        if (dwarf_haspc(unit, pc - *bias) > 0)
            return unit;
    return NULL;
}

/* The functions that pc (as the unit counts) is in, from the innermost. */
static int add_scopes(Dwarf_Die *unit, Dwarf_Addr pc, struct kith__frame *frames, int room)
{
    Dwarf_Die *scopes = NULL, *physical = NULL;
    int n = dwarf_getscopes(unit, pc, &scopes), used = 0;

    /* These are the scopes as written; those that surround the innermost in the code lead to the callers. */
    n = n > 0 ? dwarf_getscopes_die(&scopes[0], &physical) : 0;
    for (int i = 0; i < n && used < room; i++) {
        int tag = dwarf_tag(&physical[i]);
        const char *name = dwarf_diename(&physical[i]);

        if ((tag != DW_TAG_subprogram && tag != DW_TAG_inlined_subroutine) || !name)
            continue;
        snprintf(frames[used].function, sizeof frames[used].function, "%s", name);
        frames[used].known = 1;
        frames[used++].inlined = tag == DW_TAG_inlined_subroutine;
        if (tag == DW_TAG_subprogram)
            break;
        if (used < room)
            set_call_site(&frames[used], unit, &physical[i]);
    }
    free(physical);
    free(scopes);
    return used;
}

static void set_line(struct kith__frame *frame, Dwarf_Die *unit, Dwarf_Addr pc)
{
    Dwarf_Line *line = dwarf_getsrc_die(unit, pc);
    const char *path = line ? dwarf_linesrc(line, NULL, NULL) : NULL;
    int number;

    if (path && dwarf_lineno(line, &number) == 0)
        set_file(frame, path, number);
}

/* The frames of one pc, from what its module tells. */
static int describe(Dwfl_Module *module, Dwarf_Addr pc, struct kith__frame *frames, int room)
{
    Dwarf_Addr bias;
    Dwarf_Die *unit = find_unit(module, pc, &bias);
    int used = unit ? add_scopes(unit, pc - bias, frames, room) : 0;

    if (used == 0) {
        kith__frame_by_symbol(pc, &frames[0]);
        used = 1;
    }
    if (unit)
        set_line(&frames[0], unit, pc - bias);
    for (int i = 0; i < used; i++)
        frames[i].pc = pc;
    return used;
}

/* Tells dwfl of the file that pc lies in, if it is still the one that was loaded. */
static void report(Dwfl *dwfl, uint64_t pc)
{
    const struct kith__frame frame = { .pc = pc };
    struct kith__image image;

    if (!kith__frame_is_system(&frame) && kith__image_at((uintptr_t)pc, &image) &&
        kith__image_on_disk(&image))
        dwfl_report_elf(dwfl, image.name, image.is_program ? "/proc/self/exe" : image.path, -1, image.bias,
                        true);
}

int kith__trace_by_dwarf(const uint64_t *pcs, int count, struct kith__frame *frames, int room)
{
    Dwfl_Module *module;
    Dwfl *dwfl;
    int used = 0;

    pthread_mutex_lock(&mutex);
    dwfl = dwfl_begin(&callbacks);
    for (int i = 0; dwfl && i < count; i++)
        if (!dwfl_addrmodule(dwfl, pcs[i])) {
            dwfl_report_begin_add(dwfl);
            report(dwfl, pcs[i]);
            dwfl_report_end(dwfl, NULL, NULL);
        }
    for (int i = 0; i < count && used < room; i++) {
        memset(&frames[used], 0, (size_t)(room - used) * sizeof *frames);
        module = dwfl ? dwfl_addrmodule(dwfl, pcs[i]) : NULL;
        if (module)
            used += describe(module, pcs[i], &frames[used], room - used);
        else
            kith__frame_by_symbol(pcs[i], &frames[used++]);
    }
    dwfl_end(dwfl);
    pthread_mutex_unlock(&mutex);
    return used;
}
