#!/bin/sh
# kith run --tag: rank and host before each line, and no line is torn.
. "$(dirname "$0")/common"
export CI=true
here_name=$(uname -n)

# Lines of many lengths, also longer than a pipe takes at once, to both streams: "RANK NUMBER LENGTH xxx"
cat >lines <<'END'
#!/bin/sh
exec awk -v r="${OMPI_COMM_WORLD_RANK-$PMI_RANK}" 'BEGIN {
    for (x = "x"; length(x) < 9000; x = x x) ;
    for (i = 0; i < 600; i++) {
        n = i % 50 == 7 ? 8000 + r : (i * 37 + r) % 300
        to = i % 3 ? "/dev/stdout" : "/dev/stderr"
        printf "%d %d %d %s\n", r, i, n, substr(x, 1, n) > to
        if (i % 11 == 0) fflush(to)
    }
}'
END
chmod +x lines

# whole FILE: each line of lines has its tag, and is as it was written; all are there, those of a rank and stream in their order
whole()
{
    awk -v host="$here_name" '
        $1 != "[" $3 || $2 != host "]" || $5 != length($6) || $6 !~ /^x*$/ || $4 <= last[$3] - ($4 == 0) { print NR ": " substr($0, 1, 80); bad = 1 }
        { last[$3] = $4; count++ }
        END { print count; exit bad }' "$1"
}

tagged()
{
    expect "$mpi: each rank" 0 "[0 $here_name] I am 0
[1 $here_name] I am 1" "" sh -c '"$@" | sort' sh "$kith" run --tag -n 2 --oversubscribe sh -c 'echo "I am ${OMPI_COMM_WORLD_RANK-$PMI_RANK}"'
    expect "$mpi: stderr" 0 "" "[[]0 $here_name] a
[[]0 $here_name] b" "$kith" run --tag -n 1 sh -c 'echo a >&2; echo b >&2'
    "$kith" run --tag -n 3 --oversubscribe ./lines >out 2>err
    [ $? = 0 ] && [ "$(whole out)" = 1200 ] && [ "$(whole err)" = 600 ] && ok "$mpi: no line is torn" ||
        { fail "$mpi: no line is torn"; whole out; whole err; }
    expect "$mpi: a line without an end, an empty one" 0 "[0 $here_name] a
[0 $here_name] 
[0 $here_name] no end" "" "$kith" run --tag -n 1 printf 'a\n\nno end'
    expect "$mpi: stdin is that of rank 0" 0 "[0 $here_name] typed" "" sh -c 'echo typed | "$@"' sh "$kith" run --tag -n 1 cat
    expect "$mpi: exit status" 7 "[0 $here_name] a" "" "$kith" run --tag -n 1 sh -c 'echo a; exit 7'
    expect "$mpi: killed" 137 "[0 $here_name] last" "kith: *killed by signal 9 (Killed)" "$kith" run --tag -n 1 sh -c 'echo last; kill -9 $$'
    expect "$mpi: what is left behind still speaks" 0 "[0 $here_name] early
[0 $here_name] late" "" "$kith" run --tag -n 1 sh -c '(sleep 0.3; echo late) & echo early'
    expect "$mpi: nobody is its child" 0 "[0 $here_name] children: " "" \
        "$kith" run --tag -n 1 sh -c 'read -r c <"/proc/$$/task/$$/children"; echo "children: $c"'
    plain=$("$kith" run -n 1 sh -c '[ -t 1 ]; echo $?')
    expect "$mpi: a terminal or none, as without" 0 "[0 $here_name] $plain" "" "$kith" run --tag -n 1 sh -c '[ -t 1 ]; echo $?'
    [ ! -w /dev/full ] || expect "$mpi: a full disk is noticed" 1 "" "kith: some output of the program to stdout could not be written" \
        sh -c '"$@" >/dev/full' sh "$kith" run --tag -n 1 echo a
    begin=$(date +%s)
    "$kith" run --tag -n 1 yes 2>err | head -n 3 >out
    [ "$(sort -u out)" = "[0 $here_name] y" ] && [ $(($(date +%s) - begin)) -lt 60 ] && ok "$mpi: nobody reads any more" || fail "$mpi: nobody reads any more"
    "$kith" run --tag -n 1 sh -c 'trap "echo got it; exit 3" USR1; echo ready; while :; do sleep 0.05; done' >out 2>err &
    pid=$!
    wait_for out ready
    kill -USR1 $pid
    wait $pid
    status=$?
    # MPICH's mpiexec itself ends with 0 every other time when it has passed this signal on.
    { [ $status = 3 ] || [ "$mpi" = mpich ]; } && [ "$(grep -c 'got it' out)" = 1 ] && ok "$mpi: a signal comes once" ||
        { fail "$mpi: a signal comes once, status $status"; cat out err; }
}

each_mpi tagged
unset KITH_MPIRUN
fakes
expect "the call" 0 "rank --tag -- true" "" sh -c '"$1" run --dry-run --tag -n 1 true | grep -o "rank --tag -- true\$"' sh "$kith"
expect "no such program" 127 "" "kith: ./nosuch: there is no such program" "$kith" run --tag -n 1 ./nosuch
fake fakes/mpirun "mpirun (Open MPI) 4.1.4" 'while case $1 in */kith) false ;; esac; do shift; done; "$1" "$2" ./nosuch'
expect "no such program there" 127 "" "[[]0 $here_name] kith: ./nosuch: it is not on $here_name: the program must be on each host under the same path" \
    env KITH_MPIRUN="$work/fakes/mpirun" "$kith" run --tag -n 1 true
done_testing
