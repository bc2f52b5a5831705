#!/bin/sh
# kith hosts: what it says of hosts, and what of each is wrong. ssh is a fake here: each name is a fault, on this machine.
. "$(dirname "$0")/common"
fakes
export CI=true
mkdir -p bin old fast
ln -s "$kith" bin/kith
PATH=$work/bin:$PATH
unset KITH_NET KITH_PORTS LD_LIBRARY_PATH
fake fakes/orted "" ""
cat >old/kith <<'END'
#!/bin/sh
echo kith 0.0.1
END
fake old/mpirun "mpirun (Open MPI) 4.0.1"
printf '#!/bin/sh\necho $(($(command -p date +%%s) + 100))\n' >fast/date
chmod +x old/kith fast/date
cp /bin/true program
printf 'int main(void) { return 0; }\n' >other
chmod +x other
printf 'not executable\n' >text

# what a host of that name is
cat >fakes/ssh <<'END'
#!/bin/sh
while case $1 in -*) ;; *) false ;; esac; do shift 2; done
echo "$1 $2" >>"$FAKE/called"
# with SETTING: another value for something that is asked about. What the shell then reads is the rest.
with()
{
    read -r line
    eval "$line"
    export directory kith mpirun daemon program version
    eval "$1"
    exec sh
}
case $1 in
good*) exec sh ;;
old) PATH=$FAKE/old:$PATH exec sh ;;
fast) PATH=$FAKE/fast:$PATH exec sh ;;
nokith) with 'PATH=/usr/bin:/bin kith=$FAKE/nosuch/kith' ;;
othermpi) with 'mpirun=$FAKE/old/mpirun' ;;
nompi) with 'mpirun=nosuch-mpirun' ;;
nodaemon) with 'daemon=nosuch-daemon' ;;
nodirectory) with 'directory=$FAKE/nosuch' ;;
noprogram) with 'program=$FAKE/nosuch/program' ;;
otherprogram) with 'program=$FAKE/other' ;;
locked) with 'program=$FAKE/text' ;;
nolibrary) PATH=$FAKE/loader:$PATH exec sh ;;
fewfiles) ulimit -n 40; exec sh ;;
little) ulimit -v 200000; exec sh ;;
fullshut) TMPDIR=$FAKE/nosuch exec sh ;;
exits) exit 3 ;;
leaves) exit 0 ;;
asks) printf 'which module? '; read -r module; exec sh ;;
prints) printf 'welcome '; exec sh ;;
closed) sed -u 's,^reach \([0-9]*\) [0-9]*,reach \1 1,' | sh ;;
twin) sed -u 's,^\(reach [0-9]* [0-9]*\) [0-9a-f]*,\1 00000000000000000000000000000000,' | sh ;;
late) exec sleep 60 ;;
hangs) exec sh -c 'echo clock 1; sleep 60' ;;
slow*) sleep 1; exec sh ;;
nokey) echo "ann@nokey: Permission denied (publickey)." >&2; exit 255 ;;
newkey) echo "Host key verification failed." >&2; exit 255 ;;
changed) echo "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @" >&2; exit 255 ;;
unknown) echo "ssh: Could not resolve hostname unknown: Name or service not known" >&2; exit 255 ;;
refused) echo "ssh: connect to host refused port 77: Connection refused" >&2; exit 255 ;;
down) echo "ssh: connect to host down port 22: Connection timed out" >&2; exit 255 ;;
strange) printf 'first line\nsomething new\n' >&2; exit 255 ;;
esac
END
chmod +x fakes/ssh
mkdir loader
printf '#!/bin/sh\necho "	libmine.so.3 => not found"\n' >loader/ldd
chmod +x loader/ldd
FAKE=$work
export FAKE

# survey NAME STATUS ARGUMENT...: the table is in the file said
survey()
{
    name=$1 want=$2
    shift 2
    "$kith" hosts "$@" >said 2>err </dev/null
    got=$?
    if [ "$got" = "$want" ] && [ ! -s err ]; then ok "$name"; else
        fail "$name: status $got, should be $want: $(cat said err)"
    fi
}

# one HOST TITLE CURE: of this host in said this is wrong, and nothing else
one()
{
    wrong=$(awk -v host="$1" '/^[^ ]/ { on = $1 == host; next } on { sub(/^ */, ""); print }' said)
    red=$(grep "^$1 " said | tr -cd '!' | wc -c)
    # shellcheck disable=SC2254
    case $wrong in
    "$2: "$3) [ "$red" = 1 ] && ok "$1" || fail "$1: $red cells are marked" ;;
    *) fail "$1: $wrong" ;;
    esac
}

survey "hosts that are well" 0 --host 'good[1-3],localhost'
[ "$(wc -l <said)" = 5 ] && ok "a line each" || { fail "a line each"; cat said; }
case $(sed -n 1p said) in
"HOST "*" LOGIN "*" KITH "*" MPI "*" DIRECTORY "*" CLOCK "*" NETWORK "*" CPUS "*" MEMORY "*" TMP "*" PROCESSES "*" FILES") ok "the titles" ;;
*) fail "the titles: $(sed -n 1p said)" ;;
esac
case $(sed -n 2p said) in
"good1 "*" ok "*"Open MPI 4.1.4 "*" same "*" same "*) ok "a host" ;;
*) fail "a host: $(sed -n 2p said)" ;;
esac
[ "$(sed -n 5p said | awk '{ print $1, $2 }')" = "localhost here" ] && ok "this machine" || fail "this machine: $(sed -n 5p said)"
[ "$(sort called | uniq | tr '\n' ' ')" = "good1 sh good2 sh good3 sh " ] && [ "$(wc -l <called)" = 3 ] && ok "one login each" ||
    { fail "one login each"; cat called; }
