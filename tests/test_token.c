/* test_token.c: functions as tokens. The program runs itself anew to resolve them in a process with another
 * address layout. It is built twice, position-independent and not. */
#include "config.h"
#include "check.h"
#include "code/image.h"
#include "base/system.h"
#include "code/token.h"

#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int thrice(int x)
{
    return 3 * x;
} /* static: only the file knows its name */
int kith_test_square(int x);
int kith_test_square(int x)
{
    return x * x;
}

#if defined __x86_64__ && defined __GNUC__ && !defined __clang__ && !defined __SANITIZE_THREAD__
/* A function with variants: the loader chooses one, before the thread sanitizer is up. */
__attribute__((target_clones("avx2", "default"), noinline)) int kith_test_variants(int x);
int kith_test_variants(int x)
{
    return x + 7;
}
#define HAVE_VARIANTS 1
#endif

typedef double number_fn(double);
typedef int integer_fn(int);

static char self[4096];

/* Another CPU, for the C library: one that has less. The names of glibc before 2.33 are others. */
static const char less[] =
    "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F,-AVX512VL,-SSE4_1,-SSE4_2,-AVX2_Usable,-FMA_Usable,"
    "-FMA4_Usable,-AVX512F_Usable,-AVX512VL_Usable";
static int other_cpu; /* 1: elsewhere is a CPU that has less, or, where this one has, one that has more */

/* The address that the loader has for it; a program that is not position-independent has another one. */
static kith__anyfn *from_library(void *library, const char *name)
{
    void *p = dlsym(library, name);
    kith__anyfn *fn;

    memcpy(&fn, &p, sizeof fn);
    return fn;
}

static kith__anyfn *from_libm(const char *name)
{
    void *libm = dlopen("libm.so.6", RTLD_LAZY | RTLD_NOLOAD);
    kith__anyfn *fn;

    CU_ASSERT_PTR_NOT_NULL_FATAL(libm);
    fn = from_library(libm, name);
    dlclose(libm);
    return fn;
}

/* What a function gives in a process of its own with argument 5, as text; NULL: it could not be resolved,
 * and text is the sentence. */
