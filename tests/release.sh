#!/bin/sh
# tools/release puts the version into all places and refuses what is no release. On a copy, without the tarball.
set -u
failed=0
trap 'rm -rf "$TMPDIR"/*' EXIT
command -v git >/dev/null || { echo "skipped: no git here"; exit 77; }
tree=$TMPDIR/tree
mkdir -p "$tree/lib" "$tree/tools"
cp "$top_srcdir/configure.ac" "$tree"
cp "$top_srcdir/lib/kith.h" "$tree/lib"
cp "$top_srcdir/tools/release" "$tree/tools"
cp -R "$top_srcdir/man" "$tree"
chmod -R u+w "$tree"
cd "$tree" || exit 99
HOME=$TMPDIR GIT_CONFIG_NOSYSTEM=1
export HOME GIT_CONFIG_NOSYSTEM
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
printf '# Changes\n\n## Unreleased\n\n## 0.1.0\n\nThe first version.\n' >CHANGELOG.md
git init -q . && git config user.name Somebody && git config user.email somebody@example.org &&
    git add . && git commit -qm "before" || exit 99

# release STATUS PATTERN ARGUMENT...
release()
{
    status=$1 pattern=$2
    shift 2
    tools/release "$@" >"$TMPDIR/said" 2>&1
    got=$?
    [ $got = "$status" ] && grep -q -e "$pattern" "$TMPDIR/said" && return
    echo "release.sh: release $*: status $got, not $status, or it does not say \"$pattern\":"
    cat "$TMPDIR/said"
    failed=1
}

# has FILE LINE
has()
{
    grep -Fqx -e "$2" "$1" || { echo "release.sh: $1 has no line: $2"; failed=1; }
}

release 1 'usage: '
release 1 'MAJOR.MINOR.PATCH' --prepare 99.1
release 1 'is before' --prepare 0.0.1
release 1 'nothing under Unreleased' --prepare 99.2.3
sed -i 's/^## Unreleased$/&\n\n- A change./' CHANGELOG.md
release 1 'not committed' --prepare 99.2.3
git commit -qam "a change"
release 0 'tagged v99.2.3' --prepare 99.2.3
has configure.ac "AC_INIT([kith], [99.2.3], [], [kith])"
has lib/kith.h "#define KITH_VERSION_MAJOR 99"
has lib/kith.h "#define KITH_VERSION_MINOR 2"
has lib/kith.h "#define KITH_VERSION_PATCH 3"
has lib/kith.h "#define KITH_VERSION \"99.2.3\""
has CHANGELOG.md "## Unreleased"
has CHANGELOG.md "## 99.2.3 ($(date +%Y-%m-%d))"
[ -z "$(grep -L '^\.TH .*"kith 99.2.3"' man/*)" ] || { echo "release.sh: pages without the version:"; grep -L 99.2.3 man/*; failed=1; }
[ -z "$(git status --porcelain)" ] && [ "$(git tag)" = v99.2.3 ] || { echo "release.sh: not committed, or not tagged"; failed=1; }
sed -i 's/^## Unreleased$/&\n\n- Another./' CHANGELOG.md
git commit -qam "another"
release 1 'tag v99.2.3 exists' --prepare 99.2.3
exit $failed
