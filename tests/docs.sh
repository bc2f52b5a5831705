#!/bin/sh
# README.md and docs/: what they show is true. In a file's order, a block ```c that begins with /* name.c */ is
# written to that file, and a block ```console is run: behind each "$ command" stands what it prints, where
# "..." is any text (alone on a line: any lines). A block behind <!-- needs: gdb perf --> is left out where one of
# these is not installed. Links lead to files, variables and functions exist.
set -u
failed=0 left_out=
trap 'rm -rf "$TMPDIR"/*' EXIT
cd "$TMPDIR" || exit 99

fail()
{
    echo "docs.sh: $*"
    failed=1
}

cat >kith.pc <<END
Name: kith
Description: the one in the build directory
Version: 0
Libs: $SANITIZER_FLAGS -L$top_builddir/lib/.libs -lkith -Wl,-rpath,$top_builddir/lib/.libs
Cflags: $SANITIZER_FLAGS -I$top_srcdir/lib
END
PKG_CONFIG_PATH=$PWD
PATH=$top_builddir:$PATH
export PKG_CONFIG_PATH PATH

# matches PATTERN: stdin, with ... for any text
matches()
{
    awk -v pattern="$1" '
        function quoted(s) { gsub(/[][\\.^$*+?(){}|\/]/, "\\\\&", s); return s }
        BEGIN {
            n = split(pattern, line, "\n")
            for (i = 1; i <= n; i++) {
                if (line[i] == "...") { r = r "(.*\n)?"; continue }
                m = split(line[i], part, /\.\.\./)
                for (j = 1; j <= m; j++)
                    r = r (j > 1 ? "[^\n]*" : "") quoted(part[j])
                r = r "\n"
            }
        }
        { said = said $0 "\n" }
        END { exit said !~ "^" (pattern == "" ? "" : r) "$" }'
}

# one COMMAND EXPECTED: runs it. What it leaves in the background goes on in our process group, as behind a prompt: when a group of its
# own had nobody left who waits for it, the system would hang up on those that are stopped.
one()
{
    said=$(timeout --foreground -k 5 "$((60 * KITH_TEST_SLOWDOWN))" sh -c "$1" 2>&1)
    if [ -n "$said" ]; then printf '%s\n' "$said"; fi | matches "$2" || {
        fail "$document: \$ $1"
        printf 'prints\n%s\nnot\n%s\n' "$said" "$2"
    }
}

run_block()
{
    command= expected= ran=
    while IFS= read -r line; do
        case $line in
        '$ '*)
            [ -z "$command" ] || one "$command" "$expected" </dev/null
            command=${line#'$ '} expected= ran=1 ;;
        *)
            expected=$expected${expected:+
}$line ;;
        esac
    done <block
    [ -z "$command" ] || one "$command" "$expected" </dev/null
    [ -n "$ran" ] || fail "$document: a console block without a command"
}

