"""The stop consonants of TIMIT: frames of speech, each labelled b, d, g, p, t or k.

J. S. Garofolo et al., "TIMIT acoustic-phonetic continuous speech corpus", LDC93S1, 1993. A folder
for each speaker holds ten sentences, each as sound (.WAV: NIST SPHERE as published, RIFF where
somebody converted it) and as phones (.PHN: ``first sample, sample after the last, phone`` a line).
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .load import Dataset, Split
from .mfcc import HOP, RATE, mfcc

STOPS = ("b", "d", "g", "p", "t", "k")
_KNOWN = (
    "b d g p t k dx q bcl dcl gcl pcl tcl kcl jh ch s sh z zh f th v dh m n ng em en eng nx l r w "
    "y hh hv el iy ih eh ey ae aa aw ay ah ao oy ow uh uw ux er ax ix axr ax-h pau epi h#"
)
_PHONES = frozenset(_KNOWN.split())
_LINE = re.compile(r"(\d{1,9})[ \t]+(\d{1,9})[ \t]+(\S+)\s*")


def load_timit(folder: str | os.PathLike[str], sa: bool = False) -> Dataset:
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
    ValueError
        There are no sentences, a sound is not of one channel, 16 bits and 16,000 samples a second, or
        shorter than it says, or phones are malformed. The message names the file.
    """
    place = Path(folder)
    train, test = (_read_part(_folder(place, name), sa) for name in ("train", "test"))
    return Dataset("timit-stops", train, test, len(STOPS), (1, 1, 39))


def _folder(place: Path, name: str) -> Path:
    for spelled in (name, name.upper()):
        if (place / spelled).is_dir():
            return place / spelled
    raise FileNotFoundError(f"[load_timit] {place} has no folder {name} or {name.upper()}")


def _read_part(folder: Path, sa: bool) -> Split:
    """All sentences below a folder, in the order of their names."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() == ".phn")
    chosen = [path for path in paths if sa or not path.name.lower().startswith("sa")]
    features, labels = [], []
    for path in chosen:
        x, y = _read_sentence(path)
        features.append(x)
        labels.append(y)
    if not sum(len(each) for each in labels):
        raise ValueError(
            f"[load_timit] {folder} holds {len(chosen)} sentences with no stop consonant; "
            "there must be .PHN files with some"
        )
    return Split(np.concatenate(features), np.concatenate(labels), (1, 1, 39))


def _read_sentence(path: Path) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """The features and labels of the frames whose middle lies in a stop."""
    phones = _read_phones(path)
    sound = _beside(path)
    signal = _read_sound(sound)
    frames = mfcc(signal)
    middles = HOP * np.arange(len(frames)) + HOP // 2
    rows, labels = [], []
    for begin, end, phone in phones:
        if phone not in STOPS:
            continue
        if end > len(signal) + HOP:
            raise ValueError(
                f"[load_timit] {path}: {phone} ends at sample {end}, "
                f"but {sound.name} has {len(signal)}; they must belong together"
            )
        inside = np.flatnonzero((begin <= middles) & (middles < end))
        rows.append(inside)
        labels.append(np.full(len(inside), STOPS.index(phone)))
    if not rows:
        return frames[:0], np.empty(0, np.int64)
    return frames[np.concatenate(rows)], np.concatenate(labels).astype(np.int64)


def _read_phones(path: Path) -> list[tuple[int, int, str]]:
    """The lines of a .PHN file, in order."""
    phones: list[tuple[int, int, str]] = []
    before = 0
    for at, line in enumerate(path.read_text(encoding="latin-1").splitlines(), 1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line)
        if match is None or match[3].lower() not in _PHONES:
            raise ValueError(
                f"[load_timit] {path}: line {at} is {line[:40]!r}; "
                "it must be two sample numbers and a phone of TIMIT"
            )
        begin, end = int(match[1]), int(match[2])
        if not before <= begin < end:
            raise ValueError(
                f"[load_timit] {path}: line {at} goes from {begin} to {end}; "
                f"it must begin at {before} or later, and end after it begins"
            )
        before = begin
        phones.append((begin, end, match[3].lower()))
    if not phones:
        raise ValueError(f"[load_timit] {path} holds no phones; it must hold at least one")
    return phones


def _beside(path: Path) -> Path:
    """The sound of a sentence: SA1.WAV, sa1.wav, or SA1.WAV.wav where it was converted."""
    for ending in (".WAV", ".wav", ".WAV.wav", ".wav.wav", ".sph", ".SPH"):
        sound = path.with_suffix(ending)
        if sound.is_file():
            return sound
    raise FileNotFoundError(f"[load_timit] {path.with_suffix('.WAV')} is not there")


def _read_sound(path: Path) -> npt.NDArray[np.int16]:
    """The samples, by libsndfile, which reads both SPHERE and RIFF, but no compressed SPHERE."""
    try:
        import soundfile
    except ImportError as error:
        raise ImportError(
            "[load_timit] soundfile is not installed; get it with: pip install fastfa[timit]"
        ) from error
    try:
        with soundfile.SoundFile(str(path)) as file:
            found = (file.format, file.subtype, file.channels, file.samplerate)
            if found[0] not in ("NIST", "WAV", "WAVEX") or found[1:] != ("PCM_16", 1, RATE):
                raise ValueError(
                    f"it holds {found[0]} {found[1]}, {found[2]} channels, {found[3]} samples a second"
                )
            samples: npt.NDArray[np.int16] = file.read(dtype="int16")
    except (soundfile.LibsndfileError, ValueError, TypeError) as error:
        raise ValueError(
            f"[load_timit] {path} cannot be read ({error}); it must be SPHERE or WAV of one channel, "
            f"16 bits, {RATE} samples a second, not compressed"
        ) from error
    declared = _declared(path)
    if len(samples) != declared or len(samples) < HOP:
        raise ValueError(
            f"[load_timit] {path} has {len(samples)} samples; it must have {declared}, as it says, "
            f"and {HOP} or more"
        )
    return samples


def _declared(path: Path) -> int:
    """How many samples the header promises: libsndfile is content with fewer."""
    data = path.read_bytes()
    if data.startswith(b"NIST_1A"):
        match = re.search(rb"\bsample_count -i (\d{1,12})\s", data[:4096].partition(b"end_head")[0])
        return int(match[1]) if match else -1
    at = 12  # chunks of RIFF: a name, a size, that many bytes and one more if they are odd
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        if data[at : at + 4] == b"data":
            return size // 2
        at += 8 + size + size % 2
    return -1
