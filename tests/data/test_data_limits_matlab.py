"""MATLAB files that promise more than they hold: refused by name, in little memory."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from fastfa import data
from limit_cases import MB, peak_of


def mat(*variables: bytes, version: int = 0x0100) -> bytes:
    """A MATLAB file of version 5."""
    head = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", version) + b"IM"
    return head + b"".join(variables)


def variable(
    name: bytes, shape: tuple[int, ...], values: bytes, size: int | None = None, pack: bool = True
) -> bytes:
    """An array of uint8; `size` is what its tag says of the values."""
    size = len(values) if size is None else size
    dims = struct.pack(f"<{len(shape)}i", *shape)
    body = struct.pack("<IIII", 6, 8, 9, 0) + struct.pack("<II", 5, len(dims)) + dims
    body += bytes(-len(dims) % 8) + struct.pack("<II", 1, len(name)) + name.ljust(8, b"\0")
    body += struct.pack("<II", 2, size) + values + bytes(-len(values) % 8)
    whole = struct.pack("<II", 14, len(body)) + body
    if not pack:
        return whole
    packed = zlib.compress(whole)
    return struct.pack("<II", 15, len(packed)) + packed


def svhn(folder: Path, content: bytes) -> Path:
    for name in ("train", "test"):
        (folder / f"{name}_32x32.mat").write_bytes(content)
    return folder


@pytest.fixture
def _scipy() -> None:
    pytest.importorskip("scipy.io", reason="SciPy is not installed (fastfa[svhn])")


@pytest.mark.usefixtures("_scipy")
class TestMatlab:
    """What SciPy would take if it were asked first."""

    @pytest.mark.parametrize("pack", [True, False])
    def test_numbers_take_the_bytes_of_one_file_and_floats(self, tmp_path, pack: bool) -> None:
        count = 1200
        images = np.random.default_rng(0).integers(0, 256, (count, 3072), np.uint8)
        labels = np.arange(count, dtype=np.uint8) % 10 + 1
        content = mat(
            variable(b"y", (count, 1), labels.tobytes(), pack=pack),
            variable(b"X", (32, 32, 3, count), images.tobytes(), pack=pack),
        )
        folder = svhn(tmp_path, content)
        got = data.load_svhn(folder, extra=False).train
        expected = images.reshape(count, 3, 32, 32).astype(float).mean(axis=1) / 255
        assert np.abs(got.x - expected.transpose(0, 2, 1).reshape(count, 1024)).max() < 1e-7
        assert got.labels.tolist() == (labels % 10).tolist()
        need = count * (4 * 3072 + 4096 + 16)
        with pytest.raises(
            ValueError, match=rf"train_32x32.mat: 1200 images, unpacked .*, would take {need} bytes"
        ):
            data.load_svhn(folder, extra=False, limit=need - 1)
        data.load_svhn(folder, extra=False, limit=need)

    @pytest.mark.parametrize("pack", [True, False])
    @pytest.mark.parametrize(
        ("variables", "message"),
        [
            (
                [(b"X", (32, 32, 3, 2**31 - 1), b"", 2**32 - 1)],
                r"cannot be read \(numbers of 4294967295 bytes in a variable of \d+\)",
            ),
            (
                [(b"X", (32, 32, 3, 1), bytes(3072), 2**32 - 1)],
                r"cannot be read \(numbers of 4294967295 bytes in a variable of \d+\)",
            ),
            (
                [(b"X", (32, 32, 3, 1398101), b""), (b"y", (1398101, 1), b"")],
                r"X of 1398101 images has \d+ bytes; it must have from 4294966272 ",
            ),
            (
                [(b"X", (32, 32, 3, 2), bytes(6144)), (b"y", (2, 1), bytes(4 * MB))],
                r"y of 2 images has 41943\d\d bytes; it must have from 2 to 4112",
            ),
            (
                [(b"y", (2, 1), b"\1\1"), (b"X", (32, 32, 3, 2), bytes(6144), 6140)],
                r"train_32x32.mat cannot be read",
            ),
            (
                [(b"y", (2, 1), b"\1\1"), (b"X", (-1, 32, 3, 2), bytes(6144))],
                r"X is uint8 \(-1, 32, 3, 2\); it must be",
            ),
            ([(b"X", (32, 32, 3, 2), bytes(6144))] * 2, r"holds X twice"),
        ],
    )
    def test_files_that_promise_too_much_are_refused(
        self, tmp_path: Path, variables: list[tuple], message: str, pack: bool
    ) -> None:
        folder = svhn(tmp_path, mat(*(variable(*each, pack=pack) for each in variables)))

        def refused() -> None:
            with pytest.raises(ValueError, match=message) as caught:
                data.load_svhn(folder, extra=False)
            assert "train_32x32.mat" in str(caught.value)

        assert peak_of(refused) < 8 * MB

    @pytest.mark.parametrize("pack", [True, False])
    @pytest.mark.parametrize(("at", "part"), [(24, "dimensions"), (48, "name"), (56, "numbers")])
    def test_every_part_must_fit_into_its_variable(self, tmp_path, at, part, pack: bool) -> None:
        images = variable(b"XXXXXXXX", (32, 32, 3, 1), bytes(3072), pack=False)
        at += 8 if part == "numbers" else 0
        lies = bytearray(images)
        lies[at + 4 : at + 8] = b"\xff\xff\xff\xff"
        packed = zlib.compress(bytes(lies))
        lies = struct.pack("<II", 15, len(packed)) + packed if pack else bytes(lies)

        def refused() -> None:
            with pytest.raises(
                ValueError, match=rf"\({part} of 4294967295 bytes in a variable of 31"
            ):
                data.load_svhn(svhn(tmp_path, mat(lies)), extra=False)

        assert peak_of(refused) < 8 * MB

    @pytest.mark.parametrize("kind", [0, 8, 14, 20, 0x8000, 0xC0000])
    def test_numbers_of_no_type_are_refused_where_scipy_would_crash(self, tmp_path, kind) -> None:
        """A program of another's must not end here, so SciPy itself is not tried."""
        images = bytearray(variable(b"X", (32, 32, 3, 1), bytes(3072), pack=False))
        images[64:68] = struct.pack("<I", kind)
        folder = svhn(tmp_path, mat(variable(b"y", (1, 1), b"\1"), bytes(images)))
        with pytest.raises(
            ValueError, match=rf"cannot be read \(numbers of type {kind & 0xFFFF}\)"
        ):
            data.load_svhn(folder, extra=False)

    def test_a_bomb_behind_a_modest_header_is_not_kept(self, tmp_path: Path) -> None:
        images = variable(b"X", (32, 32, 3, 1), bytes(3072), pack=False)
        longer = images[:4] + struct.pack("<I", len(images) - 8 + 64 * MB) + images[8:]
        labels = variable(b"y", (1, 1), b"\1")
        for whole, limit, message in (
            (images, None, r" cannot be read \(a variable of 3136 bytes has 67112000\)"),
            (longer, None, r": X of 1 images has 67112008 bytes; it must have from 3072 to 7168"),
            (
                longer,
                MB,
                r": a variable, while it is unpacked, would take \d+ bytes .* the limit is 1048576",
            ),
        ):
            packed = zlib.compress(whole + bytes(64 * MB))
            folder = svhn(tmp_path, mat(labels, struct.pack("<II", 15, len(packed)) + packed))

            def refused(limit: int | None, message: str, folder: Path = folder) -> None:
                with pytest.raises(ValueError, match=rf"train_32x32.mat{message}"):
                    data.load_svhn(folder, extra=False, limit=limit)

            assert peak_of(lambda refused=refused, a=limit, b=message: refused(a, b)) < 8 * MB

    def test_another_variable_is_unpacked_by_scipy_within_the_limit(self, tmp_path: Path) -> None:
        folder = svhn(
            tmp_path,
            mat(
                variable(b"z", (1, 16 * MB), bytes(16 * MB)),
                variable(b"y", (4, 1), b"\1\2\3\4"),
                variable(b"X", (32, 32, 3, 4), bytes(3072 * 4)),
            ),
        )
        limit = 48 * MB + (1 << 16)
        data.load_svhn(folder, extra=False, limit=limit)
        assert peak_of(lambda: data.load_svhn(folder, extra=False, limit=limit)) < limit + 2 * MB
        with pytest.raises(ValueError, match=r"a variable, while it is unpacked, would take"):
            data.load_svhn(folder, extra=False, limit=48 * MB - 1)