for path in "$top_srcdir/README.md" "$top_srcdir"/docs/*.md; do
    document=${path##*/}
    rm -rf block.* blocks
    mkdir blocks
    # blocks/NNN.KIND, with the needs in blocks/NNN.needs
    awk '
        /^<!-- needs: / { needs = $0; sub(/<!-- needs: /, "", needs); sub(/ *-->.*/, "", needs); next }
        /^```/ && on { close(file); on = 0; next }
        /^```(c|console)$/ {
            on = 1; kind = substr($0, 4); file = sprintf("blocks/%03d.%s", ++n, kind)
            if (needs != "") print needs > sprintf("blocks/%03d.needs", n)
            needs = ""; printf "" > file; next
        }
        /^```/ { on = 1; file = "/dev/null"; next }
        on { print > file }' "$path"
    for block in blocks/*.c blocks/*.console; do
        [ -e "$block" ] || continue
        echo "$block"
    done | sort >order
    while read -r block; do
        missing=
        for tool in $(cat "${block%.*}.needs" 2>/dev/null); do
            case $tool in
            plain) [ -z "$SANITIZER_FLAGS" ] || missing="a build without sanitizers" ;;
            mpi) [ -n "$MPIRUN" ] || missing=MPI ;;
            *) command -v "$tool" >/dev/null || missing=$tool ;;
            esac
        done
        if [ -n "$missing" ]; then
            left_out="$left_out $document:$missing"
            continue
        fi
        case $block in
        *.c)
            name=$(sed -n '1s,^/\* \([a-z_]*\.c\) \*/$,\1,p' "$block")
            if [ -n "$name" ]; then
                cp "$block" "$name"
                # shellcheck disable=SC2046
                $CC -std=c11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I"$top_srcdir/lib" "$name" ||
                    fail "$document: $name does not compile"
            fi ;;
        *)
            cp "$block" block
            run_block ;;
        esac
    done <order
done

for path in "$top_srcdir"/*.md "$top_srcdir"/*/*.md; do
    for link in $(grep -o '](\([^)#]*\)' "$path" | sed 's/^](//' | grep -v '^https\{0,1\}:'); do
        [ -e "$(dirname "$path")/$link" ] || fail "${path#"$top_srcdir/"}: $link is not there"
    done
done

grep -oh 'KITH_[A-Z_]*' "$top_srcdir/README.md" "$top_srcdir"/docs/*.md | sort -u >names
"$KITH_COMMAND" env 2>&1 | sed -n 's/^\(KITH_[A-Z_]*\).*/\1/p' >variables
while read -r name; do
    case $name in KITH_DEMO_*|KITH_TEST_*) continue ;; esac
    grep -qx "$name" variables || grep -rqw "$name" "$top_srcdir/lib" || fail "nothing knows $name"
done <names
for name in $(grep -oh '\bkith_[a-z_]*' "$top_srcdir/README.md" "$top_srcdir"/docs/*.md | sort -u); do
    grep -qw "$name" "$top_srcdir/lib/kith.h" || fail "kith.h has no $name"
done

# from-python.md has all names of Python's multiprocessing: tests/python_names tells how it is read.
awk '/^[|] / { sub(/^[|] */, ""); match($0, /[^\\][|]/); $0 = substr($0, 1, RSTART); gsub(/\\[|]/, "|"); print }' \
    "$top_srcdir/docs/from-python.md" | grep -o '`[^`]*`' >named
awk '
    function is_there(pattern,    i)
    {
        for (i = 1; i <= n && spans[i] !~ pattern; i++) ;
        return i <= n
    }
    function has(text,    i)
    {
        gsub(/~/, " ", text)
        for (i = 1; i <= n && !index(spans[i], text); i++) ;
        return i <= n
    }
    function is_named(name)
    {
        if (name ~ /^=/)
            return has(substr(name, 2))
        if (name ~ /=$/)
            return is_there("(^|[^A-Za-z_])" class "[(](.*[ ,(])?" name)
        return is_there("(^|[^A-Za-z0-9_])" (variable == "" ? "" : variable "[.]") name "($|[^A-Za-z0-9_])")
    }
    NR == FNR { spans[++n] = substr($0, 2, length($0) - 2); next }
    /^#/ || !NF { next }
    {
        class = $1
        variable = $2
        sub(/:$/, "", class)
        if (!sub(/:$/, "", variable))
            variable = ""
        for (i = variable == "" ? 2 : 3; i <= NF; i++)
            if (!is_named($i))
                print "docs/from-python.md: nothing on " $i " of " class
    }' named "$top_srcdir/tests/python_names" >unnamed
[ ! -s unnamed ] || { cat unnamed; fail "names of Python that from-python.md leaves out"; }

# ARCHITECTURE.md describes the code as it is: its files, functions and constants exist.
for name in $(grep -o '`[^` ]*`' "$top_srcdir/ARCHITECTURE.md" | tr -d '`' | sort -u); do
    case $name in
    */*.[ch]|*/*.sh|*/) [ -e "$top_srcdir/lib/$name" ] || [ -e "$top_srcdir/$name" ] || fail "ARCHITECTURE.md: $name is not there" ;;
    kith_*|KITH_*|*[a-z]_[a-z]*) grep -rqwF -e "${name%%=*}" "$top_srcdir/lib" || fail "ARCHITECTURE.md: lib/ has no $name" ;;
    esac
done

