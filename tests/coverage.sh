#!/bin/sh
# A forked process that ends by _exit after kith__coverage_flush leaves its coverage data, with each compiler
# that is here; and one that leaks ends with the status of LeakSanitizer.
set -u
library=$top_builddir/lib/.libs/libkith-all.a
failed=0
trap 'rm -f "$TMPDIR"/*' EXIT
cd "$TMPDIR" || exit 99

cat >program.c <<'END'
#include "coverage.h"
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int in_child(int x) { return x > 3 ? 2 * x : 1; }

__attribute__((noinline)) static void lose(void)
{
    for (int i = 0; i < 10; i++) {
        volatile char *p = malloc(100);
        p[0] = 1;
        p = NULL;
    }
}

int main(int argc, char **argv)
{
    int status;
    pid_t pid = fork();

    (void)argv;
    if (pid == 0) {
        if (argc > 1)
            lose();
        status = in_child(argc);
        kith__coverage_flush();
        _exit(status - status);
    }
    waitpid(pid, &status, 0);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 99);
}
END

build() {                       # build COMPILER FLAG...: 1 when it cannot
    compiler=$1
    shift
    command -v "$compiler" >/dev/null && "$compiler" -g -w "$@" -I"$top_srcdir/lib" program.c "$library" \
        -o program -ldl -lpthread 2>build.log
}

say() { echo "coverage.sh: $*"; failed=1; }

[ -z "$SANITIZER_FLAGS" ] || { echo "skipped: the library of this build needs its sanitizers"; exit 77; }
tried=0
for compiler in gcc clang; do
    rm -f -- *.gcda *.gcno *.profraw
    if build $compiler --coverage; then
        tried=1
        ./program || say "$compiler --coverage: status $?"
        ls -- *.gcda >/dev/null 2>&1 || say "$compiler --coverage: no data"
    fi
    if build $compiler -fprofile-instr-generate; then
        tried=1
        LLVM_PROFILE_FILE=p-%p.profraw ./program || say "$compiler profile: status $?"
        ls -- *.profraw >/dev/null 2>&1 || say "$compiler -fprofile-instr-generate: no data"
    fi
    if build $compiler -fsanitize=leak && LSAN_OPTIONS= ./program 2>run.log; then
        tried=1
        ./program leak 2>run.log && say "$compiler -fsanitize=leak: the leak was not seen"
        grep -q "1000 byte(s) leaked" run.log || say "$compiler -fsanitize=leak: $(cat run.log)"
    fi
done
[ $tried = 1 ] || { echo "skipped: no compiler with coverage or LeakSanitizer here"; exit 77; }
exit $failed
