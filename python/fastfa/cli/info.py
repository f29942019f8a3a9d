"""``fastfa info``: what was built, and what this machine runs of it."""

from __future__ import annotations

import argparse
import json
from typing import Any


def register(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser of `fastfa.cli`."""
    parser = subparsers.add_parser(
        "info",
        help="show version, instruction set, threads and build",
        description="Show the version, the instruction set in use and those available, the "
        "threads and what the package was built with.",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print `fastfa.build_info`."""
    from .. import build_info

    facts = build_info()
    if arguments.json:
        print(json.dumps(facts, indent=2))
        return 0
    width = max(map(len, facts))
    for name, value in facts.items():
        print(f"{name.replace('_', ' '):<{width}}  {_readable(value)}")
    return 0


def _readable(value: Any) -> str:
    if value is None:
        return "not built"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)
