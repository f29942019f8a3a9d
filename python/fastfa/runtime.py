"""Process-wide settings of the compiled core."""

from __future__ import annotations

from typing import Any

from . import _check, _core


def set_num_threads(n: int) -> None:
    """Use `n` threads from now on, 1 … 1024. Results don't depend on it, not by a bit.

    The default is ``$FASTFA_NUM_THREADS``, else the number of cores this process may run on.

    Raises
    ------
    ValueError, TypeError
        If `n` is not an integer in that range.
    """
    _core.set_num_threads(_check.integer("set_num_threads", "n", n, 1, 1024))


def get_num_threads() -> int:
    """The number of threads the core uses.

    Raises
    ------
    ValueError
        If ``$FASTFA_NUM_THREADS`` is set to something else than an integer in 1 … 1024.
    """
    return _core.get_num_threads()


def build_info() -> dict[str, Any]:
    """What this build is and what it uses.

    Keys: ``version``; ``isa``, the instruction-set level in use (``v4``, ``v3``, ``v2`` for x86-64, or
    ``portable``; ``$FASTFA_ISA`` chooses another); ``isa_available``, the levels that are built and that
    this processor has; ``bf16``, how products of ``matmul_precision="bf16"`` are done (``amx``,
    ``avx512_bf16`` or ``emulated``; ``$FASTFA_BF16`` chooses another), and ``bf16_available``;
    ``threads``; ``eigen`` and ``compiler``, versions; ``cuda``, the toolkit's
    version and the targets that device kernels were compiled for, or None: not built.

    Raises
    ------
    RuntimeError
        If ``$FASTFA_ISA`` or ``$FASTFA_BF16`` asks for what is not available.
    """
    return _core.build_info()