# Each example has a row in examples/README.md, and is run by the tests.
for path in "$top_srcdir"/examples/*.c; do
    name=${path##*/}
    name=${name%.c}
    case $name in args|pi) continue ;; esac
    grep -q "^|.*\[$name\.c\]($name\.c) |\$" "$top_srcdir/examples/README.md" || fail "examples/README.md has no row for $name.c"
    [ -s "$top_srcdir/examples/expected/$name.txt" ] || fail "examples/expected/$name.txt is not there"
    grep -q "^[^#]*\<good $name\>" "$top_srcdir/tests/examples/run.sh" || fail "tests/examples/run.sh does not run $name"
    grep -q "^[^#]*\<$name\>" "$top_srcdir/tests/examples/nodes.sh" || fail "tests/examples/nodes.sh does not run $name"
done

# Its programs are not much longer than those in Python: the figures of examples/README.md are those of the files, and so is their sum.
lines_of()
{
    awk '
        {
            code = ""
            for (rest = $0; rest != "";) {
                at = index(rest, comment ? "*/" : "/*")
                code = code (comment ? "" : at ? substr(rest, 1, at - 1) : rest)
                rest = at ? substr(rest, at + 2) : ""
                if (at)
                    comment = !comment
            }
            gsub(/[ \t]/, "", code)
            n += code !~ /^[{}();,]*$/
        }
        END { print n }' "$1"
}
sed -n 's/^| `*\([a-z_]*\)`* | \([0-9]*\) | \([0-9]*\) |$/\1 \2 \3/p' "$top_srcdir/examples/README.md" >lengths
python=0 c=0
while read -r name in_python in_c; do
    if [ "$name" = all ]; then
        [ "$in_python $in_c" = "$python $c" ] || fail "examples/README.md: all are $python and $c lines"
        [ $((c * 100)) -le $((python * 135)) ] || fail "the examples have $c lines, and $python in Python: more than 1.35 times as many"
        all=1
    else
        lines=$(lines_of "$top_srcdir/examples/$name.c")
        [ "$in_c" = "$lines" ] || fail "examples/README.md: $name.c has $lines lines"
        python=$((python + in_python)) c=$((c + in_c))
    fi
done <lengths
[ -n "${all-}" ] || fail "examples/README.md does not say how long the examples are"

# test_random_calls calls all functions of lib/kith.map, but for those that its head names.
cat "$top_srcdir/tests/random/"*.h "$top_srcdir/tests/test_random_calls.c" >random_calls
awk '/^\/\*/ { comment = 1 } !comment { print } /\*\// { comment = 0 }' random_calls >called
sed -n '/^ \* Not called/,/^ \*$/p' random_calls >not_called
for name in $(sed -n 's/^ *\(kith_[a-z_]*\);$/\1/p' "$top_srcdir/lib/kith.map" | grep -v '^kith__'); do
    if grep -qw "$name" called; then
        ! grep -qw "$name" not_called || fail "test_random_calls: $name is said not to be called"
    else
        grep -qw "$name" not_called || fail "test_random_calls does not call $name"
    fi
done

