/* poll: the same as kith/wait with pipes and poll, which is what a program would write by itself. */
#include "config.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../bench.h"

enum { ROUNDS = 50000 };

int main(void)
{
    int there[2], back[2][2], x, y;
    struct pollfd list[2];
    double start;
    pid_t pid = -1;

    if (pipe(there) < 0 || pipe(back[0]) < 0 || pipe(back[1]) < 0 || (pid = fork()) < 0)
        die("no pipes, or no process");
    if (pid == 0) {
        close(there[1]);
        while (read(there[0], &x, sizeof x) == sizeof x)
            if (write(back[x & 1][1], &x, sizeof x) < 0)
                break;
        _exit(0);
    }
    list[0] = (struct pollfd){ back[0][0], POLLIN, 0 };
    list[1] = (struct pollfd){ back[1][0], POLLIN, 0 };
    start = now();
    for (int i = 0; i < ROUNDS; i++)
        if (write(there[1], &i, sizeof i) < 0 || poll(list, 2, -1) != 1 || !list[i & 1].revents ||
            read(back[i & 1][0], &y, sizeof y) != sizeof y || y != i)
            die("another number has come back");
    say("queues", 1e6 * (now() - start) / ROUNDS);
    close(there[1]);
    waitpid(pid, NULL, 0);
    return 0;
}
