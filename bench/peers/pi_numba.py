"""pi by Monte Carlo with Numba's compiler in the processes of a Pool: seconds for OF points, as the time of POINTS tells.

    pi_numba.py POINTS OF"""
import math
import random
import sys
import time
from multiprocessing import Pool

from numba import njit

WORKERS = 2


@njit
def points_inside(points, seed):
    random.seed(seed)
    inside = 0
    for _ in range(points):
        x = random.random()
        y = random.random()
        if x * x + y * y <= 1.0:
            inside += 1
    return inside


def task(job):
    return points_inside(*job)


if __name__ == "__main__":
    points, of = int(float(sys.argv[1])), int(float(sys.argv[2]))
    with Pool(WORKERS) as pool:
        pool.map(task, [(1, w) for w in range(WORKERS)], 1)     # compiles
        start = time.perf_counter()
        inside = sum(pool.map(task, [(points // WORKERS, w) for w in range(WORKERS)], 1))
        seconds = time.perf_counter() - start
    assert abs(4.0 * inside / points - math.pi) < 0.01
    print("seconds", f"{seconds * of / points:.9g}")