static int elsewhere(const struct kith__token *t, const char *kind, char *text, size_t room)
{
    char hex[2 * sizeof *t + 1];
    const unsigned char *bytes = (const unsigned char *)t;
    int out[2], status;
    ssize_t n;
    pid_t pid;

    for (size_t i = 0; i < sizeof *t; i++)
        snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
    CU_ASSERT_FATAL(pipe(out) == 0);
    pid = fork();
    if (pid == 0) {
        dup2(out[1], STDOUT_FILENO);
        close(out[0]);
        close(out[1]);
        if (other_cpu && getenv("GLIBC_TUNABLES"))
            unsetenv("GLIBC_TUNABLES");
        else if (other_cpu)
            setenv("GLIBC_TUNABLES", less, 1);
        execl(self, self, "--resolve", kind, hex, (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    n = read(out[0], text, room - 1);
    text[n > 0 ? n : 0] = '\0';
    close(out[0]);
    CU_ASSERT_FATAL(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Where it is in its library, which is the same wherever that is loaded. */
static uintptr_t offset_of(kith__anyfn *fn)
{
    struct kith__image image;

    return kith__image_at((uintptr_t)fn, &image) ? (uintptr_t)fn - image.bias : 0;
}

static void print_offset(kith__anyfn *fn)
{
    printf("%zx", (size_t)offset_of(fn));
}

static int resolve_and_call(const char *kind, const char *hex)
{
    struct kith__token t;
    unsigned char *bytes = (unsigned char *)&t;
    kith__anyfn *fn;

    for (size_t i = 0; i < sizeof t; i++)
        sscanf(hex + 2 * i, "%2hhx", &bytes[i]);
    if (kith__token_resolve(&t, &fn) < 0) {
        printf("%s", kith_last_error());
        return 1;
    }
    if (kind[0] == 'o')
        print_offset(fn);
    else if (kind[0] == 'd')
        printf("%.9g", ((number_fn *)fn)(5.0));
    else if (kind[0] == 'i')
        printf("%d", ((integer_fn *)fn)(5));
    else
        printf("%d", ((int (*)(const void *, const void *, size_t))fn)("kith", "kite", 3));
    return 0;
}

static void goes_over(kith__anyfn *fn, const char *kind, const char *expected, const char *name)
{
    struct kith__token t;
    char text[512];

    PASS(kith__token_make(&t, fn));
    kith__token_name(&t, text, sizeof text);
    CU_ASSERT_STRING_EQUAL(text, name);
    CU_ASSERT_EQUAL(elsewhere(&t, kind, text, sizeof text), 0);
    CU_ASSERT_STRING_EQUAL(text, expected);
}

static void static_function_of_the_program_is_found_elsewhere(void)
{
    goes_over((kith__anyfn *)thrice, "i", "15", "thrice");
}

static void global_function_of_the_program_is_found_elsewhere(void)
{
    goes_over((kith__anyfn *)kith_test_square, "i", "25", "kith_test_square");
}

static void plain_function_of_a_library_is_found_elsewhere(void)
{
    goes_over((kith__anyfn *)(double (*)(double))cbrt, "d", "1.70997595", "cbrt");
}

/* sin and strncmp are indirect: the loader chooses among variants that have no exported name. */
static void indirect_function_of_a_library_is_found_elsewhere(void)
{
    struct kith__token t;

    goes_over((kith__anyfn *)(double (*)(double))sin, "d", "-0.958924275", "sin");
    goes_over((kith__anyfn *)strncmp, "s", "0", "strncmp");
    PASS(kith__token_make(&t, from_libm("sin")));
    CU_ASSERT_EQUAL(t.kind, KITH__TOKEN_SYMBOL);
    CU_ASSERT_STRING_EQUAL(t.symbol, "sin");
    CU_ASSERT_STRING_EQUAL(t.object, "libm.so.6");
}

/* 1: the C library has a variant of sin for this CPU that one with less does not get. */
static int has_more(void)
{
#if defined __x86_64__ && defined __GLIBC__
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return 0;
#endif
}

/* Between two nodes of which one has another CPU: that of GLIBC_TUNABLES. There and back. */
static void each_cpu_calls_its_own_variant(void)
{
    struct kith__token t;
    char here[32], there[512];

    other_cpu = 1;
    goes_over((kith__anyfn *)(double (*)(double))sin, "d", "-0.958924275", "sin");
    goes_over((kith__anyfn *)strncmp, "s", "0", "strncmp");
    PASS(kith__token_make(&t, from_libm("sin")));
    snprintf(here, sizeof here, "%zx", (size_t)offset_of(from_libm("sin")));
    CU_ASSERT_EQUAL(elsewhere(&t, "o", there, sizeof there), 0);
    other_cpu = 0;
    if (has_more())
        CU_ASSERT_STRING_NOT_EQUAL(here, there);
    CU_ASSERT_EQUAL(elsewhere(&t, "o", there, sizeof there), 0);
    CU_ASSERT_STRING_EQUAL(here, there);
}

static void run_with_less(void)
{
    setenv("GLIBC_TUNABLES", less, 1);
    setenv("KITH_TEST_ONLY", "each_cpu_calls_its_own_variant", 1);
    execl(self, self, (char *)NULL);
    _exit(127);
}

static void so_does_one_that_has_less(void)
{
    if (getenv("GLIBC_TUNABLES"))
        SKIP("it is the other one");
    CU_ASSERT_EQUAL(check_fork(run_with_less), 0);
}

static void indirect_function_of_the_program_is_found_elsewhere(void)
{
#ifdef HAVE_VARIANTS
    struct kith__token t;
    struct kith__image image;
    uintptr_t slot;
    char text[512];

    kith__image_program(&image);
    PASS(kith__token_make(&t, (kith__anyfn *)kith_test_variants));
    CU_ASSERT_EQUAL(elsewhere(&t, "i", text, sizeof text), 0);
    CU_ASSERT_STRING_EQUAL(text, "12");
    /* also by the address of the variant itself, which the loader has put into a slot */
    slot = 0;
    for (uintptr_t a = image.start; a < image.end && !slot; a++)
        if (kith__image_is_code(&image, a))
            slot = kith__image_indirect_slot(&image, a);
    CU_ASSERT_FATAL(slot != 0);
    PASS(kith__token_make(&t, *(kith__anyfn **)(image.bias + slot)));
    CU_ASSERT_EQUAL(t.kind, KITH__TOKEN_SLOT);
    CU_ASSERT_EQUAL(elsewhere(&t, "i", text, sizeof text), 0);
    CU_ASSERT_STRING_EQUAL(text, "12");
#endif
}

static void what_is_no_function_is_refused(void)
{
    static int data;
    struct kith__token t;
    int local = 0;

    FAILS_WITH(KITH_EINVAL, kith__token_make(&t, NULL));
    FAILS_WITH(KITH_EFUNC, kith__token_make(&t, (kith__anyfn *)(uintptr_t)&data));
    FAILS_WITH(KITH_EFUNC, kith__token_make(&t, (kith__anyfn *)(uintptr_t)&local));
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "neither the program nor a library"));
}

static void missing_library_symbol_and_build_are_told(void)
{
    struct kith__token t, good;
    kith__anyfn *fn;

    PASS(kith__token_make(&good, from_libm("cbrt")));
    t = good;
    strcpy(t.object, "libabsent.so.3");
    FAILS_WITH(KITH_EFUNC, kith__token_resolve(&t, &fn));
    CU_ASSERT_PTR_NOT_NULL(
        strstr(kith_last_error(), "function cbrt: its library libabsent.so.3 is not loaded"));
    t = good;
    strcpy(t.symbol, "cbrt_of_tomorrow");
    FAILS_WITH(KITH_EFUNC, kith__token_resolve(&t, &fn));
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "cbrt_of_tomorrow"));
    t = good;
    strcpy(t.version, "GLIBC_2.999");
    FAILS_WITH(KITH_EFUNC, kith__token_resolve(&t, &fn));
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "GLIBC_2.999"));
    PASS(kith__token_make(&t, (kith__anyfn *)thrice));
    t.id[3] ^= 1;
    FAILS_WITH(KITH_EFUNC, kith__token_resolve(&t, &fn));
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "another build"));
}

