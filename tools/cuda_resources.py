"""Compile the device kernels with nvcc, and compare what they use with what is on record.

python tools/cuda_resources.py [--build build/cuda] [--update]

Registers, spilled bytes, stack and shared memory of every kernel, for every target, as ptxas reports
them, are in docs/results/cuda-resources.json. More of any than on record is an error: --update records
it, for those who mean it. Where nvcc isn't to be found, says so and succeeds.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / "docs" / "results" / "cuda-resources.json"
SOURCES = ["f32.cu", "f64.cu", "module.cu", "runtime/device.cu"]
TARGETS = ["80", "90"]
FIELDS = ("registers", "spill", "stack", "shared")

ENTRY = re.compile(r"Compiling entry function '(\w+)' for 'sm_(\d+)'")
FRAME = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers")
SHARED = re.compile(r"(\d+) bytes smem")


def readable(mangled: list[str]) -> dict[str, str]:
    """Kernels' names as in the source, by their mangled ones."""
    text = subprocess.run(
        ["c++filt"], input="\n".join(mangled), capture_output=True, text=True, check=True
    ).stdout
    names = [re.sub(r"\(.*|^void |fastfa::cuda::", "", line) for line in text.splitlines()]
    return dict(zip(mangled, names, strict=True))


def parse(log: str) -> dict[str, dict[str, int]]:
    """What ptxas reported, by "sm_80 kernel"."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    current: dict[str, int] = {}
    for line in log.splitlines():
        if entry := ENTRY.search(line):
            current = dict.fromkeys(FIELDS, 0)
            found[entry[1], entry[2]] = current
        elif frame := FRAME.search(line):
            current["stack"], current["spill"] = int(frame[1]), int(frame[2]) + int(frame[3])
        elif used := USED.search(line):
            current["registers"] = int(used[1])
            if shared := SHARED.search(line):
                current["shared"] = int(shared[1])
    names = readable([mangled for mangled, _ in found])
    return {f"sm_{target} {names[mangled]}": use for (mangled, target), use in found.items()}


def compile_one(nvcc: str, source: str, build: Path) -> str:
    """Compiles one source for all targets and PTX; what nvcc said."""
    code = [f"-gencode=arch=compute_{t},code=sm_{t}" for t in TARGETS]
    command = [
        *(nvcc, "-std=c++17", "--expt-relaxed-constexpr", "-O3", "-Xptxas", "-v", *code),
        f"-gencode=arch=compute_{TARGETS[-1]},code=compute_{TARGETS[-1]}",
        *("-Xcompiler", "-fPIC,-fvisibility=hidden,-Wall,-Wextra", "-Werror", "all-warnings"),
        *("-I", str(ROOT / "cpp"), "-I", str(ROOT / "cpp" / "include"), "-c"),
        *(str(ROOT / "cpp" / "cuda" / source), "-o", str(build / (Path(source).stem + ".o"))),
    ]
    if shutil.which("ccache"):
        command.insert(0, "ccache")
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{source}:\n{done.stdout}{done.stderr}")
    return done.stderr


def link(nvcc: str, build: Path) -> None:
    """The library as CMake makes it."""
    objects = [str(build / (Path(source).stem + ".o")) for source in SOURCES]
    script = ROOT / "cmake" / "device.map"
    options = ["-shared", "-cudart", "static", "-Xlinker", f"--version-script={script}"]
    subprocess.run([nvcc, *options, *objects, "-o", str(build / "fastfa_cuda.so")], check=True)


def compare(found: dict, record: dict) -> list[str]:
    """What is worse than on record, or not on it."""
    problems = [f"{name}: gone" for name in record if name not in found]
    for name, use in found.items():
        known = record.get(name)
        if known is None:
            problems.append(f"{name}: not on record")
            continue
        for field in FIELDS:
            if use[field] > known[field]:
                problems.append(f"{name}: {field} {use[field]}, on record {known[field]}")
    return problems


def main() -> int:
    """Compile and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "cuda")
    parser.add_argument("--update", action="store_true")
    arguments = parser.parse_args()
    nvcc = os.environ.get("NVCC") or shutil.which("nvcc")
    if not nvcc:
        print("nvcc isn't to be found (PATH, $NVCC): the device kernels were not compiled")
        return 0
    arguments.build.mkdir(parents=True, exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        logs = pool.map(lambda source: compile_one(nvcc, source, arguments.build), SOURCES)
        found = parse("\n".join(logs))
    link(nvcc, arguments.build)
    version = subprocess.run([nvcc, "--version"], capture_output=True, text=True).stdout
    toolkit = re.search(r"V(\d+\.\d+)", version)[1]
    if arguments.update:
        kernels = dict(sorted(found.items()))
        RECORD.write_text(json.dumps({"nvcc": toolkit, "kernels": kernels}, indent=1) + "\n")
        print(f"{len(found)} kernels recorded in {RECORD.relative_to(ROOT)}")
        return 0
    record = json.loads(RECORD.read_text())
    if toolkit != record["nvcc"]:
        print(f"{len(found)} kernels compiled by nvcc {toolkit}; the record is of {record['nvcc']}")
        return 0
    problems = compare(found, record["kernels"])
    for problem in problems:
        print(problem, file=sys.stderr)
    if not problems:
        spills = sum(use["spill"] > 0 for use in found.values())
        print(f"{len(found)} kernels compiled; none uses more than on record; {spills} spill")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
