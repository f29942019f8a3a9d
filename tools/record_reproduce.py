"""Put what `fastfa reproduce --preset paper` found on record.

    python tools/record_reproduce.py OUT NAME ...

Copies OUT/NAME/paper/results.json (of its runs, only the errors of classifiers after each epoch) and
figure.png to docs/results/reproduce, and makes the report there anew.
Afterwards tools/site/tables.py makes the tables anew from everything that is there.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from fastfa.experiments import NAMES, get
from fastfa.experiments._report import write_report

RECORDS = Path(__file__).resolve().parent.parent / "docs/results/reproduce"


def record(out: Path, name: str) -> None:
    found = json.loads((out / name / "paper/results.json").read_text(encoding="utf-8"))
    runs = found.pop("runs")
    if "epochs" in found["settings"] and all("error" in run["result"] for run in runs):
        found["errors"] = {run["condition"]: [] for run in runs}
        for run in runs:
            found["errors"][run["condition"]].append(run["result"]["error"])
    seeds, whole = len(found["seeds"]), get(name).presets["paper"]["runs"]
    fewer = "" if seeds == whole else f" --runs {seeds}"
    found["command"] = f"fastfa reproduce {name} --preset paper{fewer}"
    found["figure"] = f"{name}.png"
    (RECORDS / f"{name}.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    shutil.copyfile(out / name / "paper/figure.png", RECORDS / f"{name}.png")


def report() -> None:
    there = [RECORDS / f"{name}.json" for name in NAMES if (RECORDS / f"{name}.json").exists()]
    found = [(json.loads(each.read_text(encoding="utf-8")), RECORDS) for each in there]
    write_report(RECORDS / "report.html", found, embed=False)


if __name__ == "__main__":
    for each in sys.argv[2:]:
        record(Path(sys.argv[1]), each)
    report()
