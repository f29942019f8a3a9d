"""Processes that do jobs, none of which outlives the caller's interest in them."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any


@contextmanager
def workers(
    count: int, start: Callable[..., None], *arguments: Any
) -> Iterator[ProcessPoolExecutor]:
    """A pool of ``count`` processes, each of which calls ``start(*arguments)`` first.

    At an error, Ctrl-C included, they are killed: else it would wait for the jobs under way.
    """
    before = set(multiprocessing.active_children())
    # Spawned: a fork would copy the thread team's locks without its threads.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, context, initializer=start, initargs=arguments)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - before:
            child.kill()
            child.join()
        raise
    pool.shutdown()
