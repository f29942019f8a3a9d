"""Say what stands in the way of a release: links without an owner, versions, dates, missing files.

python tools/check_release.py v0.1.0 [FOLDER_OF_SDIST_AND_WHEELS]
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
VERSION = PYPROJECT["project"]["version"]


def text_problems(tag: str) -> Iterable[str]:
    if tag != f"v{VERSION}":
        yield f"the tag is {tag}; the version in pyproject.toml is {VERSION}"
    for name in ("pyproject.toml", "recipe/recipe.yaml"):
        if re.search(r"https://OWNER\.|/OWNER/", _read(name)):
            yield f"{name} has links to OWNER: say who the repository belongs to"
    heading = re.search(rf"^## {re.escape(VERSION)} \((.*)\)$", _read("CHANGELOG.md"), re.M)
    released = re.search(r"^date-released: (\S+)$", _read("CITATION.cff"), re.M)
    if heading is None or heading[1] != released[1]:
        says = heading[1] if heading else "nothing"
        yield f"CHANGELOG.md says {says} of {VERSION}; CITATION.cff says {released[1]}"


def file_problems(folder: Path) -> Iterable[str]:
    """One sdist, and a wheel for each Python and architecture that cibuildwheel is told to build."""
    settings = PYPROJECT["tool"]["cibuildwheel"]
    pythons = re.fullmatch(r"cp3\{([\d,]+)\}-manylinux_\*", settings["build"])[1].split(",")
    release = rf"fastfa-{re.escape(VERSION)}"
    wanted = [rf"{release}\.tar\.gz"]
    for python in pythons:
        for arch in settings["linux"]["archs"]:
            tags = rf"(manylinux_2_\d+_{arch}\.?)+"
            wanted.append(rf"{release}-cp3{python}-cp3{python}-{tags}\.whl")
    names = sorted(path.name for path in folder.iterdir())
    for want in wanted:
        if sum(re.fullmatch(want, name) is not None for name in names) != 1:
            yield f"no file, or more than one, is called {want}"
    for name in names:
        if not any(re.fullmatch(want, name) for want in wanted):
            yield f"stray {name}"


def _read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def main() -> int:
    tag, *folders = sys.argv[1:]
    problems = [*text_problems(tag), *(p for f in folders for p in file_problems(Path(f)))]
    for problem in problems:
        print(problem, file=sys.stderr)
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
