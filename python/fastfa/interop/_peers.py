"""Packages that are needed only where they are asked for."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType


def need(where: str, module: str, package: str, extra: str) -> ModuleType:
    """The module, imported.

    Raises
    ------
    ImportError
        If it, or what it needs in its turn, isn't installed; says how to get it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(
            f"[{where}] {package} is not installed; get it with: pip install 'fastfa[{extra}]'"
        ) from error
