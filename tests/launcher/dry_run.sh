#!/bin/sh
# The call of mpirun that kith run makes, for each option once, with each MPI. mpirun is a fake here.
. "$(dirname "$0")/common"
fakes
bare_machine
unset KITH_NET LD_LIBRARY_PATH
# All below see a machine without a container, and are no root.
cat >bare_kith <<END
#!/bin/sh
for name in \$(env | sed -n 's/^\(KITH_\(COMMAND\|MODULES\|TEST_[A-Z]*\)\)=.*/\1/p'); do unset "\$name"; done
exec $bare BARE_USER=1000 "$kith" "\$@"
END
chmod +x bare_kith
real=$kith kith=$work/bare_kith
HOME=$work
export HOME

cpus=$(dry true | sed 's/.* -n \([0-9]*\) .*/\1/')
[ "$cpus" -ge 1 ] && [ "$cpus" -le "$(nproc)" ] || fail "usable CPUs: $cpus of $(nproc)"
more=$((cpus + 1))
local="--use-hwthread-cpus --bind-to none --mca pml ob1 --mca btl self,vader"
alive="--mca oob_tcp_keepalive_time 10 --mca oob_tcp_keepalive_intvl 5 --mca oob_tcp_keepalive_probes 4"
turns="kith: -n $more: more ranks than usable CPUs here ($cpus): they will take turns"

expect "no -n: all usable CPUs" 0 "mpirun -n $cpus --map-by slot $local true" "" dry true
expect "-n" 0 "mpirun -n 1 --map-by slot $local true" "" dry -n 1 true
expect "Open MPI under another name" 0 "$work/fakes/mpirun.openmpi -n 1 --map-by slot $local true" "" \
    env KITH_MPIRUN="$work/fakes/mpirun.openmpi" "$kith" run -n 1 --dry-run true
expect "-n1" 0 "mpirun -n 1 --map-by slot $local true" "" dry -n1 true
expect "-np" 0 "mpirun -n 1 --map-by slot $local true" "" dry -np 1 true
expect "--" 0 "mpirun -n 1 --map-by slot $local -n 2" "" dry -n 1 -- -n 2
expect "more ranks than CPUs" 0 "mpirun -n $more --map-by slot:OVERSUBSCRIBE $local true" "$turns" dry -n $more true
expect "--oversubscribe says nothing" 0 "mpirun -n $more --map-by slot:OVERSUBSCRIBE $local true" "" \
    dry -n $more --oversubscribe true
expect "--oversubscribe without need" 0 "mpirun -n 1 --map-by slot $local true" "" dry -n 1 --oversubscribe true
expect "--bind-to" 0 "mpirun -n 1 --map-by slot --use-hwthread-cpus --bind-to core --mca pml ob1 --mca btl self,vader true" "" \
    dry -n 1 --bind-to core true
expect "--map-by" 0 "mpirun -n 1 --map-by node $local true" "" dry -n 1 --map-by=node true
expect "--map-by with CPUs for each rank binds" 0 \
    "mpirun -n 1 --map-by slot:PE=2 --use-hwthread-cpus --mca pml ob1 --mca btl self,vader true" "" dry -n 1 --map-by slot:PE=2 true
expect "-x" 0 "mpirun -n 1 --map-by slot $local -x A=1 -x 'B=x y' -x C true" "" dry -n 1 -x A=1 -x 'B=x y' -x C true
expect "--pass" 0 "mpirun -n 1 --map-by slot $local --report-bindings true" "" dry -n 1 --pass --report-bindings true
expect "words are quoted for a shell" 0 "mpirun -n 1 --map-by slot $local ./a 'b c' '' 'it'\\''s' '\$x' 'a*' a=b" "" \
    dry -n 1 ./a 'b c' '' "it's" '$x' 'a*' a=b
expect "a dry run needs no program" 0 "mpirun -n 1 --map-by slot $local ./nosuch" "" dry -n 1 ./nosuch

expect "--host here" 0 "mpirun -n 3 --host localhost:3 --map-by slot --bind-to none --mca pml ob1 --mca btl self,vader true" "" \
    dry --host localhost:3 true
expect "--host here without a number: the usable CPUs" 0 \
    "mpirun -n $cpus --host localhost:$cpus --map-by slot --bind-to none --mca pml ob1 --mca btl self,vader true" "" \
    dry --host localhost true
expect "--host elsewhere" 0 "mpirun -n 6 --host node1:2,node2:4 --map-by slot --bind-to none $alive true" "" \
    dry --host node1:2,node2:4 true
beside="$(readlink -f "$real") rank --watch --"
recovery="--enable-recovery --mca oob_tcp_keepalive_time 2 --mca oob_tcp_keepalive_intvl 1 --mca oob_tcp_keepalive_probes 3"
expect "--on-loss go-on" 0 "mpirun -n 2 --host node1:1,node2:1 --map-by slot --bind-to none $recovery $beside true" "" \
    dry --on-loss go-on --host node1:1,node2:1 true
