"""Builds for macOS on another system, by zig, and looks into what comes out. Nothing of it is run.

    python tools/check_macos.py ZIG build/macos    # `make check-macos` fetches zig

The core, its kernels, the emulated device and the examples in C and C++ are compiled, with warnings as
errors, and linked for Apple's processors and for x86-64, with kernels of every level.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import macho
from zig_build import build, keep_cache

TARGETS = {"aarch64": (11, 0), "x86_64": (10, 15)}  # processor: the oldest macOS
LEVELS = {"aarch64": ["portable"], "x86_64": ["v2", "v3", "v4"]}
# Nobody runs it, so it is compiled quickly. (Without optimisation zig would add a sanitizer.)
QUICK = ["-DFASTFA_OPTIMISE=-O0", "-DCMAKE_CXX_FLAGS_RELEASE=-O0 -DNDEBUG -fno-sanitize=undefined"]
SYSTEM = ("/usr/lib/libSystem.", "/usr/lib/libc++.", "/usr/lib/libobjc.")


def name_of(processor: str) -> str:
    return f"{processor}-macos.{'.'.join(map(str, TARGETS[processor]))}"


def problems(processor: str, folder: Path) -> Iterator[str]:
    lib = folder / "prefix/lib"
    kernels = [lib / f"fastfa_kernels_{level}.so" for level in LEVELS[processor]]
    programs = [folder / "embed_cpp/embed", folder / "embed_c/embed"]
    emulated = lib / "fastfa_cuda_emulated.so"
    for path in [lib / "libfastfa.dylib", emulated, *kernels, *programs]:
        found = macho.read(path)
        needs = [n for n in found.needs if not n.startswith(SYSTEM)]
        if found.processor != processor or found.macos != TARGETS[processor]:
            yield f"{path} is for {found.processor} and macOS {found.macos}"
        if needs != (["@rpath/libfastfa.dylib"] if path in programs else []):
            yield f"{path} needs {needs}"
        if found.rpaths != ([str(lib)] if path in programs else []):
            yield f"{path} is told to look in {found.rpaths}"
        # zig links its libc++ in and doesn't read the list of exports: those names are there, too.
        ours = {name for name in found.exports if "fastfa" in name}
        if path in kernels and ours != {"fastfa_kernels"}:
            yield f"{path} exports {sorted(ours)}"
        if path == lib / "libfastfa.dylib" and found.name != "@rpath/libfastfa.dylib":
            yield f"{path} is called {found.name}"
        print(
            f"{path}: {processor}, macOS ≥ {'.'.join(map(str, found.macos))}, {len(ours)} exports"
        )


def main() -> int:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    zig, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    keep_cache(folder)
    found = []
    for processor in TARGETS:
        build(zig, name_of(processor), folder / processor, "-DFASTFA_EMULATED=ON", *QUICK)
        found += problems(processor, folder / processor)
    for problem in found:
        print(problem, file=sys.stderr)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
