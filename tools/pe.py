"""What a library or program for Windows says of itself: PE files, read where no tool for them is."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

# "PE Format", Microsoft
PROCESSORS = {0x8664: "x86_64", 0xAA64: "aarch64"}
OF_64_BITS, DIRECTORIES = 0x20B, 112  # an optional header's magic, and where its directories begin


@dataclass
class PE:
    processor: str
    needs: list[str] = field(default_factory=list)
    exports: set[str] = field(default_factory=set)


class _Image:
    """The bytes by their addresses in memory, relative to its beginning."""

    def __init__(self, data: bytes, sections: list[tuple[int, ...]]) -> None:
        self.data, self.sections = data, sections

    def at(self, address: int) -> int:
        for size, begin, held, where in self.sections:
            if begin <= address < begin + max(size, held):
                return where + address - begin
        raise ValueError(f"[pe] there is no section at {address:#x}")

    def numbers(self, address: int, count: int) -> tuple[int, ...]:
        return struct.unpack_from(f"<{count}I", self.data, self.at(address))

    def text(self, address: int) -> str:
        begin = self.at(address)
        return self.data[begin : self.data.index(b"\0", begin)].decode()


def read(path: Path) -> PE:
    """Read `path`; ValueError if it is no such file."""
    data = path.read_bytes()
    (pe,) = struct.unpack_from("<I", data, 0x3C)
    processor, sections = struct.unpack_from("<HH", data, pe + 4)
    (size,) = struct.unpack_from("<H", data, pe + 20)
    (magic,) = struct.unpack_from("<H", data, pe + 24)
    if data[pe : pe + 4] != b"PE\0\0" or processor not in PROCESSORS or magic != OF_64_BITS:
        raise ValueError(f"[pe] {path} is not a PE file of one known processor")
    table = pe + 24 + size
    image = _Image(
        data, [struct.unpack_from("<4I", data, table + 40 * i + 8) for i in range(sections)]
    )
    exports, _, imports, _ = struct.unpack_from("<4I", data, pe + 24 + DIRECTORIES)
    found = PE(PROCESSORS[processor])
    if exports:
        count, _, names = image.numbers(exports + 24, 3)
        found.exports = {image.text(name) for name in image.numbers(names, count)}
    while imports and (name := image.numbers(imports, 5)[3]):
        found.needs.append(image.text(name).lower())
        imports += 20
    return found
