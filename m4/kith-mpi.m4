# KITH_MPI(VARIABLE, NAME, MACRO, WRAPPERS)
# The first of the compiler wrappers that belongs to this MPI (its mpi.h defines MACRO) and links:
# VARIABLE_CFLAGS, VARIABLE_LIBS, VARIABLE_MPICC and VARIABLE_MPIRUN, and the conditional HAVE_VARIABLE.
# Only what matters to a C program is taken over: the wrappers also tell how the MPI itself was built.
AC_DEFUN([KITH_MPI], [
AC_MSG_CHECKING([for $2])
kith_mpi=no
$1_CFLAGS= $1_LIBS= $1_MPICC= $1_MPIRUN=
for kith_mpicc in $4; do
    command -v "$kith_mpicc" >/dev/null 2>&1 || continue
    kith_flags=`"$kith_mpicc" --showme:compile 2>/dev/null && "$kith_mpicc" --showme:link 2>/dev/null` ||
        kith_flags=`"$kith_mpicc" -compile-info 2>/dev/null && "$kith_mpicc" -link-info 2>/dev/null` ||
        continue
    kith_cflags= kith_libs=
    for kith_flag in $kith_flags; do
        AS_CASE([$kith_flag],
            [-I*], [kith_cflags="$kith_cflags -isystem `expr "X$kith_flag" : 'X-I\(.*\)'`"],
            [-D*|-pthread], [kith_cflags="$kith_cflags $kith_flag"],
            [-L*|-l*|-Wl,-rpath*|-Wl,--enable-new-dtags], [AS_CASE([" $kith_libs "],
                [*" $kith_flag "*], [],
                [kith_libs="$kith_libs $kith_flag"])])
    done
    kith_save_CFLAGS=$CFLAGS kith_save_LIBS=$LIBS
    CFLAGS="$CFLAGS $kith_cflags" LIBS="$kith_libs $LIBS"
    AC_LINK_IFELSE([AC_LANG_PROGRAM([[
#include <mpi.h>
#ifndef $3
#error another MPI
#endif
]], [[return MPI_Init(0, 0);]])], [kith_mpi=$kith_mpicc])
    CFLAGS=$kith_save_CFLAGS LIBS=$kith_save_LIBS
    test "$kith_mpi" = no || break
done
AC_MSG_RESULT([$kith_mpi])
AS_IF([test "$kith_mpi" != no], [
    $1_CFLAGS=$kith_cflags
    $1_LIBS=$kith_libs
    $1_MPICC=$kith_mpi
    # mpicc.mpich and mpirun.mpich, /opt/mpi/bin/mpicc and /opt/mpi/bin/mpirun: the names differ in this alone.
    $1_MPIRUN=`echo "$kith_mpi" | sed 's/mpicc\([[^/]]*\)$/mpirun\1/'`
    command -v "$$1_MPIRUN" >/dev/null 2>&1 || $1_MPIRUN=
])
AC_SUBST([$1_CFLAGS])
AC_SUBST([$1_LIBS])
AC_SUBST([$1_MPICC])
AC_SUBST([$1_MPIRUN])
AM_CONDITIONAL([HAVE_$1], [test "$kith_mpi" != no])
])
