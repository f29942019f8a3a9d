"""What a target may raise."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def refusal(*kinds: type[BaseException]) -> Iterator[None]:
    """Within it, these exceptions are right if they say where they come from."""
    try:
        yield
    except kinds as error:
        if isinstance(error, ValueError | TypeError) and not str(error).startswith("["):
            raise
