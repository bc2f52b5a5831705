#!/bin/sh
# A Slurm batch job on one node: one task with all the CPUs, hence one rank with one worker per CPU.
# sbatch slurm-node.sh
#SBATCH --job-name=kith
#SBATCH --nodes=1
#SBATCH --cpus-per-task=16
#SBATCH --time=00:10:00

exec kith run "${PROGRAM:-./celsius}"
