/* pi_serial: pi as the integral of 4 / (1 + x^2) from 0 to 1, added up at the
 * midpoints of many steps, by this process alone. The more steps, the better the
 * answer, and the longer it takes. pi_integral does the same with a pool.
 *
 *     ./pi_serial 1e9
 */
#include "args.h"
#include "pi.h"

#include <kith.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    kith_init(&argc, &argv);
    uint64_t steps = args_count(argc, argv, "steps", PI_MAX_STEPS);

    printf("%.15f\n", pi_midpoint(0, steps, steps) / (double)steps);
    return kith_finalize();
}
