#!/bin/sh
# An mpirun that starts no rank is told of after 30 s, once, with what it waits for; one whose rank prints nothing is not.
. "$(dirname "$0")/common"
fakes
# The names of those below it are in their command lines: sh DIR/ssh node7.example ...
# shellcheck disable=SC2016
{
    fake fakes/hangs "mpirun (Open MPI) 4.1.4" 'exec sleep 300'
    fake fakes/logs_in "mpirun (Open MPI) 4.1.4" 'ssh -x ann@node7.example orted & trap "kill $!; exit 143" TERM; wait'
    fake fakes/starts "mpirun (Open MPI) 4.1.4" 'for word in "$@"; do :; done; "$word" & trap "kill $!; exit 143" TERM; wait'
    printf '#!/bin/sh\ntrap "kill \\$!; exit 143" TERM\nsleep 300 &\nwait\n' >fakes/ssh
}
cp fakes/ssh quiet
chmod +x fakes/ssh quiet
export CI=true OMPI_MCA_plm_rsh_agent=ssh # who chose a way is not asked whether the hosts answer at the port of ssh
unset KITH_LOG

# run NAME MPIRUN WORD...: in the background; its pid is in NAME.pid
run()
{
    name=$1 mpirun=$2
    shift 2
    KITH_MPIRUN=$mpirun "$kith" run "$@" ./quiet </dev/null >"$name.out" 2>"$name.err" &
    echo $! >"$name.pid"
}

# What the notice has to be like; the others are as old when it comes.
told()
{
    n=0
    until grep -q "no rank has begun" "$1.err"; do
        n=$((n + 1))
        [ $n -lt 1200 ] || { fail "$1: nothing is told"; return; }
        sleep 0.1
    done
    # shellcheck disable=SC2254
    case $(cat "$1.err") in
    $2) ok "$1" ;;
    *) fail "$1: $(cat "$1.err")" ;;
    esac
}

run here hangs -n 1
run elsewhere hangs -n 4 --host localhost:2,node7.example:2
run login logs_in -n 2 --host node7.example:2
run begun starts -n 1
run unseen hangs -n 2 --host node7.example:2 --on-loss end
told here "kith: run: no rank has begun for 30 s, as */hangs does not start it: this machine is very busy, *"
told elsewhere "kith: run: no rank has begun for 30 s, as */hangs waits for its part on node7.example: a firewall *"
told login "kith: run: no rank has begun for 30 s, as ssh to node7.example has not come to its end: *try ssh node7.example true"
for name in here elsewhere login begun unseen; do
    kill "$(cat "$name.pid")"
done
wait
for name in begun unseen; do
    if grep "no rank has begun" "$name.err"; then fail "$name: it may have begun"; else ok "$name"; fi
done
done_testing
