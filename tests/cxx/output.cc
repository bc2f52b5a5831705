// What C++ streams with buffers of their own hold is written, once, however a child leaves. Called by cxx.sh.
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <kith.h>

extern "C" {
static int say(const void *in, void *out)
{
    static std::ofstream log("log", std::ios::app);

    *static_cast<int *>(out) = *static_cast<const int *>(in);
    std::cout << "task\n";
    log << "task\n";
    return 0;
}

static int leave_by(const void *how)
{
    std::cout << "Process\n";
    if (*static_cast<const int *>(how))
        std::exit(0);
    return 0;
}
}

int main(int argc, char **argv)
{
    int x = 1, y = 0;

    std::ios::sync_with_stdio(false);
    std::cout << "before\n";
    kith_init(&argc, &argv);
    std::cout << "head\n";
    kith_pool pool = kith_pool_open(1);
    kith_pool_map(pool, say, &x, sizeof x, &y, sizeof y, 1);
    std::cout << "after\n";
    for (int how = 0; how < 2; how++)
        kith_process_join(kith_process_start(leave_by, KITH_ARG(how)), KITH_FOREVER);
    kith_pool_close(pool);
    return kith_finalize();
}
