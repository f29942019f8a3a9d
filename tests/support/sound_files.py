"""Sound files as TIMIT has them: NIST SPHERE and RIFF, with their transcriptions."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

RATE = 16_000


def sphere(samples: np.ndarray, order: str = "01", **fields: object) -> bytes:
    """A NIST SPHERE file as on the disc of TIMIT: a header of 1024 bytes, then the samples."""
    values = {
        "database_id": "TIMIT",
        "database_version": "1.0",
        "utterance_id": "cjf0_sa1",
        "channel_count": 1,
        "sample_count": len(samples),
        "sample_rate": RATE,
        "sample_min": int(samples.min()),
        "sample_max": int(samples.max()),
        "sample_n_bytes": 2,
        "sample_byte_format": order,
        "sample_sig_bits": 16,
    } | fields
    lines = ["NIST_1A", "   1024"]
    for name, value in values.items():
        kind = "-i" if isinstance(value, int) else f"-s{len(str(value))}"
        lines.append(f"{name} {kind} {value}")
    header = "\n".join([*lines, "end_head", ""]).encode()
    return header.ljust(1024) + samples.astype("<i2" if order == "01" else ">i2").tobytes()


def riff(samples: np.ndarray, extra: bytes = b"", rate: int = RATE, channels: int = 1) -> bytes:
    """A RIFF WAVE file of 16 bits, perhaps with another chunk before the data."""
    form = struct.pack("<HHIIHH", 1, channels, rate, 2 * rate * channels, 2 * channels, 16)
    body = b"WAVE" + b"fmt " + struct.pack("<I", len(form)) + form + extra
    body += b"data" + struct.pack("<I", 2 * len(samples)) + samples.astype("<i2").tobytes()
    return b"RIFF" + struct.pack("<I", len(body)) + body


def speech(seconds: float = 0.5, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    count = int(seconds * RATE)
    tone = 3000 * np.sin(2 * np.pi * 440 * np.arange(count) / RATE)
    return (tone + rng.normal(0, 300, count)).astype(np.int16)


PHONES = """0 1600 h#
1600 2000 bcl
2000 2880 b
2880 4000 iy
4000 4400 kcl
4400 5040 k
5040 5200 T
5200 7900 h#
"""
# Middles of frames are at 80, 240, ...; so many of them lie in each of the three stops.
EXPECTED = [0] * 6 + [5] * 4 + [4] * 1


def write_sentence(
    path: Path, phones: str = PHONES, sound: bytes | None = None, seed: int = 0
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".PHN").write_text(phones)
    path.with_suffix(".WAV").write_bytes(sphere(speech(seed=seed)) if sound is None else sound)
