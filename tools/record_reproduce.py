"""Put what `fastfa reproduce --preset paper` found on record.

    python tools/record_reproduce.py OUT NAME ...
    python tools/record_reproduce.py --rejudge [NAME ...]

Copies OUT/NAME/paper/results.json and figure.png to docs/results/reproduce, and makes the report there
anew. Of the runs, a record keeps all numbers where they are few, and of classifiers the errors after
each epoch; else none.

Runs of an experiment that isn't through yet wait in docs/results/reproduce/unfinished; with this folder
as --out, the same command goes on from them.

--rejudge judges the records (all, if none is named) by today's claims from the numbers that they keep.
A claim about numbers that a record doesn't keep stays as it was judged, and a claim of before that is
no longer made is left out. It prints which.
Afterwards tools/site/tables.py makes the tables anew from everything that is there.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from fastfa.experiments import NAMES, Results, get
from fastfa.experiments._report import write_report
from fastfa.experiments._runner import judged

FEW = 200_000  # bytes of all runs' numbers
RECORDS = Path(__file__).resolve().parent.parent / "docs/results/reproduce"


def record(out: Path, name: str) -> None:
    found = json.loads((out / name / "paper/results.json").read_text(encoding="utf-8"))
    runs = found.pop("runs")
    kept = [{k: run[k] for k in ("condition", "seed", "result")} for run in runs]
    if len(json.dumps(kept)) <= FEW:
        found["runs"] = kept
    if "epochs" in found["settings"] and all("error" in run["result"] for run in runs):
        found["errors"] = {run["condition"]: [] for run in runs}
        for run in runs:
            found["errors"][run["condition"]].append(run["result"]["error"])
    seeds, whole = len(found["seeds"]), get(name).presets["paper"]["runs"]
    fewer = "" if seeds == whole else f" --runs {seeds}"
    found["command"] = f"fastfa reproduce {name} --preset paper{fewer}"
    found["figure"] = f"{name}.png"
    write(name, found)
    shutil.copyfile(out / name / "paper/figure.png", RECORDS / f"{name}.png")


def write(name: str, found: dict[str, Any]) -> None:
    """Indented, but for the runs: a line each."""
    runs = found.pop("runs", None)
    text = json.dumps(found, indent=1)
    if runs is not None:
        lines = ",\n  ".join(json.dumps(run, separators=(",", ":")) for run in runs)
        text = f'{text.removesuffix("}").rstrip()},\n "runs": [\n  {lines}\n ]\n}}'
    (RECORDS / f"{name}.json").write_text(text, encoding="utf-8")


def kept(found: dict[str, Any]) -> Results:
    """The runs' numbers, as far as the record has them."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for run in found.get("runs", ()):
        rows.setdefault(run["condition"], []).append(run["result"])
    if not rows:
        data = used(found)
        for condition, errors in found.get("errors", {}).items():
            rows[condition] = [{"error": e, "best": min(e), "data": data} for e in errors]
    return Results(found["settings"], rows)


def used(found: dict[str, Any]) -> str | None:
    """The data set of its runs. Records of before digests name one that stood in only in a note."""
    if found.get("data"):
        return next(iter(found["data"]))
    notes = [claim["note"].split() for claim in found["claims"] if "no comparison" in claim["note"]]
    return notes[0][0] if notes else found["settings"].get("data")


def rejudge(name: str) -> None:
    found = json.loads((RECORDS / f"{name}.json").read_text(encoding="utf-8"))
    experiment, results = get(name), kept(found)
    before = {claim["text"]: claim for claim in found["claims"]}
    claims, told = [], {"judged": 0, "as it was": [], "not run": []}
    for claim in experiment.claims:
        entry = {"text": claim.text, "paper": claim.paper, "kind": claim.kind}
        try:
            if not results.runs:
                raise LookupError
            entry |= judged(claim.measure(results))
            told["judged"] += 1
        except (LookupError, StopIteration):  # a condition or a number that it doesn't keep
            if claim.text not in before:
                told["not run"].append(claim.text)
                continue
            entry = before[claim.text] | entry
            told["as it was"].append(claim.text)
        claims.append(entry)
    gone = [text for text in before if text not in {claim.text for claim in experiment.claims}]
    found |= {"claims": claims, "chosen": experiment.chosen}
    write(name, found)
    print(f"{name}: {told['judged']} of {len(experiment.claims)} claims judged anew")
    for what, texts in (*told.items(), ("no longer made", gone)):
        if what != "judged" and texts and told["judged"]:
            print(f"  {what}: {'; '.join(texts)}")


def report() -> None:
    there = [RECORDS / f"{name}.json" for name in NAMES if (RECORDS / f"{name}.json").exists()]
    found = [(json.loads(each.read_text(encoding="utf-8")), RECORDS) for each in there]
    write_report(RECORDS / "report.html", found, embed=False)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--rejudge"]:
        for each in sys.argv[2:] or [n for n in NAMES if (RECORDS / f"{n}.json").exists()]:
            rejudge(each)
    else:
        for each in sys.argv[2:]:
            record(Path(sys.argv[1]), each)
    report()
