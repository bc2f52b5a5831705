#!/bin/sh
# pi from random points as a batch job of Slurm: one task on one node, with as many CPUs as there are to be workers.
#
#     sbatch pimc.sh                      says the number of the job
#     sbatch --cpus-per-task=8 pimc.sh    the same with 8 CPUs: what is given here counts
#     squeue -u "$USER"                   jobs that wait or run; sacct also lists those that have ended
#     cat slurm-NUMBER.out                what the job has printed
#
# Many sites want two lines more, with names that they give out: #SBATCH -p PARTITION and #SBATCH -A ALLOCATION.
#SBATCH -N 1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=4
#SBATCH -t 00:10:00

exec "${PROGRAM:-./pi_montecarlo}" "${POINTS:-1e9}"
