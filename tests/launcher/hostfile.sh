#!/bin/sh
# Hostfiles: the formats of both MPIs, what they mean, and what is said of a wrong line. mpirun is a fake here.
. "$(dirname "$0")/common"
fakes
export CI=true                  # so that root needs no word

# hosts NAME TEXT WANTED: the hosts that mpirun gets for a hostfile of that text, and the number of ranks
hosts()
{
    printf -- "$2" >hosts
    got=$(dry --hostfile hosts true 2>err | sed -n "s/.*mpirun \(-n [0-9]*\) .*--host '*\([^ ']*\)'* .*/\1 \2/p;t;s/.*--host '*\([^ ']*\)'* .*/\1/p")
    if [ "$got" = "$3" ]; then ok "$1"; else fail "$1: \"$got\", should be \"$3\": $(cat err)"; fi
}

# wrong NAME TEXT SENTENCE
wrong()
{
    printf -- "$2" >hosts
    expect "$1" 125 "" "kith: $3" "$kith" run --dry-run --hostfile hosts true
}

hosts "Open MPI's format" 'node1 slots=4\nnode2 slots=2 max_slots=8\n' "-n 6 node1:4,node2:2"
hosts "MPICH's format" 'node1:4\nnode2:2\n' "-n 6 node1:4,node2:2"
hosts "both in one file" 'node1:4\nnode2 slots=2\n' "-n 6 node1:4,node2:2"
hosts "comments, empty lines, spaces" '# all\n\n  node1  slots = 4 # old\n\t\nnode2\tslots=\t2\n#node3\n' "-n 6 node1:4,node2:2"
hosts "no newline at the end" 'node1 slots=1' "-n 1 node1:1"
hosts "lines of Windows" 'node1 slots=4\r\nnode2 slots=2\r\n' "-n 6 node1:4,node2:2"
hosts "the mark of an editor" '\357\273\277node1 slots=4\n' "-n 4 node1:4"
hosts "other names of slots" 'node1 cpu=4\nnode2 count=2\nnode3 slots=1 max-slots=2\nnode4 slots=1 slots_max=1\n' \
    "-n 8 node1:4,node2:2,node3:1,node4:1"
hosts "a host without a number: mpirun counts" 'node1\nnode2 slots=2\n' "node1:*,node2:2"
hosts "a repeated host: each line is a slot" 'node1\nnode1\nnode2\n' "-n 3 node1:2,node2:1"
hosts "a repeated host with numbers: their sum" 'node1:2\nnode2:1\nnode1:2\n' "-n 5 node1:4,node2:1"
hosts "a number and then a plain line: one more" 'node1:2\nnode1\nnode2:1\n' "-n 4 node1:3,node2:1"
hosts "names and addresses" 'a-b_c.example.org:1\n10.0.0.7:2\n' "-n 3 a-b_c.example.org:1,10.0.0.7:2"

# Ranges, as Slurm writes them.
hosts "a range" 'node[1-4] slots=2\n' "-n 8 node1:2,node2:2,node3:2,node4:2"
hosts "a range with a colon" 'node[1-2]:4\n' "-n 8 node1:4,node2:4"
hosts "numbers keep their width" 'node[08-10,7] slots=1\n' "-n 4 node08:1,node09:1,node10:1,node7:1"
hosts "several brackets: the last counts fastest" 'r[1-2]n[01-02].example.org:1\n' \
    "-n 4 r1n01.example.org:1,r1n02.example.org:1,r2n01.example.org:1,r2n02.example.org:1"
