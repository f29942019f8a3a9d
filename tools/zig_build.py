"""Builds for another system by zig: the core, its kernels, and the examples in C and C++."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def run(*command: object) -> None:
    subprocess.run([str(word) for word in command], check=True)


def keep_cache(folder: Path) -> None:
    """zig compiles the system's libraries once, into ``folder``/cache."""
    for name in ("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"):
        os.environ.setdefault(name, str(folder / "cache"))


def build(zig: Path, target: str, folder: Path, *options: str) -> None:
    """Into ``folder``/core, installed in ``folder``/prefix, with warnings as errors."""
    zigs = [f"-DCMAKE_TOOLCHAIN_FILE={ROOT / 'cmake/zig.cmake'}", f"-DZIG={zig}"]
    zigs += [f"-DZIG_TARGET={target}", "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release"]
    core, prefix = folder / "core", folder / "prefix"
    run("cmake", "-S", ROOT, "-B", core, *zigs, f"-DCMAKE_PREFIX_PATH={sysconfig.get_path('purelib')}",
        "-DFASTFA_WERROR=ON", "-DFASTFA_CUDA=OFF", *options)  # fmt: skip
    run("cmake", "--build", core)
    run("cmake", "--install", core, "--prefix", prefix)
    for example in ("embed_cpp", "embed_c"):
        run("cmake", "-S", ROOT / "examples" / example, "-B", folder / example, *zigs,
            f"-Dfastfa_DIR={prefix / 'lib/cmake/fastfa'}")  # fmt: skip
        run("cmake", "--build", folder / example)
