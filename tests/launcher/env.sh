#!/bin/sh
# kith env: each variable with its meaning, default and value; and that the tables of README.md and man/kith.7 say the same.
. "$(dirname "$0")/common"
top=${top_srcdir-$here/../..}
for name in $(env | sed -n 's/^\(KITH_[A-Z_]*\)=.*/\1/p'); do unset "$name"; done

"$kith" env >all 2>err
status=$?
[ $status = 0 ] && [ ! -s err ] && grep -qx 'KITH_LOG is not set' all || fail "kith env: status $status"
[ "$(KITH_LOG=info KITH_MEM= "$kith" env | grep -c -x -e KITH_LOG=info -e 'KITH_MEM is not set')" = 2 ] ||
    fail "kith env shows what is set, and an empty value is none"
expect "a wrong word" 125 "$(sed 's/^KITH_LOG is not set/KITH_LOG=loud/' all)" \
    "kith: KITH_LOG=loud is unknown: use critical, error, warning, info or debug" env KITH_LOG=loud "$kith" env
expect "a wrong switch" 125 "$(sed 's/^KITH_DEBUG is not set/KITH_DEBUG=yes/' all)" \
    "kith: KITH_DEBUG=yes is unknown: use 0 or 1" env KITH_DEBUG=yes "$kith" env
expect "a word that is too long" 125 "$(sed 's/^KITH_ON_CRASH is not set/KITH_ON_CRASH=stopp/' all)" \
    "kith: KITH_ON_CRASH=stopp is unknown: use stop" env KITH_ON_CRASH=stopp "$kith" env
expect "a misspelt name" 125 "$(cat all)" "kith: KITH_WORKER: kith has no such variable" env KITH_WORKER=3 "$kith" env
expect "marks are not misspelt" 0 "$(cat all)" "" env KITH_TEST_LONG=1 KITH_RUN=1 "$kith" env
expect "an argument" 125 "" "kith: env: x: it takes no arguments" "$kith" env x
expect "an option" 125 "" "kith: --all: no such option: see kith help env" "$kith" env --all
expect "env --help" 0 "$("$kith" help env)" "" "$kith" env --help

# table FORMAT: all as a table, where the format is of awk's printf: name, values, default, meaning
table()
{
    awk -v format="$1" -v separator="$2" '
        /^KITH/ { name = $1 }
        /^    values: / {
            split(substr($0, 13), part, "; default: ")
            gsub(/\|/, separator, part[1])
            printf format, name, part[1], part[2], meaning
        }
        { meaning = substr($0, 5) }' all
}

table '| `%s` | `%s` | %s | %s |\n' '`, `' >expected
sed -n '/^## Environment/,/^## [^E]/p' "$top/README.md" | grep '^| `KITH' >readme
if diff readme expected >different; then ok "README.md has the table"; else
    fail "README.md, Environment: it should be"
    cat expected
fi
table '.TP\n.BR %s " (%s; default: %s)"\n%s.\n' '|' >expected
sed -n '/^\.SH ENVIRONMENT/,/^\.SH EXAMPLE/p' "$top/man/kith.7" | sed '/^\.SH/d' >page
if diff page expected >different; then ok "man/kith.7 has the table"; else
    fail "man/kith.7, ENVIRONMENT: it should be"
    cat expected
fi

# Nothing reads such a variable past the list.
grep -rn 'getenv("KITH_' "$top/lib" "$top/launcher" --include='*.c' | grep -v '"KITH_RUN"' && fail "read it by kith__env"
done_testing
