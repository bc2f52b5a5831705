#!/bin/sh
# kith run on several hosts made of namespaces: it runs there, and says of hosts that cannot be reached why.
# kith-test: limit=600
. "$(dirname "$0")/common"
cluster=${top_srcdir-$here/../..}/tests/cluster/cluster
[ -x "$cluster" ] || { echo "skipped: no $cluster"; exit 77; }
[ "$(id -u)" = 0 ] || { echo "skipped: only root can make hosts of namespaces"; exit 77; }
command -v sshd >/dev/null || [ -x /usr/sbin/sshd ] || { echo "skipped: no sshd here"; exit 77; }
CLUSTER=run-$$
export CLUSTER
trap '"$cluster" down; rm -rf "$work"' EXIT
# What "up" leaves running does not hold its caller's pipe: this would wait for ever.
up=$("$cluster" up 3 $$ 2>&1) || { echo "skipped: no cluster here: $(echo "$up" | tail -n 1)"; exit 77; }
home=/var/tmp/cluster-$CLUSTER/home
chmod 755 "$work"
cp "$kith" kith
user=kith@node1

# on_node1 COMMAND...: as an ordinary user, whose ssh has the configuration that config wrote
on_node1()
{
    "$cluster" exec $user env TMPDIR=/tmp ${KITH_MPIRUN+KITH_MPIRUN="$KITH_MPIRUN"} "$@"
}

config()
{
    mkdir -p "$home/.ssh"
    printf '%s\n' "$@" >"$home/.ssh/config"
    chown -R 7700:7700 "$home/.ssh"
    chmod 700 "$home/.ssh"
}

job()
{
    config
    expect "$mpi: two hosts" 0 "node1
node2" "" sh -c '"$@" | sort' sh "$cluster" exec $user env TMPDIR=/tmp KITH_MPIRUN="$KITH_MPIRUN" ./kith run --host node1:1,node2:1 hostname
    expect "$mpi: ranks fill a host, then the next" 0 "0 node1
1 node1
2 node2" "" sh -c '"$@" | sort' sh "$cluster" exec $user env TMPDIR=/tmp KITH_MPIRUN="$KITH_MPIRUN" ./kith run --host node1:2,node2:2 -n 3 \
        sh -c 'echo ${OMPI_COMM_WORLD_RANK-$PMI_RANK} $(hostname)'
    expect "$mpi: --map-by node goes round" 0 "0 node1
1 node2
2 node1" "" sh -c '"$@" | sort' sh "$cluster" exec $user env TMPDIR=/tmp KITH_MPIRUN="$KITH_MPIRUN" ./kith run --host node1:2,node2:2 -n 3 \
        --map-by node sh -c 'echo ${OMPI_COMM_WORLD_RANK-$PMI_RANK} $(hostname)'
    printf 'node2 slots=1\nnode3:1\n' >hosts
    expect "$mpi: a hostfile in mixed formats" 0 "node2
node3" "" sh -c '"$@" | sort' sh "$cluster" exec $user env TMPDIR=/tmp KITH_MPIRUN="$KITH_MPIRUN" ./kith run --hostfile hosts hostname
    expect "$mpi: --tag" 0 "[0 node1] a b
[1 node2] a b" "" sh -c '"$@" | sort' sh "$cluster" exec $user env TMPDIR=/tmp KITH_MPIRUN="$KITH_MPIRUN" ./kith run --tag --host node1:1,node2:1 \
        sh -c 'printf "a "; sleep 0.1; echo b'
    expect "$mpi: --tag: no such program there" 127 "" "[[]0 node2] kith: ./nosuch: it is not on node2: *" on_node1 ./kith run --tag --host node2:1 ./nosuch
    expect "$mpi: exit status of another host" 7 "" "" on_node1 ./kith run --host node2:1 sh -c 'exit 7'
    # Where it died Open MPI's mpirun forgets to say now and then, of a program without MPI.
    expect "$mpi: death on another host" 137 "" "kith: * was killed by signal 9 (Killed)" \
        on_node1 ./kith run --host node2:1 sh -c 'kill -9 $$'
    expect "$mpi: variables go there" 0 "7 x y" "" \
        on_node1 KITH_SEED=7 ./kith run --host node2:1 -x 'WORD=x y' sh -c 'echo $KITH_SEED $WORD'
    expect "$mpi: KITH_NET" 0 node2 "" on_node1 KITH_NET=10.77.0.0/24 ./kith run --host node2:1 hostname
    expect "$mpi: no such program there" 127 "" "kith: ./nosuch*" on_node1 ./kith run --host node2:1 ./nosuch

    expect "$mpi: an unknown name" 125 "" "kith: node9: no host of this name is known *" on_node1 ./kith run --host node9:1 hostname
    "$cluster" cut node3
    expect "$mpi: a host that is down" 125 "" "kith: node3: no answer from port 22 for 3 s: *" \
        on_node1 ./kith run --host node2:1,node3:1 hostname
    "$cluster" heal node3
    config "Host node2" "UserKnownHostsFile /dev/null"
    expect "$mpi: an unknown host key" 125 "" "kith: node2: its ssh host key is not known here: run ssh node2 once and answer yes" \
        on_node1 ./kith run --host node1:1,node2:1 hostname
    config "Host node2" "User nosuchuser"
    expect "$mpi: no login" 125 "" "kith: node2: ssh cannot log in without a password: ssh-copy-id node2" \
        on_node1 ./kith run --host node1:1,node2:1 hostname
    config "Host other" "HostName node2" "Port 77"
    expect "$mpi: no ssh server" 125 "" "kith: other: nothing listens on port 77: install and start its ssh server" \
        on_node1 ./kith run --host other:1 hostname
    config "Host other" "HostName node2"
    expect "$mpi: a name that only ssh knows" 0 node2 "" on_node1 ./kith run --host other:1 hostname
    config "Host node2" "ProxyJump node3"
    expect "$mpi: a way around" 0 node2 "" on_node1 ./kith run --host node2:1 hostname
    config
}

