#!/bin/sh
# kith run at a terminal: Ctrl-C, Ctrl-Z and fg, what is typed, a job in the background.
# kith-test: limit=600
. "$(dirname "$0")/common"
export CI=true
for tool in python3 bash; do
    command -v $tool >/dev/null || { echo "skipped: no $tool here"; exit 77; }
done

cat >steady <<'E2'
#!/bin/sh
# Never reads; tells of the signal that it ends by.
exec 2>/dev/null
trap 'echo caught TERM; exit 7' TERM
trap 'echo caught INT; exit 7' INT
echo ready
n=0
while [ ! -e enough ] && [ $n -lt 300 ]; do sleep 0.1; n=$((n + 1)); done
echo the end
E2
chmod +x steady
run="$kith run -n 1"

at_terminal()
{
    name=$1
    shift
    rm -f enough
    if "$here/typist" "$@" >said 2>&1; then ok "$mpi: $name"; else fail "$mpi: $name: $(cat said)"; fi
}

job()
{
    at_terminal "Ctrl-C" "prompt> " "$run ./steady" "ready" "^C" "caught" "" "prompt> " 'echo "status=$?"' \
        "status=" "" "prompt> " ""
    at_terminal "Ctrl-Z and fg" "prompt> " "$run ./steady" "ready" "^Z" "Stopped" "touch enough; fg" "the end" "" \
        "prompt> " 'echo "status=$?"' "status=0" ""
    at_terminal "Ctrl-Z, fg and Ctrl-C" "prompt> " "$run ./steady" "ready" "^Z" "Stopped" "fg" "steady" "^C" "caught" "" \
        "prompt> " ""
    at_terminal "typing, and the end of it" "prompt> " "$run sh -c 'read x; echo got \$x; cat; echo over'" "over'" "one" \
        "got one" "two" "two" "^D" "over" "" "prompt> " 'echo "status=$?"' "status=0" ""
    at_terminal "in the background" "prompt> " "$run sh -c 'read x; echo got \$x' &" "prompt> " "sleep 1; echo typed meanwhile" \
        "prompt> " "jobs" "Running" "fg" "read x" "answer" "got answer" "" "prompt> " 'echo "status=$?"' "status=0" ""
    at_terminal "in a pipe" "prompt> " "$run ./steady | cat; echo status=\${PIPESTATUS[0]}" "ready" "^C" "prompt> " ""
    at_terminal "the shell waits for nobody" "prompt> " "touch enough; $run ./steady; echo status=\$?" "the end" "" "status=0" ""
}

each_mpi job
done_testing
