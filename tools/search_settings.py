"""Try settings for the digits on held-out training examples, and put each trial on record.

    python tools/search_settings.py mnist-deep --threads 1          # the planned trials, in order
    python tools/search_settings.py mnist-deep --group leaky --count 3
    python tools/search_settings.py mnist-deep --table              # what is there

docs/results/reproduce/trials/NAME/plan.json lists the trials: a network's name, the group in which it
is compared (with as many trials for backprop as for feedback alignment) and its settings. Each trial
that is done has a file beside it, and is not made again; one that was cut off goes on from its last
whole epoch, if --unfinished names the same folder. The test set decides nothing: nothing is measured
on it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import fastfa as fa
from fastfa.experiments import _search

TRIALS = Path(__file__).resolve().parent.parent / "docs/results/reproduce/trials"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", choices=sorted(each.name for each in TRIALS.iterdir()))
    parser.add_argument("--group", help="only this one")
    parser.add_argument("--net", help="only of this network")
    parser.add_argument("--count", type=int, default=10**6, help="trials to make at the most")
    parser.add_argument("--threads", type=int, help="of each")
    parser.add_argument("--unfinished", type=Path, help="a folder for checkpoints")
    parser.add_argument("--table", action="store_true", help="print what is there, and end")
    options = parser.parse_args()
    folder = TRIALS / options.name
    plan = [
        each
        for each in json.loads((folder / "plan.json").read_text(encoding="utf-8"))
        if options.group in (None, each["group"]) and options.net in (None, each["net"])
    ]
    if options.table:
        show(folder, plan)
        return
    if options.threads is not None:
        fa.set_num_threads(options.threads)
    if options.unfinished is not None:
        options.unfinished.mkdir(parents=True, exist_ok=True)
    todo = [p for p in plan if not _search.place(folder, p["net"], p["settings"], 0).exists()]
    for each in todo[: options.count]:
        done = _search.trial(folder, each["net"], each["settings"], unfinished=options.unfinished)
        print(f"{each['net']}: {_told(done)}", each["settings"], flush=True)


def show(folder: Path, plan: list[dict[str, Any]]) -> None:
    for each in plan:
        path = _search.place(folder, each["net"], each["settings"], 0)
        told = _told(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else "-"
        print(f"{each['group']:10} {each['net']:12} {told:>9} {each['settings']}")


def _told(done: dict[str, Any]) -> str:
    errors = done["result"].get("error")
    return "diverged" if errors is None else f"{errors[-1]:.2f} %"


if __name__ == "__main__":
    main()
