#!/bin/sh
# What the mpiruns say is taken out of the program's output, and said in one sentence; everything else passes. mpirun is a fake
# here, which says what the real ones do.
. "$(dirname "$0")/common"
fakes
export CI=true
rule=--------------------------------------------------------------------------
frame====================================================================================

# open_mpi TEXT [STATUS]: an mpirun whose program writes to both streams before and after that message
open_mpi()
{
    fake fakes/mpirun "mpirun (Open MPI) 4.1.4" "echo out1; echo err1 >&2
cat >&2 <<'END'
$rule
$1
$rule
END
echo out2; echo err2 >&2; exit ${2-1}"
}

# said NAME STATUS SENTENCE: what becomes of the message
said()
{
    expect "$1" "$2" "out1
out2" "err1
$3err2" "$kith" run -n 1 sh
}

open_mpi "mpirun was unable to launch the specified application as it could not access
or execute an executable:

Executable: ./prog
Node: node2

while attempting to start process rank 0." 132
said "not on that host" 127 "kith: ./prog: it is not on node2, or cannot be executed there: the program must be on each host under the same path
"
open_mpi "mpirun was unable to find the specified executable file, and therefore
did not launch the job.  This error was first reported for process
rank 0; it may have occurred for other processes as well.

Node:       node2
Executable: prog" 134
said "not in PATH of that host" 127 "kith: prog: it is not on node2, *
"
open_mpi "mpirun was unable to launch the specified application as it could not
change to the specified working directory:

Working directory: /scratch/x
Node: node2

while attempting to start process rank 1." 1
said "no such directory there" 125 "kith: /scratch/x: this directory is not on node2, *
"
open_mpi 'Open MPI tried to fork a new process via the "execve" system call but
failed.  Open MPI checks many things before attempting to launch a
child process, but nothing is perfect.

  Local host:        node2
  Working dir:       /tmp
  Application name:  ./prog
  Error:             Exec format error' 131
said "no program of that machine" 126 "kith: ./prog: it is not a program for node2, nor a script that begins with #!
"
# The host is in the name of the directory; on this one TMPDIR counts.
open_mpi "A call to mkdir was unable to create the desired directory:

  Directory: /tmp/ompi.node2.1000
  Error:     Read-only file system

Please check to ensure you have adequate permissions to perform
the desired operation." 213
said "nothing can be written there" 125 "kith: node2: /tmp/ompi.node2.1000: mpirun must write there and may not, or it is full: *OMPI_MCA_orte_tmpdir_base*
"
open_mpi "A call to mkdir was unable to create the desired directory:

  Directory: /tmp/ompi.$(hostname).1000
  Error:     Read-only file system" 213
said "nothing can be written here" 125 "kith: /tmp/ompi.$(hostname).1000: mpirun must write there *: set TMPDIR to another directory
"
open_mpi "It appears as if there is not enough space for /dev/shm/vader_segment.node2.0.4a790001.0 (the shared-memory backing
file). It is likely that your MPI job will now either abort or experience
performance degradation.

  Local host:  node2
  Space Requested: 4194312 B
  Space Available: 0 B" 0
said "no room in /dev/shm" 0 "kith: node2: /dev/shm is full, *
"
open_mpi 'The value of the MCA parameter "plm_rsh_agent" was set to a path
that could not be found:

  plm_rsh_agent: ssh : rsh

Please either unset the parameter, or check that the path is correct' 243
said "no ssh here" 125 "kith: ssh is not in PATH here, *: apt install openssh-client
"
open_mpi "There are not enough slots available in the system to satisfy the 9
slots that were requested by the application:

  sh"
said "not enough slots, as mpirun counts" 125 "kith: -n: there are fewer than 9 slots: *
"
open_mpi "mpirun noticed that process rank 3 with PID 0 on node node2 exited on signal 11 (Segmentation fault)." 139
said "a rank died" 139 "kith: rank 3 on node2 was killed by signal 11 (Segmentation fault)
"
open_mpi "mpirun has exited due to process rank 1 with PID 0 on
node vm exiting improperly. There are three reasons this could occur:" 1
said "a rank without MPI_Finalize" 1 "kith: rank 1 ended after MPI_Init without MPI_Finalize, so the job was ended
"
open_mpi "ORTE has lost communication with a remote daemon.

  HNP daemon   : [[7225,0],0] on node node1
  Remote daemon: [[7225,0],1] on node node2

