"""No module of fastfa imports one that imports it back: neither at its top nor within a function.

An import within a function counts: it is only later. One for types alone doesn't, it never runs. Nor
does the import of a package that Python does before that of a module in it, and what a package gives
from ``__getattr__`` counts as an import by the package.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import fastfa as fa

PACKAGE = Path(fa.__file__).parent


def imports(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Those that run."""
    if isinstance(tree, ast.If) and ast.unparse(tree.test) == "TYPE_CHECKING":
        nodes: list[ast.AST] = list(tree.orelse)
    else:
        nodes = list(ast.iter_child_nodes(tree))
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        else:
            yield from imports(node)


def resolved(module: str, is_package: bool, node: ast.Import | ast.ImportFrom, known: set[str]):
    """The modules of fastfa that the statement needs."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names} & known
    parts = module.split(".")
    if node.level:
        base = parts[: len(parts) - node.level + is_package]
        source = ".".join(base + ([node.module] if node.module else []))
    else:
        source = node.module or ""
    found = set()
    for alias in node.names:
        inner = f"{source}.{alias.name}"
        found.add(inner if inner in known else source)
    return found & known


def graph(package: Path, name: str) -> dict[str, set[str]]:
    """Which modules each module needs."""
    files = {}
    for path in sorted(package.rglob("*.py")):
        parts = (name, *path.relative_to(package).with_suffix("").parts)
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    known = {*files, f"{name}._core"}
    return {
        module: set().union(
            *(
                resolved(module, path.name == "__init__.py", node, known)
                for node in imports(ast.parse(path.read_text(encoding="utf-8")))
            )
        )
        - {module, f"{name}._core"}
        for module, path in files.items()
    }


def circles(needs: dict[str, set[str]]) -> list[list[str]]:
    """Sets of modules each of which needs, by way of others, all the rest (Tarjan 1972)."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(module: str) -> None:
        number[module] = lowest[module] = len(number)
        stack.append(module)
        for other in sorted(needs[module]):
            if other not in number:
                visit(other)
                lowest[module] = min(lowest[module], lowest[other])
            elif other in stack:
                lowest[module] = min(lowest[module], number[other])
        if lowest[module] == number[module]:
            at = stack.index(module)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for module in sorted(needs):
        if module not in number:
            visit(module)
    return found


def test_there_is_no_circle():
    needs = graph(PACKAGE, "fastfa")
    assert len(needs) > 100
    assert circles(needs) == []


def test_circles_are_found(tmp_path):
    for name, text in {
        "__init__": "from .a import x\n",
        "a": "def f():\n    from . import b\n",
        "b": "from .c import y\nfrom .d import z\n",
        "c": "import own.a\n",
        "d": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .b import y\n",
    }.items():
        (tmp_path / f"{name}.py").write_text(text)
    assert circles(graph(tmp_path, "own")) == [["own.a", "own.b", "own.c"]]