# Open MPI takes an address of IPv6 from a file; MPICH takes none.
v6()
{
    [ $mpi = openmpi ] || return
    for n in 1 2; do "$cluster" exec node$n ip -6 addr add fd77::$n/64 dev eth0 nodad; done
    config "Host fd77*" "StrictHostKeyChecking no" "UserKnownHostsFile /dev/null" "LogLevel ERROR"
    printf 'fd77::1 slots=1\nfd77::2 slots=1\n' >hosts
    expect "$mpi: IPv6" 0 "node1
node2" "" sh -c '"$@" | sort' sh "$cluster" exec $user env TMPDIR=/tmp KITH_MPIRUN="$KITH_MPIRUN" ./kith run --hostfile hosts hostname
    config
}

# One message for a host, however many ranks it has, with the loader's own line.
no_daemon()
{
    [ $mpi = openmpi ] || return
    library=$(ldd "$(command -v orted)" | awk '/libopen-rte/ { print $3 }')
    [ -n "$library" ] || return
    "$cluster" exec node2 mount --bind /dev/null "$(realpath "$library")"
    expect "$mpi: orted does not run" 125 "" "kith: node2: orted does not run when it is called by ssh node2: orted: error while loading shared libraries: *libopen-rte.so*" \
        on_node1 ./kith run --host node1:2,node2:2 hostname
    "$cluster" exec node2 umount "$(realpath "$library")"
}

no_room()
{
    [ $mpi = openmpi ] || return
    mkdir -p shut
    chmod 755 shut
    expect "$mpi: no directory to write to" 125 "" "kith: $work/shut/*: mpirun must write there and may not, *" \
        "$cluster" exec $user env TMPDIR="$work/shut" KITH_MPIRUN="$KITH_MPIRUN" ./kith run -n 1 hostname
}

