/* locked: what lockout.sh makes an mpirun of: its first thread waits for a lock that nobody gives back, and
 * it hears no signal but SIGKILL. Its child has ended, and was not waited for; with an argument it goes on.
 */
#include "config.h"

#include <semaphore.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    sigset_t all;
    sem_t lock;
    pid_t pid;

    (void)argv;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    if ((pid = fork()) == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (argc > 1)
            pause();
        _exit(0);
    }
    return pid < 0 || sem_init(&lock, 0, 0) != 0 || sem_wait(&lock) != 0;
}