# tests/README.md has all tests of CPython's, and names the tests here that carry them over; these name those in turn, as TEST_LIKE.
awk '
    function spans(text, list,    n)
    {
        for (n = 0; match(text, /`[^`]*`/); text = substr(text, RSTART + RLENGTH))
            list[++n] = substr(text, RSTART + 1, RLENGTH - 2)
        return n
    }
    FNR == 1 { file++ }
    file == 1 && /^[^#]/ {
        sub(/:$/, "", $1)
        known[$1, ""] = 1
        for (i = 2; i <= NF; i++)
            known[$1, $i] = 1
    }
    file == 2 && /^[|]/ {
        split($0, column, / [|] /)
        n = spans(column[1], name)
        if (column[2] ~ /^here/) { # the classes of the rows that follow, as far as these name none
            split("", above)
            for (i = 1; i <= n; i++) {
                above[i] = name[i]
                there[name[i], ""] = 1
            }
            next
        }
        for (named = 0; (named + 1) in above; named++)
            class[named + 1] = above[named + 1]
        tests = column[2] ~ /^none/ ? 0 : spans(column[2], test)
        for (i = 1; i <= n; i++) {
            if (name[i] !~ /^test_/) {
                class[named = 1] = name[i]
                there[name[i], ""] = 1
                continue
            }
            for (k = 1; k <= named; k++) {
                there[class[k], name[i]] = 1
                for (t = 1; t <= tests && (class[k], name[i]) in known; t++)
                    if (test[t] ~ /^test_/)
                        source = test[t]
                    else if (test[t] !~ /^kith_|^(atexit|main)$/)
                        print source, test[t], class[k] "." name[i] >"pairs"
            }
        }
    }
    END {
        for (pair in known)
            if (!(pair in there)) {
                split(pair, part, SUBSEP)
                print "tests/README.md: nothing on " part[1] (part[2] == "" ? "" : "." part[2])
            }
    }' "$top_srcdir/tests/python_tests" "$top_srcdir/tests/README.md" >missing
[ ! -s missing ] || { cat missing; fail "tests of CPython's that tests/README.md leaves out"; }
for path in "$top_srcdir"/tests/test_*.c; do
    tr '\n' ' ' <"$path" | grep -o 'TEST_LIKE([^)]*)' | sed 's/" *"//g; s/[(),"]/ /g' |
        awk -v source="$(basename "$path" .c)" '{ for (i = 3; i <= NF; i++) print source, $2, $i }'
done | sort -u >carried
sort -u pairs | comm -3 - carried >odd
sed 's/^\t\(.*\)/tests\/README.md does not say: \1/; t; s/^/only tests\/README.md says: /' odd | sed 10q
[ ! -s odd ] || fail "tests/README.md and the tests do not agree on what these carry over"
for name in $(sed -n 's/^|[^|]*|//p' "$top_srcdir/tests/README.md" | grep -o '`test_[^` ]*`' | tr -d '`' | sort -u); do
    [ -e "$top_srcdir/tests/$name.c" ] || fail "tests/README.md: there is no $name"
done

# The sentences that troubleshooting.md explains are in the sources; ... stands for what is filled in. They are what stands between ` in
# the first column.
find "$top_srcdir/lib" "$top_srcdir/launcher" -name '*.[ch]' -exec cat {} + |
    awk '{ sub(/^[ \t]*/, "") } /"$/ { sub(/"$/, ""); held = held $0; next } { sub(/^"/, held != "" ? "" : "\""); print held $0; held = "" }' |
    sed 's/%[-+0-9.*]*[lzhj]*[a-z]/.../g; s/\\"/"/g' | grep '"' >sentences
sed -n 's/^| *\(`.*\)/\1/p' "$top_srcdir/docs/troubleshooting.md" | sed 's/ | .*//' | grep -o '`[^`]*`' | tr -d '`' >explained
awk '
    NR == FNR { said = said $0 "\n"; next }
    {
        for (n = split($0, part, /\.\.\./); n > 0; n--)
            if (length(part[n]) >= 8 && !index(said, part[n])) print "troubleshooting.md: no message says \"" part[n] "\""
    }' sentences explained >unsaid
[ ! -s unsaid ] || { cat unsaid; fail "sentences that nobody says"; }

# And all that is said is explained there. (kith.h has the declarations, env.h what kith env shows.)
find "$top_srcdir/lib" "$top_srcdir/launcher" -name '*.[ch]' ! -name kith.h ! -name env.h -exec "$top_srcdir/tests/messages" {} + >messages
[ "$(wc -l <messages)" -gt 600 ] || fail "tests/messages has found $(wc -l <messages) messages only"
awk '
    function pattern(sentence)
    {
        gsub(/[][\\.^$*+?(){}|\/]/, "\\\\&", sentence)
        gsub(/\\\.\\\.\\\./, ".*", sentence)
        return sentence
    }
    NR == FNR { explained[++n] = pattern($0); next }
    {
        for (i = 1; i <= n && $0 !~ explained[i]; i++) ;
        if (i > n) print
    }' explained messages >unexplained
[ ! -s unexplained ] || { cat unexplained; fail "docs/troubleshooting.md does not explain these messages"; }

[ -z "$left_out" ] || echo "left out, for want of:$left_out"
exit $failed
