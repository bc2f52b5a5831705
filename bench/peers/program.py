"""The least that a program with a pool does, to be timed from outside: a pool of 4, 4 tasks, end."""
import sys


def square(i):
    return i * i


def with_multiprocessing():
    from multiprocessing import Pool
    with Pool(4) as pool:
        return pool.map(square, [1, 2, 3, 4])


def with_futures():
    from concurrent.futures import ProcessPoolExecutor
    with ProcessPoolExecutor(4) as pool:
        return list(pool.map(square, [1, 2, 3, 4]))


if __name__ == "__main__":
    run = {"multiprocessing": with_multiprocessing, "futures": with_futures}[sys.argv[1]]
    assert run() == [1, 4, 9, 16]
