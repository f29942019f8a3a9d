"""Files that pages, make targets and comments name are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
if not (ROOT / "ARCHITECTURE.md").exists():
    pytest.skip("the tests are not in the repository", allow_module_level=True)
FOLDERS = ("bench", "cpp", "docs", "examples", "python", "tests", "tools")
KINDS = "c|cpp|cu|cuh|h|md|py|pyi|sh|toml|txt|yml"
NAMED = re.compile(rf"(?<![\w/*-])(?:\.\./)*((?:{'|'.join(FOLDERS)})/[\w./-]+\.(?:{KINDS}))\b")
CODE = re.compile(rf"`([\w./-]+\.(?:{KINDS}))`")  # in a page about the code, without its folder


def texts() -> list[Path]:
    """All that is read and edited; not the changelog and the records, which tell of the past."""
    top = [ROOT / name for name in ("Makefile", "pyproject.toml", "mkdocs.yml", "CMakeLists.txt")]
    top += [path for path in ROOT.glob("*.md") if path.name != "CHANGELOG.md"]
    below = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")]
    below += (ROOT / ".github").rglob("*")
    endings = {f".{kind}" for kind in KINDS.split("|")}
    return top + [
        path
        for path in below
        if path.suffix in endings and not path.is_relative_to(ROOT / "docs/results")
    ]


def test_paths_of_files_are_not_dead():
    dead = {
        f"{path.relative_to(ROOT)}: {named}"
        for path in texts()
        for named in NAMED.findall(path.read_text(encoding="utf-8"))
        if not (ROOT / named).exists()
    }
    assert not dead


def test_pages_about_the_code_name_files_of_it():
    there = [f"/{path.relative_to(ROOT)}" for path in texts()]
    pages = [ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md"]
    pages += [*(ROOT / "docs/dev").glob("*.md"), *(ROOT / "bench").glob("*.md")]
    dead = {
        f"{page.relative_to(ROOT)}: {named}"
        for page in pages
        for named in CODE.findall(page.read_text(encoding="utf-8"))
        if not any(path.endswith(f"/{named.removeprefix('../')}") for path in there)
    }
    assert not dead
