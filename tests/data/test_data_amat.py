"""The .amat files of Larochelle et al. (2007): written as they are, read back, and damaged."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from fastfa import data
from fastfa.cli import main
from fastfa.data import LOCAL_DATASETS, read_amat

AMAT = [name for name, info in LOCAL_DATASETS.items() if info.format == "amat"]
SIDEWAYS = {"mnist-back-image", "mnist-back-random"}


def matlab(table: np.ndarray) -> str:
    """As MATLAB's ``save -ascii`` writes: three blanks before each number, eight digits."""
    return "".join("".join(f"   {value:.7e}" for value in row) + "\n" for row in table)


def plain(table: np.ndarray) -> str:
    """As mnist.zip has it: numbers as short as they go, one blank, and one at the end."""
    return "".join("".join(f"{value:g} " for value in row) + "\n" for row in table)


def examples(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (count, 784)) / 256  # which seven digits hold exactly
    return np.column_stack([pixels, rng.integers(0, 10, count)])


def write_set(root: Path, name: str, style=matlab) -> tuple[np.ndarray, np.ndarray]:
    (root / name).mkdir(parents=True)
    tables = examples(7), examples(3, seed=1)
    for file, table in zip(LOCAL_DATASETS[name].files, tables, strict=True):
        (root / name / file.name).write_text(style(table))
    return tables


@pytest.mark.parametrize("name", AMAT)
def test_each_set_is_read_upright(tmp_path: Path, name: str) -> None:
    tables = write_set(tmp_path, name)
    loaded = data.load(name, tmp_path)
    assert (loaded.name, loaded.classes, loaded.image_shape) == (name, 10, (1, 28, 28))
    for split, table in zip((loaded.train, loaded.test), tables, strict=True):
        assert split.x.dtype == np.float32
        assert split.x.flags.c_contiguous
        assert split.labels.tolist() == table[:, 784].tolist()
        images = table[:, :784].reshape(-1, 28, 28)
        if name in SIDEWAYS:
            images = images.transpose(0, 2, 1)
        assert np.allclose(split.images[:, 0], images, rtol=1e-6, atol=0)


def test_both_ways_of_writing_and_gzip_read_alike(tmp_path: Path) -> None:
    table = examples(4)
    (tmp_path / "a.amat").write_text(matlab(table))
    (tmp_path / "b.amat").write_text(plain(table))
    (tmp_path / "c.amat").write_bytes(gzip.compress(plain(table).encode()))
    (tmp_path / "d.amat").write_text(plain(table).replace("\n", "\r\n") + "\n")
    first = read_amat(tmp_path / "a.amat")
    for other in "bcd":
        again = read_amat(tmp_path / f"{other}.amat")
        assert np.allclose(again.x, first.x, atol=1e-5)
        assert np.array_equal(again.labels, first.labels)


def test_many_lines_are_read_in_order(tmp_path: Path) -> None:
    table = np.zeros((2100, 785))
    table[:, 784] = np.arange(2100) % 10
    table[:, 5] = np.arange(2100) / 4096
    (tmp_path / "a.amat").write_text(plain(table))
    split = read_amat(tmp_path / "a.amat")
    assert split.labels.tolist() == table[:, 784].tolist()
    assert np.allclose(split.x[:, 5], table[:, 5], atol=1e-6)


def test_the_caller_may_say_which_way_up(tmp_path: Path) -> None:
    path = tmp_path / "mnist_background_images_train.amat"
    path.write_text(matlab(examples(2)))
    upright, as_stored = read_amat(path), read_amat(path, transpose=False)
    assert np.array_equal(upright.images, as_stored.images.transpose(0, 1, 3, 2))
    assert not np.array_equal(upright.x, as_stored.x)
    assert np.array_equal(read_amat(path, transpose=True).x, upright.x)


