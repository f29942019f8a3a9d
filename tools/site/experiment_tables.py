"""The tables of the paper's experiments: errors, the gallery, every claim."""

from __future__ import annotations

import ast
from typing import Any

from site_table import RESULTS, ROOT, load, table


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
    """How many of the numbers that the paper prints are reproduced, apart from all else."""
    everything = [claim for n in recorded() for claim in load(f"reproduce/{n}.json")["claims"]]
    told = {
        "number": "Of {n} numbers that the paper prints, {parts}.",
        "words": "Of {n} of its statements in words and figures, with bounds of ours, {parts}.",
        "elsewhere": "Of {n} statements of other papers, with bounds of ours, {parts}.",
        "ours": "Of {n} checks of our own, {parts}.",
    }
    lines = []
    for kind, text in told.items():
        verdicts = [claim["verdict"] for claim in everything if claim["kind"] == kind]
        parts = [
            _count(verdicts.count(v), v)
            for v in ("reproduced", *sorted({*verdicts} - {"reproduced"}))
        ]
        lines.append(text.format(n=len(verdicts), parts=", ".join(parts)))
    return " ".join(lines)


def _count(n: int, verdict: str) -> str:
    if verdict == "differs":
        return f"{n} differs" if n == 1 else f"{n} differ"
    return f"{n} is {verdict}" if n == 1 else f"{n} are {verdict}"


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
