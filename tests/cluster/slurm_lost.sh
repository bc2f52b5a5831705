#!/bin/bash
# A node of a Slurm job that loses its power, on three nodes made of namespaces: with srun --no-kill -K0, and with kith run in a job of
# --no-kill, it goes on, and they have the program's exit status; without, Slurm ends the step, and nothing hangs.
# kith-test: limit=600
set -u

mine=$top_builddir/tests/cluster/slurm_lost.$$
lost=$top_builddir/tests/cluster/lost
failed=0
export CLUSTER=slurmlost$$ SLURM_TESTBED_CPUS=2

. "$top_srcdir/tests/cluster/common"
with_slurm

by_srun=(srun -N 3 -n 3)
by_kith=(salloc -Q --no-kill -N 3 -n 3 env KITH_MPIRUN="$MPIRUN" "$KITH_COMMAND" run --allow-run-as-root --on-loss go-on)

# lose WHAT MS START...: node3 goes while that runs; sets status
lose()
{
    local what=$1 ms=$2 out=$TMPDIR/lose
    shift 2
    status=124 # until it is known
    rm -f "$out"
    timeout $((180 * KITH_TEST_SLOWDOWN)) "$cluster" exec node1 env KITH_MODULES="$KITH_MODULES" KITH_WORKERS=1 \
        "$@" "$lost" "$what" "$ms" 0 </dev/null >"$out" 2>&1 &
    await "$out" '^ready' || { cat "$out"; return 1; }
    sleep 0.3
    "$cluster" kill node3
    wait $!
    status=$?
}

back()
{
    "$cluster" boot node3 && "$batch" boot node3
    for _ in {1..300}; do
        [ "$("$cluster" exec node1 sinfo -h -t idle -o %D)" = 3 ] && break
        sleep 0.1
    done
    [ "$("$cluster" exec node1 sinfo -h -t idle -o %D)" = 3 ] || "$cluster" exec node1 scontrol update NodeName=node3 State=RESUME
    "$cluster" mark
}

# try NAME WANT WHAT MS START...: WANT is 0, or "other"
try()
{
    local name=$1 want=$2
    shift 2
    lose "$@"
    if { [ "$want" = 0 ] && [ "$status" = 0 ] && grep -q '^done' "$TMPDIR/lose"; } || { [ "$want" = other ] && [ "$status" != 0 ] && [ "$status" != 124 ]; } &&
        "$cluster" left $((30 * KITH_TEST_SLOWDOWN)) >"$TMPDIR/left"; then
        echo "ok: $name"
    else
        failed=1
        echo "FAILED: $name: status $status, left: $(cat "$TMPDIR/left" 2>/dev/null)"
        sed 's/^/    /' "$TMPDIR/lose"
    fi
    back
}

try "srun --no-kill -K0, in a map" 0 map 3000 "${by_srun[@]}" --no-kill -K0
[ -z "${KITH_TEST_LONG-}" ] || try "kith run, in a map" 0 map 3000 "${by_kith[@]}"
[ -z "${KITH_TEST_LONG-}" ] || try "srun --no-kill -K0, a queue, a lock and a barrier in use" 0 together 2000 "${by_srun[@]}" --no-kill -K0
[ -z "${KITH_TEST_LONG-}" ] || try "srun as it is" other stay 0 "${by_srun[@]}"
exit $failed
