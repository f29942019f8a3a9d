"""Tables of the documentation from docs/results: numbers in pages are those of the measurements.

    python tools/site/tables.py            # write them between the markers of the pages
    python tools/site/tables.py --check    # exit 1 and say which page is out of date

A page has `<!-- begin NAME -->` and `<!-- end NAME -->`; between them stands what TABLES[NAME] makes.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from defaults_table import defaults

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "results"
PAGES = (
    "README.md",
    "docs/benchmarks.md",
    "docs/biotorch.md",
    "docs/defaults.md",
    "docs/gallery.md",
    "docs/reproduce.md",
)
PEERS = {
    "jax": "JAX",
    "torch-manual": "PyTorch by hand",
    "torch-autograd": "PyTorch autograd",
    "biotorch": "BioTorch",
}
_MARKED = re.compile(r"(<!-- begin ([\w-]+) -->\n).*?(<!-- end \2 -->)", re.S)


def load(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / name).read_text(encoding="utf-8"))


def table(columns: Iterable[str], rows: Iterable[Iterable[str]], numbers: bool = True) -> str:
    """A table in Markdown; all columns but the first to the right, if they are numbers."""
    columns = list(columns)
    lines = [
        columns,
        ["---"] + ["---:" if numbers else "---"] * (len(columns) - 1),
        *map(list, rows),
    ]
    return "\n".join("| " + " | ".join(c.replace("|", "∥") for c in line) + " |" for line in lines)


def digits(value: float, count: int = 3) -> str:
    """So many significant digits, never as a power of ten."""
    if value == 0:
        return "0"
    places = max(0, count - 1 - _exponent(value))
    rounded = round(value, count - 1 - _exponent(value))
    return f"{rounded:,.{places}f}"


def _exponent(value: float) -> int:
    return int(f"{abs(value):.15e}".partition("e")[2])


def time(us: float) -> str:
    return f"{digits(us / 1000, 3)} ms" if us >= 1000 else f"{digits(us, 3)} µs"


def ratio(entry: dict[str, Any] | None) -> str:
    if entry is None:
        return "–"
    if entry["status"] != "ok":
        return entry["status"]
    low, high = entry["ratio_range"]
    return f"{digits(entry['ratio'])}× ({digits(low)}–{digits(high)})"


def measured(result: dict[str, Any]) -> str:
    """The machine, the date and the versions, in a sentence."""
    machine, build = result["machine"], result["build"]
    used = {
        "torch": "PyTorch", "jax": "JAX", "biotorch": "BioTorch", "numpy": "NumPy", "python": "Python",
    }  # fmt: skip
    versions = ", ".join(
        f"{name} {result['versions'][key]}"
        for key, name in used.items()
        if result["versions"].get(key)
    )
    return (
        f"{machine['cpu']}, {machine['processors']} cores of a virtual machine, "
        f"kernels x86-64-{build['isa']}, "
        f"{build['compiler']}, {result['date'][:10]}; {versions}."
    )


# ---- speed ---------------------------------------------------------------------------------------


def speed(name: str) -> str:
    result = load(name)
    floors = any("floor" in record for record in result["workloads"].values())
    columns = ["workload", "fastfa, a step"] + ["of the floor"] * floors + list(PEERS.values())
    rows = []
    for workload, record in result["workloads"].items():
        who = record["contestants"]
        row = [f"`{workload}`", time(who["fastfa"]["median_us_per_step"])]
        if floors:
            percent = record["floor"].get("percent")
            row.append("–" if percent is None else f"{percent:.0f} %")
        rows.append(row + [ratio(who.get(peer)) for peer in PEERS])
    busy = max(record["foreign_load"] or 0 for record in result["workloads"].values())
    note = (
        f"At most {busy:.0%} of the machine was busy with other work in a workload."
        if busy >= 0.05
        else ""
    )
    source = f"[results/{name}](results/{name})"
    return f"{measured(result)} {note} {source}\n\n{table(columns, rows)}".replace("  ", " ")


def local_layer() -> str:
    part = load("local-2026-11-26.json")["layer"]["contestants"]
    return _local("forward and weight gradient", part, skip=("fastfa-step",))


def local_training() -> str:
    part = load("local-2026-11-26.json")["training"]["contestants"]
    return _local("training step", part)


def _local(what: str, contestants: dict[str, Any], skip: tuple[str, ...] = ()) -> str:
    rows = [
        [
            f"`{name}`: {entry['note']}",
            time(entry["median_us_per_step"]),
            "1" if "ratio" not in entry else ratio(entry),
        ]
        for name, entry in contestants.items()
        if name not in skip and entry["status"] == "ok"
    ]
    return table([what, "median", "÷ fastfa"], rows)


def local_memory() -> str:
    result = load("local-2026-11-26.json")
    needed, peak = result["memory"]["needed_total"], result["memory"]["peak_trained"]
    return (
        f"{measured(result)} Peak memory in training: {peak / 1e6:.1f} MB, "
        f"{result['memory']['ratio']:.2f} times weights, feedback and activations, "
        f"which take {needed / 1e6:.1f} MB."
    )


# ---- errors --------------------------------------------------------------------------------------


def mnist() -> str:
    result = load("mnist-784-1000-10.json")
    paper = {"fa": "2.1 %", "bp": "2.4 %", "shallow": "much worse"}
    rows = [
        [
            f"`{rule}`",
            f"{record['mean_test_error']:.2%}".replace("%", " %"),
            ", ".join(f"{100 * run['test_error']:.2f}" for run in record["runs"]),
            ", ".join(f"{100 * run['lowest_test_error']:.2f}" for run in record["runs"]),
            paper[rule],
        ]
        for rule, record in result["rules"].items()
    ]
    return table(["rule", "mean", "each seed, %", "lowest of any epoch, %", "the paper"], rows)


def local_mnist() -> str:
    rows = [
        _errors("mnist-local", "local", "the first layer local", "0.8 %"),
        _errors("mnist-local", "dense", "the same, dense", "1.1 %"),
        _errors("mnist-elastic", "elastic", "local, elastic distortions", "0.5 %"),
    ]
    columns = [
        "feedback alignment",
        "epochs",
        "last epoch",
        "each seed",
        "lowest of any",
        "the paper",
    ]
    return table(columns, rows)


def _errors(name: str, condition: str, label: str, paper: str) -> list[str]:
    runs = load(f"reproduce/{name}.json")["errors"][condition]
    last = [errors[-1] for errors in runs]
    return [
        label,
        str(len(runs[0])),
        f"{sum(last) / len(last):.3f} %",
        ", ".join(f"{error:.2f}" for error in last),
        f"{min(map(min, runs)):.2f} %",
        paper,
    ]


# ---- the gallery ---------------------------------------------------------------------------------


def experiments() -> tuple[str, ...]:
    """fastfa.experiments.NAMES, read without importing fastfa, which the site's environment lacks."""
    source = (ROOT / "python/fastfa/experiments/_names.py").read_text(encoding="utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "NAMES":
            return ast.literal_eval(node.value)
    raise ValueError("fastfa/experiments/_names.py has no NAMES")


def recorded() -> list[str]:
    return [n for n in experiments() if (RESULTS / "reproduce" / f"{n}.json").exists()]


def gallery() -> str:
    return "\n\n".join(map(_experiment, recorded()))


def paper() -> str:
    """How many claims of each experiment hold, to begin docs/reproduce.md, which has each of them."""
    rows = []
    for name in recorded():
        result = load(f"reproduce/{name}.json")
        verdicts = [claim["verdict"] for claim in result["claims"]]
        good = verdicts.count("reproduced")
        others = [f"{verdicts.count(v)} {v}" for v in sorted({*verdicts} - {"reproduced"})]
        rows.append(
            [
                f"[{name}](results/reproduce/{name}.png)",
                result["title"],
                result["where"],
                str(len(result["seeds"])),
                _of_kind(result, "number"),
                ", ".join([f"{good} of {len(verdicts)}", *others]) + _chosen(result),
            ]
        )
    columns = [
        "experiment",
        "what",
        "where",
        "runs",
        "numbers of the paper",
        "all claims reproduced",
    ]
    return table(columns, rows, numbers=False)


def _of_kind(result: dict[str, Any], kind: str) -> str:
    verdicts = [claim["verdict"] for claim in result["claims"] if claim["kind"] == kind]
    return f"{verdicts.count('reproduced')} of {len(verdicts)}" if verdicts else "–"


def _chosen(result: dict[str, Any]) -> str:
    return f"; settings chosen on the outcome: {result['chosen']}" if result["chosen"] else ""


def counts() -> str:
    """How many of the numbers that the paper prints are reproduced, apart from words and our checks."""
    everything = [claim for n in recorded() for claim in load(f"reproduce/{n}.json")["claims"]]
    told = {
        "number": "Of {n} numbers that the paper prints, {parts}.",
        "words": "Of {n} of its statements in words and figures, with bounds of ours, {parts}.",
        "ours": "Of {n} checks of our own, {parts}.",
    }
    lines = []
    for kind, text in told.items():
        verdicts = [claim["verdict"] for claim in everything if claim["kind"] == kind]
        words = {"reproduced": "are reproduced", "differs": "differ", "undecided": "are undecided"}
        parts = [
            f"{verdicts.count(v)} {words.get(v, v)}"
            for v in ("reproduced", *sorted({*verdicts} - {"reproduced"}))
        ]
        lines.append(text.format(n=len(verdicts), parts=", ".join(parts)))
    return " ".join(lines)


def _experiment(name: str) -> str:
    result = load(f"reproduce/{name}.json")
    title = result["title"][0].upper() + result["title"][1:]
    claims = result["claims"]
    good = sum(claim["verdict"] == "reproduced" for claim in claims)
    many = "1 seed" if len(result["seeds"]) == 1 else f"{len(result['seeds'])} seeds"
    figure = f"![{title}](results/reproduce/{name}.png)\n\n"
    if not (RESULTS / "reproduce" / f"{name}.png").exists():
        figure = ""
    return "\n\n".join(
        (
            f"## {name}",
            f"**{title}.** {result['where']}.",
            f"{figure}`{result['command']}`: {many}, "
            f"{result['job_seconds']:.0f} s of one thread; {good} of {len(claims)} claims "
            f"reproduced{_chosen(result)}. "
            f"[Settings, seeds and versions](results/reproduce/{name}.json)",
            table(CLAIM, map(_claim, claims), numbers=False),
        )
    )


def claims() -> str:
    """Every claim of every experiment, for docs/reproduce.md."""
    rows = [
        [f"[{name}](results/reproduce/{name}.png)", *_claim(claim)]
        for name in recorded()
        for claim in load(f"reproduce/{name}.json")["claims"]
    ]
    return table(["experiment", *CLAIM], rows, numbers=False)


CLAIM = ("claim", "the paper", "ours (95 % interval)", "asked", "verdict")


def _claim(claim: dict[str, Any]) -> list[str]:
    asked = claim["note"].partition("; off")[0]
    return [claim["text"], claim["paper"], _value(claim), asked, claim["verdict"]]


def _value(claim: dict[str, Any]) -> str:
    if claim["ours"] is None:
        return claim["note"]
    unit = {"x": "×", "": "", "°": "°", "%": " %"}.get(claim["unit"], f" {claim['unit']}")
    ours, low, high = (
        f"{claim[key]:.3g}" if claim[key] is not None else "–" for key in ("ours", "low", "high")
    )
    if claim["low"] is None:
        return f"{ours}{unit}".replace(" ", "\N{NO-BREAK SPACE}")
    return f"{ours}{unit} ({low} – {high})".replace(" ", "\N{NO-BREAK SPACE}")


# ---- PyTorch -------------------------------------------------------------------------------------

TORCH_COST = "torch-cost-2026-11-29.json"
TORCH_TRAINING = "torch-training-2026-11-29.json"


def torch_cost() -> str:
    result = load(TORCH_COST)
    rows = [
        [
            f"`{name}`",
            "{:.2f}× ({:.2f}–{:.2f})".format(entry["ratio"], *entry["ratio_quartiles"]),
            f"{entry['processor_ms']:.0f} ms",
            f"{entry['feedback_mib']:.2f} MiB",
            f"{entry['peak_mib']:.0f} MiB",
        ]
        for name, entry in result["rules"].items()
    ]
    busy = result["foreign_load"] or 0
    note = f"Others kept {busy:.0%} of the machine busy meanwhile." if busy >= 0.05 else ""
    return (
        f"A step of ResNet-20 (`bench/torch_cost.py`), batch {result['protocol']['batch']}, one thread, "
        f"processor time; median over {result['protocol']['rounds']} rounds and its quartiles. "
        f"{measured(result)} {note} [results/{TORCH_COST}](results/{TORCH_COST})\n\n"
        + table(["rule", "÷ autograd", "a step", "B", "peak of the process"], rows)
    )


def torch_training() -> str:
    result = load(TORCH_TRAINING)
    how = result["protocol"]["optimizer"]
    parts = [
        f"`bench/torch_training.py`, {how}; mean and standard deviation over the seeds. "
        f"{measured(result)} [results/{TORCH_TRAINING}](results/{TORCH_TRAINING})"
    ]
    names = {
        "lenet": "LeNet, Fashion-MNIST",
        "resnet20": "ResNet-20, synthetic classes (3, 32, 32)",
    }
    for task, found in result["tasks"].items():
        plan = found["protocol"]
        rows = [[f"`{name}`", *_of_runs(entry)] for name, entry in found["rules"].items()]
        parts.append(
            f"{names[task]}: {plan['train_examples']} training examples, {plan['epochs']} epochs, batch "
            f"{plan['batch']}."
            + (" The rate was set by hand, the same for all." if plan["rate_given"] else "")
        )
        columns = ("rule", "seeds", "rate", "test error", "Δh∠Δh_BP", "gradient angle", "W∠B")
        parts.append(table([*columns, "norm ratio"], rows))
    return "\n\n".join(parts)


def _of_runs(entry: dict[str, Any]) -> list[str]:
    """The cells of a rule: over its seeds."""
    keys = ("error_percent", "angle_bp", "gradient_angle", "weight_angle", "norm_ratio")
    cells = [str(len(entry["runs"])), f"{entry['rate']:g}"]
    for key in keys:
        found = [run[key] for run in entry["runs"] if run[key] is not None]
        unit = {"error_percent": " %", "norm_ratio": ""}.get(key, "°")
        if not found:
            cells.append("–")
            continue
        mean = sum(found) / len(found)
        shown = f"{mean:.1f}" if unit else f"{mean:.3g}"
        if len(found) > 1:
            spread = (sum((v - mean) ** 2 for v in found) / (len(found) - 1)) ** 0.5
            shown += f" ± {spread:.1f}" if unit else f" ± {spread:.2g}"
        cells.append(shown + unit)
    return cells


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
    "defaults": lambda: defaults(found := load("defaults-2026-11-30.json"), table, measured(found)),
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
