"""Processes that do jobs, none of which outlives the caller's interest in them."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

from ._interrupts import held


class Pool:
    """Jobs of an executor, and their results in the order in which they end.

    A signal may come at any time. Within `concurrent.futures` its exception could leave a lock held, and
    the program would wait for it for ever at its end: so signals wait meanwhile. They don't wait
    while we do, in a queue whose lock is not Python's.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._done: SimpleQueue[tuple[Any, Future[Any]]] = SimpleQueue()

    def submit(self, key: Any, function: Callable[..., Any], *arguments: Any) -> None:
        with held():
            future = self._executor.submit(function, *arguments)
            future.add_done_callback(lambda done: self._done.put((key, done)))

    def next_done(self) -> tuple[Any, Any]:
        """The key of the next job that ends, and what it returns; raises what it raises."""
        key, future = self._done.get()
        with held():
            return key, future.result()


@contextmanager
def workers(count: int, start: Callable[..., None], *arguments: Any) -> Iterator[Pool]:
    """A pool of ``count`` processes, each of which calls ``start(*arguments)`` first.

    At an error, Ctrl-C included, they are killed: else it would wait for the jobs under way.
    """
    before = set(multiprocessing.active_children())
    # Spawned: a fork would copy the thread team's locks without its threads.
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(count, context, initializer=start, initargs=arguments)
    try:
        yield Pool(executor)
    except BaseException:
        for child in set(multiprocessing.active_children()) - before:
            child.kill()
            child.join()
        raise
    finally:
        # This waits until the executor's thread has ended. If it still ran at Python's end, it could
        # close a pipe to which Python writes then, and Python would print a traceback.
        with held():
            executor.shutdown(cancel_futures=True)
