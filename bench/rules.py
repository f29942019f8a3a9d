#!/usr/bin/env python3
"""Every learning rule on the same networks: error, angles, speed and what B weighs.

    python bench/rules.py --jobs 2 --out rules.json
    python bench/rules.py --networks published --out published.json      # beside published numbers
    python bench/rules.py --sweep --jobs 2 --out sweep.json              # choose the rates again

Each finished run is in the JSON at once; started again, the program does what is missing.
bench/README.md says what is measured; rule_table/settings.py declares networks and hyper-parameters.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any

from rule_table import settings

SCHEMA = "fastfa-bench-rules/1"
DONE = ("ok", "diverged")  # a failed run is tried again
_POOLS = ("FASTFA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    for name in _POOLS:  # before NumPy and fastfa load, here and in the processes started below
        os.environ[name] = "1"
    from fastfa.data import DatasetNotFound

    from measuring import record
    from rule_table import report

    wanted = _runs(options)
    try:
        result = _open(options.out)
        _name_sources(result, wanted)
        if not options.report:
            _check_data(wanted)
            # The head says what the latest runs were made with; each run has its own date and CPU.
            result |= record.head(SCHEMA, {"jobs": options.jobs, "threads_per_job": 1})
            _train_missing(result, wanted, options)
    except (ValueError, DatasetNotFound) as problem:
        print(problem, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command goes on with what is missing", file=sys.stderr)
        return 130
    by_identity = {_key(run["identity"]): run for run in result["runs"]}
    found = [by_identity[key] for run in wanted if (key := _key(run.identity())) in by_identity]
    print(report.tables(found, options.sweep) if found else "no such run")
    return 1 if any(run["status"] == "failed" for run in found) else 0


def _runs(options: argparse.Namespace) -> list[Any]:
    """What is asked for, in the order in which it is done: a network's rules, seed by seed."""
    from rule_table.run import Run

    wanted = []
    for network in options.networks:
        setup = settings.NETWORKS[network]
        declared = {
            rule: settings.choice_for(network, rule) for rule in options.rules or setup.rules
        }
        if lacking := [rule for rule, choice in declared.items() if choice is None]:
            print(f"{network} has no hyper-parameters for {', '.join(lacking)}", file=sys.stderr)
        for seed in options.seeds[:1] if options.sweep else options.seeds:
            for rule, choice in declared.items():
                if choice is None:
                    continue
                rates = options.lr or (setup.rates if options.sweep else (choice.lr,))
                for lr in rates:
                    own = choice if lr == choice.lr else replace(choice, lr=lr, source="--lr")
                    wanted.append(
                        Run(
                            network,
                            rule,
                            options.dataset or setup.dataset,
                            "validation" if options.validation or options.sweep else "test",
                            seed,
                            options.epochs or setup.epochs,
                            own,
                        )
                    )
    return wanted


def _check_data(wanted: list[Any]) -> None:
    """Say that a data set is missing now, not from within each run."""
    from fastfa.data import load

    for name in dict.fromkeys(run.dataset for run in wanted):
        load(name)


def _open(path: Path | None) -> dict[str, Any]:
    """The result so far."""
    if path is None or not path.exists():
        return {"schema": SCHEMA, "runs": []}
    result = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(result, dict) or result.get("schema") != SCHEMA:
        raise ValueError(f"[bench] out was {path}, which is not a result of bench/rules.py")
    return result


def _name_sources(result: dict[str, Any], wanted: list[Any]) -> None:
    """Where hyper-parameters come from is what the table says today, not when they were used."""
    sources = {_key(run.identity()): run.choice.source for run in wanted}
    for run in result["runs"]:
        run["source"] = sources.get(_key(run["identity"]), run["source"])


def _key(identity: dict[str, Any]) -> str:
    return json.dumps(identity, sort_keys=True)


