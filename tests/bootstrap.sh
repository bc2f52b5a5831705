#!/bin/sh
# bootstrap installs what is missing and nothing else, says what to do where it cannot, and configures when it must: at first,
# after an interruption, at another place, and when something was installed that configure had not seen. The package manager and
# configure are played.
set -u
failed=0
trap 'rm -rf "$TMPDIR"/*' EXIT
said=$TMPDIR/said log=$TMPDIR/log tree=$TMPDIR/tree fake=$TMPDIR/fake bare=$TMPDIR/bare
export log fake
mkdir "$tree" "$fake" "$bare"
cp "$top_srcdir/bootstrap" "$tree"
: >"$tree/Makefile.in"
unset MAKEFLAGS MFLAGS MAKELEVEL

# script FILE: its text is stdin
script()
{
    { echo '#!/bin/sh'; cat; } >"$1"
    chmod +x "$1"
}

script "$tree/configure" <<'END'
echo configured >>"$log"
echo 'echo looked again >>"$log"' >config.status
chmod +x config.status
printf 'all:\n\t@echo made >>"$$log"\n' >Makefile
[ ! -e "$fake/interrupted" ] || exit 0
mkdir -p tests
echo "top_builddir='$PWD'" >tests/settings
: >libtool
chmod +x libtool
END
script "$fake/id" <<'END'
cat "$fake/uid"
END
script "$fake/sudo" <<'END'
echo "sudo" >>"$log"
exec "$@"
END
# The last argument is the package.
script "$fake/dpkg-query" <<'END'
for package; do :; done
grep -qx -e "$package" "$fake/there" && echo "install ok installed"
END
script "$fake/apt-get" <<'END'
[ "$1" != update ] || { echo update >>"$log"; : >"$fake/lists"; exit; }
[ -e "$fake/lists" ] || { echo "E: Unable to locate package" >&2; exit 100; }
[ ! -e "$fake/broken" ] || { echo "E: no space left" >&2; exit 100; }
for word; do
    case $word in
    install|-*) ;;
    *) echo "$word" >>"$fake/there"; echo "got $word" >>"$log" ;;
    esac
done
END

# expect NAME STATUS SAID LOG COMMAND...: SAID is a pattern of what it prints, LOG what configure and the others have done
expect()
{
    name=$1 want=$2 pattern=$3 done=$4
    shift 4
    : >"$log"
    "$@" >"$said" 2>&1 </dev/null
    got=$?
    # shellcheck disable=SC2254
    case $(cat "$said") in
    $pattern) [ "$got" != "$want" ] || [ "$(cat "$log")" != "$done" ] || return ;;
    esac
    failed=1
    echo "bootstrap.sh: $name: status $got, should be $want"
    sed 's/^/    says: /' "$said"
    sed 's/^/    does: /' "$log"
    printf 'should say %s\nshould do %s\n' "$pattern" "$done"
}

boot()
{
    PATH=$fake:$PATH "$tree/bootstrap" "$@"
}

: >"$fake/there"
echo 0 >"$fake/uid"
boot build >"$TMPDIR/first" 2>&1 || { cat "$TMPDIR/first"; echo "bootstrap.sh: it ends with status $?"; exit 1; }
grep -q Unable "$TMPDIR/first" && { cat "$TMPDIR/first"; echo "bootstrap.sh: it frightens people"; failed=1; }
grep -qx make "$fake/there" && grep -qx libzmq3-dev "$fake/there" || { echo "bootstrap.sh: it did not install"; failed=1; }
expect "nothing is missing" 0 "" made boot build

# needs PACKAGE: it is missing from now on
needs()
{
    grep -vx "$1" "$fake/there" >"$TMPDIR/rest"
    cp "$TMPDIR/rest" "$fake/there"
}

needs libzmq3-dev
expect "one is missing" 0 "bootstrap: installing libzmq3-dev" "got libzmq3-dev
looked again
looked again
made" boot build
needs libzmq3-dev
echo 1000 >"$fake/uid"
expect "by a user" 0 "bootstrap: installing libzmq3-dev" "sudo
got libzmq3-dev
looked again
looked again
made" boot build
needs libzmq3-dev
: >"$fake/broken"
expect "it cannot be installed" 1 "*E: no space left*bootstrap: apt-get could not install libzmq3-dev" "sudo
sudo
update
sudo" boot build

# Another system: only what bootstrap calls, and no package manager.
for tool in autoreconf automake awk cat cc dirname env grep libtoolize make mkdir mpicc nproc pkg-config readlink rm sed sh; do
    path=$(command -v $tool) && ln -s "$path" "$bare/$tool"
done
ln -s "$fake/id" "$bare/id"
ln -s "$fake/dpkg-query" "$bare/dpkg-query"
other()
{
    PATH=$bare "$tree/bootstrap" "$@"
}
ln -s "$fake/apt-get" "$bare/apt-get"
expect "a user without sudo" 1 "bootstrap: neither root nor sudo here: apt-get install libzmq3-dev" "" other build
rm "$bare/apt-get" "$bare/dpkg-query" "$bare/make"
expect "not Debian" 1 "bootstrap: this is not Debian or Ubuntu: install what they call autoconf *libzmq3-dev* and call me again" "" other build
expect "a test that cannot begin" 1 "*
0 passed, 1 failed" "" other check
ln -s "$(command -v make)" "$bare/make"
[ ! -e "$bare/mpicc" ] || [ ! -e "$bare/libtoolize" ] || [ ! -e "$bare/automake" ] ||
    expect "not Debian, but all is there" 0 "" made other build
echo libzmq3-dev >>"$fake/there"
rm "$fake/broken"

# configure
rm -r "$tree/build"
: >"$fake/interrupted"
expect "configure is interrupted" 0 "" "configured
made" boot build
rm "$fake/interrupted"
expect "after an interruption" 0 "" "configured
made" boot build
mv "$tree" "$tree.moved"
tree=$tree.moved
expect "at another place" 0 "" "configured
made" boot build
expect "there again" 0 "" made boot build
ln -s "$tree/bootstrap" "$TMPDIR/link"
expect "by another name" 0 "" made env PATH="$fake:$PATH" "$TMPDIR/link" build
mkdir "$TMPDIR/a path"
cp -R "$tree/." "$TMPDIR/a path/"
expect "a path with a space" 1 "bootstrap: autotools cannot build in \"$TMPDIR/a path\": move it *" "" \
    env PATH="$fake:$PATH" "$TMPDIR/a path/bootstrap" build
expect "what it does not know" 2 "usage: *" "" boot install
expect "nor behind a word" 2 "usage: *" "" boot check long
expect "help" 0 "usage: *" "" boot --help
exit $failed
