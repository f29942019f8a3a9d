"""A source distribution holds what the repository tracks, and gives the same wheel.

python tools/check_sdist.py fastfa-*.tar.gz WHEEL_OF_THE_TREE WHEEL_OF_THE_SDIST
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LEFT_OUT = (".ci/", ".github/", "docs/results/", "bench/results/")  # as pyproject.toml has it
ADDED = {"PKG-INFO"}


def content_problems(sdist: Path) -> Iterable[str]:
    with tarfile.open(sdist) as archive:
        members = archive.getmembers()
        folder = f"{sdist.name.removesuffix('.tar.gz')}/"
        names = {m.name.removeprefix(folder) for m in members if m.isfile()}
        for member in members:
            if not member.name.startswith(folder) or not (member.isfile() or member.isdir()):
                yield f"{member.name} lies outside {folder} or is a link"
        tracked = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        wanted = {n for n in tracked.split("\0") if n and not n.startswith(LEFT_OUT)} | ADDED
        yield from (f"no {name}" for name in sorted(wanted - names))
        yield from (f"stray {name}" for name in sorted(names - wanted))
        for name in sorted(names & wanted - ADDED):
            if archive.extractfile(folder + name).read() != (ROOT / name).read_bytes():
                yield f"{name} is not that of the repository"


def wheel_problems(tree: Path, sdist: Path) -> Iterable[str]:
    with zipfile.ZipFile(tree) as a, zipfile.ZipFile(sdist) as b:
        if tree.name != sdist.name:
            yield f"the wheels are called {tree.name} and {sdist.name}"
        for name in sorted(set(a.namelist()) ^ set(b.namelist())):
            yield f"{name} is in one of the wheels only"
        for name in sorted(set(a.namelist()) & set(b.namelist())):
            if a.read(name) != b.read(name):
                yield f"{name} differs between the wheels"


def main() -> int:
    sdist, tree, other = map(Path, sys.argv[1:])
    problems = [*content_problems(sdist), *wheel_problems(tree, other)]
    for problem in problems:
        print(problem, file=sys.stderr)
    if not problems:
        print(
            f"{sdist.name}: as the repository has it; the wheel made of it is the tree's, byte by byte"
        )
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
