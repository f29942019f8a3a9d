"""Do two builds compute the same bits? Hashes of what random networks become by learning.

    python tools/bits.py record old.json     # with the old build installed
    python tools/bits.py compare old.json    # with the new one; exit status 1 if anything differs

The networks are drawn from rules, layers, optimizers, batches, dtypes, ways of training, numbers of
threads, ensembles, and runs that are saved and go on; a fifth of them have convolutions. Each
instruction set that the machine has is a process of its own. Scales of B are numbers, so that a change
of a default scale isn't taken for a change of arithmetic.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import fastfa as fa
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
import parity_cases

RULES = [r for r in parity_cases.ALL_RULES if not r.endswith("custom")]
BATCHES = (1, 1, 2, 3, 4, 5, 16, 33, 100, 300)
OUTPUTS = parity_cases.OUTPUTS


def scaled(rule: object) -> object:
    """The rule with scale 0.3 where its scale would be the default."""
    rule = fa.PRESETS.get(rule, rule) if isinstance(rule, str) else rule
    if not isinstance(rule, fa.Feedback) or rule.scale != "equal_error":
        return rule
    return fa.Feedback(**rule._fields() | {"scale": 0.3, "gain": None})


def draw(rng: np.random.Generator, n: int) -> dict:
    """Everything that makes one training; ``n`` numbers it."""
    deep = int(rng.integers(1, 4))
    widths = [int(w) for w in rng.choice(parity_cases.WIDTHS, deep + 2)]
    hidden = [str(a) for a in rng.choice(parity_cases.HIDDEN, deep)]
    loss, output = OUTPUTS[rng.integers(len(OUTPUTS))]
    if output == "softmax":
        widths[-1] = max(2, widths[-1])
    return {
        "widths": widths, "hidden": hidden, "loss": loss, "output": output,
        "rule": str(rng.choice(RULES)), "local": bool(rng.random() < 0.2),
        "dropout": float(rng.choice([0, 0, 0, 0.3])), "density": float(rng.choice([1, 1, 1, 0.6])),
        "bias": bool(rng.random() < 0.8), "sigma": float(rng.choice([0] * 9 + [0.1])),
        "adam": bool(rng.random() < 0.2), "momentum": float(rng.choice([0, 0, 0.9])),
        "decay": float(rng.choice([0, 0, 1e-3])), "batch": int(rng.choice(BATCHES)),
        "sparse": bool(rng.random() < 0.4), "dtype": str(rng.choice(["float32", "float64"])),
        "threads": int(rng.integers(1, 3)), "device": "cpu" if rng.random() < 0.9 else "cuda-emulated:2",
        "way": str(rng.choice(["epoch", "epoch", "step", "saved", "ensemble"])), "seed": n,
    }  # fmt: skip


def draw_conv(rng: np.random.Generator, n: int) -> dict:
    """The same with two convolutions, each with pooling or without, below the dense layers."""
    c = draw(rng, n)
    convs = [
        {
            "maps": int(rng.choice(parity_cases.WIDTHS[:10])), "kernel": int(rng.integers(1, 6)),
            "stride": int(rng.choice([1, 1, 2, 3])), "activation": str(rng.choice(parity_cases.HIDDEN)),
            "pool": str(rng.choice(["", "AvgPool2D", "MaxPool2D"])), "size": int(rng.integers(1, 4)),
        }
        for _ in range(2)
    ]  # fmt: skip
    image = [int(rng.choice([1, 2, 3, 16])), *map(int, rng.integers(3, 14, 2))]
    batch = int(rng.choice([1, 2, 5, 16]))
    return c | {"image": image, "convs": convs, "local": False, "batch": batch}


def build_conv(c: dict, seed: int, rng: np.random.Generator) -> fa.Network:
    shape, layers, landings, units = tuple(c["image"]), [], [], []
    for conv in c["convs"]:
        layers.append(
            fa.Conv2D(conv["maps"], conv["kernel"], stride=conv["stride"], padding="same",
                      activation=conv["activation"], bias=c["bias"])
        )  # fmt: skip
        shape = layers[-1].output_shape(shape)
        units.append(int(np.prod(shape)))
        if conv["pool"]:
            size = tuple(min(conv["size"], side) for side in shape[1:])
            layers.append(getattr(fa, conv["pool"])(size, conv["stride"]))
            shape = layers[-1].output_shape(shape)
        landings.append(int(np.prod(shape)))
    if c["dropout"]:
        layers.append(fa.Dropout(c["dropout"]))
    layers.append(fa.Dense(c["widths"][-1], c["output"], bias=c["bias"], density=c["density"]))
    units.append(c["widths"][-1])
    rules: object = fa.NodePerturbation(c["sigma"]) if c["sigma"] else []
    for n, above in [] if c["sigma"] else zip(landings, units[1:], strict=True):
        sources = {"layerwise": above, "direct": units[-1], "target": units[-1]}
        rules.append(scaled(parity_cases.rule_of(c["rule"], n, sources, rng)))
    return fa.Network(
        tuple(c["image"]),
        layers,
        rules,
        loss=c["loss"],
        seed=seed,
        dtype=c["dtype"],
        device=c["device"],
    )


def build(c: dict, seed: int, rng: np.random.Generator) -> fa.Network:
    if "convs" in c:
        return build_conv(c, seed, rng)
    image, layers = c["widths"][0], []
    widths = list(c["widths"])
    if c["local"]:
        image, widths[0] = (12, 9), 108
        layers.append(fa.LocallyConnected2D(3, 3, activation=c["hidden"][0]))
        widths[1] = 3 * 10 * 7
    for i in range(len(layers), len(widths) - 1):
        last = i == len(widths) - 2
        activation = c["output"] if last else c["hidden"][i]
        layers.append(fa.Dense(widths[i + 1], activation, bias=c["bias"], density=c["density"]))
    rules: object = fa.NodePerturbation(c["sigma"]) if c["sigma"] else []
    for i in range(0 if c["sigma"] else len(widths) - 2):
        sources = {"layerwise": widths[i + 2], "direct": widths[-1], "target": widths[-1]}
        rules.append(scaled(parity_cases.rule_of(c["rule"], widths[i + 1], sources, rng)))
    if c["dropout"]:
        layers.insert(1, fa.Dropout(c["dropout"]))
    return fa.Network(
        image, layers, rules, loss=c["loss"], seed=seed, dtype=c["dtype"], device=c["device"]
    )


def digest(nets: list[fa.Network], x: np.ndarray, y: np.ndarray) -> str:
    found = hashlib.sha256()
    for net in nets:
        for name, array in sorted(net.state_dict().items()):
            found.update(name.encode() + np.ascontiguousarray(array).tobytes())
        found.update(np.ascontiguousarray(net.forward(x)).tobytes())
        for delta in net.deltas(x, y):
            found.update(np.ascontiguousarray(delta).tobytes())
    return found.hexdigest()


def trained(c: dict) -> str:
    rng = np.random.default_rng(c["seed"])
    fa.set_num_threads(c["threads"])
    many = 8 if c["way"] == "ensemble" else 1
    nets = [build(c, c["seed"] + i, np.random.default_rng(c["seed"])) for i in range(many)]
    count = 2 * c["batch"] + 5
    case = parity_cases.Case(
        widths=(nets[0].input_size, nets[0].output_size),
        output=(c["loss"], c["output"]),
        sparse=c["sparse"],
    )
    x, y = parity_cases.draw_data(case, count, c["dtype"], rng)
    order = rng.integers(0, count, 12 * c["batch"] + c["batch"] // 2)
    lr = 0.02 / (1 + max(c["widths"])) ** 0.5 / (50 if "convs" in c else 1)
    optimizer: object = fa.Adam(lr, weight_decay=c["decay"])
    if not c["adam"]:
        optimizer = fa.SGD(lr, momentum=c["momentum"], weight_decay=c["decay"])
    half = 6 * c["batch"]
    if many > 1:
        fa.Ensemble(nets).train_epoch(x, y, optimizer, batch_size=c["batch"], order=order)
        return digest(nets, x, y)
    net = nets[0]
    if c["way"] == "step":
        for i in range(0, len(order), c["batch"]):
            rows = order[i : i + c["batch"]]
            net.step(x[rows], y[rows], optimizer)
        return digest([net], x, y)
    for part in (order[:half], order[half:]):
        net.train_epoch(x, y, optimizer, batch_size=c["batch"], order=part)
        if c["way"] == "saved" and part is not order[half:] and c["device"] == "cpu":
            with tempfile.TemporaryDirectory() as folder:
                fa.save(f"{folder}/net.safetensors", net)
                net = fa.load(f"{folder}/net.safetensors")
    return digest([net], x, y)


def hashes(count: int) -> dict[str, str]:
    """By configuration: the digest, or the error that it ended in."""
    found: dict[str, str] = {}
    rng, own = np.random.default_rng(20261129), np.random.default_rng(20261130)
    while (
        len(found) < count + count // 4
    ):  # convolutions last, so that the others keep their numbers
        c = draw(rng, len(found)) if len(found) < count else draw_conv(own, len(found))
        try:
            found[json.dumps(c)] = trained(c)
        except (ValueError, fa.DivergenceError, fa.DeviceError) as error:
            found[json.dumps(c)] = type(error).__name__
    return found


def all_levels(count: int) -> dict[str, dict[str, str]]:
    result = {}
    for level in fa.build_info()["isa_available"]:
        command = [sys.executable, __file__, "hashes", "--count", str(count)]
        run = subprocess.run(
            command, env=os.environ | {"FASTFA_ISA": level}, check=True, stdout=subprocess.PIPE
        )
        result[level] = json.loads(run.stdout)
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("record", "compare", "hashes"))
    parser.add_argument("file", nargs="?")
    parser.add_argument(
        "--count",
        type=int,
        default=400,
        help="networks without convolutions, for each instruction set",
    )
    given = parser.parse_args()
    if given.what == "hashes":
        print(json.dumps(hashes(given.count)))
        return 0
    new = all_levels(given.count)
    if given.what == "record":
        Path(given.file).write_text(json.dumps(new, indent=1), encoding="utf-8")
        return 0
    old, differ = json.loads(Path(given.file).read_text(encoding="utf-8")), 0
    for level, found in new.items():
        changed = [c for c in found if old[level].get(c) != found[c]]
        learned = sum(len(v) == 64 for v in found.values())
        print(f"{level}: {len(found)} networks, {learned} trained, {len(changed)} differ")
        for c in changed:
            print("  ", c, old[level].get(c), found[c])
        differ += len(changed)
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
