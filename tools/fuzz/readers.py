"""Fuzzing of the data readers: bytes are a data set or an error that names the file, in bounded memory.

    python tools/fuzz/readers.py csv -runs=1000000 -timeout=10 -rss_limit_mb=2048

needs atheris (pip install atheris), for mat SciPy and for timit soundfile. It is guided by coverage;
what follows the target's name goes to libFuzzer. tests/data/test_fuzz_readers.py has the same targets
tried by Hypothesis, without atheris.

The first byte of an input chooses options of the reader, and whether the rest is packed before it is
written, so that mutations get behind check sums.
"""

from __future__ import annotations

import csv
import gzip
import io
import math
import os
import re
import struct
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
from reader_seeds import TOKENS, seeds

LIMIT = 1 << 22  # bytes that a file may take; inputs are of some kilobytes
_SHM = Path("/dev/shm")
FOLDER = Path(tempfile.mkdtemp(prefix="fastfa-fuzz-", dir=_SHM if _SHM.is_dir() else None))


def _reader(call: Callable[[], object], *named: Path) -> object | None:
    """What was read; None if it was refused by a typed error that names one of the files."""
    try:
        return call()
    except ValueError as error:
        text = str(error)
        assert any(str(path) in text for path in named) or "label_column" in text, text
        assert "allow_pickle" not in text, text
        return None


def _check(split: object) -> None:
    """That a Split is one: finite, of the right types, in the bounds that were given."""
    x, labels = split.x, split.labels
    assert x.ndim == 2
    assert x.dtype in (np.float32, np.float64)
    assert x.flags.c_contiguous
    assert labels.shape == (len(x),)
    assert labels.dtype == np.int64
    assert len(x)
    assert np.isfinite(x).all()
    assert labels.min() >= 0
    assert len(split.image_shape) == 3
    assert min(split.image_shape) > 0
    assert math.prod(split.image_shape) == x.shape[1]
    assert x.nbytes <= LIMIT


def _write(name: str, data: bytes) -> Path:
    path = FOLDER / name
    path.write_bytes(data)
    return path


def _packed(name: str, choice: int, data: bytes) -> Path:
    """A file of these bytes, or of their gzip; which are told apart by content."""
    return _write(name, gzip.compress(data, 1) if choice & 128 else data)


def _lines(path: Path) -> list[str]:
    """The lines of a text file that hold something, by other means than the readers'."""
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    text = data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    return [line for line in text.split("\n") if line.strip()]


def idx(choice: int, data: bytes) -> None:
    from fastfa.data import IdxError, read_idx, write_idx

    path = _packed("a.idx", choice, data)
    array = _reader(lambda: read_idx(path, limit=LIMIT), path)
    if array is not None:
        assert array.nbytes <= LIMIT
        write_idx(FOLDER / "b.idx", array)
        again = (FOLDER / "b.idx").read_bytes()
        assert again == (data if choice & 128 else _unpacked(data))
    assert issubclass(IdxError, ValueError)


def _unpacked(data: bytes) -> bytes:
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def idx_pair(choice: int, data: bytes) -> None:
    from fastfa.data import read

    half = data.find(b"|||")
    images = _packed("images.idx", choice, data[: max(half, 0)])
    labels = _write("labels.idx", data[half + 3 :])
    options = {"first_label": choice & 1, "limit": LIMIT}
    split = _reader(lambda: read((images, labels), **options), images, labels)
    if split is not None:
        _check(split)


def table(choice: int, data: bytes) -> None:
    """CSV: what is read is what Python's csv module and float say of the same lines."""
    from fastfa.data import read

    path = _packed("a.csv", choice, data)
    column = (None, 0, -1, "label")[choice & 3]
    header = (None, None, True, False)[choice >> 2 & 3]
    first = choice >> 4 & 1
    options = {"label_column": column, "header": header, "first_label": first, "limit": LIMIT}
    split = _reader(lambda: read(path, **options), path)
    if split is None:
        return
    _check(split)
    lines = _lines(path)
    plain = re.sub(r'"[^"]*"', "", lines[0])
    mark = next((mark for mark in ",;\t" if mark in plain), ",")
    rows = [next(csv.reader([line], delimiter=mark, skipinitialspace=True)) for line in lines]
    names = rows.pop(0) if len(rows) == len(split) + 1 else []
    assert len(rows) == len(split)
    called = [re.sub(r"[\s_.-]", "", name).lower() for name in names]
    if column is None and "label" in called:
        assert called.count("label") == 1
        column = called.index("label")
    elif isinstance(column, str):
        column = [name.strip() for name in names].index("label")
    elif column is None and set(called) & {"target", "class", "species", "y"}:
        return
    answers = [row.pop(-1 if column is None else column).strip() for row in rows]
    if split.class_names:
        assert [split.class_names[label] for label in split.labels] == answers
    else:
        assert np.array_equal(split.labels, np.array([float(text) for text in answers]) - first)
    values = np.array([[float(text) for text in row] for row in rows])
    assert np.array_equal(split.x, values.astype(np.float32))


