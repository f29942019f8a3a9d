"""The examples that embed fastfa, as projects of their own against the installed package."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import fastfa as fa
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SCRIPTS = Path(sysconfig.get_path("scripts"))


def tool(name: str) -> str:
    """A program beside this Python, or on the path."""
    found = shutil.which(name, path=os.pathsep.join([str(SCRIPTS), os.environ.get("PATH", "")]))
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def asked(option: str) -> str:
    """What ``python -m fastfa`` answers."""
    command = [sys.executable, "-m", "fastfa", option]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def run(*command, cwd: Path) -> str:
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_places_are_those_of_the_package():
    package = Path(fa.__file__).parent
    assert Path(asked("--cmakedir"), "fastfa-config.cmake").is_file()
    assert asked("--cmakedir") == fa.get_cmake_dir()
    assert asked("--includes") == f"-I{fa.get_include()}"
    assert asked("--libs").split()[:2] == [f"-L{fa.get_library_dir()}", "-lfastfa"]
    assert Path(fa.get_include(), "fastfa", "network.h").is_file()
    assert Path(fa.get_include(), "fastfa", "fastfa.h").is_file()
    assert Path(fa.get_library_dir(), "libfastfa.so").is_file() or sys.platform != "linux"
    assert all(Path(p).is_absolute() for p in (fa.get_include(), fa.get_cmake_dir()))
    assert package.name == "fastfa"


@pytest.fixture(params=["embed_cpp", "embed_c"])
def project(request) -> Path:
    folder = EXAMPLES / request.param
    if not folder.exists():
        pytest.skip("the tests are not beside the repository's examples")
    tool("c++" if request.param == "embed_cpp" else "cc")
    return folder


def test_a_project_finds_the_package_builds_and_learns(project, tmp_path):
    cmake = tool("cmake")
    run(
        *(cmake, "-S", project, "-B", tmp_path, f"-Dfastfa_DIR={asked('--cmakedir')}"),
        "-DCMAKE_BUILD_TYPE=Release",
        cwd=tmp_path,
    )
    run(cmake, "--build", tmp_path, cwd=tmp_path)
    out = run(tmp_path / "embed", cwd=tmp_path)
    assert f"fastfa {fa.__version__}: loss" in out
    assert (tmp_path / "embed.safetensors").is_file()


def test_another_version_is_not_taken(tmp_path):
    cmake = tool("cmake")
    tool("cc")
    text = "cmake_minimum_required(VERSION 3.20)\nproject(p LANGUAGES C)\n"
    (tmp_path / "CMakeLists.txt").write_text(text + "find_package(fastfa 99 CONFIG REQUIRED)\n")
    command = [cmake, "-S", tmp_path, "-B", tmp_path / "b", f"-Dfastfa_DIR={asked('--cmakedir')}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert f"version: {fa.__version__}" in done.stderr


def test_c_builds_with_a_plain_compiler(tmp_path):
    if not EXAMPLES.exists():
        pytest.skip("the tests are not beside the repository's examples")
    flags = [
        *["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", "-O1"],
        *shlex.split(asked("--includes")),
    ]
    source = EXAMPLES / "embed_c" / "main.c"
    libs = shlex.split(asked("--libs"))
    run(tool("cc"), *flags, source, *libs, "-lm", "-o", tmp_path / "embed", cwd=tmp_path)
    assert "loss" in run(tmp_path / "embed", cwd=tmp_path)
