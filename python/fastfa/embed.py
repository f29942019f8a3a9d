"""Where the C++ and C side of the package lies: headers, libfastfa and its CMake package."""

from __future__ import annotations

from pathlib import Path

from . import _core


def _folder(*parts: str) -> str:
    # Beside the compiled core, which is where the libraries were installed.
    folder = Path(_core.__file__).resolve().parent.joinpath(*parts)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"[fastfa] {folder} is not there: this installation has no files for C and C++"
        )
    return str(folder)


def get_include() -> str:
    """The folder for ``-I``: C++ includes ``fastfa/network.h`` from it, C ``fastfa/fastfa.h``.

    Raises
    ------
    FileNotFoundError
        If the installation has no headers. The same holds for the other two functions.
    """
    return _folder("include")


def get_library_dir() -> str:
    """The folder of libfastfa, for ``-L`` and ``-rpath``."""
    return _folder("lib")


def get_cmake_dir() -> str:
    """The folder for ``-Dfastfa_DIR=``: ``find_package(fastfa CONFIG)`` finds ``fastfa::fastfa``."""
    return _folder("lib", "cmake", "fastfa")