This is usually due to either a failure of the TCP network" 205
said "a host is lost" 205 "kith: node2 is lost: *
"
open_mpi "Primary job  terminated normally, but 1 process returned
a non-zero exit code. Per user-direction, the job has been aborted." 3
said "an exit status speaks for itself" 3 ""
open_mpi "mpirun detected that one or more processes exited with non-zero status, thus causing
the job to be terminated. The first process to do so was:

  Process name: [[18877,1],1]
  Exit code:    4" 4
said "an exit status of an MPI program too" 4 ""
open_mpi "MPI_ABORT was invoked on rank 1 in communicator MPI_COMM_WORLD
with errorcode 5." 5
said "MPI_Abort too" 5 ""
open_mpi "A message that nobody has heard of." 1
said "an unknown message passes as it is" 1 "$rule
A message that nobody has heard of.
$rule
"

open_mpi "mpirun was unable to launch the specified application as it could not access
something that has another name in another version" 1
said "a known beginning with other fields passes as it is" 1 "$rule
mpirun was unable to launch the specified application as it could not access
something that has another name in another version
$rule
"

# Open MPI 5: its mpirun calls itself prterun.
open_mpi "prterun noticed that process rank 3 with PID 4803 on node node2 exited on
signal 11 (Segmentation fault)." 139
said "Open MPI 5: a rank died" 139 "kith: rank 3 on node2 was killed by signal 11 (Segmentation fault)
"
open_mpi "prterun detected that one or more processes exited with non-zero status,
thus causing the job to be terminated. The first process to do so was:

   Process name: [prterun-vm-4803@1,1]
   Exit code:    4" 4
said "Open MPI 5: an exit status" 4 ""

fake fakes/mpirun "mpirun (Open MPI) 4.1.4" "cat >&2 <<'END'
mpirun: Forwarding signal 10 to job
/opt/mpi/bin/mpirun.openmpi: Forwarding signal 10 to job
mine: Forwarding signal 10 to job
[vm:09393] 1 more process has sent help message help-mpi-api.txt / mpi-abort
[vm:09393] Set MCA parameter \"orte_base_help_aggregate\" to 0 to see all help / error messages
[node1:00740] plm:rsh: Warning: setpgid(745,745) failed in parent with errno=Permission denied(13)
[node2:00027] PMIX ERROR: BAD-PARAM in file ../../../src/event/pmix_event_notification.c at line 1033
[100%] mine
mpirun is a word
END
echo 2 total processes failed to start; echo 2 total; echo '--- - ---'"
expect "single lines" 0 "2 total
--- - ---" "mine: Forwarding signal 10 to job
[[]100%] mine
mpirun is a word" "$kith" run -n 1 sh

# A full directory shows in many lines.
fake fakes/mpirun "mpirun (Open MPI) 4.1.4" "cat >&2 <<'END'
[node2:00184] PMIX ERROR: OUT-OF-RESOURCE in file ../../../../../../src/mca/common/dstore/dstore_segment.c at line 208
[node2:00184] PMIX ERROR: ERROR in file ../../../../../../src/mca/common/dstore/dstore_base.c at line 2479
$rule
It looks like orte_init failed for some reason; your parallel process is
likely to abort.
$rule
$rule
It looks like MPI_INIT failed for some reason; your parallel process is
likely to abort.
$rule
*** An error occurred in MPI_Init_thread
*** on a NULL communicator
*** MPI_ERRORS_ARE_FATAL (processes in this communicator will now abort,
***    and potentially your MPI job)
[node2:00286] Local abort before MPI_INIT completed completed successfully, but am not able to aggregate error messages
mine
END
exit 1"
expect "no room for files there" 125 "" "kith: node2: the directory for temporary files (TMPDIR, or /tmp) is full, *
mine" "$kith" run -n 1 sh

