#!/bin/sh
# kith without a job: help, version, wrong use.
. "$(dirname "$0")/common"
fakes

version=$(sed -n 's/^#define KITH_VERSION "\(.*\)"/\1/p' "${top_srcdir-$here/../..}/lib/kith.h")
run_help=$("$kith" help run)
all_help=$("$kith" help)
case $run_help in
"usage: kith run "*--hostfile*--dry-run*) ok "the help of run names its options" ;;
*) fail "the help of run names its options" ;;
esac
case $all_help in
"usage: kith COMMAND "*" run "*" scale "*" env "*) ok "the help names the commands" ;;
*) fail "the help names the commands" ;;
esac

expect "--version" 0 "kith $version" "" "$kith" --version
expect "--help" 0 "$all_help" "" "$kith" --help
expect "-h" 0 "$all_help" "" "$kith" -h
expect "help run" 0 "$run_help" "" "$kith" help run
expect "--help run" 0 "$run_help" "" "$kith" --help run
expect "run --help" 0 "$run_help" "" "$kith" run --help
expect "run -n 2 -h" 0 "$run_help" "" "$kith" run -n 2 -h
expect "no command" 125 "" "kith: a command is missing: see kith help" "$kith"
expect "unknown command" 125 "" "kith: ran: no such command: see kith help" "$kith" ran
expect "help of an unknown command" 125 "" "kith: ran: no such command: see kith help" "$kith" help ran
expect "no program" 125 "" "kith: run: a program is missing: kith run *" "$kith" run -n 2
expect "unknown option" 125 "" "kith: --frob: no such option: see kith help run" "$kith" run --frob true
expect "option without its argument" 125 "" "kith: -n: N is missing after it" "$kith" run -n
expect "-n 0" 125 "" "kith: -n 0: it must be a whole number from 1 to *" "$kith" run -n 0 true
expect "-n two" 125 "" "kith: -n two: it must be a whole number *" "$kith" run -n two true
expect "-n -1" 125 "" "kith: -n -1: it must be a whole number *" "$kith" run -n -1 true
expect "-n 99999999999999999999" 125 "" "kith: -n 9*: it must be a whole number *" "$kith" run -n 99999999999999999999 true
expect "-x without a name" 125 "" "kith: -x =1: a variable's name must stand before the =" "$kith" run -x =1 true
expect "hostfile and host" 125 "" "kith: --hostfile and --host: one of them is enough" \
    "$kith" run --hostfile f --host a true
expect "behind the program --help is the program's" 0 "--help" "" \
    sh -c '"$1" run --dry-run -n 1 true --help | sed "s/.* //"' sh "$kith"

# The man page has each option, and no other.
page=${top_srcdir-$here/../..}/man/kith.1
for command in $("$kith" help | sed -n 's/^  \([a-z]*\) .*/\1/p'); do "$kith" help "$command"; done |
    sed -n 's/^  \(-[-a-z]*\).*/\1/p' | sort -u >options
sed -n '/^\.SH OPTIONS/,/^\.SH EXIT/p' "$page" | sed -n '/^\.TP/{n;s/\\-/-/g;s/^\.BI* *"*\(-[-a-z]*\).*/\1/p;s/^\.BR *\(--[a-z]*\).*/\1/p}' |
    grep -v '^--version$' | sort -u >described
if [ -s options ] && cmp -s options described; then ok "the man page has the options"; else
    fail "the man page has the options"
    diff options described
fi
if command -v man >/dev/null && command -v groff >/dev/null; then
    if man --warnings -E UTF-8 -l "$page" 2>&1 >/dev/null | grep .; then fail "the man page is well formed"; else
        ok "the man page is well formed"
    fi
fi

if [ -w /dev/full ]; then
    expect "a full disk is noticed" 125 "" "kith: standard output: it cannot be written" sh -c '"$1" help >/dev/full' sh "$kith"
fi
done_testing
