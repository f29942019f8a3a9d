"""What a library or program for macOS says of itself: Mach-O files, read where no tool of Apple's is."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

# <mach-o/loader.h> and <mach-o/nlist.h>
MAGIC, HEADER = 0xFEEDFACF, 32  # of one processor, 64 bits, the low byte first
PROCESSORS = {0x01000007: "x86_64", 0x0100000C: "aarch64"}
SYMTAB, ID_DYLIB, RPATH, BUILD_VERSION = 0x2, 0xD, 0x8000001C, 0x32
LOADS = {0xC, 0x80000018, 0x8000001F}  # LC_LOAD_DYLIB, …_WEAK_DYLIB, LC_REEXPORT_DYLIB
EXTERNAL, PRIVATE, TYPE, DEBUGGING = 0x01, 0x10, 0x0E, 0xE0  # of a symbol's n_type


@dataclass
class MachO:
    processor: str
    name: str = ""  # by which others find it
    needs: list[str] = field(default_factory=list)
    rpaths: list[str] = field(default_factory=list)
    exports: set[str] = field(default_factory=set)  # without the underscore
    macos: tuple[int, int] = (0, 0)  # the oldest that it is for


def read(path: Path) -> MachO:
    """Read `path`; ValueError if it is no such file."""
    data = path.read_bytes()
    magic, processor = struct.unpack_from("<II", data)
    if magic != MAGIC or processor not in PROCESSORS:
        raise ValueError(f"[macho] {path} is not a Mach-O file of one known processor")
    found = MachO(PROCESSORS[processor])
    (count,) = struct.unpack_from("<I", data, 16)
    at = HEADER
    for _ in range(count):
        kind, size = struct.unpack_from("<II", data, at)
        if kind in {ID_DYLIB, RPATH} | LOADS:
            (begin,) = struct.unpack_from("<I", data, at + 8)
            text = data[at + begin : at + size].split(b"\0")[0].decode()
            if kind == ID_DYLIB:
                found.name = text
            else:
                (found.rpaths if kind == RPATH else found.needs).append(text)
        elif kind == BUILD_VERSION:
            (oldest,) = struct.unpack_from("<I", data, at + 12)
            found.macos = oldest >> 16, oldest >> 8 & 0xFF
        elif kind == SYMTAB:
            found.exports = set(_exports(data, *struct.unpack_from("<IIII", data, at + 8)))
        at += size
    return found


def _exports(data: bytes, symbols: int, count: int, texts: int, size: int) -> list[str]:
    names = []
    for i in range(count):
        text, kind = struct.unpack_from("<IB", data, symbols + 16 * i)
        defined = kind & TYPE and not kind & (PRIVATE | DEBUGGING)
        if kind & EXTERNAL and defined:
            end = data.index(b"\0", texts + text, texts + size)
            names.append(data[texts + text : end].decode().removeprefix("_"))
    return names
