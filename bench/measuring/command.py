"""What the programs of bench/ have in common: options, what is refused, and the limit on threads."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from measuring import machine


def parser(program: str, doc: str | None) -> argparse.ArgumentParser:
    """For `bench/PROGRAM`; its help is the docstring as it stands."""
    return argparse.ArgumentParser(
        prog=f"bench/{program}",
        description=doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def parse(
    parser: argparse.ArgumentParser, arguments: Sequence[str] | None, positive: Sequence[str]
) -> argparse.Namespace:
    """The options and --out; those of the names `positive` are above 0, and --out has its folder."""
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the result as JSON")
    options = parser.parse_args(arguments)
    for name in positive:
        given = getattr(options, name)
        for value in given if isinstance(given, list) else [given]:
            if value is not None and value <= 0:
                parser.error(f"{name} was {value}; it must be above 0")
    if options.out and not options.out.resolve().parent.is_dir():
        parser.error(f"out was {options.out}; its folder must exist")
    return options


def limit_threads(threads: int) -> list[int]:
    """`machine.limit_threads`; more than there are processors end the program in one line."""
    try:
        return machine.limit_threads(threads)
    except ValueError as problem:
        print(problem, file=sys.stderr)
        raise SystemExit(2) from None
