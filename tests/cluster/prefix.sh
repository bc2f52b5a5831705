#!/bin/bash
# kith in a prefix of a user's own: what README.md says to export and the commands of docs/cluster.md, word for word, as an
# ordinary user on two nodes made of namespaces. The other node knows nothing of what the shell of the first one exported.
set -u

cluster=$top_srcdir/tests/cluster/cluster
document=$top_srcdir/docs/cluster.md
failed=0
export CLUSTER=prefix$$

skip() { echo "skipped: $*"; exit 77; }

[ "$(id -u)" = 0 ] || skip "only root can make nodes of namespaces"
[ -z "$SANITIZER_FLAGS" ] || skip "a sanitizer has flags that no document names"
[ -e "$top_builddir/lib/.libs/libkith.so" ] || skip "kith was built without a shared library"
[ -e "$top_builddir/lib/.libs/kith-net.so" ] || skip "kith was built for one node only"
mpirun --version 2>/dev/null | grep -q 'Open MPI' || skip "the mpirun in PATH is not Open MPI's"
[ -e "$top_builddir/lib/.libs/kith-mpi-openmpi.so" ] || skip "kith was built without Open MPI"
for tool in cc pkg-config ip nsenter unshare setpriv ssh sshd; do
    [ -x "$(PATH=$PATH:/usr/sbin:/sbin command -v $tool)" ] || skip "$tool is missing"
done

trap '"$cluster" down; rm -rf "$TMPDIR"/*' EXIT
cd /var/tmp || exit 99
"$cluster" up 2 $$ >"$TMPDIR/up" 2>&1 || skip "no namespaces here: $(tail -n 1 "$TMPDIR/up")"
home=/var/tmp/cluster-$CLUSTER/home

# What "./configure --prefix=$HOME/.local" installs; only kith.pc names the prefix.
make -s -C "$top_builddir" install DESTDIR="$TMPDIR/root" >"$TMPDIR/log" 2>&1 || { cat "$TMPDIR/log"; exit 1; }
pc=$(find "$TMPDIR/root" -name kith.pc)
cp -r "${pc%/lib*}" "$home/.local"
sed -i "s,^prefix=.*,prefix=$home/.local," "$home/.local/lib/pkgconfig/kith.pc"

cat >"$home/program.c" <<'END'
#include <kith.h>
#include <stdio.h>

static int there(const void *arg)
{
    (void)arg;
    printf("hello from %s\n", kith_host());
    return 0;
}

int main(int argc, char **argv)
{
    kith_init(&argc, &argv);
    printf("%d ranks\n", kith_size());
    fflush(stdout);
    kith_process p = kith_process_start_with(there, NULL, 0, .node = KITH_NODE(kith_nodes() - 1));
    kith_process_join(p, KITH_FOREVER);
    return kith_finalize();
}
END
lines() { sed -n "s/^\($1.*\)/\1/p" "$2"; }
lines 'node[0-9]* slots=' "$document" >"$home/hosts"
lines 'export ' "$top_srcdir/README.md" >"$home/exports"
chown -R 7700:7700 "$home"

# user COMMAND: in a shell of the user's on node1, in the home directory
user()
{
    (cd "$home" && timeout "$((120 * KITH_TEST_SLOWDOWN))" "$cluster" exec kith@node1 env -u KITH_MODULES -u LD_LIBRARY_PATH TMPDIR=/tmp sh -c "$1") \
        >"$TMPDIR/out" 2>&1 </dev/null
}

# expect OUTPUT PREPARATION COMMAND: any command, and no empty one
expect()
{
    [ -n "$3" ] || { failed=1; echo "FAILED: a command is missing in docs/cluster.md"; return; }
    user "$2$3"
    status=$?
    if [ $status = 0 ] && [ "$(sort "$TMPDIR/out")" = "$1" ]; then
        echo "ok: $3"
        return
    fi
    failed=1
    echo "FAILED, status $status: $3"
    sed 's/^/    /' "$TMPDIR/out"
}

exports=". ./exports; "
answer="8 ranks
hello from node2"
expect "" "$exports" 'cc program.c $(pkg-config --cflags --libs kith) -o program'
expect "$answer" "$exports" "$(lines 'kith run --hostfile' "$document")"
expect "$answer" "$exports" "$(lines 'mpirun -x LD_LIBRARY_PATH' "$document")"
user "$exports$(lines 'mpirun --hostfile' "$document")" && { failed=1; echo "FAILED: node2 finds libkith by itself: this test shows nothing"; }
expect "" "$exports" "$(lines 'cc program.c' "$document")"
expect "$answer" "" "$(lines 'mpirun --hostfile' "$document")"
exit $failed
