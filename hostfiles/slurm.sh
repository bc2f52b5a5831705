#!/bin/sh
# A Slurm batch job, which needs no hostfile: sbatch slurm.sh
# Slurm tells mpirun which machines the job has; kith run relies on that.
#SBATCH --job-name=kith
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=16
#SBATCH --time=00:10:00

exec kith run "${PROGRAM:-./celsius}"
