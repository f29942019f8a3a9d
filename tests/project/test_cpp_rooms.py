"""Includes of C++ run one way: down the floors of ``cpp/core``, and else as ``OUTER`` says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CPP = next(
    folder / "cpp" for folder in Path(__file__).resolve().parents if (folder / "cpp").is_dir()
)

# From the bottom up. A room may include from itself and from lower floors, not from its own floor.
FLOORS = (
    {"base"},
    {"machine"},
    {"layers"},
    {"matrices"},
    {"network"},
    {"step", "runs", "state"},
)
FLOOR = {room: i for i, rooms in enumerate(FLOORS) for room in rooms}

# What the other folders of cpp/ may include; of core, the rooms named.
OUTER = {
    "include": {"fastfa"},
    "kernels": {"kernels", "fastfa"},
    "cuda": {"cuda", "kernels", "fastfa", "core/machine"},
    "core": {"kernels", "fastfa"},
    "capi": {"capi", "fastfa", "core/base"},
    "bindings": {"bindings", "fastfa", "core/matrices"},
}

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def place(path: str) -> str:
    """The folder that a path in cpp/ belongs to: of core the room, else the first."""
    parts = path.split("/")
    return "/".join(parts[: 2 if parts[0] == "core" else 1])


def allowed(source: str, target: str) -> bool:
    """May a file of the folder ``source`` include one of ``target``?"""
    if source == target:
        return True
    if source.startswith("core/") and target.startswith("core/"):
        return FLOOR[target[5:]] < FLOOR[source[5:]]
    return target in OUTER[source.split("/")[0]]


def wrong_includes(root: Path) -> list[str]:
    found = []
    for path in sorted(root.rglob("*.*")):
        if path.suffix not in {".h", ".cpp", ".cuh", ".cu"}:
            continue
        name = path.relative_to(root).as_posix()
        for included in INCLUDE.findall(path.read_text(encoding="utf-8")):
            if not allowed(place(name), place(included)):
                found.append(f"{name} includes {included}")
    return found


def test_every_file_of_the_core_is_in_a_room():
    core = CPP / "core"
    assert [path.name for path in core.iterdir() if path.is_file()] == []
    assert {path.name for path in core.iterdir()} == set(FLOOR)


def test_no_include_runs_up():
    assert wrong_includes(CPP) == []


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("core/base/a.h", "core/machine/b.h"),
        ("core/layers/a.cpp", "core/network/b.h"),
        ("core/step/a.cpp", "core/runs/b.h"),
        ("kernels/a.h", "core/base/b.h"),
        ("capi/a.cpp", "core/network/b.h"),
        ("cuda/a.cuh", "core/layers/b.h"),
        ("include/fastfa/a.h", "kernels/b.h"),
    ],
)
def test_such_an_include_is_found(tmp_path, source, target):
    path = tmp_path / source
    path.parent.mkdir(parents=True)
    path.write_text(f'#pragma once\n#include <string>\n#include "{target}"\n', encoding="utf-8")
    assert wrong_includes(tmp_path) == [f"{source} includes {target}"]
