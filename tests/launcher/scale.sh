#!/bin/sh
# kith scale: how often it runs a program, with which number where, what it makes of the times, and of failures.
. "$(dirname "$0")/common"
unset KITH_WORKERS KITH_LOG

# Notes each run, and fails or dies with the number that it is told.
cat >noter <<'E2'
#!/bin/sh
echo "${KITH_WORKERS--} $*" >>runs
echo "this is not shown"
case ${KITH_WORKERS--} in
"${fails-none}") echo "I fail" >&2; exit 3 ;;
"${dies-none}") kill -KILL $$ ;;
esac
E2
chmod +x noter

# table COMMAND...: the numbers of cores in its table are in $cores; its sums are right, as far as it prints digits
table()
{
    rm -f runs
    "$@" >out 2>err </dev/null || fail "$*: status $?: $(cat err)"
    cores=$(awk -F'|' '
        function off(a, b, by) { return a - b > by || b - a > by }
        NR == 1 && $2 " " $3 " " $5 " " $6 !~ /CPU cores +Run time +Scaling +Efficiency/ { bad = 1 }
        NR > 2 {
            n = $2 + 0; s = $3 + 0; spread = $4 + 0; scaling = $5 + 0; efficiency = $6 + 0
            if (NR == 3) { n1 = n; s1 = s }
            if (NF != 7 || $3 !~ / s $/ || s <= 0 || spread < 0 || $6 !~ / % $/) bad = 1
            # A time is rounded to a thousandth.
            low = n1 * (s1 - 0.0006) / (s + 0.0006); high = s > 0.0006 ? n1 * (s1 + 0.0006) / (s - 0.0006) : scaling
            if (scaling < low - 0.006 || scaling > high + 0.006 || off(efficiency, 100 * scaling / n, 0.51 + 0.6 / n)) bad = 1
            printf "%s%d", separator, n
            separator = " "
        }
        END { if (bad) print " is wrong" }' out)
}

table "$kith" scale -n 1,2,5 --runs 3 --svg speed.svg ./noter "a b" '<&>'
[ "$cores" = "1 2 5" ] && ok "the table" || { fail "the table: $cores"; cat out; }
printf '1 a b <&>\n2 a b <&>\n5 a b <&>\n' >round
cat round round round >wanted
cmp -s wanted runs && ok "the runs go round" || { fail "the runs go round"; cat runs; }
grep -v 'kith: -n 5: more workers than usable CPUs here ([1-4]): they will take turns' err && fail "stderr is quiet"
grep -q 'not shown' out && fail "what the program prints is dropped"

# A picture: a point for each number, the ideal line, the command.
[ "$(grep -c '<circle' speed.svg)" = 3 ] && grep -q '>ideal<' speed.svg && grep -q "./noter 'a b' '&#60;&#38;&#62;'<" speed.svg &&
    ok "the picture" || { fail "the picture"; cat speed.svg; }
grep -q 'nan\|inf' speed.svg && fail "the picture has numbers only"
if command -v xmllint >/dev/null; then xmllint --noout speed.svg || fail "the picture is XML"; fi

table "$kith" scale -n 3 --runs 2 ./noter
[ "$cores:$(cat runs)" = "3:3 
3 " ] && [ -s scale.svg ] && ok "one number; the usual picture" || fail "one number: $cores, $(cat runs)"
rm -f scale.svg
table "$kith" scale -n 2,4 --runs 1 --no-svg ./noter {n} x{n}y{n}z
[ "$cores:$(cat runs)" = "2 4:- 2 x2y2z
- 4 x4y4z" ] && [ ! -e scale.svg ] && ok "{n} instead of KITH_WORKERS" || fail "{n}: $cores, $(cat runs)"
table "$kith" scale --runs 1 --no-svg ./noter
[ "${cores%% *}" = 1 ] && ok "from 1 up, of itself" || fail "from 1 up, of itself: $cores"

expect "a run that fails" 3 "" "I fail
kith: ./noter: it ended with status 3, with -n 2: its time says nothing" \
    env fails=2 "$kith" scale -n 1,2 --no-svg ./noter
expect "a run that dies" 137 "" "kith: ./noter was killed by signal 9 (Killed), with -n 1" \
    env dies=1 "$kith" scale -n 1 --no-svg ./noter
"$kith" scale -n 1 --runs 1 --svg nowhere/x.svg ./noter >out 2>err
status=$?
[ "$status:$(cat err)" = "125:kith: nowhere/x.svg: the picture cannot be written: No such file or directory" ] && [ "$(wc -l <out)" = 3 ] &&
    ok "a picture that cannot be written" || fail "a picture that cannot be written: $status, $(cat err)"
if [ -w /dev/full ]; then
    "$kith" scale -n 1 --runs 1 --svg /dev/full ./noter >out 2>err
    status=$?
    [ "$status:$(cat err)" = "125:kith: /dev/full: the picture cannot be written: No space left on device" ] ||
        fail "a full disk: $status, $(cat err)"
fi

expect "no program" 125 "" "kith: scale: a program is missing: kith scale *" "$kith" scale -n 2
expect "no such program" 127 "" "kith: ./none: there is no such program" "$kith" scale ./none
: >plain
expect "not executable" 126 "" "kith: ./plain: it is not executable: chmod +x ./plain" "$kith" scale ./plain
for list in 0 1,1 2,1 1,,2 1, ,1 x 1x 100001 '' 1,2,3,99999999999999999999; do
    expect "-n '$list'" 125 "" "kith: -n $list: it must be whole numbers from 1 to 100000, each more than the one before it, as 1,2,4" \
        "$kith" scale -n "$list" ./noter
done
expect "too many numbers" 125 "" "kith: -n: it takes up to 32 numbers" "$kith" scale -n "$(seq -s, 33)" ./noter
for runs in 0 100 x; do
    expect "--runs $runs" 125 "" "kith: --runs $runs: it must be a whole number from 1 to 99" "$kith" scale --runs $runs ./noter
done
KITH_LOG=info "$kith" scale -n 1 --runs 2 --no-svg ./noter 2>&1 >/dev/null |
    grep -c '^kith: scale: -n 1, run [12] of 2: [0-9.]* s$' | grep -qx 2 && ok "KITH_LOG=info" || fail "KITH_LOG=info"

# At a terminal it shows what is running; above, where stderr is a file, it was silent.
if command -v python3 >/dev/null && command -v bash >/dev/null; then
    "$here/typist" "prompt> " "$kith scale -n 1,2 --runs 2 --no-svg ./noter" "-n 1, run 1 of 2" "" "-n 2, run 2 of 2" "" "| CPU cores |" "" \
        "prompt> " "" >said 2>&1 && ok "at a terminal" || fail "at a terminal: $(cat said)"
fi

# Killed, it takes the run along.
cat >sleeper <<'E2'
#!/bin/sh
echo $$ >pid
exec sleep 60
E2
chmod +x sleeper
"$kith" scale -n 1 --no-svg ./sleeper >out 2>err &
it=$!
wait_for pid '[0-9]'
kill -KILL $it
wait $it 2>/dev/null
n=0
while kill -0 "$(cat pid)" 2>/dev/null && [ $n -lt 200 ]; do sleep 0.05; n=$((n + 1)); done
[ $n -lt 200 ] && ok "no run is left behind" || { fail "no run is left behind"; kill "$(cat pid)"; }
done_testing