def damaged(change) -> str:
    lines = [line.split() for line in plain(examples(5)).splitlines()]
    change(lines)
    return "\n".join(" ".join(line) for line in lines) + "\n"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: lines[2].pop(), "row 3 has 784 fields; it must have 785"),
        (lambda lines: lines[0].append("1"), "row 1 has 786 fields; it must have 785"),
        (lambda lines: lines[3].__setitem__(7, "0.5x"), "row 4, field 8 is '0.5x'; .* finite"),
        (lambda lines: lines[3].__setitem__(7, "nan"), "row 4, field 8 is 'nan'; .* finite"),
        (lambda lines: lines[3].__setitem__(7, "1e99"), "row 4, field 8 is '1e99'; .* finite"),
        (lambda lines: lines[3].__setitem__(7, "1_0"), "row 4, field 8 is '1_0'; .* finite"),
        (lambda lines: lines[1].__setitem__(0, "1.01"), "row 2 has a pixel of 1.01; .* 0 to 1"),
        (lambda lines: lines[1].__setitem__(0, "-0.5"), "row 2 has a pixel of -0.5; .* 0 to 1"),
        (lambda lines: lines[4].__setitem__(784, "10"), "row 5 has a label of 10; .* a digit"),
        (lambda lines: lines[4].__setitem__(784, "-1"), "row 5 has a label of -1; .* a digit"),
        (lambda lines: lines[4].__setitem__(784, "2.5"), "label in row 5 is 2.5; .* whole number"),
        (lambda lines: lines.clear(), "holds no numbers; it must hold at least one line"),
    ],
)
def test_a_damaged_file_is_refused_by_name_and_row(tmp_path: Path, change, message: str) -> None:
    path = tmp_path / "a.amat"
    path.write_text(damaged(change))
    with pytest.raises(ValueError, match=message) as caught:
        read_amat(path)
    assert str(caught.value).startswith(f"[read_amat] {path}") or "row 5 is" in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_line_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.amat"
    text = matlab(examples(3))
    path.write_text(text[: len(text) * 2 // 3 + 100])
    with pytest.raises(ValueError, match=r"row 3 has \d+ fields; it must have 785"):
        read_amat(path)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.amat"
    path.write_bytes(b"0 \xff\xfe 0\n")
    with pytest.raises(ValueError, match=r"a.amat holds the byte ff; it must be text"):
        read_amat(path)
    packed = gzip.compress(plain(examples(3)).encode())
    for broken in (
        packed[:-20],
        packed[:-8] + bytes(8),
        packed[:100] + b"\xff" * 50 + packed[150:],
    ):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=r"a.amat"):
            read_amat(path)
    with pytest.raises(ValueError, match="is not a regular file"):
        read_amat(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_amat(tmp_path / "none.amat")


def test_a_set_that_is_not_there_says_where_it_looked_and_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASTFA_DATA", str(tmp_path / "environment"))
    write_set(tmp_path, "mnist-back-image")
    (tmp_path / "mnist-back-image" / "mnist_background_images_test.amat").unlink()
    with pytest.raises(data.DatasetNotFound) as caught:
        data.load("mnist-back-image", tmp_path)
    lines = str(caught.value).splitlines()
    assert lines[0] == "[load] mnist-back-image was not found (plain or .gz) in"
    here = tmp_path / "mnist-back-image"
    assert lines[1] == f"  {here}: without mnist_background_images_test.amat"
    assert lines[2] == f"  {tmp_path}/environment/mnist-back-image: no such folder"
    assert lines[-1].startswith("  fastfa cannot download it. To get it: unzip http://www.iro.")
    assert lines[-1].endswith("icml2007data/mnist_background_images.zip")


@pytest.mark.parametrize("name", [n for n, info in LOCAL_DATASETS.items() if not info.embedded])
def test_a_set_that_cannot_be_downloaded_says_so(tmp_path: Path, name: str) -> None:
    for mirror in (None, "http://127.0.0.1:9/"):
        with pytest.raises(data.FetchError, match=f"fastfa cannot download {name}. To get it: "):
            data.fetch_dataset(name, tmp_path, mirror=mirror)
    assert not list(tmp_path.iterdir())


def test_the_list_shows_every_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_set(tmp_path, "mnist-rotation")
    assert main(["data", "list", "--root", str(tmp_path)]) == 0
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert set(rows) == {"NAME", *data.DATASETS, *LOCAL_DATASETS}
    assert rows["mnist-rotation"].endswith(f"  {tmp_path / 'mnist-rotation'}")
    assert "0.1 MB" in rows["mnist-rotation"]
    assert "604388 + 26032" in rows["svhn-grey"]
    assert "http://ufldl.stanford.edu/housenumbers/" in rows["svhn-grey"]
    assert "made from mnist-mini" in rows["mnist-mini-photo-background"]


def test_names_are_known_and_unknown_ones_get_the_local_ones_suggested() -> None:
    assert not set(data.DATASETS) & set(LOCAL_DATASETS)
    for name, info in LOCAL_DATASETS.items():
        assert data.dataset_info(name) is info
        assert info.name == name
        assert info.hint
    with pytest.raises(ValueError, match=r"did you mean mnist-back-image"):
        data.load("mnist_back_images")
    with pytest.raises(ValueError, match=r"did you mean svhn-grey"):
        data.load("svhn")
