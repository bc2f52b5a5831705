/* output.c: see output.h. */
#include "config.h"
#include "member/output.h"
#include "base/error.h"
#include "member/members.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <string.h>
#include <unistd.h>

/* The streams of libstdc++ and of libc++ and their member flush, where the program has them. */
typedef void *cxx_flush(void *stream);
extern char std_cout[] __asm__("_ZSt4cout") __attribute__((weak));
extern char std_clog[] __asm__("_ZSt4clog") __attribute__((weak));
extern char std_wcout[] __asm__("_ZSt5wcout") __attribute__((weak));
extern cxx_flush std_flush __asm__("_ZNSo5flushEv") __attribute__((weak));
extern cxx_flush std_wflush __asm__("_ZNSt13basic_ostreamIwSt11char_traitsIwEE5flushEv")
    __attribute__((weak));
extern char std1_cout[] __asm__("_ZNSt3__14coutE") __attribute__((weak));
extern cxx_flush std1_flush __asm__("_ZNSt3__113basic_ostreamIcNS_11char_traitsIcEEE5flushEv")
    __attribute__((weak));

/* Before its first word, the table of its virtual functions, is set there is no stream yet: a C program may
 * have libstdc++ only because of one of its libraries (a sanitizer's), and nothing constructs the streams
 * then. */
static int is_constructed(const char *stream)
{
    void *first;

    memcpy(&first, stream, sizeof first);
    return first != NULL;
}

static void flush_cxx(void)
{
    static const struct {
        char *stream;
        cxx_flush *flush;
    } streams[] = {
        { std_cout, std_flush }, { std_clog, std_flush }, { std_wcout, std_wflush }, { std1_cout, std1_flush }
    };

    for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++)
        if (streams[i].stream && streams[i].flush && is_constructed(streams[i].stream))
            streams[i].flush(streams[i].stream);
}

void kith__output_flush(void)
{
    if (std_cout || std1_cout)
        flush_cxx();
    if (__fpending(stdout) > 0)
        fflush(stdout);
}

int kith__output_error(void)
{
    int error, flags;

    errno = 0;
    if (__fpending(stdout) > 0)
        fflush(stdout);
    if (!ferror_unlocked(stdout))
        return 0;
    error = errno ? errno : -1;
    flags = fcntl(fileno(stdout), F_GETFL);
    return flags < 0 || (flags & O_ACCMODE) == O_RDONLY ? 0 : error;
}

void kith__output_lost(int error)
{
    int32_t none = 0;

    atomic_compare_exchange_strong(&kith__shared->output_error, &none, error);
}

static __attribute__((noinline)) int settle(void)
{
    int error;

    kith__output_flush();
    if ((error = kith__output_error()) != 0)
        kith__output_lost(error);
    return error;
}

/* After each claim: what a C program that has printed nothing pays for is this one look. */
int kith__output_settle(void)
{
    if (!std_cout && !std1_cout && __fpending(stdout) == 0 && !ferror_unlocked(stdout))
        return 0;
    return settle();
}

int kith__output_check(void)
{
    int error = atomic_load(&kith__shared->output_error);

    if (error == 0)
        return 0;
    if (error < 0)
        return kith__fail(KITH_ENOMEM, "some output of tasks or Processes to stdout could not be written");
    return kith__fail(KITH_ENOMEM, "output of tasks or Processes to stdout cannot be written: %s",
                      strerror(error));
}
