"""The file: tensors and one JSON text in safetensors, written whole, read with suspicion."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, NoReturn

import numpy as np

from .._core import __version__
from ..atomic import atomic_write
from ..errors import CheckpointError

SCHEMA = 1  # raised whenever an older fastfa would misread what a newer one writes
KEY = "fastfa"  # of our text in the metadata
_LONGEST = 30_000_000  # of that text: readers refuse a header above 100 MB, and quotes count double
DTYPES = {
    "BOOL": np.dtype(np.bool_),
    "I8": np.dtype(np.int8),
    "I16": np.dtype(np.int16),
    "I32": np.dtype(np.int32),
    "I64": np.dtype(np.int64),
    "U8": np.dtype(np.uint8),
    "U16": np.dtype(np.uint16),
    "U32": np.dtype(np.uint32),
    "U64": np.dtype(np.uint64),
    "F32": np.dtype(np.float32),
    "F64": np.dtype(np.float64),
}

# What Python and NumPy raise about a description that makes no sense.
NONSENSE = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)


class Mismatch(ValueError):
    """The file is sound, but of something else than what it is loaded into."""


class Shape(NamedTuple):
    """What a tensor is, without its numbers."""

    dtype: np.dtype
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.dtype} of shape {self.shape}"


def write(
    path: str | os.PathLike[str], content: dict[str, Any], tensors: Mapping[str, np.ndarray]
) -> None:
    """Write both to ``path``: to a temporary file in its folder, synced, then renamed."""
    from safetensors.numpy import save

    arrays = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    content = {"schema": SCHEMA, "version": __version__} | content
    # One key alone: safetensors writes several in any order, and equal states should be equal files.
    text = json_text(content | {"sha256": _digest(content, arrays)})
    if len(text) > _LONGEST:
        raise CheckpointError(path, f"can't be written: its description has {len(text)} characters")
    with atomic_write(path) as file:
        file.write(save(arrays, {KEY: text}))


class Opened:
    """A checkpoint whose frame is sound and whose description was read, but none of its tensors.

    Attributes
    ----------
    content : dict
        The description.
    shapes : dict of Shape
        Of every tensor.
    """

    def __init__(self, path: str, file: Any) -> None:
        self.path, self._file = path, file
        names = list(file.keys())
        self.content, self._sha256 = _content(path, file.metadata(), names)
        self.shapes = {name: self._shape(name) for name in names}

    def _shape(self, name: str) -> Shape:
        there = self._file.get_slice(name)
        dtype = DTYPES.get(str(there.get_dtype()))
        if dtype is None:
            self.refuse(f"has {name} of type {there.get_dtype()}, which fastfa doesn't write")
        return Shape(dtype, tuple(there.get_shape()))

    def refuse(self, what: str) -> NoReturn:
        """Raise a CheckpointError about this file."""
        raise CheckpointError(self.path, what)

    def check(
        self, needed: Mapping[str, Shape], possible: Mapping[str, Shape], other: set[str]
    ) -> None:
        """Refuse tensors that are missing, unknown or of another shape than the description says.

        ``possible`` may be there or not; of ``other`` ones any shape is right.
        """
        for name, shape in needed.items():
            if name not in self.shapes:
                self.refuse(f"lacks {name}, {shape}")
        for name in other - self.shapes.keys():
            self.refuse(f"lacks {name}")
        for name, found in self.shapes.items():
            wanted = needed.get(name) or possible.get(name)
            if wanted is None and name not in other:
                self.refuse(f"has {name}, of which its description doesn't speak")
            if wanted is not None and found != wanted:
                self.refuse(f"has {name} as {found}; by its description it must be {wanted}")

    def read(self) -> dict[str, np.ndarray]:
        """All tensors, once their digest and the description's is the one that was written."""
        tensors = {}
        for name in self.shapes:
            array = self._file.get_tensor(name)
            tensors[name] = array if array.flags.writeable else array.copy()
        if _digest(self.content, tensors) != self._sha256:
            self.refuse("is damaged: its content isn't what was written (SHA-256 differs)")
        return tensors


@contextlib.contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[Opened]:
    """Open a checkpoint. Whatever is wrong with it, here or in the block, is a CheckpointError.

    Raises
    ------
    OSError
        If the file can't be opened.
    """
    from safetensors import SafetensorError, safe_open

    path = os.fspath(path)
    if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe would block, a folder has no bytes
        raise CheckpointError(path, "is not a regular file")
    with open(path, "rb"):  # a missing permission is an OSError, not a wrong format
        pass
    try:
        with safe_open(path, framework="numpy") as file:
            yield Opened(path, file)
    except CheckpointError:
        raise
    except SafetensorError as error:
        raise CheckpointError(path, f"is not a whole safetensors file: {error}") from None
    except Mismatch as error:
        raise CheckpointError(path, f"is of {error}") from None
    except NONSENSE as error:
        raise CheckpointError(path, f"has a wrong description: {_words(error)}") from error


def json_text(content: Any) -> str:
    """The one JSON text of ``content``: strict, in its own order, without spaces."""
    return json.dumps(content, separators=(",", ":"), allow_nan=False)


def _content(
    path: str, metadata: Mapping[str, str] | None, names: list[str]
) -> tuple[dict[str, Any], Any]:
    text = (metadata or {}).get(KEY)
    if "weights.0" in names and (text is None or re.fullmatch(r"\d[\w.+-]*", text)):  # a version
        raise CheckpointError(
            path,
            "holds the arrays of a network without its description, as C and C++ save them; make the "
            "network as it was and give it these: "
            "net.load_state_dict(safetensors.numpy.load_file(path))",
        )
    if text is None:
        raise CheckpointError(path, "is a safetensors file, but not a checkpoint of fastfa")
    content = json.loads(text, parse_constant=_no_constant)
    if not isinstance(content, dict):
        raise TypeError(f"it is a {type(content).__name__}, not an object")
    schema = content.get("schema")
    if schema != SCHEMA or isinstance(schema, bool):
        raise CheckpointError(
            path,
            f"has schema {schema!r} (written by fastfa {content.get('version')!r}); this is fastfa "
            f"{__version__}, which reads schema {SCHEMA}",
        )
    sha256 = content.pop("sha256", None)
    return content, sha256


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _digest(content: dict[str, Any], tensors: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256(json_text(content).encode())
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _words(error: BaseException) -> str:
    return f"no {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__
