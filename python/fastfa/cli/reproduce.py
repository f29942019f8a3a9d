"""``fastfa reproduce``: the paper's experiments, with a verdict on each of its claims."""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

_DESCRIPTION = """\
Run experiments of Lillicrap et al. (Nature Communications 7:13276, 2016) and say for each claim
whether it holds. Every finished job is a file, so the same command goes on where it was cut off.
OUT/NAME/PRESET gets the data and the figure, OUT/report-PRESET.html everything that is in OUT."""


def register(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser of `fastfa.cli`."""
    parser = subparsers.add_parser(
        "reproduce", help="re-run the paper's experiments", description=_DESCRIPTION
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="experiments, or all")
    parser.add_argument("--list", action="store_true", help="show the experiments and exit")
    parser.add_argument(
        "--preset", default="quick", metavar="PRESET", help="quick (default), or paper: its sizes"
    )
    parser.add_argument("--runs", type=int, metavar="N", help="seeds; default: the preset's number")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="the first; default 0")
    parser.add_argument("--out", default="reproduced", metavar="DIR", help="default: reproduced")
    parser.add_argument(
        "--jobs",
        type=int,
        default=1,
        metavar="N",
        help="processes, of one thread each; default 1: this process with all threads",
    )
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="of a Dask cluster to run on, tcp://HOST:PORT; its workers say how many jobs at a time",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the experiments one by one and print the verdicts; the exit status."""
    _need_scipy()
    from .. import _check
    from .._interrupts import told
    from ..experiments import NAMES, PRESETS, get, reproduce
    from ..experiments._report import check_free, counted, write_report
    from .folder import claimed

    if arguments.list:
        _print_list()
        return 0
    names = _names(arguments.names, NAMES)
    preset = _check.choice("reproduce", "preset", arguments.preset, PRESETS)
    with claimed("reproduce", arguments.out) as out:
        page = out / f"report-{preset}.html"
        check_free(page)
        drawn = True
        for name in names:
            try:
                summary = reproduce(
                    get(name),
                    preset,
                    out=out,
                    runs=arguments.runs,
                    seed=arguments.seed,
                    jobs=arguments.jobs,
                    scheduler=arguments.scheduler,
                    report=_show,
                )
            except KeyboardInterrupt as stop:
                if arguments.traceback:
                    raise
                _show("")
                return told(stop, f" in {name}; what is done is in {out}, and the same command goes on "
                            "from there")  # fmt: skip
            _show("")
            _print_summary(summary)
            drawn = drawn and _drawn(summary)
        there = _there(out, preset, NAMES)
        write_report(page, there)
        for line in counted(each for each, _ in there):
            print(line)
        print(f"report in {page}")
    return 0 if drawn else 1


def _show(line: str) -> None:
    """What was done last, on a line of the terminal that is written again and again."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)


def _drawn(summary: dict[str, Any]) -> bool:
    """Whether its figure is there, or could not be for lack of data or of matplotlib."""
    if "figure_failed" not in summary:
        return True
    print(
        f"fastfa: error: the figure of {summary['experiment']} was not drawn: "
        f"{summary['figure_failed']}",
        file=sys.stderr,
    )
    return False


def _need_scipy() -> None:
    if importlib.util.find_spec("scipy") is None:
        raise ValueError(
            "[reproduce] SciPy is not installed; get it with: pip install 'fastfa[reproduce]'"
        )


def _names(given: list[str], known: tuple[str, ...]) -> list[str]:
    """The experiments to run, in the order given and each once."""
    from .. import _check

    if not given:
        raise ValueError(
            "[reproduce] name was missing; it must be all, or some of the experiments that "
            "`fastfa reproduce --list` shows"
        )
    for name in given:
        _check.choice("reproduce", "name", name, ("all", *known))
    return list(known) if "all" in given else list(dict.fromkeys(given))


def _print_list() -> None:
    from ..experiments import NAMES, get

    width = max(map(len, NAMES))
    for name in NAMES:
        experiment = get(name)
        runs = "/".join(str(settings["runs"]) for settings in experiment.presets.values())
        print(f"{name:<{width}}  {experiment.title} ({'/'.join(experiment.presets)}: {runs} runs)")
        print(f"{'':<{width}}  {experiment.where}")


def _print_summary(summary: dict[str, Any]) -> None:
    from ..experiments._report import number

    took = f"{summary['wall_seconds']:.1f} s"
    print(f"{summary['experiment']}: {summary['title']} ({len(summary['seeds'])} runs, {took})")
    if summary["chosen"]:
        print(f"  settings chosen on the outcome: {summary['chosen']}")
    for claim in summary["claims"]:
        print(f"  {claim['verdict']:<12} {claim['text']}")
        if claim["verdict"] == "data not available":
            print(f"  {'':<12} {claim['note']}")
        else:
            print(f"  {'':<12} ours {number(claim)}; {claim['note']}; paper: {claim['paper']}")


def _there(out: Path, preset: str, names: tuple[str, ...]) -> list[tuple[dict[str, Any], Path]]:
    """What was found of every experiment of this preset whose results are in `out`."""
    found = []
    for name in names:
        folder = out / name / preset
        if (folder / "results.json").is_file():
            try:
                summary = json.loads((folder / "results.json").read_text(encoding="utf-8"))
            except (ValueError, RecursionError) as error:
                raise ValueError(f"[reproduce] {folder / 'results.json'}: {error}") from None
            found.append((summary, folder))
    return found
