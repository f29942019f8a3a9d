"""Builds for Linux on arm64 with a cross compiler, and runs examples and tests under qemu.

    python tools/test_arm64.py build/arm64             # `make test-arm64`
    python tools/test_arm64.py build/arm64 -- -k adam  # with options for pytest

Python for arm64 and what it needs are Debian's packages, unpacked into a folder and not installed; NumPy
and the other packages for Python are wheels. Needs no rights, and Debian 12 or later.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from requirements import requirements

ROOT = Path(__file__).resolve().parent.parent
# program: the Debian package that has it
PROGRAMS = {
    "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu",
    "aarch64-linux-gnu-g++": "g++-aarch64-linux-gnu",
    "qemu-aarch64": "qemu-user",
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
}
TRIPLET = "aarch64-linux-gnu"
PACKAGES = ["python3", "libpython3-dev", "libstdc++6"]
WHEELS = ["manylinux2014_aarch64", "manylinux_2_28_aarch64"]
TESTED = ("pytest", "hypothesis")  # of what tests require: enough for TESTS
APT = """APT::Architecture "arm64";
APT::Architectures {{ "arm64"; }};
APT::Install-Recommends "false";
Dir::State "{0}";
Dir::State::status "{0}/status";
Dir::Cache "{0}";
Debug::NoLocking "true";
"""
# Started as sys.executable, too, so that tests can start further processes.
PYTHON = """#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
export PYTHONHOME="$here/root/usr"
exec qemu-aarch64 -L "$here/root" -0 "$here/python" "$here/root/usr/bin/python3" "$@"
"""
# What can differ there: sums in other vectors and orders, shapes that fill no vector, files, threads.
TESTS = [
    *("core/test_padding.py", "core/test_oracles.py", "core/test_online.py", "core/test_philox.py"),
    *("layers/test_conv_kernels.py", "layers/test_local_oracles.py"),
    *("checkpoints/test_checkpoint_files.py", "checkpoints/test_state_file.py"),
    *("embedding/test_capi.py", "core/test_stepwise_calls.py"),
    "core/test_threads.py::test_the_pseudoinverse_gives_the_same_bits",
    "core/test_threads.py::test_the_number_of_threads_may_change_while_a_network_lives",
    "core/test_threads.py::test_training_leaves_the_callers_subnormal_numbers_alone",
]


def run(*command: object, **environment: str) -> None:
    env = {**os.environ, **environment}
    subprocess.run([str(word) for word in command], check=True, env=env)


def asked(python: Path, expression: str) -> str:
    """What that Python prints of ``expression``, with sys and sysconfig."""
    code = f"import sys, sysconfig; print({expression})"
    return subprocess.check_output([python, "-c", code], text=True).strip()


def make_root(folder: Path) -> None:
    """Debian's packages in ``folder``/root and the program ``folder``/python that runs what is there."""
    apt = folder / "apt"
    for name in ("lists/partial", "archives/partial"):
        (apt / name).mkdir(parents=True, exist_ok=True)
    (apt / "status").touch()
    (apt / "conf").write_text(APT.format(apt))
    run("apt-get", "-q", "update", APT_CONFIG=str(apt / "conf"))
    run("apt-get", "-qy", "--download-only", "install", *PACKAGES, APT_CONFIG=str(apt / "conf"))
    for package in sorted((apt / "archives").glob("*.deb")):
        run("dpkg-deb", "-x", package, folder / "root")
    (include,) = (folder / "root/usr/include").glob("python3.*")
    (include / TRIPLET).symlink_to(f"../{TRIPLET}")  # Python's headers look for it there
    python = folder / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)


def make_site(folder: Path) -> None:
    """The wheels that fastfa and its tests need, in ``folder``/site."""
    version = asked(folder / "python", "'{}.{}'.format(*sys.version_info)")
    wanted = requirements("base") + [r for r in requirements("test") if r.startswith(TESTED)]
    run(sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--upgrade",
        "--target", folder / "site", "--only-binary=:all:",
        *[f"--platform={name}" for name in WHEELS], f"--python-version={version}", *wanted)  # fmt: skip


def build(folder: Path) -> None:
    """fastfa in ``folder``/site, and the examples."""
    cross = [f"-DCMAKE_TOOLCHAIN_FILE={ROOT / 'cmake/arm64.cmake'}", "-G", "Ninja"]
    cross += ["-DCMAKE_BUILD_TYPE=Release"]
    python = folder / "python"
    include = asked(python, "sysconfig.get_path('include')")
    suffix = asked(python, "sysconfig.get_config_var('EXT_SUFFIX')")
    run("cmake", "-S", ROOT, "-B", folder / "core", *cross, "-DSKBUILD=ON",
        f"-DCMAKE_PREFIX_PATH={sysconfig.get_path('purelib')}",
        f"-DCMAKE_INSTALL_PREFIX={folder / 'site'}",
        f"-DPython_EXECUTABLE={python}",
        f"-DPython_INCLUDE_DIR={include}",
        f"-DPYTHON_MODULE_EXTENSION={suffix}",
        "-DFASTFA_WERROR=ON", "-DFASTFA_CUDA=OFF", "-DFASTFA_EMULATED=ON")  # fmt: skip
    run("cmake", "--build", folder / "core")
    package = folder / "site/fastfa"
    shutil.rmtree(package, ignore_errors=True)
    run("cmake", "--install", folder / "core")
    shutil.copytree(ROOT / "python/fastfa", package, dirs_exist_ok=True)
    for example in ("embed_cpp", "embed_c"):
        run("cmake", "-S", ROOT / "examples" / example, "-B", folder / example, *cross,
            f"-Dfastfa_DIR={package / 'lib/cmake/fastfa'}")  # fmt: skip
        run("cmake", "--build", folder / example)


def main() -> int:
    if len(sys.argv) < 2 or sys.argv[2:3] not in ([], ["--"]):
        sys.exit(__doc__)
    folder = Path(sys.argv[1]).resolve()
    missing = [package for name, package in PROGRAMS.items() if not shutil.which(name)]
    if missing:
        sys.exit(f"these Debian packages are needed: apt-get install {' '.join(missing)}")
    if not (folder / "python").exists():
        make_root(folder)
    if not (folder / "site/numpy").exists():
        make_site(folder)
    build(folder)
    for example in ("embed_cpp", "embed_c"):
        command = ["qemu-aarch64", "-L", folder / "root", folder / example / "embed"]
        subprocess.run(command, cwd=folder / example, check=True)
    options = sys.argv[3:] or [f"tests/{name}" for name in TESTS]
    command = [folder / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    env = {**os.environ, "PYTHONPATH": str(folder / "site")}
    return subprocess.run(command, cwd=ROOT, env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
