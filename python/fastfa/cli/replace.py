"""The results of ``fastfa train`` in a folder: which there are, and how new ones take their place."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .. import _check
from .._interrupts import held
from .outputs import CONFIG, PREDICTIONS, STATISTICS
from .settings import default_of, differences, setting_named

_NAMES = ("weights.npz", "history.jsonl", "history.csv", "curve.png", "runs.csv", PREDICTIONS,
          STATISTICS, CONFIG)  # fmt: skip
_ASIDE = "replaced-"
# No part of what a run is: where its files are, how it is computed, how far it goes.
_BESIDE = frozenset({"out", "save", "root", "threads", "epochs", "runs"})


class Replaced:
    """``whole`` is whether the new results are; set it to False where a file could not be written."""

    whole = True


def check_free(
    folder: Path, settings: argparse.Namespace, data: str, *, overwrite: bool, resume: bool
) -> None:
    """Refuse to write over what is in the folder.

    With ``overwrite`` it may be the results of any run, with ``resume`` those of the run that goes
    on: of the same settings and of data with the digest ``data``.

    Raises
    ------
    ValueError
        If a file or folder of the results' names is there and may not be replaced.
    """
    out = str(folder)
    seeds = range(settings.seed, settings.seed + settings.runs) if settings.runs > 1 else ()
    for own in (folder / f"seed-{seed}" for seed in seeds):
        if os.path.lexists(own) and not own.is_dir():
            raise ValueError(
                f"[train] out was {out!r}, where {own.name} is a file; it must be a folder"
            )
    files, before = _files(folder), _set_aside(folder)
    for file in files:
        if not (file.is_file() or file.is_symlink()):
            raise ValueError(
                f"[train] out was {out!r}, where {file.relative_to(folder)} is not a file; "
                "name another folder"
            )
    if not files and not before:
        return
    names = ", ".join(str(path.relative_to(folder)) for path in [*files, *before][:4])
    found = _config(folder / CONFIG)
    if files and found is None:
        raise ValueError(
            f"[train] out was {out!r}, where there is {names}, but no {CONFIG} of fastfa train; name "
            "another folder"
        )
    if overwrite:
        return
    if not resume:
        raise ValueError(
            f"[train] out was {out!r}, which holds the results of a run ({names}); "
            "name another folder or give --overwrite"
        )
    if found is not None and (other := _other_run(found, settings, data)):
        raise ValueError(
            f"[train] out was {out!r} beside --resume, which holds the results of another run "
            f"({other}); name another folder or give --overwrite"
        )


@contextlib.contextmanager
def replacing(folder: Path) -> Iterator[Replaced]:
    """Within it, the results that the folder had lie aside, in a folder ``replaced-N`` in it.

    When the block has ended well, they are removed. When it raises before there are new results, they
    are put back. Else they stay aside, and it is told where.
    """
    state, files = Replaced(), _files(folder)
    aside = next(path for n in _from_one() if not os.path.lexists(path := folder / f"{_ASIDE}{n}"))
    try:
        with held():
            _move(files, folder, aside)
        yield state
    except BaseException:
        with held():
            _put_back(folder, aside, [aside / file.relative_to(folder) for file in files])
        _tell(folder)
        raise
    if not state.whole:
        _tell(folder)
        return
    with held():
        for old in _set_aside(folder):
            for file in _files(old):
                file.unlink()
                _prune(file.parent, old)
            _prune(old, folder)


def _from_one() -> Iterator[int]:
    number = 1
    while True:
        yield number
        number += 1


def _files(folder: Path) -> list[Path]:
    """The results' files that are there; last the one that says what they are, as is moved last."""
    folders = [*sorted(folder.glob("seed-*")), folder]
    paths = [own / name for own in folders for name in _NAMES]
    return [path for path in paths if os.path.lexists(path)]


def _set_aside(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob(f"{_ASIDE}*") if path.is_dir())


def _move(files: list[Path], source: Path, target: Path) -> None:
    for file in files:
        there = target / file.relative_to(source)
        there.parent.mkdir(parents=True, exist_ok=True)
        os.rename(file, there)
        _prune(file.parent, source)
    if files and source.name.startswith(_ASIDE):
        _prune(source, source.parent)


def _put_back(folder: Path, aside: Path, files: list[Path]) -> None:
    """Unless there are new results in their place."""
    moved = [file for file in files if os.path.lexists(file)]
    if len(moved) < len(files):  # moving them failed
        _move(moved[::-1], aside, folder)
        return
    new = _files(folder)
    if all(file.name == CONFIG or not file.stat().st_size for file in new):
        for file in new:
            file.unlink()
        _move(files[::-1], aside, folder)


def _prune(folder: Path, root: Path) -> None:
    """Remove a folder below ``root`` if nothing is left in it."""
    if folder != root:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _tell(folder: Path) -> None:
    before = _set_aside(folder)
    if before:
        where = ", ".join(map(str, before))
        print(f"fastfa: what was to be replaced is in {where}", file=sys.stderr)


def _config(path: Path) -> dict[str, Any] | None:
    """What a config.json says, if fastfa wrote it."""
    try:
        _check.regular_file("train", path)
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content["settings"], dict) and "fastfa" in content["versions"]:
            return content
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    return None


def _other_run(found: Mapping[str, Any], settings: argparse.Namespace, data: str) -> str:
    """In what the run that a config.json tells of differs from this one; empty if in nothing."""
    names = [name for name in vars(settings) if name not in _BESIDE and setting_named(name)]
    there = {name: found["settings"].get(name, default_of(name)) for name in names}
    here = json.loads(json.dumps({name: getattr(settings, name) for name in names}))
    known = found.get("data")
    mark = known.get("sha256", data) if isinstance(known, dict) else data  # older ones have none
    return differences(there | {"data": mark}, here | {"data": data})