hosts "addresses in a range" '10.0.0.[9-11]:1\n' "-n 3 10.0.0.9:1,10.0.0.10:1,10.0.0.11:1"
hosts "a range without a number: mpirun counts" 'node[1-2]\n' "node1:*,node2:*"
hosts "a host of a range once more" 'node[1-2]:2\nnode2:1\n' "-n 5 node1:2,node2:3"
hosts "a range of one" 'node[7]:2\n' "-n 2 node7:2"
got=$(dry --host 'node[1-2,5]:2,ann,n[01-02]:1' true 2>err | sed -n "s/.*--host '*\([^ ']*\)'* .*/\1/p")
[ "$got" = "node1:2,node2:2,node5:2,ann:*,n01:1,n02:1" ] && ok "ranges in --host" || fail "ranges in --host: $got $(cat err)"
case $(env KITH_MPIRUN=mpiexec.hydra "$kith" run --dry-run --host 'node[1-2]:2' true) in
*"-n 4 -hosts node1:2,node2:2 true") ok "a range, for MPICH" ;;
*) fail "a range, for MPICH" ;;
esac
numbers="in the brackets stand numbers that rise, as in node[[]1-4,7]"
wrong "a range that falls" 'node[4-1]\n' "hosts:1: node[[]4-1]: $numbers"
wrong "a range of words" 'node[a-c]\n' "hosts:1: node[[]a-c]: $numbers"
wrong "a range without an end" 'node[1-]\n' "hosts:1: node[[]1-]: $numbers"
wrong "a range without numbers" 'node[]\n' "hosts:1: node[[]]: $numbers"
wrong "a range with a hole" 'node[1,,3]\n' "hosts:1: node[[]1,,3]: $numbers"
wrong "a range with a comma at the end" 'node[1,]\n' "hosts:1: node[[]1,]: $numbers"
wrong "a number that is too long" 'node[1234567890]\n' "hosts:1: node[[]1234567890]: $numbers"
wrong "a range with a space" 'node[1, 2]\n' "hosts:1: node[[]1,: its brackets do not end: write node[[]1-4,7], without spaces"
wrong "a range that is too long" 'a\nnode[1-65537]\n' "hosts:2: node[[]1-65537]: it stands for more than 65536 hosts"
wrong "ranges that are too long" 'n[1-300]m[1-300]\n' "hosts:1: n[[]1-300]m[[]1-300]: it stands for more than 65536 hosts"
wrong "names that are too long" "$(printf '%0250d' 1)[1000000-1000001]\n" "hosts:1: 0*: its names are too long"
wrong "a range of names that are none" 'no*de[1-2]\n' "hosts:1: no[*]de1 is not a host name"
wrong "two ranges in a line" 'a[1-2],b[1-2]\n' "hosts:1: a1,b1 is not a host name: write one host a line, without commas"
expect "a range in a list that does not end" 125 "" "kith: --host: a[[]1-2: its brackets do not end: *" "$kith" run --host 'a[1-2' true

hosts "a list of addresses of IPv6 needs a file" 'fd00::7 slots=2\nnode2 slots=1\n' ""
case $(dry --hostfile hosts true) in
*"-n 3 --hostfile hosts --mca regx naive "*) ok "IPv6: Open MPI reads the file itself" ;;
*) fail "IPv6: Open MPI reads the file itself" ;;
esac
printf '::1 slots=2\n' >hosts
case $(dry --hostfile hosts true) in
*"-n 2 --hostfile hosts "*"--mca pml ob1"*) ok "IPv6: this machine" ;;
*) fail "IPv6: this machine" ;;
esac
printf '[fd00::7]:2\nann@[fd00::8]:1\n' >hosts
expect "IPv6: Open MPI has no brackets" 125 "" "kith: hosts: with user names, IPv6 addresses or so many hosts Open MPI needs *" \
    "$kith" run --hostfile hosts true
expect "IPv6: MPICH has none" 125 "" "kith: hosts: MPICH takes no IPv6 addresses: give the hosts names, *" \
    env KITH_MPIRUN=mpiexec.hydra "$kith" run --hostfile hosts true
