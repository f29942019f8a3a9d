"""Augmentation that runs ahead: an epoch's examples are made while the epoch before is trained."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

from .. import _check
from .examples import Examples


class Ahead:
    """The examples of each epoch; with ``augment`` they are its own, and the next epoch's are under way.

    ``augment(X, shape, seed=, epoch=)`` gives the inputs of an epoch, X being (N, n_in).
    """

    def __init__(self, augment: Any, examples: Examples, shape: tuple[int, ...], seed: int) -> None:
        self._augment, self._examples, self._shape, self._seed = augment, examples, shape, seed
        self._pool = ThreadPoolExecutor(1) if augment is not None else None
        self._made: dict[int, Future[Examples]] = {}

    def __enter__(self) -> Ahead:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def epoch(self, epoch: int, *, last: bool) -> Examples:
        """The examples of this epoch; unless it is the last, work on the next one's begins."""
        if self._pool is None:
            return self._examples
        examples = self._begin(epoch).result()
        del self._made[epoch]
        if not last:
            self._begin(epoch + 1)
        return examples

    def _begin(self, epoch: int) -> Future[Examples]:
        if epoch not in self._made:
            assert self._pool is not None
            self._made[epoch] = self._pool.submit(self._make, epoch)
        return self._made[epoch]

    def _make(self, epoch: int) -> Examples:
        given = self._examples.x.view()
        given.flags.writeable = False
        made = self._augment(given, self._shape, seed=self._seed, epoch=epoch)
        x = _check.contiguous(_check.as_array("fit", "what augment returned", made))
        if x.shape != self._examples.x.shape or x.dtype != self._examples.x.dtype:
            raise ValueError(
                f"[fit] augment returned an array of {x.dtype} and shape {x.shape}; it must be like X, "
                f"{self._examples.x.dtype} and {self._examples.x.shape}"
            )
        _check.finite("fit", "what augment returned", x)
        return self._examples._replace(x=x)
