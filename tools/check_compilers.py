"""Installs the source distribution with every compiler that is found, and lets each build train.

    python tools/check_compilers.py fastfa-*.tar.gz build/compilers             # `make check-compilers`
    python tools/check_compilers.py fastfa-*.tar.gz build/compilers -- -C cmake.define.FASTFA_PORTABLE=ON

pip builds and installs in a path with spaces and accents, by Ninja and by make in turn. What stands
after -- goes to pip. What it prints is the table of docs/platforms.md.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

COMPILERS = [
    *((f"gcc-{n}", f"g++-{n}") for n in range(11, 16)),
    *((f"clang-{n}", f"clang++-{n}") for n in range(13, 21)),
]
GENERATORS = ("Ninja", "Unix Makefiles")
# Two networks in each set of kernels that the processor has, and what went into the build.
TRY = """
import os, subprocess, sys
import numpy as np, fastfa as fa
if len(sys.argv) == 1:
    info = fa.build_info()
    for level in info["isa_available"]:
        of_level = {**os.environ, "FASTFA_ISA": level}
        subprocess.run([sys.executable, __file__, level], env=of_level, check=True)
    print(info["compiler"], "|", ", ".join(info["isa_available"]))
    sys.exit()
assert fa.build_info()["isa"] == sys.argv[1]
x = np.random.default_rng(0).random((200, 64), dtype="float32")
y = np.eye(10, dtype="float32")[x[:, :10].argmax(1)]
conv = [fa.Conv2D(16, 3, activation="tanh"), fa.Dense(10, "logistic")]
for shape, layers in ((64, [fa.Dense(100, "tanh"), fa.Dense(10, "logistic")]), ((1, 8, 8), conv)):
    net = fa.Network(shape, layers, "fa", loss="cross_entropy")
    first = net.evaluate(x, y).loss
    for _ in range(20):
        net.train_epoch(x, y, fa.SGD(0.1), batch_size=10)
    assert net.evaluate(x, y).loss < 0.8 * first, (first, net.evaluate(x, y).loss)
"""


def install(
    sdist: Path, folder: Path, cc: str, cxx: str, generator: str, options: list[str]
) -> str:
    """What the installed build says of itself; CalledProcessError if it doesn't install or train."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "tmp").mkdir(parents=True)
    environment = {**os.environ, "CC": cc, "CXX": cxx, "CMAKE_GENERATOR": generator}
    environment |= {"TMPDIR": str(folder / "tmp"), "PYTHONPATH": str(folder / "site")}
    # A cache would give files of an earlier build.
    environment.pop("CMAKE_CXX_COMPILER_LAUNCHER", None)
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps"]
    pip += [
        "--no-cache-dir",
        "--target",
        str(folder / "site"),
        "-C",
        "cmake.define.FASTFA_CUDA=OFF",
    ]
    subprocess.run([*pip, *options, str(sdist)], env=environment, check=True)
    (folder / "try.py").write_text(TRY)
    command = [sys.executable, "-W", "error", str(folder / "try.py")]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(done.stdout, done.stderr, file=sys.stderr)
    done.check_returncode()
    return done.stdout.strip()


def main() -> int:
    if len(sys.argv) < 3 or sys.argv[3:4] not in ([], ["--"]):
        sys.exit(__doc__)
    sdist, folder, options = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve(), sys.argv[4:]
    found = [pair for pair in COMPILERS if all(map(shutil.which, pair))]
    if not found:
        sys.exit("none of these compilers is found: " + " ".join(cxx for _, cxx in COMPILERS))
    failed = 0
    print("| compiler | by | kernels that trained | minutes |\n|---|---|---|---:|", flush=True)
    for i, (cc, cxx) in enumerate(found):
        generator = GENERATORS[i % 2]
        begin = time.monotonic()
        try:
            place = folder / f"ein Gerät für {cxx} à la carte"
            told = install(sdist, place, cc, cxx, generator, options)
        except subprocess.CalledProcessError:
            told, failed = f"{cxx} | FAILED", failed + 1
        minutes = (time.monotonic() - begin) / 60
        print(f"| {told.replace(' |', f' | {generator} |', 1)} | {minutes:.1f} |", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
