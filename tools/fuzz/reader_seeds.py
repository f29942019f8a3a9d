"""What the targets of readers.py begin with: inputs that can be read, and what mutations are made of."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

import numpy as np

# What mutations are made of, besides bytes.
TOKENS: dict[str, list[bytes]] = {
    "idx": [b"\0\0\x08\x01", b"\0\0\x0e\x03", b"\xff\xff\xff\xff", b"\0\0\0\1", b"\x1f\x8b\x08"],
    "csv": [
        *(b"label", b"y", b"class", b"target", b"0,1,2", b"NA", b"?", b"nan", b'"', b'""', b"\r\n"),
        *(b"1e39", b"-0", b"1_0", "٣".encode(), b"Unnamed: 0", b"\xef\xbb\xbf", b"0x1", b"1e-400"),
        *(b",a\n", b",b\n", b";", b"\t", b"\t\n"),
    ],
    "libsvm": [
        *(b"qid:1", b"0:1", b"1:0.5", b"1048576:1", b"-1", b"+1", b"#", b"nan", "٣".encode()),
        *(b"# Column indices are zero-based\n", b"1e39", b"999999999:1", b":", b"1_0"),
    ],
    "amat": [b"0.5 ", b"1 ", b"9\n", b"1e-9 ", b"nan ", b"\n\n", b"\x0c", b"1.0000001 "],
    "cifar": [b"\x80\4\x95", b"\x1f\x8b\x08", b"\x09\x0a", b"\x13\x14", b"\x63\x64", b"\0" * 64],
    "npz": [
        *(b"\x93NUMPY\1\0", b"\x93NUMPY\2\0", b"'descr': '|O'", b"'<f8'", b"'fortran_order': True"),
        *(b"PK\3\4", b"PK\1\2", b"PK\5\6", b"(0,)", b"(-1,)", b"'|b1'", b"'<f2'", b"'<i8'", b"|||"),
        *(b"(1000000, 1000000)", b"'<c8'", b"[('a', '<f4')]", b"True", b"'<f16'", b"'<m8'"),
    ],
    "sequences": [
        *(
            b"trial",
            b"'<f8'",
            b"'<i8'",
            b"(3, 4, 2)",
            b"(3,)",
            b"|||",
            b"\xff\xff\xff\x7f",
            b"\na,",
        ),
        *(b"(1000000, 1000000, 1)", b"\n,", b"nan", b"'<U3'", b"1e39", b"\nd,1,1" * 40),
    ],
    "mat": [
        *(b"\x0e\0\0\0", b"\x0f\0\0\0", b"\6\0\0\0\x08\0\0\0", b"\5\0\0\0\x10\0\0\0", b"X", b"y"),
        *(
            b"\2\0\0\0",
            b"\1\0\1\0X\0\0\0",
            b"\xff\xff\xff\xff",
            b"\x20\0\0\0\x20\0\0\0\3\0\0\0",
            b"|||",
        ),
    ],
    "timit": [
        *(
            b"NIST_1A\n   1024\n",
            b"sample_count -i 999999999999\n",
            b"end_head\n",
            b"RIFF",
            b"WAVE",
        ),
        *(b"fmt ", b"data", b"\xff\xff\xff\xff", b"0 1000 b\n", b"|||", b" h#\n", b"999999999"),
        *(b"sample_coding -s3 ulaw\n", b"sample_byte_format -s2 10\n", b"\xfe\xff"),
    ],
}
TOKENS["idx_pair"] = [*TOKENS["idx"], b"|||"]


def seeds(name: str) -> list[bytes]:
    """Some inputs of a target that are read as they should be, and some that nearly are."""
    return [bytes([choice]) + data for data in _SEEDS[name]() for choice in (0, 129)]


def _idx_seeds() -> list[bytes]:
    bodies = [(8, "u1"), (9, "i1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8")]
    made = []
    for code, kind in bodies:
        values = np.arange(12).reshape(2, 2, 3).astype(kind)
        made.append(bytes([0, 0, code, 3]) + struct.pack(">3I", 2, 2, 3) + values.tobytes())
    return [*made, b"\0\0\x08\1\0\0\0\2\5\6", b"\0\0\x08\2\0\0\0\0\0\0\0\5"]


def _npy(array: np.ndarray) -> bytes:
    whole = io.BytesIO()
    np.lib.format.write_array(whole, array, allow_pickle=False)
    return whole.getvalue()


def _npz_seeds() -> list[bytes]:
    labels = np.arange(2)
    arrays = [
        *(np.zeros((2, 3)), np.ones((2, 2, 2), np.uint8), np.asfortranarray(np.ones((2, 3), "f4"))),
        np.ones((2, 3), "f2"),
    ]
    files = []
    for save in (np.savez, np.savez_compressed):
        whole = io.BytesIO()
        save(whole, x=arrays[0], labels=labels)
        files.append(whole.getvalue())
    return [*(_npy(array) + b"|||" + _npy(labels) for array in arrays), *files]


def _element(name: bytes, shape: tuple[int, ...], kind: int, code: int, values: bytes) -> bytes:
    dims = struct.pack(f"<{len(shape)}i", *shape)
    body = struct.pack("<IIIIII", 6, 8, kind, 0, 5, len(dims)) + dims + bytes(-len(dims) % 8)
    body += struct.pack("<II", 1, len(name)) + name.ljust(8, b"\0")
    if len(values) <= 4:
        body += struct.pack("<HH", code, len(values)) + values.ljust(4, b"\0")
    else:
        body += struct.pack("<II", code, len(values)) + values + bytes(-len(values) % 8)
    return struct.pack("<II", 14, len(body)) + body


def _mat_seeds() -> list[bytes]:
    images = _element(b"X", (32, 32, 3, 1), 9, 2, bytes(range(256)) * 12)
    labels = [
        _element(b"y", (1, 1), 9, 2, b"\7"),
        _element(b"y", (1, 1), 6, 9, struct.pack("<d", 10)),
        _element(b"y", (1, 1), 6, 2, b"\3"),
    ]
    return [images + b"|||" + each for each in labels]


def _timit_seeds() -> list[bytes]:
    samples = (1000 * np.sin(np.arange(1600))).astype("<i2").tobytes()
    form = struct.pack("<HHIIHH", 1, 1, 16000, 32000, 2, 16)
    riff = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", 3200) + samples
    riff = b"RIFF" + struct.pack("<I", len(riff)) + riff
    lines = [
        "NIST_1A",
        "   1024",
        "channel_count -i 1",
        "sample_count -i 1600",
        "sample_rate -i 16000",
    ]
    lines += ["sample_n_bytes -i 2", "sample_byte_format -s2 01", "end_head", ""]
    sphere = "\n".join(lines).encode().ljust(1024) + samples
    phones = b"0 300 h#\n300 500 b\n500 900 iy\n900 1300 t\n1300 1600 h#\n|||"
    return [phones + riff, phones + sphere]


_SEEDS: dict[str, Callable[[], list[bytes]]] = {
    "idx": _idx_seeds,
    "idx_pair": lambda: [
        *(each + b"|||" + b"\0\0\x08\1\0\0\0\2\1\2" for each in _idx_seeds()[:6]),
    ],
    "csv": lambda: [
        *(b"label,p0,p1\n5,0,0\n3,9,0\n", b"1,2,0\n3,4,1\n", b'"a","b","class"\n"1","2","0"\n'),
        *(b"0,1,2,label\n1,2,3,0\n3,4,5,1\n", b"x,y\r\n1.5e3,0\r\n-.5,1\r\n", b"5,0,0\n3,9,0\n"),
        *(b"p,q,species\n1,2,a\n3,4,b\n5,6,a\n", b'p;"a, b"\n1;"x;y"\n2;z\n', b"1\tx\n2\ty\n"),
    ],
    "libsvm": lambda: [
        *(b"1 1:0.5 3:-2e-1\n0 # nothing\n", b"-1 0:1 2:3\n+1 1:4\n", b"3 qid:1 1:53 2:2 # a\n"),
        b"# Column indices are zero-based\n1 1:1\n",
    ],
    "amat": lambda: [
        b"\n".join(b" ".join([b"0.5"] * 784 + [b"3"]) for _ in range(2)),
        b"0.1 0.2 0.3 1e-3 7\n0 0 0 1 3\n",
    ],
    "cifar": lambda: [
        *(bytes([7]) + bytes(range(256)) * 12, b"\3\x50" + bytes(3072), bytes(2 * 3073)),
        b"\x80\4\x95" + bytes(3070),
    ],
    "npz": _npz_seeds,
    "sequences": lambda: [
        *(
            b"|||".join(map(_npy, arrays))
            for arrays in (
                (np.zeros((3, 4, 2)), np.ones((3, 4, 1))),
                (np.zeros((3, 4, 2), "f4"), np.arange(3), np.array([1, 4, 2])),
                (np.zeros((2, 4, 2)), np.ones((2, 4, 2)), np.ones(2, np.int64), np.ones((2, 4))),
            )
        ),
        b"trial,p,y\na,1,0.5\na,2,1.5\nb,3,2.5\nc,4,3.5\n",
        b"trial,p,species\n1,1,x\n1,2,y\n2,3,x\n3,4,y\n",
    ],
    "mat": _mat_seeds,
    "timit": _timit_seeds,
}
