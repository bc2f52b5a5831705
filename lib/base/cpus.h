/* cpus.h: which CPUs and how many of them this job may use here. kith_cpu_count and kith_usable_cpus
 * are made of these. */
#ifndef KITH_CPUS_H
#define KITH_CPUS_H

/* Fills cpus with the numbers of the CPUs that this process may run on, in order. Returns how many there are,
 * which may be more than room; at least 1. */
int kith__cpu_set(int *cpus, int room);

/* What cgroups allow by quota, rounded up, at least 1; 0: no limit. root: see cgroup.h. */
int kith__cgroup_cpus(const char *root);

/* What Slurm gave to this job on this node, from its variables; 0: it says nothing. */
int kith__slurm_cpus(void);

/* All CPUs of the job of Slurm on this node (inside srun: of the step), and those on all nodes of the job; 0:
 * not known. */
int kith__slurm_node_cpus(void);
int kith__slurm_job_cpus(void);

/* Of all CPUs that it may run on, this job has so many here, by the quota of cgroups and by Slurm; 0: no
 * limit. */
int kith__given_cpus(void);

/* The entry for node in a list of Slurm: "24(x2),16" is 24, 24, 16. 0: there is none, or it is no such list.
 */
int kith__slurm_entry(const char *list, int node);

/* Makes OpenMP and BLAS libraries use so many threads in this process, by their variables and, when they are
 * loaded already, by a call; but not where the user has set the variable. */
void kith__set_thread_variables(int cores);

/* Searches for the functions that the other calls: processes that are forked afterwards need not do it again.
 */
void kith__find_thread_functions(void);

#endif
