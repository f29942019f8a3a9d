"""The stop consonants of TIMIT: frames of speech, each labelled b, d, g, p, t or k.

J. S. Garofolo et al., "TIMIT acoustic-phonetic continuous speech corpus", LDC93S1, 1993. A folder
for each speaker holds ten sentences, each as sound (.WAV: NIST SPHERE as published, RIFF where
somebody converted it) and as phones (.PHN: ``first sample, sample after the last, phone`` a line).
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .. import _check
from .dataset import Dataset, Split
from .limit import Limit, path_of
from .mfcc import HOP, mfcc
from .sound import read_sound

STOPS = ("b", "d", "g", "p", "t", "k")
_KNOWN = (
    "b d g p t k dx q bcl dcl gcl pcl tcl kcl jh ch s sh z zh f th v dh m n ng em en eng nx l r w "
    "y hh hv el iy ih eh ey ae aa aw ay ah ao oy ow uh uw ux er ax ix axr ax-h pau epi h#"
)
_PHONES = frozenset(_KNOWN.split())
_LINE = re.compile(r"([0-9]{1,9})[ \t]+([0-9]{1,9})[ \t]+(\S+)\s*")
_SPREAD = 64  # bytes that a character of a .PHN file may take


def load_timit(
    folder: str | os.PathLike[str], sa: bool = False, *, limit: int | None = None
) -> Dataset:
    """Read the stop consonants of a TIMIT folder as 39 features for each 10 ms.

    The task is that of note 7 in the supplement of Lillicrap et al. (2016), after Cotter, Srebro and
    Keshet (2011). The supplement gives the numbers of frames (63,881 and 22,257), the length of a
    frame, the features (MFCC and two derivatives, 39) and the classes. What it leaves open is
    settled here so: the corpus's own division of speakers; the dialect sentences left out, which
    each speaker reads; a frame belongs to the phone in which its middle lies, for phones labelled
    b, d, g, p, t, k (the release; the closures bcl, dcl, ... are phones of their own); features as of
    `mfcc`. So the numbers may differ from the paper's.

    Parameters
    ----------
    folder : str or path-like
        The folder that holds ``TRAIN`` and ``TEST`` (or ``train`` and ``test``).
    sa : bool
        Whether to take the two dialect sentences too.
    limit : int, optional
        Bytes of memory that each file may take. Default: 256 MiB, or 64 times its size if that is more.

    Returns
    -------
    Dataset
        ``x`` is float32 (N, 39), not normalised; ``labels`` is int64 (N,): 0 to 5 for b, d, g, p, t, k.

    Raises
    ------
    ImportError
        soundfile is not installed.
    FileNotFoundError
        There is no such folder, or a sentence lacks its sound.
    MemoryError
        The machine has too little memory; the message names the file.
    TypeError, ValueError
        There are no sentences, a sound is not of one channel, 16 bits and 16,000 samples a second, or
        not as long as it says, phones are malformed, a frame lies in two of which one is a stop, or a
        file would take more than `limit`. The message names the file.
    """
    _check.flag("load_timit", "sa", sa)
    place = Path(path_of("load_timit", "folder", folder))
    train, test = (_read_part(_folder(place, name), sa, limit) for name in ("train", "test"))
    return Dataset("timit-stops", train, test, len(STOPS), (1, 1, 39), STOPS, is_table=True)


def _folder(place: Path, name: str) -> Path:
    for spelled in (name, name.upper()):
        if (place / spelled).is_dir():
            return place / spelled
    raise FileNotFoundError(f"[load_timit] {place} has no folder {name} or {name.upper()}")


def _read_part(folder: Path, sa: bool, limit: int | None) -> Split:
    """All sentences below a folder, in the order of their names."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() == ".phn")
    chosen = [path for path in paths if sa or not path.name.lower().startswith("sa")]
    features, labels = [], []
    for path in chosen:
        x, y = _read_sentence(path, limit)
        features.append(x)
        labels.append(y)
    if not sum(len(each) for each in labels):
        raise ValueError(
            f"[load_timit] {folder} holds {len(chosen)} sentences with no stop consonant; "
            "there must be .PHN files with some"
        )
    return Split(np.concatenate(features), np.concatenate(labels), (1, 1, 39))