survey "this machine alone" 0 --host localhost
survey "a list without this machine begins with it" 0 --host good
[ "$(awk 'NR > 1 { print $1 }' said | tr '\n' ' ')" = "(here) good " ] && ok "(here)" || { fail "(here)"; cat said; }
printf 'good[1-2] slots=2\n' >hosts
survey "a hostfile" 0 hosts
survey "a hostfile as an option, and a program" 0 --hostfile hosts --program ./program
grep -q "^good2 .* same  *same  *same " said && ok "the same program" || { fail "the same program"; cat said; }

all=old,fast,nokith,othermpi,nompi,nodaemon,nodirectory,noprogram,otherprogram,locked,nolibrary,fewfiles,nokey,newkey,changed,unknown
all=$all,refused,down,strange,good,fullshut,exits,leaves,asks,prints
[ -n "${SANITIZER_FLAGS-}" ] || all=$all,little # a sanitizer takes more
survey "each fault" 1 --host "$all" --program ./program
one old KITH "it is kith 0.0.1, and this one is *: install the same under the same path"
one fast CLOCK "its clock is fast by [0-9]* s: start a time service *"
one nokith KITH "kith is neither in PATH there nor at $(readlink -f "$kith"): install kith * under the same path"
one othermpi MPI "here it is Open MPI 4.1.4: install the same MPI on all hosts"
one nompi MPI "there is no */mpirun: install Open MPI 4.1.4 under the same path"
one nodaemon MPI "*/orted is not there, which mpirun starts: install the same MPI"
one nodirectory DIRECTORY "$work is not there, and ranks start in the home directory instead: *"
one noprogram PROGRAM "$work/program is not there: copy it *"
one otherprogram PROGRAM "$work/program is another file than here: copy it again"
one locked PROGRAM "$work/program is not executable there: chmod +x"
one nolibrary PROGRAM "libmine.so.3 is not found there: *"
one fewfiles FILES "a job needs some [0-9]* open files there: raise ulimit -n, *"
[ -n "${SANITIZER_FLAGS-}" ] || one little MEMORY "ulimit -v leaves 195 MiB of addresses: *"
one fullshut TMP "MPI must write to $work/nosuch there and may not, or it is full: *"
login="before it runs anything: what it reads first, such as ~/.bashrc, *"
one exits LOGIN "a login there ends with status 3 $login"
one leaves LOGIN "a login there ends with status 0 $login"
one asks LOGIN "what a login reads there first, such as ~/.bashrc, takes the input of the command: *"
one nokey LOGIN "ssh cannot log in without a password: ssh-copy-id nokey"
one newkey LOGIN "its ssh host key is not known here: run ssh newkey once and answer yes"
one changed LOGIN "its ssh host key is not the one known here: if that is right, ssh-keygen -R changed"
one unknown LOGIN "no host of this name is known: correct it, or add it to /etc/hosts"
one refused LOGIN "nothing listens on port 77: install and start its ssh server"
one down LOGIN "no answer from port 22 for 3 s: the host is down, or a firewall is between"
one strange LOGIN "ssh strange fails: something new"
grep -q '^good .*!' said && fail "a good host among them: $(grep '^good' said)" || ok "a good host among them"

survey "hosts that do not answer" 1 --host late,hangs --timeout 1
one late LOGIN "ssh late has not answered in time: see --timeout"
one hangs LOGIN "ssh hangs has not answered in time: see --timeout"

# One that cannot connect to the others: they are cut off from it.
"$kith" hosts --host good,closed >said 2>err
[ $? = 1 ] && grep -q "NETWORK: closed cannot connect to it (.*): open the firewall between them" said && ok "a firewall" ||
    { fail "a firewall"; cat said err; }

# Whoever answers at an address must be the one that is meant.
"$kith" hosts --host good,twin >said 2>err
[ $? = 1 ] && grep -q "NETWORK: twin cannot connect to it (.* is another machine's here): " said && ok "an address of two machines" ||
    { fail "an address of two machines"; cat said err; }

# All at once: one after the other they would take 20 s.
begin=$(date +%s)
survey "many that are slow" 0 --host 'slow[1-20]'
took=$(($(date +%s) - begin))
[ $took -lt $((12 * ${KITH_TEST_SLOWDOWN:-1})) ] && ok "at once" || fail "at once: $took s"

expect "no hosts" 125 "" "kith: hosts: which ones? kith hosts HOSTFILE, or --host node1,node2" "$kith" hosts
expect "no such hostfile" 125 "" "kith: nosuch: cannot open it: No such file or directory" "$kith" hosts nosuch
expect "two hostfiles" 125 "" "kith: hosts: b: it takes one argument, the hostfile" "$kith" hosts a b
expect "two hostfiles, one as an option" 125 "" "kith: hosts: b: one hostfile is enough" "$kith" hosts -f a b
expect "a wrong time" 125 "" "kith: --timeout 0: it must be a whole number of seconds from 1 to 3600" "$kith" hosts --timeout 0 a
expect "no such program" 125 "" "kith: --program ./nosuch: there is no such program here" "$kith" hosts --host good --program ./nosuch
printf 'node1\n' >nodes
expect "in a job of PBS" 1 "" "" sh -c 'PBS_NODEFILE=nodes "$1" hosts >said; status=$?; grep -q "^node1 " said || exit 9; exit $status' sh "$kith"
done_testing
