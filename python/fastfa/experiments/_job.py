"""A job: one condition of an experiment with one seed. Its result is a file."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, final

from .. import _check, build_info, get_num_threads, set_num_threads
from ..data._digest import digest
from ..data.load import DatasetNotFound, load
from ._experiment import Experiment, Settings
from ._json import plain, write_json
from ._names import get


@final
@dataclass(frozen=True)
class Job:
    """One condition with one seed, and the file for its result."""

    experiment: str
    condition: str
    seed: int
    settings: Settings
    path: Path
    data: Mapping[str, str]  # digests of the data sets by name

    def result(self) -> dict[str, Any]:
        """The file's content, which must be there by now."""
        content = self.read()
        if content is None:
            raise RuntimeError(f"[reproduce] {self.path} is gone, or was written by somebody else")
        return content

    def read(self) -> dict[str, Any] | None:
        """The file's content; None if it isn't there, isn't whole, or is another job's.

        Raises
        ------
        ValueError
            If it is this job's, done by another fastfa or with other data; or isn't a regular file.
        """
        if self.path.exists():
            _check.regular_file("reproduce", self.path)
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError, RecursionError):
            return None
        own = (self.condition, self.seed, plain(dict(self.settings)))
        known = isinstance(content, dict) and "result" in content
        if not known or _identity(content) != own:
            return None
        origin = {"fastfa": build_info()["version"], "data": dict(self.data)}
        for name, here in origin.items():
            there = content.get(name, {})
            if there != here:
                raise ValueError(
                    f"[reproduce] {self.path} is a result with another {name}: it was "
                    f"{json.dumps(there)}, is {json.dumps(here)}; name another folder for these"
                )
        return content

    def run(self) -> None:
        """Do it, and write the result."""
        write_json(self.path, self.content())

    def content(self) -> dict[str, Any]:
        """Do it; what its file is to say."""
        begun = perf_counter()
        result = get(self.experiment).run(self.settings, self.condition, self.seed)
        return {
            "condition": self.condition,
            "seed": self.seed,
            "settings": dict(self.settings),
            "fastfa": build_info()["version"],
            "data": dict(self.data),
            "wall_seconds": perf_counter() - begun,
            "result": result,
        }

    def elsewhere(self, version: str) -> tuple[Job, dict[str, Any]]:
        """Do it as a worker of a cluster, which may share no files with us; itself and its `content`,
        with the worker's host, process and instruction set as ``where``.

        Raises
        ------
        ValueError
            If the worker has another fastfa than `version`, or other data.
        """
        here = build_info()
        if here["version"] != version:
            raise ValueError(
                f"[reproduce] a worker has fastfa {here['version']}; it must have {version}, as here"
            )
        for name, mark in self.data.items():
            try:
                there = _mark(name)
            except (DatasetNotFound, ImportError) as error:
                told = " ".join(str(error).split())
                raise ValueError(f"[reproduce] a worker lacks the data {name!r}: {told}") from None
            if there != mark:
                raise ValueError(
                    f"[reproduce] a worker has other data of the name {name!r} (digest {there[:16]}); "
                    f"it must have those with {mark[:16]}, as here"
                )
        if get_num_threads() != 1:
            set_num_threads(1)
        where = f"{socket.gethostname()}:{os.getpid()} {here['isa']}"
        return self, plain(self.content() | {"where": where})


def jobs_of(
    experiment: Experiment,
    settings: Settings,
    seeds: list[int],
    folder: Path,
    data: Mapping[str, str],
) -> list[Job]:
    """Seed by seed, so that a run that was cut off has whole comparisons."""
    found = []
    for seed in seeds:
        for condition in experiment.conditions(settings):
            own = _own(settings, condition)
            text = json.dumps(plain(own), sort_keys=True)
            mark = hashlib.sha256(text.encode()).hexdigest()[:10]
            slug = "".join(c if c.isalnum() or c in "-." else "-" for c in condition)
            path = folder / f"{slug}-{seed}-{mark}.json"
            found.append(Job(experiment.name, condition, seed, own, path, data))
    if len({job.path for job in found}) != len(found):
        raise ValueError(f"[reproduce] two conditions of {experiment.name} have the same file")
    return found


def _own(settings: Settings, condition: str) -> Settings:
    """Of the networks' settings those of this one: what another is given changes no result of its."""
    if "nets" not in settings:
        return settings
    return {**settings, "nets": {condition: settings["nets"][condition]}}


def data_of(experiment: Experiment, settings: Settings) -> dict[str, str] | str:
    """The digest of each data set of the experiment; or the message, on one line, that one is not to be
    had, or its reader."""
    try:
        return {name: digest(load(name)) for name in experiment.data(settings)}
    except (DatasetNotFound, ImportError) as error:
        return " ".join(str(error).split())


@functools.lru_cache(maxsize=4)
def _mark(name: str) -> str:
    """The digest of a data set of this process."""
    return digest(load(name))


def _identity(content: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(content.get(key) for key in ("condition", "seed", "settings"))
