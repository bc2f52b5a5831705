#!/bin/sh
# Signals that kith gets reach the ranks, once; and kith ends with 128 + signal when they ended the job.
. "$(dirname "$0")/common"
export CI=true

cat >catcher <<'E2'
#!/bin/sh
# Says what it catches, and ends by itself after a while.
exec 2>/dev/null           # the shell tells of its sleep that the signal ended too
for signal in HUP INT QUIT USR1 USR2 CONT; do
    trap "echo $signal" $signal
done
trap 'echo TERM; exit 7' TERM
echo "ready $$"
n=0
while [ ! -e enough ] && [ $n -lt 300 ]; do
    sleep 0.1
    n=$((n + 1))
done
echo end
E2
chmod +x catcher

# start: kith runs the catcher in the background, as $pid. sh would make it ignore INT and QUIT there, env does not.
start()
{
    rm -f enough out err
    # shellcheck disable=SC2086
    env --default-signal=INT,QUIT $1 "$kith" run -n 1 ./catcher >out 2>err &
    pid=$!
    wait_for out ready
}

# finish NAME STATUS: what kith ends with
finish()
{
    wait $pid
    got=$?
    if [ $got = "$2" ]; then ok "$1"; else fail "$1: status $got, should be $2: $(cat out err)"; fi
}

caught()
{
    if [ "$(grep -c "^$2\$" out)" = "$3" ]; then ok "$1"; else fail "$1: $(cat out err)"; fi
}

ending()
{
    export OMPI_MCA_odls_base_sigkill_timeout=3         # seconds that a rank has to say so, where 1 is usual
    for signal in INT:130 TERM:143 HUP:129 QUIT:131; do
        # What MPICH's ranks make of INT and QUIT is theirs: the catcher goes on.
        case $mpi:$signal in mpich:INT:*|mpich:QUIT:*) continue ;; esac
        start
        kill -"${signal%:*}" $pid
        finish "$mpi: SIG${signal%:*} ends the job" "${signal#*:}"
        caught "$mpi: SIG${signal%:*} lets the rank end in its way" TERM 1
        [ ! -s err ] && ok "$mpi: SIG${signal%:*} needs no word" || fail "$mpi: SIG${signal%:*} needs no word: $(cat err)"
    done
    unset OMPI_MCA_odls_base_sigkill_timeout
}

passing()
{
    signals="USR1 USR2"
    [ $mpi = openmpi ] || signals=USR1
    start
    for signal in $signals; do
        kill -"$signal" $pid
        wait_for out "^$signal"
    done
    : >enough
    finish "$mpi: $signals do not end the job" 0
    for signal in $signals; do
        caught "$mpi: SIG$signal arrives once" "$signal" 1
    done
    [ ! -s err ] && ok "$mpi: passing on needs no word" || fail "$mpi: passing on needs no word: $(cat err)"
}

# MPICH's ranks get INT themselves, for QUIT one of both; kith cannot see what they made of it.
of_mpich()
{
    [ $mpi = mpich ] || return
    for signal in INT:130 QUIT:131; do
        start
        kill -"${signal%:*}" $pid
        wait_for out "^INT\|^QUIT"
        : >enough
        finish "$mpi: SIG${signal%:*}" "${signal#*:}"
    done
    start
    kill -USR2 $pid
    wait_for err "cannot pass it on"
    : >enough
    finish "$mpi: SIGUSR2 is not passed on, and does no harm" 0
}

# To the whole process group, as timeout and shells do: the ranks get it once all the same.
to_the_group()
{
    rm -f enough out err
    setsid --wait "$kith" run -n 1 ./catcher >out 2>err &
    pid=$!
    wait_for out ready
    group=$(ps -o pgid= --ppid $pid | tr -d ' ')
    kill -USR1 -"$group"
    wait_for out USR1
    sleep 0.3
    : >enough
    finish "$mpi: a signal to the group" 0
    caught "$mpi: a signal to the group arrives once" USR1 1
}

ignored()
{
    start "env --ignore-signal=HUP"
    kill -HUP $pid
    sleep 0.3
    : >enough
    finish "$mpi: an ignored signal stays ignored" 0
}

state()
{
    sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null
}

wait_state()
{
    n=0
    until [ "$(state "$1")" = "$2" ]; do
        n=$((n + 1))
        [ $n -lt 200 ] || { fail "process $1 is in state $(state "$1"), not $2"; return 1; }
        sleep 0.05
    done
}

stopping()
{
    start
    rank=$(sed -n 's/^ready //p' out)
    kill -TSTP $pid
    wait_state $pid T
    [ $mpi != openmpi ] || wait_state "$rank" T
    kill -CONT $pid
    n=0
    while [ "$(state $pid)" = T ] && [ $n -lt 100 ]; do sleep 0.05; n=$((n + 1)); done
    : >enough
    finish "$mpi: stop and continue" 0
}

# Open MPI's mpirun fails when it gets one of these before it has started its daemons.
early()
{
    fake slow "mpirun (Open MPI) 4.1.4" 'for s in TSTP CONT USR1 USR2; do trap "echo $s >>got" $s; done
echo up >>got
until [ -e begin ]; do sleep 0.1; done
echo begun
until [ -e enough ]; do sleep 0.1; done'
    rm -f got begin enough out err
    KITH_MPIRUN=./slow "$kith" run -n 1 ./catcher >out 2>err &
    pid=$!
    wait_for got up
    kill -CONT $pid
    kill -USR1 $pid
    kill -TSTP $pid
    wait_state $pid T
    kill -CONT $pid
    n=0
    while [ "$(state $pid)" = T ] && [ $n -lt 100 ]; do sleep 0.05; n=$((n + 1)); done
    [ "$(cat got)" = up ] && ok "an mpirun that starts gets no signal" || fail "an mpirun that starts gets a signal: $(cat got)"
    : >begin
    wait_for got USR1
    kill -CONT $pid
    kill -USR2 $pid
    wait_for got USR2
    : >enough
    finish "signals while mpirun starts" 0
    [ "$(tr '\n' ' ' <got)" = "up USR1 USR2 " ] && ok "they come once it has" || fail "they come once it has: $(cat got)"
}

# A dead process of that number that nobody has waited for counts as gone, and another one that got the number does too.
is_catcher()
{
    grep -qs catcher "/proc/$1/cmdline"
}

# kith killed: mpirun and the ranks end too.
killed()
{
    start
    rank=$(sed -n 's/^ready //p' out)
    is_catcher "$rank" || fail "$mpi: the rank is process $rank"
    kill -KILL $pid
    finish "$mpi: SIGKILL of kith" 137
    n=0
    while is_catcher "$rank" && [ $n -lt 200 ]; do sleep 0.1; n=$((n + 1)); done
    if is_catcher "$rank"; then fail "$mpi: no rank is left"; else ok "$mpi: no rank is left"; fi
}

env --default-signal=INT true 2>/dev/null || { echo "skipped: env has no --default-signal here"; exit 77; }
each_mpi ending
each_mpi passing
each_mpi of_mpich
each_mpi to_the_group
each_mpi ignored
each_mpi stopping
each_mpi killed
early
done_testing