expect "--on-loss end" 0 "mpirun -n 2 --host node1:1,node2:1 --map-by slot --bind-to none $alive true" "" \
    dry --on-loss end --host node1:1,node2:1 true
expect "--on-loss go-on, here alone" 0 "mpirun -n 1 --map-by slot $local true" "" dry --on-loss go-on -n 1 true
expect "--on-loss with another word" 125 "" "kith: --on-loss later: it must be end or go-on" dry --on-loss later -n 1 true
expect "--host elsewhere without a number: mpirun counts" 0 \
    "mpirun --host 'node1:*,node2:4' --map-by slot --use-hwthread-cpus --bind-to none $alive true" "" \
    dry --host node1,node2:4 true
export KITH_NET=10.0.0.0/8,fd00::/8
expect "KITH_NET" 0 \
    "mpirun -n 2 --host node1:1,node2:1 --map-by slot --bind-to none $alive --mca btl_tcp_if_include 10.0.0.0/8 --mca oob_tcp_if_include 10.0.0.0/8 -x KITH_NET true" \
    "" dry --host node1:1,node2:1 true
KITH_NET=ten
expect "KITH_NET that is none" 125 "" "kith: KITH_NET=ten: it must be a list of networks, such as 10.0.0.0/8" dry --host node1:1,node2:1 true
unset KITH_NET

# Without KITH_NET: the network in which the other hosts are; else all but the bridges of containers; nothing over what is set already.
export BARE_NETWORK=1
two="mpirun -n 2 --host node1:1,node2:1 --map-by slot --bind-to none $alive"
expect "the network of the hosts" 0 "$two --mca btl_tcp_if_include 10.77.0.0/24 --mca oob_tcp_if_include 10.77.0.0/24 true" "" \
    dry --host node1:1,node2:1 true
expect "hosts elsewhere: no bridges" 0 \
    "mpirun -n 2 --host node1:1,far2:1 --map-by slot --bind-to none $alive --mca btl_tcp_if_exclude 127.0.0.0/8,172.17.0.0/16 --mca oob_tcp_if_exclude 127.0.0.0/8,172.17.0.0/16 true" \
    "" dry --host node1:1,far2:1 true
expect "names that are not known" 0 \
    "mpirun -n 1 --host other:1 --map-by slot --bind-to none $alive --mca btl_tcp_if_exclude 127.0.0.0/8,172.17.0.0/16 --mca oob_tcp_if_exclude 127.0.0.0/8,172.17.0.0/16 --mca pml ob1 --mca btl self,vader true" \
    "" dry --host other:1 true
export OMPI_MCA_btl_tcp_if_exclude=lo
expect "a network that is set already" 0 "$two --mca oob_tcp_if_include 10.77.0.0/24 true" "" dry --host node1:1,node2:1 true
unset OMPI_MCA_btl_tcp_if_exclude BARE_NETWORK

# Where fast networks, containers and the user's own choices come in.
expect "a fast network: Open MPI chooses" 0 "mpirun -n 1 --map-by slot --use-hwthread-cpus --bind-to none true" "" \
    env BARE_FABRIC=1 sh -c '"$1" run --dry-run -n 1 true | sed "s,.*/fakes/,,"' sh "$kith"
export BARE_NO_COPY=1
expect "others' memory must not be read" 0 \
    "mpirun -n 1 --map-by slot $local --mca btl_vader_single_copy_mechanism none true" "" dry -n 1 true
unset BARE_NO_COPY
plain="mpirun -n 1 --map-by slot --use-hwthread-cpus --bind-to none"
for parameter in pml btl mtl; do
    export OMPI_MCA_$parameter=x
    expect "OMPI_MCA_$parameter is the user's choice" 0 "$plain true" "" dry -n 1 true
    unset OMPI_MCA_$parameter
    expect "--pass $parameter is the user's choice" 0 "$plain --mca $parameter x true" "" \
        dry -n 1 --pass --mca --pass $parameter --pass x true
    mkdir -p .openmpi
    echo "  $parameter = x" >.openmpi/mca-params.conf
    expect "$parameter in ~/.openmpi is the user's choice" 0 "$plain true" "" dry -n 1 true
    echo "#$parameter = x" >.openmpi/mca-params.conf
    expect "a comment there is none" 0 "mpirun -n 1 --map-by slot $local true" "" dry -n 1 true
    rm -r .openmpi
done
export OMPI_MCA_oob_tcp_keepalive_time=300
expect "OMPI_MCA_oob_tcp_keepalive_time too" 0 "mpirun -n 2 --host node1:1,node2:1 --map-by slot --bind-to none true" "" \
    dry --host node1:1,node2:1 true
unset OMPI_MCA_oob_tcp_keepalive_time