static void damaged_tokens_are_refused(void)
{
    struct kith__token t, good;
    kith__anyfn *fn;

    memset(&t, 0, sizeof t);
    FAILS_WITH(KITH_EFUNC, kith__token_resolve(&t, &fn));
    PASS(kith__token_make(&good, (kith__anyfn *)thrice));
    t = good;
    t.kind = 77;
    FAILS_WITH(KITH_EFUNC, kith__token_resolve(&t, &fn));
    for (int kind = KITH__TOKEN_OFFSET; kind <= KITH__TOKEN_SLOT; kind++)
        for (int shift = 0; shift < 64; shift++) {
            t = good;
            t.kind = (uint32_t)kind;
            t.offset ^= UINT64_C(1) << shift;
            if (kith__token_resolve(&t, &fn) == 0)
                CU_ASSERT(t.offset < UINT64_C(1) << 32);
        }
    t = good;
    memset(t.object, 'x', sizeof t.object);
    FAILS_WITH(KITH_EFUNC, kith__token_resolve(&t, &fn));
}

static int resolved_in_a_child(const struct kith__token *t)
{
    kith__anyfn *fn;
    int status;
    pid_t pid = fork();

    if (pid == 0)
        _exit(kith__token_resolve(t, &fn) == 0 ? ((integer_fn *)fn)(5) : 99);
    waitpid(pid, &status, 0);
    return WEXITSTATUS(status);
}

