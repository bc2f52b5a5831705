/* cpu_count: how many CPUs the machine has, and how many of them this program
 * may use: those of taskset, of a container's limit, or of a Slurm job.
 *
 *     ./cpu_count
 *     taskset -c 0 ./cpu_count
 */
#include <kith.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    kith_init(&argc, &argv);
    printf("CPUs of this machine: %d\nCPUs I may use: %d\n", kith_cpu_count(), kith_usable_cpus());
    return kith_finalize();
}
