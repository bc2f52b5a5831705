#!/bin/sh
# What a beginner does wrong: one sentence each, before mpirun is started. mpirun is a fake that says when it runs.
. "$(dirname "$0")/common"
fakes
export CI=true
fake fakes/mpirun "mpirun (Open MPI) 4.1.4" 'echo started'
fake fakes/mpiexec.hydra "HYDRA build details:
    Version: 4.0.2" 'echo started'
printf 'int main(void) { return 0; }\n' >pi.c
echo text >text
printf 'echo hi\n' >script
: >empty
printf '\177ELF\002\001\001\0\0\0\0\0\0\0\0\0\002\0\377\377more' >foreign
printf '#!/bin/sh\n' >good
chmod +x script empty foreign good
mkdir folder

for KITH_MPIRUN in mpirun mpiexec.hydra; do
    export KITH_MPIRUN
    expect "$KITH_MPIRUN: a program that is there" 0 started "" "$kith" run -n 1 ./good
    expect "$KITH_MPIRUN: a program of PATH" 0 started "" "$kith" run -n 1 sh
    expect "$KITH_MPIRUN: no such program" 127 "" "kith: ./nosuch: there is no such program" "$kith" run -n 1 ./nosuch
    expect "$KITH_MPIRUN: a folder that is none" 127 "" "kith: good/x: there is no such program" "$kith" run -n 1 good/x
    expect "$KITH_MPIRUN: no such program in PATH" 127 "" "kith: nosuch: there is no such program in PATH" "$kith" run -n 1 nosuch
    expect "$KITH_MPIRUN: an empty word" 127 "" "kith: the program's name is empty" "$kith" run -n 1 ""
    expect "$KITH_MPIRUN: without ./" 127 "" "kith: good: it is not in PATH; the one in this directory is called ./good" \
        "$kith" run -n 1 good
    expect "$KITH_MPIRUN: a directory" 126 "" "kith: ./folder: it is a directory, not a program" "$kith" run -n 1 ./folder
    expect "$KITH_MPIRUN: not executable" 126 "" "kith: ./text: it is not executable: chmod +x ./text" "$kith" run -n 1 ./text
    expect "$KITH_MPIRUN: a source" 126 "" "kith: ./pi.c: it is source code, not a program: cc ./pi.c * -o ./pi" "$kith" run -n 1 ./pi.c
    expect "$KITH_MPIRUN: a source without ./" 127 "" "kith: pi.c: it is source code, not a program: cc pi.c *" "$kith" run -n 1 pi.c
    if [ "$(find /proc/sys/fs/binfmt_misc -type f 2>/dev/null | wc -l)" -le 2 ]; then
        wrong="it is neither a program for this machine nor a script that begins with #!"
        expect "$KITH_MPIRUN: a script without #!" 126 "" "kith: ./script: $wrong" "$kith" run -n 1 ./script
        expect "$KITH_MPIRUN: an empty file" 126 "" "kith: ./empty: $wrong" "$kith" run -n 1 ./empty
        expect "$KITH_MPIRUN: a program for another machine" 126 "" "kith: ./foreign: $wrong" "$kith" run -n 1 ./foreign
    fi
    # .invalid is a name that never is (RFC 2606); but a machine without a network may wait for its name server.
    expect "$KITH_MPIRUN: a host that is not known" 125 "" "kith: nosuch.invalid: *name*" \
        "$kith" run --host localhost:1,nosuch.invalid:1 sh
    expect "$KITH_MPIRUN: of many such hosts the first few" 125 "" "*and 3 more of 8 hosts cannot be reached" "$kith" run \
        --host a.invalid:1,b.invalid:1,c.invalid:1,d.invalid:1,e.invalid:1,f.invalid:1,g.invalid:1,h.invalid:1 sh
done
unset KITH_MPIRUN

# Who chose another way than ssh is not stopped.
export OMPI_MCA_plm_rsh_agent=rsh
expect "another way than ssh" 0 started "" "$kith" run --host nosuch.invalid:1 sh
unset OMPI_MCA_plm_rsh_agent
expect "another way than ssh, by --pass" 0 started "" "$kith" run --pass --mca --pass plm_rsh_agent --pass rsh --host nosuch.invalid:1 sh

fake fakes/vanishes "mpirun (Open MPI) 4.1.4" 'kill -KILL $$'
expect "an mpirun that dies" 137 "" "kith: */vanishes was killed by signal 9 (Killed)" env KITH_MPIRUN=vanishes "$kith" run -n 1 sh
done_testing