wrong "an address of IPv6 that is none" 'fd00::7::1 slots=2\n' "hosts:1: fd00::7::1: after the colon *"
wrong "brackets with something else" '[node1]:2\n' "hosts:1: [[]node1]: in the brackets stand numbers that rise, *"
wrong "a number that is none behind brackets" '[fd00::7]:x\n' "hosts:1: [[]fd00::7]:x: after the colon *"
wrong "brackets that do not end" '[fd00::7 slots=1\n' "hosts:1: [[]fd00::7: after the colon *"
wrong "an address of a link" 'fe80::1%%eth0 slots=1\n' "hosts:1: *"
wrong "several hosts in a line" 'node1, node2\n' "hosts:1: node1, is not a host name: write one host a line, without commas"
wrong "several hosts in a line, without a space" 'node1,node2\n' "hosts:1: node1,node2 is not a host name: write one host a line, without commas"

wrong "a word for a number" 'node1 slots=4\nnode2 slots=two\n' "hosts:2: slots=two: it must be a whole number from 1 to 1000000"
wrong "no slots" 'node1 slots=0\n' "hosts:1: slots=0: to leave that host out, put a # before its line"
wrong "negative slots" 'node1 slots=-1\n' "hosts:1: slots=-1: it must be a whole number *"
wrong "nothing behind =" 'node1 slots=\n' "hosts:1: slots=: it must be a whole number *"
wrong "nothing behind :" 'node1:\n' "hosts:1: node1:: after the colon comes the number of slots*"
wrong "a word behind :" '\nnode1:x\n' "hosts:2: node1:x: after the colon comes the number of slots*"
wrong "too many slots" 'node1 slots=1000001\n' "hosts:1: slots=1000001: it must be *"
wrong "too many slots in all" 'node1:600000\nnode2:600000\n' "hosts:2: more than 1000000 slots in all"
wrong "too many slots by repetition" 'node1:600000\nnode1:600000\n' "hosts:2: node1: more than 1000000 slots"
wrong "slots above max_slots" 'node1 slots=4 max_slots=2\n' "hosts:1: node1: slots=4 is more than max_slots=2"
wrong "an unknown setting" 'node1 slot=4\n' "hosts:1: slot=: it is not one of slots=, max_slots= and user="
wrong "a word behind the host" 'node1 4\n' "hosts:1: 4: after the host come settings such as slots=4"
wrong "no host name" 'node1 slots=1\nno*de slots=1\n' "hosts:2: no[*]de is not a host name"
wrong "a name that ssh would take for an option" '-oProxyCommand=x\n' "hosts:1: -oProxyCommand=x is not a host name"
wrong "a user that ssh would take for an option" '-lroot@node1\n' "hosts:1: -lroot is not a user name"
wrong "no text at all" '\001\002\377\n' "hosts:1: [?][?][?] is not a host name"
wrong "UTF-16" '\377\376n\0o\0' "hosts:1: it is UTF-16: save it as UTF-8"
wrong "two users" 'ann@node1 slots=1\nbob@node1 slots=1\n' "hosts:2: node1 has another user in line 1"
wrong "an empty file" '' "hosts: no hosts in it"
wrong "only comments" '# node1\n' "hosts: no hosts in it"
expect "no such hostfile" 125 "" "kith: nosuch: cannot open it: No such file or directory" "$kith" run --hostfile nosuch true
expect "a directory" 125 "" "kith: /: cannot read it: Is a directory" "$kith" run --hostfile / true
expect "an endless file" 125 "" "kith: /dev/zero: it is larger than any hostfile" "$kith" run --hostfile /dev/zero true
expect "a wrong list" 125 "" "kith: --host: a:b: after the colon comes the number of slots*" "$kith" run --host a:b true
expect "an empty list" 125 "" "kith: --host: no hosts in it" "$kith" run --host "" true
expect "a hole in the list" 125 "" "kith: --host: \"a,,b\": write node1,node2 without spaces or empty items" "$kith" run --host a,,b true
expect "a space in the list" 125 "" "kith: --host: \"a, b\": write node1,node2 without spaces or empty items" "$kith" run --host "a, b" true
expect "a space in the list, for the shell" 125 "" "kith: --host: \"a,\": write node1,node2 without spaces or empty items" \
    "$kith" run --host a, b true