# The program may write the same beginnings, and rules of its own, in any pieces.
fake fakes/mpirun "mpirun (Open MPI) 4.1.4" "printf '%s\n' $rule 'a table' $rule >&2
printf 'no newline' >&2; sleep 0.3; printf ' yet, [' >&2; printf '12%%]' >&2; sleep 0.1; printf '\n-' >&2; printf -- '--\n[' >&2"
expect "the program's own lines" 0 "" "$rule
a table
$rule
no newline yet, [[]12%]
---
[[]" "$kith" run -n 1 sh
# not_held NAME WRITES TEXT: what the program has written arrives, although it writes no more until we have seen it
not_held()
{
    fake fakes/mpirun "mpirun (Open MPI) 4.1.4" "$2; until [ -e seen ]; do sleep 0.05; done"
    "$kith" run -n 1 sh 2>err &
    wait_for err "$3" && ok "$1"
    : >seen
    wait
    rm seen
}
not_held "a message that does not end is not held" "echo $rule >&2; echo begun >&2" begun
not_held "a question without a newline is not held" "printf '[question] ' >&2" question
fake fakes/mpirun "mpirun (Open MPI) 4.1.4" "seq 100000; seq 100000 >&2; printf '[%s]\n' \$(seq 30000) >&2"
"$kith" run -n 1 sh >out 2>err
{ seq 100000; printf '[%s]\n' $(seq 30000); } | cmp -s - err && seq 100000 | cmp -s - out && ok "much output" || fail "much output"

# MPICH: its message is on stdout, its status the bare signal.
mpich()
{
    fake fakes/mpiexec.hydra "HYDRA build details:
    Version: 4.0.2" "$1"
}
export KITH_MPIRUN=mpiexec.hydra
mpich "echo out1; echo; echo $frame
echo '=   BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES
=   PID 4803 RUNNING AT node2
=   EXIT CODE: 9
=   CLEANING UP REMAINING PROCESSES
=   YOU CAN IGNORE THE BELOW CLEANUP MESSAGES'
echo $frame
echo 'YOUR APPLICATION TERMINATED WITH THE EXIT STRING: Killed (signal 9)
This typically refers to a problem with your application.
Please see the FAQ page for debugging suggestions'; echo out2; exit 9"
expect "MPICH: a process died" 137 "out1
out2" "kith: process 4803 on node2 was killed by signal 9 (Killed)" "$kith" run -n 1 sh
mpich "echo out1; echo; echo $frame
echo '=   BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES
=   PID 4803 RUNNING AT node2
=   EXIT CODE: 6'
echo '[mpiexec@vm] control_cb (pm/pmiserv/pmiserv_cb.c:206): assert (!closed) failed' >&2
exit 255"
expect "MPICH: it failures over that" 134 "out1" "kith: process 4803 on node2 was killed by signal 6 (Aborted)" "$kith" run -n 1 sh
mpich "echo; echo $frame
sleep 0.2; kill -STOP \$PPID; sleep 0.8; kill -CONT \$PPID; sleep 0.1
echo '=   BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES
=   PID 4803 RUNNING AT node2
=   EXIT CODE: 6'; exit 6"
expect "MPICH: kith is stopped in the middle of it" 134 "" "kith: process 4803 on node2 was killed by signal 6 (Aborted)" "$kith" run -n 1 sh
mpich "echo '[mpiexec@vm] match_arg (utils/args/args.c:163): unrecognized argument frob' >&2; exit 255"
expect "MPICH: it fails itself" 125 "" "kith: */mpiexec.hydra: it failed itself (unrecognized argument frob)" "$kith" run -n 1 sh
mpich "echo; echo a; echo; echo; echo b; echo $frame; echo c; exit 255"
expect "MPICH: the program's own lines" 255 "
a


b
$frame
c" "" "$kith" run -n 1 sh
mpich "echo '[proxy:0:0@node2] HYDU_create_process (utils/launch/detect.c:73): execvp error on file ./prog (Permission denied)' >&2; exit 255"
expect "MPICH: not executable there" 126 "" "kith: ./prog (Permission denied): the program must be on each host *" "$kith" run -n 1 sh
done_testing
