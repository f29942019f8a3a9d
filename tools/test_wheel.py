"""Install a wheel into an empty environment without a compiler, and run the tests against it.

    python tools/test_wheel.py WHEEL FOLDER [pytest's arguments]

The environment, FOLDER/env, has what the wheel's extra "all" asks for, as wheels. PATH is its programs
and FOLDER/bin, with the few programs that tests call.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ("sh", "bash", "env", "git", "nm", "readelf")
COMPILERS = ("cc", "c++", "gcc", "g++", "clang", "clang++", "cmake", "ninja", "make", "ld", "nvcc")


def main() -> int:
    wheel, folder, *arguments = sys.argv[1:]
    wheel, folder = Path(wheel).resolve(), Path(folder).resolve()
    env, programs = folder / "env", folder / "bin"
    shutil.rmtree(env, ignore_errors=True)
    shutil.rmtree(programs, ignore_errors=True)
    programs.mkdir(parents=True)
    venv.create(env, with_pip=True)
    for name in PROGRAMS:
        if found := shutil.which(name):
            (programs / name).symlink_to(found)
    path = os.pathsep.join([str(env / "bin"), str(programs)])
    clean = {
        k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "CC", "CXX", "CMAKE"))
    }
    clean |= {"PATH": path, "VIRTUAL_ENV": str(env)}

    def run(*command: str, **options: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(env / "bin" / "python"), *command], env=clean, text=True, **options
        )

    run(
        *("-m", "pip", "install", "-q", "--disable-pip-version-check", "--only-binary", ":all:"),
        f"{wheel}[all]",
        check=True,
    )
    compilers = [name for name in COMPILERS if shutil.which(name, path=path)]
    if compilers:
        print(f"there is a compiler on the PATH of the test: {compilers}", file=sys.stderr)
        return 1
    where = run(
        "-c", "import fastfa; print(fastfa.__file__)", check=True, capture_output=True
    ).stdout
    if not Path(where.strip()).is_relative_to(env):
        print(f"fastfa came from {where.strip()}, not from the wheel", file=sys.stderr)
        return 1
    print(f"{wheel.name} in {env}, no compiler on PATH: {path}", flush=True)
    return run("-m", "pytest", *arguments, cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
