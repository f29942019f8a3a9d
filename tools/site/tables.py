"""Tables of the documentation from docs/results: numbers in pages are those of the measurements.

    python tools/site/tables.py            # write them between the markers of the pages
    python tools/site/tables.py --check    # exit 1 and say which page is out of date

A page has `<!-- begin NAME -->` and `<!-- end NAME -->`; between them stands what TABLES[NAME] makes.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

from conv_tables import conv, lenet
from defaults_table import defaults
from experiment_tables import claims, counts, gallery, local_mnist, mnist, paper
from precision_tables import bf16_batches, bf16_conv, bf16_learning, bf16_steps, bf16_storage
from site_table import ROOT
from speed_tables import local_layer, local_memory, local_training, speed
from torch_tables import torch_cost, torch_training

PAGES = (
    "README.md",
    "docs/benchmarks.md",
    "docs/biotorch.md",
    "docs/defaults.md",
    "docs/gallery.md",
    "docs/precision.md",
    "docs/reproduce.md",
)
_MARKED = re.compile(r"(<!-- begin ([\w-]+) -->\n).*?(<!-- end \2 -->)", re.S)


TABLES: dict[str, Callable[[], str]] = {
    "speed": lambda: speed("bench-2026-11-24.json"),
    "speed-other": lambda: speed("bench-2026-11-22.json"),
    "speed-other-online": lambda: speed("bench-online-2026-11-22.json"),
    "local-layer": local_layer,
    "local-training": local_training,
    "local-memory": local_memory,
    "mnist": mnist,
    "local-mnist": local_mnist,
    "gallery": gallery,
    "paper": paper,
    "counts": counts,
    "claims": claims,
    "torch-cost": torch_cost,
    "torch-training": torch_training,
    "conv": conv,
    "lenet": lenet,
    "bf16-steps": bf16_steps,
    "bf16-batches": bf16_batches,
    "bf16-learning": bf16_learning,
    "bf16-storage": bf16_storage,
    "bf16-conv": bf16_conv,
    "defaults": lambda: defaults("defaults-2026-11-30.json"),
}


def filled(text: str) -> str:
    """The page with every marked block made anew."""
    return _MARKED.sub(lambda m: f"{m[1]}\n{TABLES[m[2]]()}\n\n{m[3]}", text)


def main() -> int:
    stale = 0
    for page in PAGES:
        path = ROOT / page
        old = path.read_text(encoding="utf-8")
        new = filled(old)
        if new != old and "--check" in sys.argv:
            print(
                f"{page} is not what docs/results say: run python tools/site/tables.py",
                file=sys.stderr,
            )
            stale = 1
        elif new != old:
            path.write_text(new, encoding="utf-8")
    return stale


if __name__ == "__main__":
    sys.exit(main())