def libsvm(choice: int, data: bytes) -> None:
    """LIBSVM: what is read is what a few lines of Python say of it."""
    from fastfa.data import read_libsvm

    path = _packed("a.svm", choice, data)
    zero_based = ("auto", "auto", True, False)[choice & 3]
    features = None if choice & 4 else 9
    first = choice >> 3 & 1
    split = _reader(
        lambda: read_libsvm(path, features, first, zero_based=zero_based, limit=LIMIT), path
    )
    if split is None:
        return
    _check(split)
    said = b"-based" in _unpacked(path.read_bytes())  # perhaps in scikit-learn's comment
    if said and zero_based == "auto":
        return
    rows, labels = [], []
    for line in _lines(path):
        fields = line.partition("#")[0].split()
        if fields:
            labels.append(float(fields[0]) - first)
            pairs = (text.split(":") for text in fields[1:] if not text.startswith("qid"))
            rows.append({int(index): float(value) for index, value in pairs})
    indices = {index for row in rows for index in row}
    zero = zero_based is True or (zero_based == "auto" and 0 in indices)
    expected = np.zeros(split.x.shape, np.float32)
    for at, row in enumerate(rows):
        for index, value in row.items():
            expected[at, index - (not zero)] = value
    assert np.array_equal(split.x, expected)
    signs = -1 in labels
    assert split.labels.tolist() == [(label + 1) // 2 if signs else label for label in labels]


def amat(choice: int, data: bytes) -> None:
    from fastfa.data import read_amat

    fill = b" ".join([b"0"] * (780 if choice & 1 else 0)) + b" " if choice & 1 else b""
    text = b"\n".join(fill + line for line in data.split(b"\n") if line.strip() or not choice & 1)
    path = _packed("a.amat", choice, text)
    split = _reader(lambda: read_amat(path, transpose=False, limit=LIMIT), path)
    if split is not None:
        _check(split)
        values = np.array([[float(text) for text in line.split()] for line in _lines(path)])
        assert np.array_equal(split.x, values[:, :784].astype(np.float32))
        assert np.array_equal(split.labels, values[:, 784])


def cifar(choice: int, data: bytes) -> None:
    """Records of CIFAR; with an even choice the bytes repeated to whole ones."""
    from fastfa.data import read_cifar

    classes = (10, 20, 100, 10)[choice >> 1 & 3]
    record = 3073 if classes == 10 else 3074
    if not choice & 1 and data:
        data = (data * (record // len(data) + 1))[:record] + data[: len(data) // record * record]
    path = _write("a.bin", data)
    split = _reader(lambda: read_cifar(path, classes, limit=LIMIT), path)
    if split is not None:
        _check(split)
        assert len(split) * record == len(data)
        assert split.labels.max() < classes
        pixels = np.frombuffer(data, np.uint8).reshape(-1, record)[:, record - 3072 :]
        assert np.array_equal(split.x, pixels / np.float32(255))


def npz(choice: int, data: bytes) -> None:
    from fastfa.data import read

    if choice & 128:  # the members' bytes, in an archive that is whole
        whole = io.BytesIO()
        kind = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)[choice & 1]
        x, _, labels = data.partition(b"|||")
        with zipfile.ZipFile(whole, "w", kind) as archive:
            archive.writestr("x.npy", x)
            archive.writestr(("y.npy", "labels.npy")[choice >> 1 & 1], labels)
        data = whole.getvalue()
    path = _write("a.npz", data)
    split = _reader(lambda: read(path, limit=LIMIT), path)
    if split is not None:
        _check(split)


def sequences(choice: int, data: bytes) -> None:
    """X and Y (and lengths) of an archive that is whole, or rows of a table."""
    from fastfa.data import read_dataset

    options = {"limit": LIMIT, "held_out": 0.5}
    path = FOLDER / ("s.csv" if choice & 1 else "s.npz")
    if choice & 1:
        task = (None, "regression", "classification")[(choice >> 1 & 3) % 3]
        options |= {"sequence": "trial", "task": task, "at_end": bool(choice & 8)}
        path.write_bytes(data)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            for name, member in zip(
                ("X", "Y", "lengths", "mask"), data.split(b"|||"), strict=False
            ):
                archive.writestr(f"{name}.npy", member)
    found, problem = None, path.name
    try:
        found = read_dataset(path, **options)
    except ValueError as error:
        problem = str(error)
    named = (path.name, "[read_dataset] held_out", "[read_dataset] sequence")
    assert any(name in problem for name in named), problem
    if found is None:
        return
    for part in (found.train, found.test):
        assert part.x.ndim == 3
        assert np.isfinite(part.x).all()
        assert np.isfinite(part.y).all()
        assert part.x.nbytes <= LIMIT
        assert len(part.y) == len(part)


def mat(choice: int, data: bytes) -> None:
    from fastfa.data import load_svhn

    if choice & 128:  # the elements, behind a header that is right; perhaps packed
        head = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 256) + b"IM"
        parts = data.split(b"|||")
        if choice & 1:
            parts = [struct.pack("<II", 15, len(p)) + p for p in map(zlib.compress, parts)]
        data = head + b"".join(parts)
    paths = [_write(f"{name}_32x32.mat", data) for name in ("train", "test")]
    dataset = _reader(lambda: load_svhn(FOLDER, extra=False, limit=LIMIT), *paths)
    if dataset is not None:
        _check(dataset.train)
        assert dataset.train.labels.max() <= 9
        assert dataset.train.x.max() <= 1


def timit(choice: int, data: bytes) -> None:
    from fastfa.data import load_timit

    phones, _, sound = data.partition(b"|||")
    named = []
    for part in ("train", "test"):
        (FOLDER / "timit" / part).mkdir(parents=True, exist_ok=True)
        named.append(_write(f"timit/{part}/sx1.phn", phones))
        named.append(_write(f"timit/{part}/sx1.wav", sound))
        named.append(FOLDER / "timit" / part)
    dataset = _reader(
        lambda: load_timit(FOLDER / "timit", sa=bool(choice & 1), limit=LIMIT), *named
    )
    if dataset is not None:
        _check(dataset.train)
        assert dataset.train.labels.max() < 6
        # No frame twice: there are at most as many as 10 ms in the sound.
        assert len(dataset.train) <= len(sound) // 320


def _target(attempt: Callable[[int, bytes], None]) -> Callable[[bytes], None]:
    def one(data: bytes) -> None:
        if data:
            attempt(data[0], data[1:])

    return one


TARGETS: dict[str, Callable[[bytes], None]] = {
    "idx": _target(idx),
    "idx_pair": _target(idx_pair),
    "csv": _target(table),
    "libsvm": _target(libsvm),
    "amat": _target(amat),
    "cifar": _target(cifar),
    "npz": _target(npz),
    "sequences": _target(sequences),
    "mat": _target(mat),
    "timit": _target(timit),
}


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] not in TARGETS:
        print(
            f"usage: readers.py TARGET [option of libFuzzer] …; a TARGET is one of {', '.join(TARGETS)}"
        )
        return 2
    name, *options = arguments
    import atheris

    with atheris.instrument_imports(include=["fastfa.data"]):
        import fastfa.data
        import fastfa.data.npz  # noqa: F401
    work = FOLDER / "corpus"
    work.mkdir()
    for at, seed in enumerate(seeds(name)):
        (work / f"{at}").write_bytes(seed)
    words = FOLDER / "tokens"
    words.write_text(
        "".join('"' + "".join(f"\\x{b:02x}" for b in token) + '"\n' for token in TOKENS[name])
    )
    atheris.Setup(
        [sys.argv[0], f"-dict={words}", "-max_len=8192", *options, str(work)],
        TARGETS[name],
    )
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.exit(main(sys.argv[1:]))
