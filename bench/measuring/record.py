"""What the programs of bench/ write: JSON with its head, whole or not at all, and Markdown."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from measuring import machine

_OWN_VERSIONS = ("python", "fastfa", "numpy")


def peer_versions() -> dict[str, str]:
    """Of PyTorch and JAX, where they are installed."""
    found = machine.versions()
    return {name: found[name] for name in ("torch", "jax") if found.get(name)}


def head(schema: str, protocol: dict[str, Any]) -> dict[str, Any]:
    """The keys that every result begins with. Imports fastfa, so thread limits come before it."""
    import fastfa

    found = machine.versions()
    threads = {"threads": protocol["threads"]} if "threads" in protocol else {}
    return {
        "schema": schema,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine.describe_machine(),
        "versions": {name: found[name] for name in _OWN_VERSIONS},
        "build": dict(fastfa.build_info()) | threads,
        "protocol": protocol,
    }


class Neighbours:
    """`load`: the share of all processors that others kept busy while the block ran; None: unknown.

    `machine.foreign_load` looks on while this process sleeps. This one looks on while it works, which
    is when it matters.
    """

    load: float | None = None

    def __enter__(self) -> Neighbours:
        self._ticks, self._own = machine._busy_and_total(), time.process_time()
        return self

    def __exit__(self, *_: Any) -> None:
        own, ticks = time.process_time() - self._own, machine._busy_and_total()
        if self._ticks is None or ticks is None or ticks[1] == self._ticks[1]:
            return
        others = ticks[0] - self._ticks[0] - own * os.sysconf("SC_CLK_TCK")
        self.load = round(max(0.0, others / (ticks[1] - self._ticks[1])), 4)

    def warning(self) -> str:
        """For the table; empty on a quiet machine."""
        if self.load is None or self.load <= 0.03:
            return ""
        return f" NOT QUIET: others kept {self.load:.0%} of this machine busy meanwhile."


def save(path: Path, result: dict[str, Any]) -> None:
    """Write strict JSON, whole or not at all."""
    text = json.dumps(plain(result), indent=1, allow_nan=False) + "\n"
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)


def plain(value: Any) -> Any:
    """Containers of Python's own numbers; NaN and infinities, which JSON has no word for, as None."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def markdown(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column is text and whose others are numbers."""
    lines = ["| " + " | ".join(columns) + " |", "|---|" + "---:|" * (len(columns) - 1)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)
