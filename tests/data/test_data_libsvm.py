"""LIBSVM files: which column an index means, as scikit-learn has it; labels; what is no number."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from fastfa.data import Split, read, read_libsvm


@pytest.fixture
def of(tmp_path: Path):
    """What a LIBSVM file of this text is read as."""

    def call(text: str, **options) -> Split:
        (tmp_path / "a.svm").write_text(text)
        return read_libsvm(tmp_path / "a.svm", **options)

    return call


@pytest.mark.parametrize("zero_based", [True, False])
@pytest.mark.parametrize("said", [True, False, "auto"])
@pytest.mark.parametrize("first_column", ["full", "empty"])
def test_scikit_learn_reads_the_same(of, zero_based: bool, said, first_column: str) -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    rng = np.random.default_rng(0)
    for n_features in (None, 9):
        x = (rng.normal(size=(30, 7)) * (rng.random((30, 7)) < 0.6)).astype(np.float32)
        x[0] = 1
        if first_column == "empty":
            x[:, 0] = 0
        labels = rng.integers(0, 3, 30)
        text = io.BytesIO()
        datasets.dump_svmlight_file(x, labels, text, zero_based=zero_based)
        if said is False and zero_based and first_column == "full":
            with pytest.raises(ValueError, match=r"index 0; it must be from 1 to"):
                of(text.getvalue().decode(), zero_based=False)
            continue
        text.seek(0)
        theirs, y = datasets.load_svmlight_file(text, n_features=n_features, zero_based=said)
        ours = of(text.getvalue().decode(), features=n_features, zero_based=said)
        assert np.array_equal(ours.x, theirs.toarray().astype(np.float32))
        assert np.array_equal(ours.labels, y)


@pytest.mark.parametrize("zero_based", [True, False])
@pytest.mark.parametrize("query", [None, np.arange(20)])
def test_what_scikit_learn_dumps_comes_back(tmp_path: Path, zero_based: bool, query) -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    rng = np.random.default_rng(1)
    x = (rng.normal(size=(20, 5)) * (rng.random((20, 5)) < 0.7)).astype(np.float32)
    x[:, 0] = 0  # so that nothing but the comment tells
    x[0, 4] = 1
    labels = rng.integers(0, 2, 20)
    for signs in (labels, 2 * labels - 1):
        datasets.dump_svmlight_file(
            x, signs, str(tmp_path / "a.svm"), zero_based=zero_based, comment="mine", query_id=query
        )
        split = read(tmp_path / "a.svm")
        assert np.array_equal(split.x, x)
        assert np.array_equal(split.labels, labels)


def test_an_index_zero_anywhere_means_that_all_count_from_zero(of) -> None:
    split = of("1 1:5 2:6\n0 0:7\n")
    assert split.x.tolist() == [[0, 5, 6], [7, 0, 0]]
    assert of("1 1:5 2:6\n0 1:7\n").x.tolist() == [[5, 6], [7, 0]]
    assert of("1 1:5 2:6\n0 1:7\n", zero_based=True).x.tolist() == [[0, 5, 6], [0, 7, 0]]
    with pytest.raises(
        ValueError, match=r"line 2 has index 0; it must be .* zero_based must be True"
    ):
        of("1 1:5 2:6\n0 0:7\n", zero_based=False)
    said = "# Column indices are zero-based\n"
    assert of(said + "1 1:5 2:6\n").x.tolist() == [[0, 5, 6]]
    assert of(said + "1 1:5 2:6\n", zero_based=False).x.tolist() == [[5, 6]]
    with pytest.raises(ValueError, match=r"line 2 has index 0"):
        of("# Column indices are one-based\n1 0:5 2:6\n")


def test_the_number_of_features_fits_either_way_of_counting(of) -> None:
    assert of("1 3:5\n", features=3).x.tolist() == [[0, 0, 5]]
    assert of("1 0:4 2:5\n", features=3).x.tolist() == [[4, 0, 5]]
    with pytest.raises(
        ValueError, match=r"line 1 has index 3, and another line index 0; with 3 feat"
    ):
        of("1 3:5\n0 0:1\n", features=3)
    with pytest.raises(ValueError, match=r"line 1 has index 3; it must be from 0 to 2"):
        of("1 3:5\n", features=3, zero_based=True)
    assert of("1 1048576:5\n").x.shape == (1, 1 << 20)
    with pytest.raises(ValueError, match=r"index 1048577; it must be from 1 to 1048576"):
        of("1 1048577:5\n")


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("-1 1:2\n+1 2:1\n", [0, 1]),
        ("-1.0 1:2\n1 2:1\n-1 1:3\n", [0, 1, 0]),
        ("-1 1:2\n", [0]),
        ("1 1:2\n", [1]),
        ("0 1:2\n1 1:1\n", [0, 1]),
    ],
)
def test_signs_are_two_classes(of, text: str, labels: list[int]) -> None:
    assert of(text).labels.tolist() == labels


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("-1 1:2\n0 1:2\n1 1:2\n", r"has labels -1 and 0; they must be from 0, or -1 and 1"),
        ("-1 1:2\n2 1:2\n", r"has labels -1 and 2"),
        ("-2 1:2\n", r"line 1 has label '-2'; it must be a whole number from 0"),
        ("٣ 1:2\n", r"line 1 has label '٣'"),
        ("1_0 1:2\n", r"line 1 has label '1_0'"),
        ("0x1 1:2\n", r"line 1 has label '0x1'"),
        ("nan 1:2\n", r"line 1 has label 'nan'"),
        ("infinity 1:2\n", r"line 1 has label 'infinity'"),
        ("1e999 1:2\n", r"line 1 has label '1e999'"),
        ("1,2 1:2\n", r"line 1 has label '1,2'"),
        ("1 1:٣\n", r"line 1 has '1:٣'; it must be index:value"),
        ("1 ٣:1\n", r"line 1 has '٣:1'; it must be index:value"),
        ("1 1:1_0\n", r"line 1 has '1:1_0'; it must be index:value"),
        ("1 1:0x10\n", r"line 1 has '1:0x10'"),
        ("1 1:infinity\n", r"line 1 has '1:infinity'"),
        ("1 1:3.5e38\n", r"line 1 has '1:3.5e38'"),
        ("1 -1:1\n", r"line 1 has '-1:1'"),
        ("1 qid:x 1:1\n", r"line 1 has 'qid:x'"),
        ("1 1:1 qid:3\n", r"line 1 has 'qid:3'"),
    ],
)
def test_what_is_no_number_is_refused(of, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        of(text)


def test_arguments_are_checked(of) -> None:
    for options, message in (
        ({"zero_based": "yes"}, "zero_based was 'yes'; it must be True, False or \"auto\""),
        ({"zero_based": 0}, "zero_based was 0; it must be"),
        ({"features": 0}, "features was 0; it must be an integer"),
        ({"features": 3.0}, "features was 3.0; it must be an integer"),
        ({"first_label": "1"}, "first_label was '1'; it must be an integer"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            of("1 1:2\n", **options)


def test_queries_and_comments_are_passed_over(of) -> None:
    split = of("# first\n3 qid:1 1:53 2:2 # a query\n\n2 qid:1 2:1\n1 qid:2\n")
    assert split.labels.tolist() == [3, 2, 1]
    assert split.x.tolist() == [[53, 2], [0, 1], [0, 0]]
