"""Timing: contestants in turn, so that what else the machine does falls on all of them alike."""

from contextlib import nullcontext
from time import perf_counter

from threadpoolctl import threadpool_info, threadpool_limits


def timed(function, *args):
    """Seconds that a call took, and what it returned."""
    start = perf_counter()
    result = function(*args)
    return perf_counter() - start, result


def results_in_turn(tasks, repeats):
    """What each of ``tasks``, functions by name, returns in each of ``repeats`` rounds, after one that is dropped."""
    rounds = [{name: task() for name, task in tasks.items()} for _ in range(1 + repeats)]
    return {name: [results[name] for results in rounds[1:]] for name in tasks}


def limited_threads(threads):
    """Context in which BLAS and OpenMP run on so many threads; on as many as they like, if that is None."""
    return nullcontext() if threads is None else threadpool_limits(threads)


def thread_counts():
    """How many threads the libraries of this process may use, as text."""
    return ", ".join(sorted({f"{library['prefix']} {library['num_threads']}" for library in threadpool_info()}))
