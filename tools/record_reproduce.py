"""Put what `fastfa reproduce --preset paper` found on record.

    python tools/record_reproduce.py OUT NAME ...

Copies OUT/NAME/paper/results.json (without its runs) and figure.png to docs/results/reproduce, and makes
the table of docs/reproduce.md anew from everything that is there.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from fastfa.experiments import NAMES

ROOT = Path(__file__).resolve().parent.parent
RECORDS = ROOT / "docs/results/reproduce"
PAGE = ROOT / "docs/reproduce.md"
HEAD = (
    "| experiment | claim | the paper | ours (95 % interval) | verdict |\n|---|---|---|---|---|\n"
)
UNITS = {"x": "×", "%": "%", "°": "°", "": ""}


def record(out: Path, name: str) -> None:
    found = json.loads((out / name / "paper/results.json").read_text(encoding="utf-8"))
    del found["runs"]
    (RECORDS / f"{name}.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    shutil.copyfile(out / name / "paper/figure.png", RECORDS / f"{name}.png")


def rows(name: str) -> str:
    content = json.loads((RECORDS / f"{name}.json").read_text(encoding="utf-8"))
    lines = ""
    for claim in content["claims"]:
        ours, low, high = (f"{claim[key]:.3g}" for key in ("ours", "low", "high"))
        text = claim["text"].replace("|", "∥")
        lines += (
            f"| [{name}](results/reproduce/{name}.png) | {text} | {claim['paper']} "
            f"| {ours}{UNITS[claim['unit']]} ({low} – {high}) | {claim['verdict']} |\n"
        )
    return lines


def main(out: Path, names: list[str]) -> None:
    for name in names:
        record(out, name)
    table = HEAD + "".join(rows(n) for n in NAMES if (RECORDS / f"{n}.json").exists())
    page = PAGE.read_text(encoding="utf-8")
    begin = page.index(HEAD)
    end = page.find("\n\n", begin)
    rest = "" if end < 0 else page[end + 1 :]
    PAGE.write_text(page[:begin] + table + rest, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
