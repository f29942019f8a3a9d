"""The blocks of a Markdown page: what they are, and how a page's Python is run.

A comment on the line before a block says what is special about it:

    <!-- not run: REASON -->     compiled only
    <!-- needs: PACKAGE, … -->   run where these can be imported, else compiled only
    <!-- run -->                 shell: fastfa's commands are run, not just parsed
"""

from __future__ import annotations

import ast
import importlib
import re
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>not run|needs|run)(?::(?P<said>[^\n]*?))? -->\n)?"
    r"^(?P<pad> *)```(?P<kind>\w*)[^\n]*\n(?P<text>.*?)^(?P=pad)```",
    re.S | re.M,
)
_MARKS = {"not run": True, "needs": True, "run": False}  # name: whether it says something


@dataclass(frozen=True)
class Block:
    kind: str
    text: str
    line: int  # of its first line of text, from 1
    mark: str
    said: str


def blocks(page: str) -> list[Block]:
    """All fenced blocks in order; indentation of the fence is taken off."""
    found = []
    for match in _BLOCK.finditer(page):
        mark, said = match["mark"] or "", (match["said"] or "").strip()
        if mark and _MARKS[mark] != bool(said):
            raise ValueError(f"`<!-- {mark}: {said} -->` lacks a reason, or has one too many")
        pad = match["pad"]
        text = re.sub(rf"^{pad}", "", match["text"], flags=re.M)
        line = page.count("\n", 0, match.start("text")) + 1
        found.append(Block(match["kind"], text, line, mark, said))
    return found


def run_python(page: Path) -> tuple[dict[str, object], set[str]]:
    """Run a page's Python blocks one after the other in one namespace.

    Returns the names they leave and the packages that were missing. Errors have the page's own lines.
    """
    names: dict[str, object] = {"__name__": "__main__"}
    missing: set[str] = set()
    for block in blocks(page.read_text(encoding="utf-8")):
        if block.kind not in ("python", "py"):
            continue
        tree = ast.parse(block.text, str(page))
        ast.increment_lineno(tree, block.line - 1)
        code = compile(tree, str(page), "exec")
        lacking = _absent(block.said) if block.mark == "needs" else set()
        missing |= lacking
        if block.mark != "not run" and not lacking:
            exec(code, names)
    return names, missing


def _absent(packages: str) -> set[str]:
    absent = set()
    for name in packages.replace(",", " ").split():
        try:
            importlib.import_module(name)
        except ImportError:
            absent.add(name)
    return absent


def commands(page: str) -> list[tuple[str, bool]]:
    """The lines of shell blocks, without comments; whether they are to be run."""
    found = []
    for block in blocks(page):
        if block.kind in ("sh", "bash", "console", ""):
            text = block.text.replace("\\\n", " ")
            for line in text.splitlines():
                line = re.sub(r"(^|\s)#.*", "", line).removeprefix("$ ").strip()
                found += [
                    (part.strip(), block.mark == "run") for part in line.split("&&") if part.strip()
                ]
    return found