# What hosts of users are like: a full disk, one that is read-only, a .bashrc that is for terminals only.
habits()
{
    "$cluster" exec node2 sh -c 'mount -o remount,size=1m /tmp; head -c 2000000 /dev/zero >/tmp/fill' 2>/dev/null
    if [ $mpi = openmpi ]; then
        expect "$mpi: a full /tmp there" 125 "" "kith: node2: the directory for temporary files (TMPDIR, or /tmp) is full, *" \
            on_node1 ./kith run --host node1:1,node2:1 "$top_builddir/tests/ranks/actions" count
        on_node1 "$KITH_MPIRUN" -x KITH_MODULES --host node1:1,node2:1 "$top_builddir/tests/ranks/actions" count >out 2>err </dev/null
        grep -q "^kith: a disk of node2 is full, where MPI has files of its own (/tmp/" err && ok "a full /tmp there, by mpirun" || { fail "a full /tmp there, by mpirun"; cat out err; }
    fi
    on_node1 ./kith hosts --host 'node[1-3]' >said 2>err
    [ $? = 1 ] && [ "$(awk '/!/ { print $1 }' said)" = node2 ] && grep -q "TMP: MPI must write to /tmp there" said && ok "$mpi: kith hosts: a full /tmp" ||
        { fail "$mpi: kith hosts: a full /tmp"; cat said err; }
    "$cluster" exec node2 sh -c 'rm /tmp/fill; mount -o remount,size=1g,ro /tmp'
    if [ $mpi = openmpi ]; then
        expect "$mpi: a read-only /tmp there" 125 "" "kith: node2: /tmp/ompi.node2.7700*: mpirun must write there and may not, *" \
            on_node1 ./kith run --host node1:1,node2:1,node3:1 hostname
        expect "$mpi: another directory" 0 node2 "" on_node1 OMPI_MCA_orte_tmpdir_base=/var/tmp ./kith run --host node2:1 hostname
    fi
    "$cluster" exec node2 mount -o remount,rw /tmp
    echo '[ "$(hostname)" != node2 ] || exit 3' >"$home/.bashrc"
    expect "$mpi: a .bashrc that exits" 125 "" "kith: node2: a login there ends with status 3 before it runs anything: *" \
        on_node1 ./kith run --host node1:1,node2:1,node3:1 hostname
    echo '[ "$(hostname)" != node2 ] || { printf "which module? "; read -r module; }' >"$home/.bashrc"
    on_node1 ./kith hosts --host 'node[1-3]' >said 2>err
    [ $? = 1 ] && [ "$(awk '/!/ { print $1 }' said)" = node2 ] && grep -q "LOGIN: what a login reads there first, " said && ok "$mpi: kith hosts: a .bashrc that asks" ||
        { fail "$mpi: kith hosts: a .bashrc that asks"; cat said err; }
    if [ $mpi = openmpi ] && [ -z "${SANITIZER_FLAGS-}" ]; then
        echo '[ "$(hostname)" != node2 ] || ulimit -v 300000' >"$home/.bashrc"
        expect "$mpi: little room for addresses there" 1 "" "kith: no room to map *: ulimit -v leaves *[[]on node2]" \
            on_node1 ./kith run --host node1:1,node2:1 "$top_builddir/tests/ranks/actions" count
    fi
    rm "$home/.bashrc"
    [ $mpi = openmpi ] || return
    "$cluster" exec node1 mkdir -m 777 /tmp/only
    expect "$mpi: a directory that others lack" 0 "sum 332833500" "kith: the directory /tmp/only is not on node2: ranks started in $home there, *" \
        on_node1 sh -c 'cd /tmp/only && "$@" 2>&1 >sums | grep -v " workers, rank 0 of 2" >&2; cat sums' sh "$PWD/kith" run --host node1:1,node2:1 \
        "$top_builddir/tests/ranks/actions" count
    "$cluster" exec node1 rm -r /tmp/only
}

# It is node2 whose ssh does not come to its end; mpirun's to node3 does not either.
another_shell()
{
    [ $mpi = openmpi ] && [ -n "${KITH_TEST_LONG-}" ] || return
    echo '[ "$(hostname)" != node2 ] || exec sh' >"$home/.bashrc"
    on_node1 timeout $((60 * KITH_TEST_SLOWDOWN)) ./kith run --host node1:1,node2:1,node3:1 hostname >out 2>err </dev/null
    case $(cat err) in
    "kith: node2: a login there ends with status 0 before "*) ok "$mpi: a .bashrc with another shell" ;;
    *) fail "$mpi: a .bashrc with another shell: $(cat err)" ;;
    esac
    rm "$home/.bashrc"
}

