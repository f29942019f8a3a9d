"""Speech of 16 bits and one channel: NIST SPHERE as on the discs of the LDC, or RIFF WAVE."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .limit import Limit
from .mfcc import HOP, RATE

# Bytes that a byte of sound takes until it is features: the windows of `mfcc` and their spectra.
_SPREAD = 64
_PCM, _EXTENSIBLE = 1, 0xFFFE  # format tags of RIFF; the second has the real one further on


class _Form(NamedTuple):
    """What a header says: its format, coding, channels, samples a second, and the samples' bytes."""

    format: str
    coding: str
    channels: int
    rate: int
    order: str
    begin: int
    declared: int  # samples


def read_sound(limit: Limit) -> npt.NDArray[np.int16]:
    """The samples of a file.

    Raises
    ------
    ValueError
        The file is no SPHERE or WAV file, of another form, shorter or longer than it says, shorter than
        a frame, or would take more memory than it may. The message names the file.
    """
    place = f"[{limit.where}] {limit.name}"
    limit.check(_SPREAD * limit.size, f"sound of {limit.size} bytes and its features")
    with open(limit.name, "rb") as file, limit.memory():
        data = file.read(limit.size)
    form = _sphere(data) or _riff(data)
    problem = "it is neither" if form is None else None
    if form is not None and (form.coding, form.channels, form.rate) != ("PCM_16", 1, RATE):
        problem = (
            f"it holds {form.format} {form.coding}, {form.channels} channels, "
            f"{form.rate} samples a second"
        )
    if form is None or problem:
        raise ValueError(
            f"{place} cannot be read ({problem}); it must be SPHERE or WAV of one channel, 16 bits, "
            f"{RATE} samples a second, not compressed"
        )
    whole = len(data) - form.begin
    present = min(whole, 2 * form.declared) // 2 if form.format == "WAV" else whole // 2
    if present != form.declared or present < HOP:
        raise ValueError(
            f"{place} has {present} samples; it must have {form.declared}, as it says, "
            f"and {HOP} or more"
        )
    return np.frombuffer(data, f"{form.order}i2", present, form.begin).astype(np.int16)


def _sphere(data: bytes) -> _Form | None:
    """The header of a SPHERE file: lines of name, type and value."""
    size = re.match(rb"NIST_1A\n *([0-9]{1,6})\n", data)
    if size is None or b"end_head" not in data[: int(size[1])]:
        return None
    head = data[: int(size[1])].partition(b"end_head")[0].decode("latin-1")
    fields = dict(re.findall(r"^(\w+) -(?:i|s[0-9]+) (\S+)", head, re.MULTILINE | re.ASCII))

    def whole(name: str) -> int:
        text = fields.get(name, "")
        return int(text) if re.fullmatch("[0-9]{1,12}", text) else -1

    order = {"01": "<", "10": ">"}.get(fields.get("sample_byte_format", ""), "")
    coding = fields.get("sample_coding", "pcm")
    plain = coding == "pcm" and whole("sample_n_bytes") == 2 and order
    return _Form(
        "NIST",
        "PCM_16" if plain else coding,
        whole("channel_count"),
        whole("sample_rate"),
        order,
        int(size[1]),
        whole("sample_count"),
    )


def _riff(data: bytes) -> _Form | None:
    """The chunks of a WAV file up to its data: a name, a size, so many bytes, one more if odd."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        return None
    at, shape = 12, None
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        body = data[at + 8 : at + 8 + min(size, 40)]
        if name == b"fmt " and len(body) >= 16:
            tag, channels, rate, _, _, bits = np.frombuffer(body, "<u2,<u2,<u4,<u4,<u2,<u2", 1)[0]
            if tag == _EXTENSIBLE and len(body) == 40:
                tag = int.from_bytes(body[24:26], "little")
            coding = "PCM_16" if (tag, bits) == (_PCM, 16) else f"format {tag} of {bits} bits"
            shape = coding, int(channels), int(rate)
        if name == b"data" and shape is not None:
            return _Form("WAV", *shape, "<", at + 8, size // 2)
        at += 8 + size + size % 2
    return None
