"""The IDX reader and writer: round trips, and every way in which a file can be wrong."""

from __future__ import annotations

import gzip
import math
import os
import pickle
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from fastfa.data import IdxError, read_idx, write_idx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

CODES = {0x08: "u1", 0x09: "i1", 0x0B: "i2", 0x0C: "i4", 0x0D: "f4", 0x0E: "f8"}
KNOWN_BYTES = bytes.fromhex("00000b0200000002000000030001fffe00030100ff0000ff")
KNOWN_ARRAY = [[1, -2, 3], [256, -256, 255]]

one_folder = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
arrays = st.sampled_from([np.dtype(code) for code in CODES.values()]).flatmap(
    lambda dtype: hnp.arrays(
        st.sampled_from([dtype, dtype.newbyteorder(">")]),
        hnp.array_shapes(min_dims=1, max_dims=8, min_side=0, max_side=3),
    )
)


def header(*sizes: int, code: int = 0x08) -> bytes:
    return struct.pack(f">HBB{len(sizes)}I", 0, code, len(sizes), *sizes)


def gzipped(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def assert_refused(path: Path, data: bytes, message: str) -> None:
    """Reading these bytes gives an error with this message, and takes little memory."""
    path.write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(IdxError) as caught:
            read_idx(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert str(caught.value) == f"[read_idx] {path}: {message}"
    assert peak < 1_000_000


def test_a_file_written_by_hand_is_read_as_the_format_says(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(KNOWN_BYTES)
    array = read_idx(path)
    assert array.dtype == np.int16
    assert array.dtype.isnative
    assert array.tolist() == KNOWN_ARRAY
    assert array.flags.writeable
    assert array.flags.c_contiguous
    assert array.flags.owndata


def test_the_writer_writes_what_the_format_says(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_idx(path, np.array(KNOWN_ARRAY, np.int16))
    assert path.read_bytes() == KNOWN_BYTES


@pytest.mark.parametrize("code", CODES)
def test_each_type_code_has_its_dtype(tmp_path: Path, code: int) -> None:
    values = np.array([1, 2, 100], CODES[code])
    path = tmp_path / "a"
    path.write_bytes(header(3, code=code) + values.astype(values.dtype.newbyteorder(">")).tobytes())
    array = read_idx(path)
    assert array.dtype == values.dtype
    assert array.tolist() == [1, 2, 100]


@one_folder
@given(array=arrays, name=st.sampled_from(["a", "a.gz"]))
def test_what_is_written_is_read_back(tmp_path: Path, array: np.ndarray, name: str) -> None:
    path = tmp_path / name
    write_idx(path, array)
    back = read_idx(str(path))
    assert back.dtype == array.dtype.newbyteorder("=")
    assert back.dtype.isnative
    assert back.shape == array.shape
    # Compared as bytes, so that NaNs count with their payloads.
    assert back.tobytes() == np.ascontiguousarray(array).astype(back.dtype).tobytes()
    assert path.read_bytes()[:2] == (b"\x1f\x8b" if name == "a.gz" else b"\0\0")


@one_folder
@given(array=arrays)
def test_non_contiguous_arrays_are_written_in_index_order(
    tmp_path: Path, array: np.ndarray
) -> None:
    write_idx(tmp_path / "a", array.T)
    assert (
        read_idx(tmp_path / "a").tobytes()
        == array.T.astype(array.dtype.newbyteorder("=")).tobytes()
    )


def test_gzip_is_told_by_content_not_by_name(tmp_path: Path) -> None:
    (tmp_path / "plain.gz").write_bytes(KNOWN_BYTES)
    (tmp_path / "packed").write_bytes(gzipped(KNOWN_BYTES))
    assert read_idx(tmp_path / "plain.gz").tolist() == KNOWN_ARRAY
    assert read_idx(tmp_path / "packed").tolist() == KNOWN_ARRAY


def test_gzip_of_several_members_is_one_file(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzipped(KNOWN_BYTES[:5]) + gzipped(b"") + gzipped(KNOWN_BYTES[5:]))
    assert read_idx(path).tolist() == KNOWN_ARRAY


def test_values_larger_than_the_read_buffer_are_read_whole(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 4, (700, 999), np.uint8)
    for name in ("a", "a.gz"):
        write_idx(tmp_path / name, values)
        assert np.array_equal(read_idx(tmp_path / name), values)


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.gz", "b.gz"):
        write_idx(tmp_path / name, np.arange(1000, dtype=np.int32))
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


def test_a_failed_write_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_idx(tmp_path / "a", np.zeros(3, np.uint8))

    def full(descriptor: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        write_idx(tmp_path / "a", np.ones(3, np.uint8))
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert read_idx(tmp_path / "a").tolist() == [0, 0, 0]


@pytest.mark.parametrize("dtype", ["i8", "u2", "u4", "f2", "c8", "?", "U1"])
def test_a_dtype_that_idx_lacks_is_refused(tmp_path: Path, dtype: str) -> None:
    with pytest.raises(
        TypeError, match=r"\[write_idx\] array has dtype .* it must be one of uint8"
    ):
        write_idx(tmp_path / "a", np.zeros(3, dtype))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dimensions", [0, 9])
def test_no_dimensions_or_over_eight_are_not_written(tmp_path: Path, dimensions: int) -> None:
    with pytest.raises(ValueError, match=f"array has {dimensions} dimensions; it must have 1 to 8"):
        write_idx(tmp_path / "a", np.zeros((1,) * dimensions, np.uint8))


def test_a_plain_file_cut_off_at_any_byte_is_refused(tmp_path: Path) -> None:
    for length in range(len(KNOWN_BYTES)):
        if length < 12:
            message = f"byte {length}: the file ends within its header"
        else:
            message = f"byte 12: {24 - length} of 12 data bytes are missing"
        assert_refused(tmp_path / "a", KNOWN_BYTES[:length], message)


def test_a_gzip_file_cut_off_at_any_byte_is_refused(tmp_path: Path) -> None:
    whole = gzipped(KNOWN_BYTES)
    for length in range(2, len(whole)):
        (tmp_path / "a").write_bytes(whole[:length])
        with pytest.raises(IdxError, match=r"a: byte \d+: from here on the gzip data are missing"):
            read_idx(tmp_path / "a")
    for length in range(2):  # too short even to be told as gzip
        (tmp_path / "a").write_bytes(whole[:length])
        with pytest.raises(IdxError, match=rf"a: byte {length}: the file ends within its header"):
            read_idx(tmp_path / "a")


def test_gzip_of_a_file_cut_off_at_any_byte_is_refused(tmp_path: Path) -> None:
    for length in range(len(KNOWN_BYTES)):
        if length < 12:
            message = f"byte {length}: the file ends within its header"
        else:
            message = f"byte 12: {24 - length} of 12 data bytes are missing"
        assert_refused(tmp_path / "a.gz", gzipped(KNOWN_BYTES[:length]), message)


def test_no_flipped_bit_of_a_gzip_file_changes_what_is_read(tmp_path: Path) -> None:
    whole = gzipped(KNOWN_BYTES)
    refused = 0
    for bit in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        (tmp_path / "a").write_bytes(damaged)
        try:
            array = read_idx(tmp_path / "a")
        except IdxError as error:
            refused += str(error).startswith(f"[read_idx] {tmp_path / 'a'}: byte {error.byte}: ")
        else:  # the time stamp and such
            assert array.tolist() == KNOWN_ARRAY
            assert array.dtype == np.int16
    assert refused > 8 * (len(whole) - 10)


def test_a_flipped_bit_of_a_plain_file_is_refused_or_read_as_what_it_then_says(
    tmp_path: Path,
) -> None:
    for bit in range(8 * len(KNOWN_BYTES)):
        damaged = bytearray(KNOWN_BYTES)
        damaged[bit // 8] ^= 1 << bit % 8
        (tmp_path / "a").write_bytes(damaged)
        try:
            array = read_idx(tmp_path / "a")
        except IdxError:
            assert bit < 8 * 12
        else:
            write_idx(tmp_path / "b", array)
            assert (tmp_path / "b").read_bytes() == damaged


@settings(one_folder, max_examples=300)
@given(data=st.binary(max_size=64), packed=st.booleans(), headed=st.booleans())
def test_any_bytes_are_refused_or_read_as_what_they_say(
    tmp_path: Path, data: bytes, packed: bool, headed: bool
) -> None:
    data = b"\0\0" + data if headed else data
    (tmp_path / "a").write_bytes(gzipped(data) if packed else data)
    try:
        array = read_idx(tmp_path / "a")
    except IdxError:
        return
    write_idx(tmp_path / "b", array)
    assert (tmp_path / "b").read_bytes() == data


def test_left_over_bytes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    assert_refused(path, KNOWN_BYTES + b"\0\0\0", "byte 24: 3 bytes are left over")
    assert_refused(path, gzipped(KNOWN_BYTES + b"\0"), "byte 24: bytes are left over")
    after = "byte 24: bytes are left over after the gzip data"
    for garbage in (b"\0", b"\x1f", b"\0\0\0\0", b"garbage"):
        assert_refused(path, gzipped(KNOWN_BYTES) + garbage, after)
    # A second gzip member: with a value too many, and cut off.
    two = gzipped(KNOWN_BYTES) + gzipped(b"\0")
    assert_refused(path, two, "byte 24: bytes are left over")
    cut = "byte 24: from here on the gzip data are missing"
    assert_refused(path, gzipped(KNOWN_BYTES) + b"\x1f\x8b", cut)


def test_a_wrong_crc_is_refused(tmp_path: Path) -> None:
    data = bytearray(gzipped(KNOWN_BYTES))
    data[-8] ^= 1
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(IdxError, match=r"byte (12|24): at or after .* are broken .*data check"):
        read_idx(tmp_path / "a")


@pytest.mark.parametrize("pack", [bytes, gzipped])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "byte 0: the file ends within its header"),
        (b"PK\3\4" + bytes(40), "byte 0: an IDX file begins with 00 00, this one with 50 4b"),
        (
            b"\0\1" + header(2)[2:] + b"ab",
            "byte 0: an IDX file begins with 00 00, this one with 00 01",
        ),
        (
            header(2, code=0x0A) + b"ab",
            "byte 2: type 0a is unknown; it must be one of 08, 09, 0b, 0c, 0d, 0e",
        ),
        (header(), "byte 3: 0 dimensions; there must be 1 to 8"),
        (header() + b"a", "byte 3: 0 dimensions; there must be 1 to 8"),
        (header(*[1] * 9) + b"a", "byte 3: 9 dimensions; there must be 1 to 8"),
        (b"\0\0\x08\xff" + bytes(200), "byte 3: 255 dimensions; there must be 1 to 8"),
        (
            header(2**31, 2**32 - 1, 2),
            "byte 4: the dimensions (2147483648, 4294967295, 2) are too large for any memory",
        ),
        (
            header(2**30, 2**30, code=0x0E),
            "byte 4: the dimensions (1073741824, 1073741824) are too large for any memory",
        ),
        # 2⁶⁴ and 2²⁵⁶ values: products that wrap round to nothing in 64 bits.
        (
            header(2**16, 2**16, 2**16, 2**16),
            "byte 4: the dimensions (65536, 65536, 65536, 65536) are too large for any memory",
        ),
        (
            header(0, 2**32 - 1, 2**32 - 1),
            "byte 4: the dimensions (0, 4294967295, 4294967295) are too large for any memory",
        ),
    ],
)
def test_a_wrong_header_is_refused(tmp_path: Path, pack, data: bytes, message: str) -> None:
    assert_refused(tmp_path / "a", pack(data), message)


def test_a_small_file_that_declares_an_exabyte_is_refused_before_anything_is_allocated(
    tmp_path: Path,
) -> None:
    start = header(2**30, 2**30)
    data = start + bytes(2048 - len(start))
    missing = 2**60 - len(data) + 12
    assert_refused(tmp_path / "a", data, f"byte 12: {missing} of {2**60} data bytes are missing")
    packed = gzipped(data)
    assert_refused(
        tmp_path / "a.gz",
        packed,
        f"byte 4: the dimensions (1073741824, 1073741824) declare {2**60} data bytes, "
        f"but gzip data of {len(packed)} bytes cannot hold over {1032 * len(packed)}",
    )


def test_the_bound_on_gzip_lets_the_most_compressible_file_through(tmp_path: Path) -> None:
    zeros = np.zeros((3000, 1000), np.uint8)
    write_idx(tmp_path / "a.gz", zeros)
    assert zeros.nbytes > 950 * (tmp_path / "a.gz").stat().st_size
    assert np.array_equal(read_idx(tmp_path / "a.gz"), zeros)


def test_a_gzip_bomb_behind_a_modest_header_is_not_unpacked(tmp_path: Path) -> None:
    data = gzipped(header(4) + bytes(4 + 30_000_000))
    assert_refused(tmp_path / "a.gz", data, "byte 12: bytes are left over")


def test_an_array_without_values_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(header(0, 28, 28))
    assert read_idx(tmp_path / "a").shape == (0, 28, 28)


def test_a_folder_and_a_pipe_are_refused(tmp_path: Path) -> None:
    with pytest.raises(IdxError, match=r"byte 0: this is a folder; it must be an IDX file"):
        read_idx(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(IdxError, match=r"pipe: byte 0: this is not a regular file"):
        read_idx(tmp_path / "pipe")


def test_a_missing_file_is_an_ordinary_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "none")


def test_the_error_knows_its_file_and_byte_and_survives_pickling(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(KNOWN_BYTES[:-7])
    with pytest.raises(ValueError, match="7 of 12 data bytes are missing") as caught:
        read_idx(tmp_path / "a")
    for error in (caught.value, pickle.loads(pickle.dumps(caught.value))):
        assert isinstance(error, IdxError)
        assert (error.path, error.byte) == (str(tmp_path / "a"), 12)
        assert str(error) == str(caught.value)


def test_reading_takes_little_more_memory_than_the_array(tmp_path: Path) -> None:
    values = np.random.default_rng(1).integers(0, 256, (4000, 1000), np.uint8)
    for name in ("a", "a.gz"):
        write_idx(tmp_path / name, values)
        tracemalloc.start()
        try:
            read_idx(tmp_path / name)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert math.prod(values.shape) <= peak < 1.2 * values.nbytes
