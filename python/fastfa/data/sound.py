"""Speech of 16 bits and one channel, read by soundfile: NIST SPHERE as on the LDC's discs, or WAV."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

from .limit import Limit
from .mfcc import HOP, RATE

# Bytes that a byte of sound takes until it is features: the windows of `mfcc` and their spectra.
_SPREAD = 64


def read_sound(file: Limit) -> npt.NDArray[np.int16]:
    """The samples of a file.

    Raises
    ------
    ImportError
        soundfile is not installed.
    ValueError
        The file is no SPHERE or WAV file, damaged, of another form, shorter than it says, shorter than
        a frame, or would take more memory than it may. The message names the file.
    """
    try:
        import soundfile
    except ImportError as error:
        raise ImportError(
            f"[{file.where}] soundfile is not installed; get it with: pip install 'fastfa[timit]'"
        ) from error
    place = f"[{file.where}] {file.name}"
    file.check(_SPREAD * file.size, f"sound of {file.size} bytes and its features")
    problem = None
    try:
        with soundfile.SoundFile(file.name) as sound:
            form = (sound.format, sound.subtype, sound.channels, sound.samplerate)
            declared = _declared(file)
            if form[0] not in ("NIST", "WAV", "WAVEX") or form[1:] != ("PCM_16", 1, RATE):
                problem = (
                    f"it holds {form[0]} {form[1]}, {form[2]} channels, {form[3]} samples a second"
                )
            elif sound.frames == declared and 2 * declared <= file.size:
                samples: npt.NDArray[np.int16] = sound.read(dtype="int16")
                present = len(samples)
            else:
                present = min(sound.frames, file.size // 2)
    except MemoryError:
        raise
    except Exception as error:  # of a damaged file soundfile raises nearly anything
        problem = " ".join(str(error).split())[:200] or type(error).__name__
    if problem:
        raise ValueError(
            f"{place} cannot be read ({problem}); it must be SPHERE or WAV of one channel, 16 bits, "
            f"{RATE} samples a second, not compressed"
        )
    if present != declared or present < HOP:
        raise ValueError(
            f"{place} has {present} samples; it must have {declared}, as it says, and {HOP} or more"
        )
    return samples


def _declared(file: Limit) -> int:
    """How many samples the header promises: libsndfile is content with fewer. -1 if it doesn't say."""
    with open(file.name, "rb") as raw:
        data = raw.read(file.size)
    if data.startswith(b"NIST_1A"):
        head = data[:4096].partition(b"end_head")[0]
        match = re.search(rb"\bsample_count -i ([0-9]{1,12})\s", head)
        return int(match[1]) if match else -1
    at = 12  # chunks of RIFF: a name, a size, that many bytes and one more if they are odd
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        if data[at : at + 4] == b"data":
            return size // 2
        at += 8 + size + size % 2
    return -1