class _Phone(NamedTuple):
    """A line of a .PHN file: first sample, sample after the last, name, and which line it is."""

    begin: int
    end: int
    name: str
    line: int


def _read_sentence(
    path: Path, limit: int | None
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """The features and labels of the frames whose middle lies in a stop."""
    phones = _read_phones(Limit("load_timit", path, limit))
    sound = _beside(path)
    bounds = Limit("load_timit", sound, limit)
    with bounds.memory():
        signal = read_sound(bounds)
        frames = mfcc(signal)
    middles = HOP * np.arange(len(frames)) + HOP // 2
    _check_overlaps(path, phones, middles)
    rows, labels = [], []
    for phone in phones:
        if phone.name not in STOPS:
            continue
        if phone.end > len(signal) + HOP:
            raise ValueError(
                f"[load_timit] {path}: {phone.name} ends at sample {phone.end}, "
                f"but {sound.name} has {len(signal)}; they must belong together"
            )
        inside = np.arange(*np.searchsorted(middles, (phone.begin, phone.end)))
        rows.append(inside)
        labels.append(np.full(len(inside), STOPS.index(phone.name)))
    if not rows:
        return frames[:0], np.empty(0, np.int64)
    return frames[np.concatenate(rows)], np.concatenate(labels).astype(np.int64)


def _check_overlaps(path: Path, phones: list[_Phone], middles: npt.NDArray[np.int64]) -> None:
    """Refuse a frame that would be one of a stop and of another phone: it has no one label."""
    longest: dict[bool, _Phone] = {}  # of the phones so far (False) and of the stops (True)
    for phone in phones:
        stop = phone.name in STOPS
        before = longest.get(not stop)
        if before is not None:
            shared = np.searchsorted(middles, (phone.begin, min(phone.end, before.end)))
            if shared[0] < shared[1]:
                raise ValueError(
                    f"[load_timit] {path}: the frame around sample {middles[shared[0]]} lies in "
                    f"{before.name} of line {before.line} and in {phone.name} of line {phone.line}; "
                    "it must lie in one"
                )
        for key in (False, True) if stop else (False,):
            if key not in longest or phone.end > longest[key].end:
                longest[key] = phone


def _read_phones(file: Limit) -> list[_Phone]:
    """The lines of a .PHN file, in order."""
    phones: list[_Phone] = []
    before = 0
    file.check(_SPREAD * file.size, "its phones")
    with open(file.name, "rb") as raw:
        text = raw.read(file.size).decode("latin-1")
    for at, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line)
        if match is None or match[3].lower() not in _PHONES:
            raise ValueError(
                f"[load_timit] {file.name}: line {at} is {line[:40]!r}; "
                "it must be two sample numbers and a phone of TIMIT"
            )
        begin, end = int(match[1]), int(match[2])
        if not before <= begin < end:
            raise ValueError(
                f"[load_timit] {file.name}: line {at} goes from {begin} to {end}; "
                f"it must begin at {before} or later, and end after it begins"
            )
        before = begin
        phones.append(_Phone(begin, end, match[3].lower(), at))
    if not phones:
        raise ValueError(f"[load_timit] {file.name} holds no phones; it must hold at least one")
    return phones


def _beside(path: Path) -> Path:
    """The sound of a sentence: SA1.WAV, sa1.wav, or SA1.WAV.wav where it was converted."""
    for ending in (".WAV", ".wav", ".WAV.wav", ".wav.wav", ".sph", ".SPH"):
        sound = path.with_suffix(ending)
        if sound.is_file():
            return sound
    raise FileNotFoundError(f"[load_timit] {path.with_suffix('.WAV')} is not there")
