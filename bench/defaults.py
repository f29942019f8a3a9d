#!/usr/bin/env python3
"""What a newcomer gets: every rule with nothing said but its name, on six sets of data.

    FASTFA_DATA=… python bench/defaults.py --out defaults.json
    python bench/defaults.py --sets wine digits --rules fa np --seeds 0 --out try.json
    python bench/defaults.py --held-out --out chosen.json   # to choose by, never by the test set

Each finished run is in the JSON at once; started again, the program does what is missing.
bench/README.md says what is measured; default_table/ declares sets and ways of calling.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SCHEMA = "fastfa-bench-defaults/1"
_POOLS = ("FASTFA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def main(arguments: Sequence[str] | None = None) -> int:
    for name in _POOLS:  # before NumPy and fastfa load
        os.environ[name] = "1"
    from default_table import sets, ways
    from measuring import record

    options = _parse(arguments, list(sets.SETS), list(ways.WAYS), ways.RULES)
    result = _open(options.out)
    protocol = {"threads": 1, "held_out": options.held_out, "sets": sets.told()}
    if result.get("protocol", protocol)["held_out"] != options.held_out:
        print(f"{options.out} was measured on other examples; name another file", file=sys.stderr)
        return 2
    result |= record.head(SCHEMA, protocol)
    result.setdefault("runs", [])
    done = {_identity(run) for run in result["runs"]}
    for seed in options.seeds:  # all sets with the first seed, then with the next
        for name in options.sets:
            for way in options.ways:
                if way in sets.SETS[name].left_out:
                    continue
                for rule in options.rules:
                    if (name, way, rule, seed) in done:
                        continue
                    run = ways.train(sets.load(name, options.held_out), way, rule, seed)
                    result["runs"].append(run)
                    record.save(options.out, result)
                    print(json.dumps(run), flush=True)
    return 0


def _identity(run: dict[str, Any]) -> tuple[Any, ...]:
    return run["set"], run["way"], run["rule"], run["seed"]


def _open(path: Path) -> dict[str, Any]:
    """The runs that are there already."""
    if not path.exists():
        return {}
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if result.get("schema") != SCHEMA:
        raise SystemExit(f"{path} is not of this program; name another file")
    return result


def _parse(
    arguments: Sequence[str] | None, sets: list[str], ways: list[str], rules: Sequence[str]
) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sets", nargs="+", choices=sets, default=sets, metavar="SET")
    parser.add_argument("--ways", nargs="+", choices=ways, default=ways, metavar="WAY")
    parser.add_argument("--rules", nargs="+", choices=rules, default=rules, metavar="RULE")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument(
        "--held-out", action="store_true", help="measure on a fifth of the training examples"
    )
    parser.add_argument("--out", type=Path, default=Path("build/defaults.json"))
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
