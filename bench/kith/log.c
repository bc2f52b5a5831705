/* log: kith_log to a stderr that nobody reads: microseconds a line that is shown, and one that is not. */
#include "config.h"

#include "../bench.h"
#include "kith.h"

enum { UNTIMED = 1000, SHOWN = 200000, HIDDEN = 5000000 };

static double line_us(int level, int n)
{
    double start = now();

    for (int i = 0; i < n; i++)
        kith_log(level, "%d of %d", i, n);
    return 1e6 * (now() - start) / n;
}

int main(int argc, char **argv)
{
    if (!freopen("/dev/null", "w", stderr))
        die("no /dev/null");
    kith_init(&argc, &argv);
    kith_log_level(KITH_LOG_WARNING);
    line_us(KITH_LOG_WARNING, UNTIMED);
    say("shown", line_us(KITH_LOG_WARNING, SHOWN));
    say("hidden", line_us(KITH_LOG_INFO, HIDDEN));
    return kith_finalize();
}
