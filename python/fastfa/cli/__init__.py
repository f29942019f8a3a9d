"""The command line: ``fastfa train | compare | tune | sweep | reproduce | demo | data | bench | info``.

Each sub-command is a module here with ``register(subparsers)``, which adds its parser and sets
``run``, a function of the parsed arguments that returns the exit status (None: 0). What a command
needs beyond argparse it imports when it runs, so that ``--help`` is quick.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from .. import _interrupts
from . import bench, compare, data, demo, info, reproduce, streams, sweep, train, tune
from .numeric import read_with

_COMMANDS = (train, compare, tune, sweep, reproduce, demo, data, bench, info)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv
        The arguments after the program's name; ``sys.argv[1:]`` if None.

    Returns
    -------
    int
        0: done; 1: an error, told in a message on standard error (something that could not be written
        is one, also if all else was done); 2: wrong arguments; 128 + N: ended by signal N, such as 130
        by Ctrl-C; 141: done, but the reader of standard output had gone.
    """
    with streams.unfailing() as out:
        return _run(argv) or streams.status(out)


def _run(argv: Sequence[str] | None) -> int:
    traceback = False
    try:
        with _interrupts.heard():
            arguments = _parser().parse_args(argv)
            traceback = arguments.traceback
            return int(arguments.run(arguments) or 0)
    except SystemExit as leaving:  # argparse has printed the help or the error already
        return int(leaving.code or 0)
    except KeyboardInterrupt as stop:
        if traceback:
            raise
        return _interrupts.told(stop)
    except Exception as error:
        if traceback:
            raise
        if wrapped := _interrupts.interrupt_behind(error):
            return _interrupts.told(wrapped)
        print(f"fastfa: error: {_told(error)}", file=sys.stderr)
        return 1


def _told(error: Exception) -> str:
    """The message; of the system's own errors without their number."""
    from ..errors import DeviceError, DivergenceError

    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, MemoryError):
        return f"there is not enough memory for this {f'({error})' if str(error) else ''}".strip()
    told = (ValueError, OSError, ImportError, DivergenceError, DeviceError)
    if isinstance(error, told) or str(error).startswith("["):
        return str(error) or type(error).__name__
    return f"{type(error).__name__}: {error} (--traceback shows where)"  # nobody foresaw it


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fastfa",
        description="Feedback alignment: learning with fixed random feedback weights.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    parser.add_argument("--traceback", action="store_true", help="show where an error comes from")
    for option, told in _PLACES.items():
        parser.add_argument(
            option, action=_Place, nargs=0, help=f"print {told}, for C++ and C, and exit"
        )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for module in _COMMANDS:
        module.register(commands)
    for command in commands.choices.values():
        read_with(command)
        command.add_argument(  # so that it may stand after the command as well
            "--traceback", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS
        )
    return parser


_PLACES = {
    "--cmakedir": "the folder of the CMake package",
    "--includes": "the compiler's option for the headers",
    "--libs": "the linker's options",
}


class _Place(argparse.Action):
    """Prints where a part of the C++ library is."""

    def __call__(self, parser: argparse.ArgumentParser, *given: object) -> None:
        from .. import embed

        try:
            if given[-1] == "--cmakedir":
                print(embed.get_cmake_dir())
            elif given[-1] == "--includes":
                print(f"-I{embed.get_include()}")
            else:
                folder = embed.get_library_dir()
                print(f"-L{folder} -lfastfa -Wl,-rpath,{folder}")
        except FileNotFoundError as error:
            parser.exit(1, f"fastfa: error: {error}\n")
        parser.exit()


class _Version(argparse.Action):
    """Prints the version, found out only when it's asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from .. import build_info

        print(f"fastfa {build_info()['version']}")
        parser.exit()