# kith hosts, with real logins, as an ordinary user.
survey()
{
    config
    on_node1 ./kith hosts --host 'node[1-3]' --program ./kith >said 2>err
    [ $? = 0 ] && [ "$(awk 'NR > 1 { print $1, $2 }' said | tr '\n' ' ')" = "node1 here node2 ok node3 ok " ] && grep -q "^node3 .* 10.77.0.3 " said &&
        ok "$mpi: kith hosts" || { fail "$mpi: kith hosts"; cat said err; }
    "$cluster" exec node2 ip route add prohibit 10.77.0.3/32
    config "Host node3" "User nosuchuser"
    on_node1 ./kith hosts --host 'node[1-3]' --program ./kith >said 2>err
    [ $? = 1 ] && grep -q "LOGIN: ssh cannot log in without a password: ssh-copy-id node3" said && ok "$mpi: kith hosts: no login" ||
        { fail "$mpi: kith hosts: no login"; cat said err; }
    config
    on_node1 ./kith hosts --host 'node[1-3]' >said 2>err
    [ $? = 1 ] && grep -q "NETWORK: node2 cannot connect to it (10.77.0.3: " said && grep -q "NETWORK: node3 cannot connect to it (10.77.0.2 does not answer)" said &&
        ok "$mpi: kith hosts: a firewall between two" || { fail "$mpi: kith hosts: a firewall between two"; cat said err; }
    "$cluster" exec node2 ip route del prohibit 10.77.0.3/32
    lacks
}

# One of three nodes lacks the program: it is marked in its line, and the cure stands below.
lacks()
{
    mkdir -p only
    cp kith only/program
    chmod 755 only
    "$cluster" exec node3 mount -t tmpfs tmpfs "$work/only"
    on_node1 ./kith hosts --host 'node[1-3]' --program only/program >said 2>err
    [ $? = 1 ] && [ "$(awk '/!/ { print $1 }' said | tr '\n' ' ')" = "node3 " ] &&
        [ "$(sed -n '/^node3 /{n;s/^ *//;s/: copy it .*/: copy it/;p}' said)" = "PROGRAM: $work/only/program is not there: copy it" ] &&
        ok "$mpi: kith hosts: a node without the program" || { fail "$mpi: kith hosts: a node without the program"; cat said err; }
    "$cluster" exec node3 umount "$work/only"
}

each_mpi survey
each_mpi job
each_mpi v6
each_mpi no_daemon
each_mpi no_room
each_mpi habits
each_mpi another_shell

# Inside an allocation of Slurm, which tells mpirun the hosts.
allocation()
{
    timeout 60 "$cluster" exec $user env TMPDIR=/tmp KITH_MPIRUN="$KITH_MPIRUN" salloc -Q -N 2 -n 2 "$@"
}

slurm_job()
{
    expect "$mpi: Slurm: the ranks are its tasks" 0 "node1
node2" "" sh -c '"$@" | sort' sh timeout 60 "$cluster" exec $user env TMPDIR=/tmp KITH_MPIRUN="$KITH_MPIRUN" \
        salloc -Q -N 2 -n 2 ./kith run hostname
    expect "$mpi: Slurm: exit status" 3 "" "" allocation ./kith run sh -c 'exit 3'
    expect "$mpi: Slurm: no such program" 127 "" "kith: ./nosuch: there is no such program" allocation ./kith run ./nosuch
    expect "$mpi: Slurm: under srun" 125 "" "*kith: run: this is one of 2 ranks of a job already: *" \
        allocation srun --mpi=none ./kith run hostname
}

if command -v slurmctld >/dev/null && command -v munged >/dev/null && timeout 60 "${cluster%/*}/batch" up >slurm.log 2>&1; then
    each_mpi slurm_job
    "${cluster%/*}/batch" down
else
    echo "without Slurm: it is not installed, or does not start"
fi

# A host is lost in the middle: the job ends within a minute, and it is said why. (Open MPI's own times: 500 s.)
KITH_MPIRUN=${OPENMPI_MPIRUN-}
if [ -n "${KITH_TEST_LONG-}" ] && [ -n "$KITH_MPIRUN" ]; then
    "$cluster" exec $user env TMPDIR=/tmp KITH_MPIRUN="$KITH_MPIRUN" ./kith run --host node1:1,node3:1 sh -c 'echo up; sleep 200' >out 2>err &
    pid=$!
    wait_for out up
    begin=$(date +%s)
    "$cluster" cut node3
    wait $pid
    status=$?
    took=$(($(date +%s) - begin))
    "$cluster" heal node3
    case $(cat err) in
    "kith: node3 is lost: "*) [ $status = 205 ] && [ $took -lt 60 ] && ok "a lost host ends the job" ||
        fail "a lost host ends the job: status $status after $took s" ;;
    *) fail "a lost host ends the job: status $status after $took s: $(cat err)" ;;
    esac
fi
left=$("$cluster" left 30) && ok "nothing is left" || fail "that is left: $left"
done_testing
