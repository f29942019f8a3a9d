"""``fastfa info``: what was built, what this machine runs of it, and which GPUs it has."""

from __future__ import annotations

import argparse
import json
from typing import Any


def register(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser of `fastfa.cli`."""
    parser = subparsers.add_parser(
        "info",
        help="show version, instruction set, threads, build and GPUs",
        description="Show the version, the instruction set in use and those available, the "
        "threads, what the package was built with, and the GPUs that are there.",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print `fastfa.build_info` and the GPUs."""
    from .. import build_info

    facts = build_info() | {"gpus": gpus()}
    if arguments.json:
        print(json.dumps(facts, indent=2))
        return 0
    width = max(map(len, facts))
    for name, value in facts.items():
        print(f"{name.replace('_', ' '):<{width}}  {_readable(value)}")
    return 0


def gpus() -> list[str] | str:
    """Each GPU by name, with its compute capability and memory; or why that can't be told.

    Asks cuda.core (extra ``[cuda]``), which asks the driver.
    """
    try:
        from cuda.core import system
    except ImportError:
        return "not looked for; that needs cuda-core: pip install 'fastfa[cuda]'"
    try:
        driver = ".".join(map(str, system.get_kernel_mode_driver_version()))
        return [_gpu(device, driver) for device in system.Device.get_all_devices()] or "none"
    except (RuntimeError, OSError, system.NvmlError) as error:  # no driver, or one too old
        return f"none that can be used: {error}"


def _gpu(device: Any, driver: str) -> str:
    memory = device.memory_info
    capability = ".".join(map(str, device.cuda_compute_capability))
    return (
        f"{device.name} (compute capability {capability}, {memory.total / 2**30:.1f} GiB, "
        f"{memory.free / 2**30:.1f} free, driver {driver})"
    )


def _readable(value: Any) -> str:
    if value is None:
        return "not built"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)
