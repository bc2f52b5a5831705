# noise.sed: lines of mpirun that tell nothing about the program, and come once in thousands of runs.
# Its libevent still watches a pipe that mpirun has closed.
/^\[warn\] Epoll /d
# On a busy machine ssh has begun before mpirun gives it a process group.
/plm:rsh: Warning: setpgid(.*) failed in parent/d
