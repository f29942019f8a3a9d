"""``fastfa compare``: learning rules with several seeds each, and what differs between them."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from .numeric import integer, number
from .settings import add_options, default_of, given_settings, read_config, resolve, setting_named
from .table import NAMES, SETTINGS

if TYPE_CHECKING:
    from ..comparison import Comparison
    from ..comparison.contestants import Contestant
    from ..data import Dataset
    from ..history import History

_DESCRIPTION = """\
Train each rule with the same seeds, on the same examples in the same order, and print the mean error
at the last epoch with its 95 % interval (Student's t over seeds), and the differences to the first rule
in pairs, with p-values (a paired t-test, by Holm's method). The error is that of the test set, which
decides nothing. OUT gets records.csv, summary.csv, differences.csv, comparison.html, comparison.png and
compare.json. It needs the extra compare: pip install "fastfa[compare]"."""

# What a comparison has no use for, or says itself.
_OWN = frozenset({"feedback", "seed", "runs", "save", "early_stopping", "out"})
_COMMON = frozenset(setting.name for setting in SETTINGS["data"]) | {"dataset", "threads"}
_FILES = (
    "records.csv",
    "summary.csv",
    "differences.csv",
    "comparison.html",
    "comparison.png",
    "compare.json",
)


def register(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser of `fastfa.cli`."""
    parser = subparsers.add_parser(
        "compare", help="compare learning rules, with error bars", description=_DESCRIPTION
    )
    parser.add_argument(
        "--rules", nargs="+", default=["bp", "fa"], metavar="RULE",
        help="bp, fa, dfa, ...; each with settings of its own after commas, such as fa,lr=0.05 "
        "(default: bp fa)",
    )  # fmt: skip
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[5], metavar="N",
        help="how many seeds, counting from 0; or several numbers, the seeds (default: 5)",
    )  # fmt: skip
    parser.add_argument("--base", metavar="RULE", help="compare with this one; default: the first")
    parser.add_argument("--config", metavar="FILE", help="settings as TOML")
    parser.add_argument("--out", metavar="DIR", help="folder for what was found")
    parser.add_argument("--overwrite", action="store_true", help="replace the results in --out")
    parser.add_argument("--quiet", action="store_true", help="print the result only")
    add_options(parser, without=_OWN)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Train all, print the tables and write the files; the exit status."""
    from .. import build_info, set_num_threads
    from ..comparison.comparing import check_seeds
    from ..data._digest import digest
    from .checks import check_settings
    from .dataset import load_data, prepare
    from .folder import claimed

    settings = _settings(arguments)
    seeds = check_seeds(arguments.seeds if len(arguments.seeds) > 1 else arguments.seeds[0])
    for each in settings.values():
        check_settings(each)
    first = next(iter(settings.values()))
    if first.threads is not None:
        set_num_threads(first.threads)
    raw = load_data(first)
    data, background, _ = prepare(first, raw)
    if raw.origin and not arguments.quiet:
        print(raw.origin, flush=True)
    contestants = [
        _contestant(name, each, data, background, seeds) for name, each in settings.items()
    ]
    job = _Job(arguments, contestants, data, first.validation, seeds)
    if arguments.out is None:
        return job.run(None, {})
    plan = {
        "fastfa": build_info()["version"],
        "settings": {name: vars(each) for name, each in settings.items()},
        "seeds": seeds,
        "data_sha256": digest(raw),
        **({"data": raw.origin} if raw.origin else {}),
    }
    with claimed("compare", arguments.out) as folder:
        _check_free(folder, overwrite=arguments.overwrite)
        return job.run(folder, plan)


@final
@dataclass(frozen=True)
class _Job:
    """What is trained, and how it is told."""

    arguments: argparse.Namespace
    contestants: list[Contestant]
    data: Dataset
    validation: float | None
    seeds: tuple[int, ...]

    def run(self, folder: Path | None, plan: Mapping[str, Any]) -> int:
        """Train, print the tables and write the files; the exit status."""
        from .._interrupts import told
        from ..comparison.comparing import run
        from ..comparison.examples import read_sets

        quiet = self.arguments.quiet
        stops: list[KeyboardInterrupt] = []
        found = run(
            self.contestants,
            read_sets(self.data, self.validation, None),
            self.seeds,
            base=self.arguments.base,
            progress=not quiet and sys.stderr.isatty(),
            told=None if quiet else _tell,
            stopped=stops.append,
        )
        print(found, flush=True)
        whole = folder is None or _write(folder, found, {**plan, "base": found.base})
        if stops:
            if self.arguments.traceback:
                raise stops[0]
            return told(stops[0], "; what was finished before is compared")
        return 0 if whole else 1


def _settings(arguments: argparse.Namespace) -> dict[str, argparse.Namespace]:
    """The settings of each rule, by its text."""
    file = {} if arguments.config is None else read_config(arguments.config)
    for name in file.keys() & _OWN:
        if file[name] != default_of(name):
            raise ValueError(
                f"[compare] {arguments.config}: {name} was {file[name]!r}; it must not be given: the "
                "command's own --rules, --seeds and --out say what is trained"
            )
    given = given_settings(arguments, _OWN)
    found = {}
    for text in arguments.rules:
        if text in found:
            raise ValueError(f"[compare] rules had {text!r} twice; each must be another one")
        found[text] = resolve(file, {**given, **_read_rule(text)})
    return found


def _read_rule(text: str) -> dict[str, Any]:
    """``fa,lr=0.05`` as settings."""
    rule, *pairs = text.split(",")
    own: dict[str, Any] = {"feedback": rule}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        name = name.strip().replace("-", "_")
        setting = setting_named(name)
        if not equals or setting is None or name in _OWN | _COMMON or setting.count is not None:
            import difflib

            known = sorted(NAMES - _OWN - _COMMON - {"hidden", "layers"})
            close = difflib.get_close_matches(name, known, n=1)
            hint = f" (did you mean {close[0]}?)" if close and setting is None else ""
            raise ValueError(
                f"[compare] rules had {text!r}; {pair!r} in it must be name=value, where the name is "
                f"a setting of one value, of the network, its feedback or its training{hint}"
            )
        own[name] = _value(text, name, setting.kind, value.strip())
    return own


def _value(text: str, name: str, kind: type, value: str) -> Any:
    readers: dict[type, Any] = {
        int: (integer, "an integer"),
        float: (number, "a number"),
        bool: ({"true": True, "false": False}.__getitem__, "true or false"),
        str: (str, "text"),
    }
    read, words = readers[kind]
    try:
        return read(value)
    except (KeyError, ValueError):
        raise ValueError(
            f"[compare] rules had {text!r}, whose {name} was {value!r}; it must be {words}"
        ) from None


def _contestant(
    name: str,
    settings: argparse.Namespace,
    data: Dataset,
    background: float,
    seeds: tuple[int, ...],
) -> Contestant:
    """The contestant, once its first trainer has been looked at."""
    from ..comparison.contestants import Contestant
    from .build import build_augment, build_trainer
    from .checks import check_training

    try:
        augment = build_augment(settings, data, background)
        made = Contestant(name, lambda seed: build_trainer(settings, data, augment, seed))
        check_training(settings, data, made.make(seeds[0]))
    except (TypeError, ValueError) as error:
        raise type(error)(f"{error} (of rule {name!r})") from None
    return made


def _tell(name: str, seed: int, history: History, diverged: str) -> None:
    """A line for a network that came to its end."""
    from tqdm import tqdm

    from .dataset import measured

    last = history.records[-1] if len(history) else {}
    words = "diverged"
    if last and not diverged:
        key, _, value = measured(last, "test" if "test_loss" in last else "validation")
        words = f"{key.replace('_', ' ')} {value}"
    seconds = sum(history["seconds"]) if len(history) else 0.0
    tqdm.write(f"seed {seed}  {name}: {words}  ({seconds:.1f} s)")
    sys.stdout.flush()


def _check_free(folder: Path, *, overwrite: bool) -> None:
    there = [name for name in _FILES if os.path.lexists(folder / name)]
    if there and not overwrite:
        raise ValueError(
            f"[compare] out was {str(folder)!r}, where {', '.join(there)} is there already; name "
            "another folder, or give --overwrite"
        )


def _write(folder: Path, found: Comparison, plan: Mapping[str, Any]) -> bool:
    """The files; whether all of them could be written."""
    from .._interrupts import held
    from ..atomic import atomic_write
    from ..history import History
    from .outputs import draw, written

    def write_plan(path: Path) -> None:
        with atomic_write(path) as file:
            file.write((json.dumps(plan, indent=1) + "\n").encode())

    writers = {
        "compare.json": write_plan,
        "records.csv": found.to_csv,
        "summary.csv": History(found.table()).to_csv,
        "differences.csv": History(found.differences()).to_csv,
        "comparison.html": found.save_html,
    }
    with held():
        done = [written(folder / name, write) for name, write in writers.items()]
    done.append(draw(folder / "comparison.png", found.plot) is not False)
    print(f"results in {folder}")
    return all(done)
