"""Runs fuzz targets: ``python tools/fuzz/drive.py [TARGET …] [--seconds S] [--runs N]``; `make fuzz`.

Those of C++ (``cpp.header``, ``cpp.load``, ``cpp.capi``) are built with Clang's libFuzzer; without Clang
they are left out, and that is told.

With atheris (libFuzzer for Python; ``pip install atheris``) mutation is led by coverage. Without it the
stored inputs are mutated blindly. Each target runs in a process of its own. The inputs that it finds
are in build/fuzz/TARGET, the stored ones in tools/fuzz/corpus/TARGET.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).resolve().parent
CORPUS = HERE / "corpus"
BUILD = HERE.parent.parent / "build" / "fuzz"
SLOW = 1.0  # seconds that no input may take
MEMORY = 2 << 30  # bytes that no input may take

sys.path.insert(0, str(HERE))


def known() -> dict[str, Callable[[bytes], None]]:
    """Every target by name: those here, and those of the data files' readers where they are."""
    import targets

    found = dict(targets.TARGETS)
    if importlib.util.find_spec("readers") is not None:
        import readers

        found |= getattr(readers, "TARGETS", {})
    return found


CPP = ("cpp.header", "cpp.load", "cpp.capi")


def stored(name: str) -> list[bytes]:
    """The stored inputs of a target; the readers of data make theirs."""
    if not (CORPUS / name).is_dir() and importlib.util.find_spec("readers") is not None:
        import readers

        return readers.seeds(name)
    return [path.read_bytes() for path in sorted((CORPUS / name).glob("*"))]


def mutated(inputs: list[bytes], draw: random.Random) -> bytes:
    """One of the inputs with some of its bytes changed, removed, repeated, or taken from another."""
    data = bytearray(draw.choice(inputs))
    for _ in range(draw.randint(1, 4)):
        at, to = sorted(draw.randint(0, len(data)) for _ in range(2))
        what = draw.randrange(6)
        if what == 0 and at < len(data):
            data[at] ^= 1 << draw.randrange(8)
        elif what == 1:
            data[at:at] = draw.randbytes(draw.randint(1, 4))
        elif what == 2:
            del data[at : min(to, at + 16)]
        elif what == 3:
            data[at:at] = data[at:to] * draw.randint(1, 3)
        elif what == 4:
            data[at:to] = draw.choice(inputs)[at:to]
        else:
            data[at:at] = draw.choice(_WORDS)
    return bytes(data[:4096])


_WORDS = [
    b"0" * 400,
    b"9" * 25,
    b"-1",
    b"nan",
    b"1e999",
    b"[" * 50,
    b"\xef\xbb\xbf",
    b"\xff",
    b"\\ud800",
    b"{",
    b"\0",
    b'"',
]


def blind(name: str, runs: int, seconds: float, seed: int = 0) -> int:
    """Mutate without coverage; how many inputs ran."""
    target, inputs, draw = known()[name], stored(name) or [b""], random.Random(seed)
    end, done = time.monotonic() + (seconds or 1e9), 0
    while done < runs and time.monotonic() < end:
        one(target, inputs[done] if done < len(inputs) else mutated(inputs, draw))
        done += 1
    return done


def one(target: Callable[[bytes], None], data: bytes) -> None:
    """One input, which may not take long. What fails names the input."""
    began = time.process_time()
    try:
        target(data)
    except BaseException as error:
        error.add_note(f"the input was {data!r}")
        raise
    if (took := time.process_time() - began) > SLOW:
        raise TimeoutError(f"an input took {took:.1f} s: {data!r}")


def _atheris(name: str, options: list[str]) -> None:
    import atheris

    with atheris.instrument_imports(include=["fastfa", "tomllib", "json"]):
        target = known()[name]
    own = BUILD / name
    own.mkdir(parents=True, exist_ok=True)
    for i, data in enumerate(stored(name)):
        (own / f"stored-{i}").write_bytes(data)
    atheris.Setup([sys.argv[0], *options, str(own)], lambda data: one(target, data))
    atheris.Fuzz()


def _child(name: str, seconds: float, runs: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 20, 64 << 20))
    sys.path.insert(0, str(BUILD / "atheris"))
    if importlib.util.find_spec("atheris") is None:
        limit = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, limit))
        done = blind(name, runs or 10**12, seconds)
        print(f"{name}: atheris is not installed; {done} blind mutations, no finding")
        return
    options = _options(name, seconds, runs) | {"dict": HERE / "python.dict"}
    _atheris(name, [f"-{option}={value}" for option, value in options.items()])


def _options(name: str, seconds: float, runs: int) -> dict[str, object]:
    """libFuzzer's."""
    return {
        "max_total_time": int(seconds),
        "runs": runs or -1,
        "artifact_prefix": f"{BUILD}/{name}-",
        "rss_limit_mb": MEMORY >> 20,
        "timeout": 600,  # of a hang; what is slow, targets find by the processor's clock
        "max_len": 2048,
        "verbosity": 0,
        "print_final_stats": 1,
    }


def _built() -> Path | None:
    """The folder of the C++ targets, compiled; None where Clang isn't."""
    names = ("clang++", *(f"clang++-{version}" for version in range(14, 22)))
    clang = next(filter(None, map(shutil.which, names)), None)
    if clang is None:
        return None
    eigen = metadata.distribution("cmeel-eigen").locate_file("")
    cmake, folder = [sys.executable, "-m", "cmake"], BUILD / "cpp"
    settings = [f"-DCMAKE_CXX_COMPILER={clang}", f"-DCMAKE_PREFIX_PATH={eigen}"]
    for words in (["-S", HERE, "-B", folder, *settings], ["--build", folder, "--parallel"]):
        subprocess.run([*cmake, *words], check=True, stdout=subprocess.DEVNULL)
    return folder


def _cpp(name: str, seconds: float, runs: int) -> int:
    """Run a C++ target; its exit status."""
    folder = _built()
    if folder is None:
        print(f"{name}: left out: there is no Clang (Debian: clang-14, libclang-rt-14-dev)")
        return 0
    target = name.partition(".")[2]
    own = BUILD / target
    own.mkdir(parents=True, exist_ok=True)
    options = _options(target, seconds, runs) | {"dict": HERE / "safetensors.dict"}
    words = [f"-{option}={value}" for option, value in options.items()]
    return subprocess.run([folder / f"fuzz_{target}", *words, own, CORPUS / target]).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="default: all")
    parser.add_argument(
        "--seconds", type=float, help="for each target; default: 60, with --runs no limit"
    )
    parser.add_argument(
        "--runs", type=int, default=0, help="inputs of each target; default: as many as fit"
    )
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.seconds is None:
        given.seconds = 0 if given.runs else 60
    if given.child:
        _child(given.targets[0], given.seconds, given.runs)
        return 0
    found = []
    for name in given.targets or (*CPP, *known()):
        if name in CPP:
            print(f"---- {name}", flush=True)
            if _cpp(name, given.seconds, given.runs) != 0:
                found.append(name)
            continue
        command = [
            sys.executable,
            __file__,
            "--child",
            name,
            f"--seconds={given.seconds}",
            f"--runs={given.runs}",
        ]
        print(f"---- {name}", flush=True)
        if subprocess.run(command).returncode != 0:
            found.append(name)
    print(f"findings in: {', '.join(found)}" if found else "no findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
