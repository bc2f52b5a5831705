#!/bin/sh
# Kills at random moments, also while the job starts: of mpirun, of ranks, fork servers, workers, Processes, whoever is there. The job ends, and no
# process is left of it. KITH_TEST_SEED repeats one run, as far as a seed can.
# kith-test: limit=600
. "$(dirname "$0")/common"
seed=${KITH_TEST_SEED-$(date +%s)}
rounds=16
[ -z "${KITH_TEST_LONG-}" ] || rounds=70
echo "KITH_TEST_SEED=$seed"

marked()
{
    grep -lsz "^KITH_TEST_ID=$mine\$" /proc/[0-9]*/environ | cut -d/ -f3
}

# call PID: what it is, by its name
call()
{
    case $(cat "/proc/$1/comm" 2>/dev/null) in
    mpi*|orte*|prte*|hydra*) echo launcher ;;
    actions) echo rank ;;
    kith-server) echo server ;;
    kith-watchdog) ;;             # with its fork server killed too, nobody would know of what a task has started
    sleep) echo child ;;
    '') ;;
    *) echo other ;;
    esac
}

# ends PID SECONDS: 1 when it does not
ends()
{
    timeout "$(($2 * KITH_TEST_SLOWDOWN))" tail --pid="$1" -s 0.1 -f /dev/null
}

# Open MPI's mpirun may lock itself out over the end of a job, that of any MPI program: when a rank is killed while it says hello to it, and
# when it is asked for the end while it tidies up. All others have gone then, and it waits for a lock, where else it waits for what happens.
stumbled()
{
    [ "$(marked)" = "$launcher" ] || return
    case $(cat "/proc/$launcher/wchan" 2>/dev/null) in
    *futex*) ;;
    ''|0) grep -q "PMIX ERROR" "$TMPDIR/said" || return ;;    # where one may not look
    *) return 1 ;;
    esac
    echo "$told: mpirun waits for itself"
}

# those_left: each of their threads, and where it waits
those_left()
{
    ps -L -o pid=,lwp=,comm=,wchan:32= -p "$(marked | paste -sd, | grep . || echo 0)"
}

# round N [-e] KILLS MOMENT CHOICE MOMENT CHOICE...: moments in milliseconds, choices in thousandths
round()
{
    mine=$KITH_TEST_ID.$round
    mkdir "$TMPDIR/$round" "$TMPDIR/shared"
    told="round $round: mpirun -n $1 $2"
    # Of ranks that are killed with their mpirun, MPI's files in shared memory stay: here they have a directory.
    # shellcheck disable=SC2086
    OMPI_MCA_btl_vader_backing_directory=$TMPDIR/shared KITH_TEST_ID=$mine TMPDIR=$TMPDIR/$round "$MPIRUN" $many -n "$1" "$actions" $2 hold >"$TMPDIR/said" 2>&1 </dev/null &
    launcher=$! asked=
    shift 2
    for try in $(seq 1000); do [ -z "$(marked)" ] || break; sleep 0.01; done
    while [ $# -gt 0 ]; do
        sleep "$(printf '0.%03d' "$1")"
        # Now and then it is mpirun, which else is one of many.
        if [ "$2" -lt 150 ]; then victim=$launcher; else victim=$(marked | awk -v at="$2" '{ pid[NR] = $1 } END { print pid[1 + at % NR] }'); fi
        what=$(call "${victim:-0}")
        if [ -n "$what" ] && kill -KILL "$victim" 2>/dev/null; then
            kills=$((kills + 1))
            told="$told, after $1 ms $what"
            echo "$what" >>"$TMPDIR/victims"
        fi
        shift 2
    done
    # It may go on: a worker is replaced. If not, mpirun gives ranks a second to end, and trips over whoever asks it for the end just then.
    ends $launcher 3 || { asked=1; kill -TERM $launcher 2>/dev/null; }
    ends $launcher 30 || { stumbled || fail "$told: these do not end: $(those_left; cat "$TMPDIR/said")"; kill -KILL $launcher; }
    wait $launcher 2>/dev/null
    # MPICH's mpiexec makes anything of SIGTERM.
    [ $? != 0 ] || [ "$MPI_NAME$asked" = mpich1 ] || fail "$told: status 0 of a job that does not end by itself"
    left=$("$top_srcdir/tests/leaks" "$mine" "$TMPDIR/$round") || { fail "$told: $left"; cat "$TMPDIR/said"; }
    rm -rf "${TMPDIR:?}/$round" "$TMPDIR/shared"
    ok
}

kills=0
: >"$TMPDIR/victims"
awk -v seed="$seed" -v rounds="$rounds" 'BEGIN {
    srand(seed)
    for (i = 0; i < rounds; i++) {
        line = (1 + int(4 * rand())) " " (rand() < 0.5 ? "-e" : "-")
        for (n = 1 + int(3 * rand()); n > 0; n--)
            line = line " " int(rand() < 0.7 ? 400 * rand() : 999 * rand()) " " int(1000 * rand())
        print line
    }
}' >"$TMPDIR/plan"
round=0
while read -r n e rest <&3; do
    round=$((round + 1))
    [ "$e" = -e ] || e=
    # shellcheck disable=SC2086
    round "$n" "$e" $rest
done 3<"$TMPDIR/plan"
echo "$kills kills in $rounds rounds:" $(sort "$TMPDIR/victims" | uniq -c)
[ $((2 * kills)) -ge $rounds ] || fail "only $kills kills"
done_testing
