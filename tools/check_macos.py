"""Builds for macOS on another system, by zig, and looks into what comes out. Nothing of it is run.

    python tools/check_macos.py ZIG build/macos    # `make check-macos` fetches zig

The core, its kernels, the emulated device and the examples in C and C++ are compiled, with warnings as
errors, and linked for Apple's processors and for x86-64, there with portable kernels.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import macho

ROOT = Path(__file__).resolve().parent.parent
TARGETS = {"aarch64": (11, 0), "x86_64": (10, 15)}  # processor: the oldest macOS
KERNELS = "fastfa_kernels_portable.so"  # zig doesn't know the names of x86-64's levels
SYSTEM = ("/usr/lib/libSystem.", "/usr/lib/libc++.", "/usr/lib/libobjc.")


def run(*command: object) -> None:
    subprocess.run([str(word) for word in command], check=True)


def build(zig: Path, processor: str, folder: Path) -> None:
    """Into ``folder``/core, and installed in ``folder``/prefix."""
    target = f"{processor}-macos.{'.'.join(map(str, TARGETS[processor]))}"
    zigs = [f"-DCMAKE_TOOLCHAIN_FILE={ROOT / 'cmake/zig.cmake'}", f"-DZIG={zig}"]
    zigs += [f"-DZIG_TARGET={target}", "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release"]
    core, prefix = folder / "core", folder / "prefix"
    run("cmake", "-S", ROOT, "-B", core, *zigs, f"-DCMAKE_PREFIX_PATH={sysconfig.get_path('purelib')}",
        "-DFASTFA_WERROR=ON", "-DFASTFA_CUDA=OFF", "-DFASTFA_EMULATED=ON",
        "-DFASTFA_PORTABLE=ON")  # fmt: skip
    run("cmake", "--build", core)
    run("cmake", "--install", core, "--prefix", prefix)
    for example in ("embed_cpp", "embed_c"):
        run("cmake", "-S", ROOT / "examples" / example, "-B", folder / example, *zigs,
            f"-Dfastfa_DIR={prefix / 'lib/cmake/fastfa'}")  # fmt: skip
        run("cmake", "--build", folder / example)


def problems(processor: str, folder: Path) -> Iterator[str]:
    lib = folder / "prefix/lib"
    kernels = lib / KERNELS
    programs = [folder / "embed_cpp/embed", folder / "embed_c/embed"]
    emulated = lib / "fastfa_cuda_emulated.so"
    for path in [lib / "libfastfa.dylib", emulated, kernels, *programs]:
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
        if path == kernels and ours != {"fastfa_kernels"}:
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
    for name in ("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"):
        os.environ.setdefault(name, str(folder / "cache"))
    found = []
    for processor in TARGETS:
        build(zig, processor, folder / processor)
        found += problems(processor, folder / processor)
    for problem in found:
        print(problem, file=sys.stderr)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
