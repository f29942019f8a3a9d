"""Where ``fastfa tune`` keeps its study: the database's address, and what it may refuse."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import optuna

_PATIENCE = 60  # seconds to wait for a database that another process has locked


def storage_url(path: Path) -> str:
    """The address of an SQLite database, whatever characters its path has.

    Raises
    ------
    ValueError
        If it has bytes that are no text, of which an address can't be made.
    """
    from sqlalchemy.engine import URL

    try:
        address = URL.create("sqlite", database=str(path)).render_as_string(hide_password=False)
    except UnicodeEncodeError:
        raise ValueError(
            f"[tune] out was {str(path.parent)!r}; its name must be text, as the address of a database "
            "is; or give --storage"
        ) from None
    return address


@contextlib.contextmanager
def using(url: str) -> Iterator[None]:
    """Within it, a database that can't be used is an OSError that says why."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        raise OSError(
            f"[tune] {plain(url)} could not be used: {_reason(error)}; what is done is kept, and the "
            "same command goes on from there"
        ) from None


def plain(url: str) -> str:
    """The address as it may be shown: without a password."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
        return url


def _reason(error: BaseException) -> str:
    """What the database itself said, in one line."""
    while (below := getattr(error, "orig", None) or error.__cause__) is not None:
        error = below
    return _first_line(error)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def connect(url: str, name: str, pruner: optuna.pruners.BasePruner) -> optuna.Study:
    """The study of this name in this database, made if need be. Raises as `study.open_study`."""
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    waits = {"connect_args": {"timeout": _PATIENCE}} if url.startswith("sqlite") else {}
    try:
        storage = optuna.storages.RDBStorage(url, engine_kwargs=waits)
        return optuna.create_study(
            study_name=name, storage=storage, load_if_exists=True, pruner=pruner
        )
    except (
        SQLAlchemyError,
        ImportError,
        LookupError,  # Optuna takes braces in an address for a place to fill in
        ValueError,
        RuntimeError,
        optuna.exceptions.StorageInternalError,
    ) as error:
        if "locked" in _reason(error):
            with using(url):
                raise
        raise ValueError(
            f"[tune] storage was {plain(url)!r}; it must be the address of a database, such as "
            f"sqlite:///study.db ({_first_line(error)})"
        ) from None
