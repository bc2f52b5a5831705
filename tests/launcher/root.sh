#!/bin/sh
# kith run as root: refused on a bare machine, allowed in containers and CI, and never a question with MPICH.
. "$(dirname "$0")/common"
fakes
bare_machine

refused="kith: root: a bug in the program could harm this machine: run it as another user, or add --allow-run-as-root"
root="--allow-run-as-root"

# allows NAME WHETHER COMMAND...: is the switch in the call of mpirun?
allows()
{
    case " $("$kith" help >/dev/null; shift 2; "$@" 2>"$work/err") " in
    *" $root "*) is=yes ;;
    *) is=no ;;
    esac
    if [ "$is" = "$2" ]; then ok "$1"; else fail "$1: the switch is there: $is"; fi
}

expect "root on a bare machine" 125 "" "$refused" $bare "$kith" run --dry-run true
expect "nothing is run then" 125 "" "$refused" $bare "$kith" run sh -c 'echo ran'
allows "--allow-run-as-root" yes $bare "$kith" run --dry-run $root true
allows "another user" no $bare BARE_USER=1000 "$kith" run --dry-run true
for mark in /.dockerenv /run/.containerenv /run/systemd/container; do
    allows "a container: $mark" yes $bare BARE_MARK=$mark "$kith" run --dry-run true
done
for variable in container=podman KUBERNETES_SERVICE_HOST=10.0.0.1 CI=true; do
    allows "a container or CI: $variable" yes $bare $variable "$kith" run --dry-run true
done
expect "CI=false is no CI" 125 "" "$refused" $bare CI=false "$kith" run --dry-run true
allows "Open MPI's own variables need no switch" no \
    $bare OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "$kith" run --dry-run true
expect "one of Open MPI's two variables is not enough" 125 "" "$refused" \
    $bare OMPI_ALLOW_RUN_AS_ROOT=1 "$kith" run --dry-run true
expect "MPICH does not mind" 0 "mpiexec.hydra -n 1 true" "" \
    sh -c 'unset IFS; '"$bare"' KITH_MPIRUN=mpiexec.hydra "$1" run -n 1 --dry-run true | sed "s,.*/fakes/,,"' sh "$kith"
$bare CI=true KITH_LOG=info "$kith" run true 2>err
case $(cat err) in
"kith: root: allowed, because this is a container or similar (CI)"*) ok "KITH_LOG=info tells why root is allowed" ;;
*) fail "KITH_LOG=info tells why root is allowed: $(cat err)" ;;
esac
done_testing
