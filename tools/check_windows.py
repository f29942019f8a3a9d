"""Builds for Windows on another system, by zig, looks into what comes out, and runs it if wine is there.

    python tools/check_windows.py ZIG build/windows    # `make check-windows` fetches zig

The core, portable kernels, and the examples in C and C++ are compiled, with warnings as errors, and
linked for x86-64; and tools/windows/files.cpp, which looks after saving and loading.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pe
from zig_build import ROOT, build, keep_cache, run

TARGET, PROCESSOR = "x86_64-windows-gnu", "x86_64"
SYSTEM = ("kernel32.dll", "ntdll.dll", "advapi32.dll", "api-ms-win-")


def problems(folder: Path) -> Iterator[str]:
    library, kernels = (
        folder / "prefix/lib" / f"{name}.dll" for name in ("libfastfa", "fastfa_kernels_portable")
    )
    programs = [folder / "embed_cpp/embed.exe", folder / "embed_c/embed.exe"]
    for path in [library, kernels, *programs]:
        found = pe.read(path)
        needs = [name for name in found.needs if not name.startswith(SYSTEM)]
        if found.processor != PROCESSOR:
            yield f"{path} is for {found.processor}"
        if needs != (["libfastfa.dll"] if path in programs else []):
            yield f"{path} needs {needs}"
        if path == kernels and found.exports != {"fastfa_kernels"}:
            yield f"{path} exports {sorted(found.exports)}"
        if path == library and "fastfa_network_create" not in found.exports:
            yield f"{path} lacks fastfa_network_create"
        print(f"{path}: {found.processor}, {len(found.exports)} exports")


def build_files(zig: Path, folder: Path) -> None:
    prefix = folder / "prefix"
    run(zig, "c++", "-target", TARGET, "-std=c++17", "-O1", f"-I{prefix / 'include'}",
        ROOT / "tools/windows/files.cpp", prefix / "lib/libfastfa.dll.a",
        "-o", folder / "files.exe")  # fmt: skip


def run_by_wine(wine: str, folder: Path) -> None:
    """Each in an empty folder; libfastfa is found by the path that programs look in."""
    environment = {
        **os.environ,
        "WINEPREFIX": str(folder / "wine"),
        "WINEPATH": str(folder / "prefix/lib"),
        "WINEDEBUG": "-all",
        "LC_ALL": "C.UTF-8",
    }
    for program in ("embed_cpp/embed.exe", "embed_c/embed.exe", "files.exe"):
        with tempfile.TemporaryDirectory(dir=folder) as empty:
            subprocess.run([wine, folder / program], check=True, cwd=empty, env=environment)


def main() -> int:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    zig, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    keep_cache(folder)
    build(zig, TARGET, folder / PROCESSOR, "-DFASTFA_PORTABLE=ON")
    build_files(zig, folder / PROCESSOR)
    found = list(problems(folder / PROCESSOR))
    for problem in found:
        print(problem, file=sys.stderr)
    wine = shutil.which("wine64") or shutil.which("/usr/lib/wine/wine64")
    if wine:
        run_by_wine(wine, folder / PROCESSOR)
    else:
        print("nothing of it was run: there is no wine64 (Debian: apt-get install wine64)")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
