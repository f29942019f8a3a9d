"""Packages that are needed only where they are asked for."""

from __future__ import annotations

from importlib import import_module
from itertools import chain
from types import ModuleType
from typing import TYPE_CHECKING

from ..layers import Dense, LocallyConnected2D

if TYPE_CHECKING:
    from ..network import Network


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


def check_layers(where: str, net: Network) -> None:
    """Refuse layers that no other framework is told of yet.

    Raises
    ------
    TypeError
        If the network has convolutions or pooling.
    """
    kinds = [type(layer) for layer in (*net.layers, *chain.from_iterable(net.pooling))]
    if strange := [kind.__name__ for kind in kinds if kind not in (Dense, LocallyConnected2D)]:
        raise TypeError(
            f"[{where}] net has a {strange[0]}, a kind of layer that can't be converted yet; it must "
            "have Dense and LocallyConnected2D alone, and Dropout"
        )