def _train_missing(result: dict[str, Any], wanted: list[Any], options: argparse.Namespace) -> None:
    """Train what has no finished run, writing the result after each."""
    from measuring import record

    done = {_key(run["identity"]) for run in result["runs"] if run["status"] in DONE}
    missing = [run for run in wanted if _key(run.identity()) not in done]
    if len(missing) < len(wanted):
        print(f"{len(wanted) - len(missing)} of {len(wanted)} runs are there", file=sys.stderr)
    begun = time.perf_counter()
    for count, finished in enumerate(_train(missing, options.jobs), start=1):
        finished["jobs"] = options.jobs
        key = _key(finished["identity"])
        result["runs"] = [run for run in result["runs"] if _key(run["identity"]) != key]
        result["runs"].append(finished)
        if options.out:
            record.save(options.out, result)
        identity = finished["identity"]
        outcome = (
            f"{finished['error']:.2%}, {finished['training_seconds']:.0f} s"
            if finished["status"] == "ok"
            else f"{finished['status']}: {finished['reason']}"
        )
        print(
            f"[{count}/{len(missing)}, {time.perf_counter() - begun:.0f} s] {identity['network']} "
            f"{identity['rule']} η {identity['choice']['lr']:g} seed {identity['seed']}: {outcome}",
            file=sys.stderr,
            flush=True,
        )


def _train(runs: list[Any], jobs: int) -> Iterator[dict[str, Any]]:
    """Records in the order in which they are finished."""
    from rule_table import run as rules_run

    if jobs == 1 or len(runs) < 2:
        yield from map(rules_run.train, runs)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = [pool.submit(rules_run.train, run) for run in runs]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench/rules.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    known = {name: setup.title for name, setup in settings.NETWORKS.items()}
    add(
        "--networks", nargs="+", metavar="NAME", default=list(settings.OWN),
        help="default: wide deep. published: those of the papers\n"
        + "\n".join(f"  {name}: {title}" for name, title in known.items()),
    )  # fmt: skip
    add(
        "--rules", nargs="+", metavar="NAME",
        help="presets (default; a paper's network: the paper's rules), matrices, or of\n"
        + _wrapped(settings.RULES),
    )  # fmt: skip
    add("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="N", help="default: 0 1 2")
    add(
        "--epochs", type=int, metavar="N", help="default: the network's, see rule_table/settings.py"
    )
    add("--lr", nargs="+", type=float, metavar="ETA", help="instead of the declared learning rate")
    add(
        "--dataset", choices=("mnist", "fashion-mnist", "mnist-mini"), help="default: the network's"
    )
    add(
        "--validation", action="store_true",
        help="train on the first five sixths of the training set, report the rest; no test set",
    )  # fmt: skip
    add(
        "--sweep", action="store_true",
        help="several learning rates with the first seed on the validation split; print a table",
    )  # fmt: skip
    add("--jobs", type=int, default=1, metavar="N", help="processes, one thread each (1)")
    add("--out", type=Path, metavar="FILE", help="JSON, written after each run and gone on with")
    add("--report", action="store_true", help="train nothing, print the tables of --out")
    options = parser.parse_args(arguments)
    try:
        _complete(options)
    except ValueError as problem:
        parser.error(str(problem))
    return options


def _complete(options: argparse.Namespace) -> None:
    """Groups become their members; what can't be is refused."""
    for name in ("epochs", "jobs"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise ValueError(f"{name} was {value}; it must be at least 1")
    if min(options.seeds) < 0:
        raise ValueError(f"seeds had {min(options.seeds)}; each must be at least 0")
    if options.report and not options.out:
        raise ValueError("report needs out, the file to read")
    if options.out and not options.out.resolve().parent.is_dir():
        raise ValueError(f"out was {options.out}; its folder must exist")
    published = tuple(settings.PUBLISHED)
    groups = {"networks": {"published": published, "own": settings.OWN}, "rules": settings.GROUPS}
    names = {"networks": tuple(settings.NETWORKS), "rules": settings.RULES}
    for what in ("networks", "rules"):
        chosen: dict[str, None] = {}
        for name in getattr(options, what) or ():
            members = groups[what].get(name, (name,))
            if unknown := [member for member in members if member not in names[what]]:
                known = ", ".join((*groups[what], *names[what]))
                raise ValueError(f"{what} had {unknown[0]!r}; known are {known}")
            chosen |= dict.fromkeys(members)
        setattr(options, what, list(chosen))


def _wrapped(names: Sequence[str], width: int = 70) -> str:
    lines = [""]
    for name in names:
        if len(lines[-1]) + len(name) > width:
            lines.append("")
        lines[-1] += f"{name} "
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
