/* frame.h: how the output of a rank comes through mpirun when kith run --tag tells whose it is, and how notes
 * for kith run come, see loss.h.
 *
 * "kith rank" reads what its program writes, and writes it in frames to its own stderr: FRAME_BEGIN, o or e
 * (stdout or stderr) or n (a note), rank, a space, host, a space, number of bytes, a newline, and these
 * bytes. mpirun reads up to FRAME_MOST bytes at a time, and passes on what one read has given without
 * anything between. So a pipe that never holds more than that, and gets whole frames, lets no frame be torn.
 */
#ifndef KITH_FRAME_H
#define KITH_FRAME_H

enum {
    FRAME_BEGIN = 0x1e, /* a byte that neither mpirun nor ssh writes */
    FRAME_HEADER = 300,
    FRAME_MOST = 4096, /* ORTE_IOF_BASE_MSG_MAX of Open MPI; PIPE_BUF; MPICH reads more */
    FRAME_DATA = FRAME_MOST - FRAME_HEADER
};

#endif
