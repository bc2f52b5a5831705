#!/bin/sh
# A batch job for Slurm on one node: one task that has all the CPUs, so one rank and a worker for each CPU.
# sbatch slurm-node.sh
#SBATCH --job-name=kith
#SBATCH --nodes=1
#SBATCH --cpus-per-task=16
#SBATCH --time=00:10:00

exec kith run "${PROGRAM:-./celsius}"
