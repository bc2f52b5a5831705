#!/bin/sh
# The models of tests/models, checked by spin: each step by step in all orders, and once with each mistake that it is to
# find. KITH_TEST_SOAK=1: all mistakes, and larger bounds.
# kith-test: limit=900
set -u
here=$(cd "$top_srcdir" && pwd)/tests/models
command -v spin >/dev/null || { echo "there is no spin here: install the package of this name"; exit 77; }
command -v gcc >/dev/null || { echo "there is no gcc here, which spin needs"; exit 77; }
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 99
cp "$here"/*.pml . || exit 99 # beside a model spin writes how it fails
failed=0

# run MODEL DEFINITION...: what spin's program says. To compile it well would take longer than it runs.
run()
{
    model=$1
    shift
    spin -a "$@" "$model.pml" >log 2>&1 && gcc -O0 -w -DSAFETY -DCOLLAPSE -o pan pan.c >>log 2>&1 &&
        ./pan -m1000000 >>log 2>&1 && return
    echo "models.sh: $model $*: it was not run:"
    cat log
    failed=1
}

holds()
{
    run "$@"
    if ! grep -q 'errors: 0' log || grep -Eq 'not completed|depth too small' log; then
        echo "models.sh: $*: this must hold:"
        grep -E '^pan|errors' log
        spin -t -p "$1.pml" 2>/dev/null | tail -n 60
        failed=1
    else
        echo "$*: $(sed -n 's/^ *\([^ ]*\) states, stored.*/\1/p' log) states"
    fi
}

# Its last argument is the mistake.
fails()
{
    run "$@"
    grep -Eq 'errors: [1-9]' log && return
    echo "models.sh: $*: nobody has seen this mistake"
    failed=1
}

holds lock -DJANITORS=0
holds lock -DFAIR=0 -DLEAVERS=1 -DJANITORS=0
holds claim
holds claim -DPOSTER -DDEATHS=0
fails lock -DROUNDS=2 -DBREAK_DIED
fails claim -DBREAK_ORDER
[ -n "${KITH_TEST_SOAK-}" ] || exit $failed

holds lock
holds lock -DLEAVERS=1 -DOVERDUES=1 -DDEATHS=0
holds lock -DFAIR=0 -DN=3 -DDEATHS=0 -DLEAVERS=1
holds claim -DPOSTER -DFRONTIERS -DDEATHS=0
holds claim -DUNITS=3 -DDEATHS=0
fails lock -DBREAK_TAKE
fails lock -DROUNDS=3 -DDEATHS=0 -DBREAK_BARGE
fails lock -DN=3 -DDEATHS=0 -DFAIR=0 -DLEAVERS=1 -DBREAK_SUMMARY
fails lock -DN=3 -DDEATHS=0 -DFAIR=0 -DLEAVERS=1 -DROUNDS=2 -DBREAK_DROP
fails lock -DN=3 -DDEATHS=0 -DBREAK_HEIR_LOOK
fails lock -DN=3 -DDEATHS=0 -DBREAK_TELL
fails lock -DFAIR=0 -DBREAK_LOOK
fails lock -DFAIR=0 -DROUNDS=2 -DDEATHS=0 -DBREAK_JOIN
fails lock -DN=3 -DDEATHS=0 -DFAIR=0 -DLEAVERS=1 -DBREAK_END
fails lock -DROUNDS=2 -DLEAVERS=1 -DDEATHS=0 -DBREAK_LEFT
fails lock -DBREAK_JANITOR
fails lock -DBREAK_EVERYBODY
fails claim -DBREAK_KEEP
fails claim -DUNITS=3 -DBREAK_CAS
fails claim -DPOSTER -DDEATHS=0 -DBREAK_LOOK
fails claim -DPOSTER -DBREAK_EVERYBODY
fails claim -DPOSTER -DFRONTIERS -DDEATHS=0 -DBREAK_FRONTIER
exit $failed
