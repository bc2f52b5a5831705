#!/bin/sh
# How many workers a start brings, and which CPUs each may use: the table in README.md. Under Slurm: tests/cluster/slurm.sh.
. "$(dirname "$0")/common"

cpus=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status)
all=
for range in $(echo "$cpus" | tr , ' '); do
    for cpu in $(seq "${range%-*}" "${range#*-}"); do all=$all${all:+,}$cpu; done
done
count=$(echo "$all" | tr , '\n' | wc -l)
first=${all%%,*} second=$(echo "$all,," | cut -d, -f2)

threads=0

masks()
{
    "$@" "$actions" masks $threads >"$TMPDIR/masks"
    status=$?
    sort "$TMPDIR/masks"
    return $status
}

# table N: so many workers, each on a CPU of its own while there is one for each, else on any
table()
{
    echo "$1 workers"
    for i in $(seq "$1"); do
        mine=$all
        [ "$1" != "$count" ] || mine=$(echo "$all" | cut -d, -f"$i")
        echo "worker $((i - 1)): cpus $mine"
    done
}

first_line()
{
    "$@" >"$TMPDIR/masks" && grep workers "$TMPDIR/masks"
}

quota=$("$actions" count 2>&1 >/dev/null)
[ "${quota%% *}" = "$count" ] || { echo "skipped: a quota leaves less than the $count CPUs of the mask"; exit 77; }
[ "$count" -le 4 ] || { echo "skipped: more than 4 CPUs; taskset -c 0,1 make check"; exit 77; }
for file in /sys/devices/system/cpu/cpu[0-9]*/topology/thread_siblings_list; do
    case $(cat "$file" 2>/dev/null) in
    *[,-]*) echo "skipped: cores with several threads: what mpirun binds to is another number than CPUs"; exit 77 ;;
    esac
done

expect "by hand" 0 "$(table "$count")" "" masks
expect "by hand, on one CPU" 0 "1 workers
worker 0: cpus $first" "" masks taskset -c "$first"
expect "KITH_WORKERS=5" 0 "$(table 5)" "" masks env KITH_WORKERS=5
expect "mpirun -n 5" 0 "$(table 5)" "" masks ranks 5
expect "mpirun -n 5, KITH_WORKERS=7" 0 "$(table 7)" "" masks ranks 5 env KITH_WORKERS=7
expect "memory by name" 0 "42" "" ranks 2 "$actions" -e named
expect "mpirun -n $count" 0 "$(table "$count")" "" masks ranks "$count"

# What mpirun binds to is counted when it was asked to.
if [ "$MPI_NAME" = openmpi ] && [ "$count" -ge 2 ]; then
    expect "mpirun -n 1 --map-by slot:PE=2" 0 "2 workers
worker 0: cpus $first
worker 1: cpus $second" "" masks ranks 1 --map-by slot:PE=2
    expect "mpirun -n 1 --cpus-per-rank 2" 0 "2 workers
worker 0: cpus $first
worker 1: cpus $second" "*" masks ranks 1 --cpus-per-rank 2
    expect "mpirun -n 2 --bind-to core" 0 "2 workers
worker 0: cpus $first
worker 1: cpus $second" "" masks ranks 2 --bind-to core
    threads=1
    expect "mpirun -n 2 --bind-to core, threads" 0 "2 workers
worker 0: cpus $first
worker 1: cpus $second" "" masks ranks 2 --bind-to core
    expect "mpirun -n 2 --bind-to core, KITH_WORKERS=5, threads" 0 "$(table 5)" "" masks ranks 2 --bind-to core env KITH_WORKERS=5
    threads=0
    expect "mpirun -n 1 --bind-to none, KITH_WORKERS=2" 0 "$(KITH_WORKERS=2 masks env)" "" masks ranks 1 --bind-to none env KITH_WORKERS=2
    # The default binds the only rank to a core: one worker. That is no limit when there are to be more.
    expect "mpirun -n 1" 0 "1 workers" "" first_line ranks 1 "$actions" masks
    expect "mpirun -n 1, KITH_WORKERS=$count" 0 "$(table "$count")" "" masks ranks 1 env KITH_WORKERS="$count"
    expect "mpirun in a job of Slurm with CPUs for each task" 0 "$(table "$count")" "" masks ranks 1 \
        env SLURM_JOB_ID=7 SLURM_CPUS_ON_NODE="$count" SLURM_CPUS_PER_TASK="$count"
    expect "CPUs of a job that are left unused" 0 "1 workers" "kith: 3 of the 4 CPUs of this Slurm job have no worker: *" \
        first_line ranks 1 env SLURM_JOB_ID=7 SLURM_CPUS_ON_NODE=4 "$actions" masks
fi
if [ "$MPI_NAME" = mpich ] && [ "$count" -ge 2 ]; then
    expect "mpiexec -n 1 -bind-to core:2" 0 "2 workers
worker 0: cpus $first
worker 1: cpus $second" "" masks ranks 1 -bind-to core:2
    expect "mpiexec -n 2 -bind-to core" 0 "2 workers
worker 0: cpus $first
worker 1: cpus $second" "" masks ranks 2 -bind-to core
fi

# In a batch script of Slurm, which is no launcher; and in a step of one task.
expect "a batch step" 0 "1 workers" "" first_line env SLURM_JOB_ID=7 SLURM_STEP_ID=4294967291 SLURM_JOB_CPUS_PER_NODE=1 SLURM_NTASKS=4 \
    SLURM_NNODES=1 "$actions" masks
expect "srun -n 1 -c 4" 0 "4 workers" "" first_line env SLURM_JOB_ID=7 SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=1 SLURM_PROCID=0 \
    SLURM_CPUS_PER_TASK=4 "$actions" masks
done_testing