static void family_uses_the_pointer(void)
{
    struct kith__token t, late;
    kith__anyfn *fn;

    PASS(kith__token_make(&late, (kith__anyfn *)thrice));
    CU_ASSERT_EQUAL(late.family, 0);
    PASS(kith__token_family());
    PASS(kith__token_make(&t, (kith__anyfn *)thrice));
    CU_ASSERT_NOT_EQUAL(t.family, 0);
    CU_ASSERT_EQUAL(resolved_in_a_child(&t), 15);
    t.kind = KITH__TOKEN_NONE; /* the pointer alone does */
    CU_ASSERT_EQUAL(resolved_in_a_child(&t), 15);
    t.family ^= 1; /* a stranger's pointer is not touched */
    FAILS_WITH(KITH_EFUNC, kith__token_resolve(&t, &fn));
    CU_ASSERT_EQUAL(resolved_in_a_child(&late), 15);
}

static void library_of_later_is_not_in_the_family(void)
{
    struct kith__token t;
    void *library;

    PASS(kith__token_family());
    library = dlopen("libBrokenLocale.so.1", RTLD_NOW); /* part of the C library, used by nobody */
    if (!library)
        return;
    PASS(kith__token_make(&t, from_library(library, "__ctype_get_mb_cur_max")));
    CU_ASSERT_EQUAL(t.family, 0);
    CU_ASSERT_STRING_EQUAL(t.object, "libBrokenLocale.so.1");
    dlclose(library);
}

static void *make_many(void *arg)
{
    static integer_fn *const fns[] = { thrice, kith_test_square };
    struct kith__token t;
    kith__anyfn *fn;
    char name[64];

    for (int i = 0; i < 20000; i++) {
        if (kith__token_make(&t, (kith__anyfn *)fns[i % 2]) < 0 || kith__token_resolve(&t, &fn) < 0 ||
            ((integer_fn *)fn)(5) != (i % 2 ? 25 : 15))
            return arg;
        if (i % 1000 == 0 && kith__token_name(&t, name, sizeof name) != (i % 2 ? 16 : 6))
            return arg;
    }
    return NULL;
}

static void threads_make_tokens_at_once(void)
{
    pthread_t thread[4];
    void *failed;

    for (int i = 0; i < 4; i++)
        CU_ASSERT_FATAL(pthread_create(&thread[i], NULL, make_many, self) == 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(thread[i], &failed);
        CU_ASSERT_PTR_NULL(failed);
    }
}

static void program_id_is_the_same_elsewhere(void)
{
    unsigned char id[20], again[20];
    struct kith__token t;

    kith__program_id(id);
    kith__program_id(again);
    CU_ASSERT_EQUAL(memcmp(id, again, sizeof id), 0);
    PASS(kith__token_make(&t, (kith__anyfn *)thrice));
    CU_ASSERT_EQUAL(memcmp(id, t.id, sizeof id), 0);
    memset(again, 0, sizeof again);
    CU_ASSERT_NOT_EQUAL(memcmp(id, again, sizeof id), 0);
}

static struct test tests[] = { TEST(static_function_of_the_program_is_found_elsewhere),
                               TEST(global_function_of_the_program_is_found_elsewhere),
                               TEST(plain_function_of_a_library_is_found_elsewhere),
                               TEST(indirect_function_of_a_library_is_found_elsewhere),
                               TEST(each_cpu_calls_its_own_variant),
                               TEST(so_does_one_that_has_less),
                               TEST(indirect_function_of_the_program_is_found_elsewhere),
                               TEST(what_is_no_function_is_refused),
                               TEST(missing_library_symbol_and_build_are_told),
                               TEST(damaged_tokens_are_refused),
                               TEST(program_id_is_the_same_elsewhere),
                               TEST(family_uses_the_pointer),
                               TEST(library_of_later_is_not_in_the_family),
                               TEST(threads_make_tokens_at_once),
                               TEST_END };

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--resolve") == 0)
        return resolve_and_call(argv[2], argv[3]);
    if (readlink("/proc/self/exe", self, sizeof self - 1) < 0)
        return 1;
    return run_tests("token", tests);
}