# Ranks and slots.
printf 'node1 slots=2 max_slots=3\nnode2 slots=1\n' >hosts
expect "more ranks than slots" 125 "" "kith: -n 4: hosts has 3 slots: take -n 3, raise slots= there, or add --oversubscribe" \
    "$kith" run --hostfile hosts -n 4 true
expect "more ranks than slots of a list" 125 "" \
    "kith: -n 4: --host has 3 slots: take -n 3, write more after the colon, or add --oversubscribe" \
    "$kith" run --host node1:2,node2 --host node1:2,node2:1 -n 4 true
got=$(dry --hostfile hosts -n 6 --oversubscribe true 2>err)
case $got in
*"-n 6 --host node1:3,node2:3 --map-by slot:OVERSUBSCRIBE"*) ok "--oversubscribe keeps to max_slots" ;;
*) fail "--oversubscribe keeps to max_slots: $got $(cat err)" ;;
esac
printf 'node1 slots=2 max_slots=3\nnode2 slots=1 max_slots=1\n' >hosts
expect "more ranks than max_slots" 125 "" "kith: -n 6: the hosts take 4 ranks by their max_slots" \
    "$kith" run --hostfile hosts -n 6 --oversubscribe true

# Names of users: each MPI reads them from a file of its own format only.
printf 'node1 slots=1\nnode2 slots=1 user=ann\n' >hosts
case $(dry --hostfile hosts true) in
*"-n 2 --hostfile hosts "*) ok "a user: Open MPI reads the file itself" ;;
*) fail "a user: Open MPI reads the file itself" ;;
esac
expect "a user: it is no file of MPICH's" 125 "" "kith: hosts: for user names MPICH needs a hostfile with lines such as node1:4 user=ann" \
    env KITH_MPIRUN=mpiexec.hydra "$kith" run --hostfile hosts true
printf 'node1:1\nnode2:1 user=ann\n' >hosts
expect "a user: MPICH reads the file itself" 0 "mpiexec.hydra -n 2 -f hosts true" "" env KITH_MPIRUN=mpiexec.hydra sh -c \
    '"$1" run --dry-run --hostfile hosts true | sed "s,.*/fakes/,,"' sh "$kith"
expect "a user: it is no file of Open MPI's" 125 "" "kith: hosts: with user names, IPv6 addresses or so many hosts Open MPI needs *" \
    "$kith" run --hostfile hosts true
expect "a user in a list" 125 "" "kith: --host: with user names, IPv6 addresses or so many hosts Open MPI needs *" \
    "$kith" run --host ann@node1:1 true

# A range is found as fast as it is read, also where hosts are mentioned again.
printf 'node[00001-60000] slots=1\nnode[00001-60000] slots=1\n' >hosts
expect "many hosts in a range" 125 "" "kith: hosts: with user names, *, not node1:4 or node[[]1-4]" "$kith" run --dry-run --hostfile hosts true

# 20,000 hosts are more than a word of a command line holds.
seq -f 'node%05g slots=8' 20000 >hosts
case $(dry --hostfile hosts true) in
*"-n 160000 --hostfile hosts "*) ok "many hosts" ;;
*) fail "many hosts" ;;
esac
expect "a list from a pipe" 0 "-n 3 --host node1:3" "" \
    sh -c 'echo node1:3 | "$1" run --dry-run --hostfile - true | grep -o -e "-n .*:3"' sh "$kith"

# The samples.
for sample in localhost cluster mpich; do
    file=${top_srcdir-$here/../..}/hostfiles/$sample
    if "$kith" run --dry-run --hostfile "$file" true >out 2>err && [ -s out ]; then
        ok "hostfiles/$sample"
    else
        fail "hostfiles/$sample: $(cat err)"
    fi
done
done_testing
