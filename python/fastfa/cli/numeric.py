"""Numbers as text on the command line: what Python would read, and no more than can be counted with."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import Any

WHOLE = range(-(2**63), 2**64)  # what 64 bits hold, with or without a sign


def integer(text: str) -> int:
    """An integer of at most 64 bits, in digits of ASCII; else a ValueError."""
    if not text.isascii() or (value := int(text)) not in WHOLE:
        raise ValueError("it must be an integer of at most 64 bits")
    return value


def number(text: str) -> float:
    """A finite number, in digits of ASCII; else a ValueError."""
    if not text.isascii() or not math.isfinite(value := float(text)):
        raise ValueError("it must be a finite number")
    return value


def is_finite(value: float) -> bool:
    """Whether the number is finite as a float, which holds integers up to 1.8e308."""
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def read_with(parser: argparse.ArgumentParser) -> None:
    """Let the parser's options of the types int and float be read like this."""
    parser.register("type", int, _told(integer, "an integer of at most 64 bits"))
    parser.register("type", float, _told(number, "a finite number"))


def _told(reader: Callable[[str], Any], words: str) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return reader(text)
        except ValueError:
            short = text if len(text) <= 40 else f"{text[:30]}… ({len(text)} characters)"
            raise argparse.ArgumentTypeError(f"was {short!r}; it must be {words}") from None

    return read