# Which mpirun.
export KITH_MPIRUN=mpirun5
expect "Open MPI 5" 0 \
    "mpirun5 -n $more --map-by slot:OVERSUBSCRIBE:HWTCPUS --bind-to none --mca pml ob1 --mca btl self,sm true" "" \
    dry -n $more --oversubscribe true
KITH_MPIRUN=$work/fakes/mpirun5
expect "KITH_MPIRUN with a path" 0 "mpirun5 -n 1 --map-by slot:HWTCPUS --bind-to none --mca pml ob1 --mca btl self,sm true" "" \
    dry -n 1 true
expect "Open MPI 5 ends a job that has lost a host" 125 "" \
    "kith: --on-loss go-on: Open MPI 5* ends a job that has lost a host: this needs Open MPI 4" dry --on-loss go-on --host node1:1,node2:1 true
KITH_MPIRUN=nosuch
expect "KITH_MPIRUN that is not there" 125 "" "kith: KITH_MPIRUN=nosuch: there is no such program" dry true
KITH_MPIRUN=/
expect "KITH_MPIRUN that is no program" 125 "" "kith: KITH_MPIRUN=/: it cannot be executed" dry true
fake other "GNU coreutils 9.1"
KITH_MPIRUN=$work/other
expect "another program" 125 "" "kith: */other: it is neither Open MPI's mpirun nor MPICH's *" dry true
fake broken "" "exit 3"
sed -i 's/; exit;/; exit 3;/' broken
KITH_MPIRUN=$work/broken
expect "an mpirun that is broken" 125 "" "kith: */broken: * --version fails with status 3: *" dry true
unset KITH_MPIRUN
expect "no mpirun at all" 125 "" "kith: mpirun: it is not installed, or not in PATH: apt install openmpi-bin, *" \
    env PATH="$work/nothing" "$real" run true

# Batch systems tell mpirun what it may use.
export SLURM_JOB_NODELIST='node[1-2]'
expect "in a job of Slurm" 0 "mpirun --map-by slot --bind-to none $alive true" "" dry true
expect "in a job of Slurm, without its node" 0 "SLURM_NO_KILL=set mpirun --map-by slot --bind-to none $recovery $beside true" "" \
    dry --on-loss go-on true
expect "in a job of Slurm, -n" 0 "mpirun -n 7 --map-by slot --bind-to none $alive true" "" dry -n 7 true
expect "in a job of Slurm, other hosts" 0 "mpirun -n 2 --host node7:1,node8:1 --map-by slot --bind-to none --mca ras ^slurm --mca plm ^slurm $alive true" "" \
    dry --host node7:1,node8:1 true
unset SLURM_JOB_NODELIST
printf 'node1\nnode1\nnode2\n' >nodes
export PBS_NODEFILE=$work/nodes
expect "in a job of PBS" 0 "mpirun -n 3 --host node1:2,node2:1 --map-by slot --bind-to none $alive true" "" dry true
unset PBS_NODEFILE
for variable in OMPI_COMM_WORLD_SIZE PMI_SIZE SLURM_STEP_NUM_TASKS; do
    expect "inside a job: $variable" 125 "" "kith: run: this is one of 4 ranks of a job already: *" env $variable=4 "$kith" run true
done
expect "inside a job: one rank speaks for all" 125 "" "" env PMI_SIZE=4 PMI_RANK=1 "$kith" run true

# MPICH.
export KITH_MPIRUN=mpiexec.hydra
expect "MPICH: no -n" 0 "mpiexec.hydra -n $cpus true" "" dry true
expect "MPICH: hosts, bind, export" 0 "mpiexec.hydra -n 3 -hosts node1:2,node2:1 -bind-to core -genv A 'x y' true" "" \
    dry --host node1:2,node2:1 --bind-to core -x 'A=x y' -x B true
expect "MPICH: --map-by node" 0 "mpiexec.hydra -n 3 -hosts node1:1,node2:1 true" "" dry --host node1:2,node2:1 --map-by node true
expect "MPICH: --map-by socket" 125 "" "kith: --map-by socket: with MPICH it is slot *" dry --map-by socket true
export KITH_NET=127.0.0.0/8
expect "MPICH: KITH_NET" 0 "mpiexec.hydra -n 1 -hosts node1:1 -iface lo true" "" dry --host node1:1 true
KITH_NET=203.0.113.0/24
expect "MPICH: KITH_NET of others" 125 "" "kith: KITH_NET=203.0.113.0/24: this machine has no address there" dry --host node1:1 true
unset KITH_NET KITH_MPIRUN

if command -v taskset >/dev/null; then
    first=$(taskset -cp $$ | sed 's/.*: *\([0-9]*\).*/\1/')
    expect "usable CPUs are those of the mask" 0 "mpirun -n 1 --map-by slot $local true" "" \
        taskset -c "$first" sh -c '"$1" run --dry-run true | sed "s,.*/fakes/,,"' sh "$kith"
fi
done_testing
