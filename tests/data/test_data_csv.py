"""CSV files as people and pandas write them: never a label from the wrong column, never a row lost."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from fastfa.data import Split, read


@pytest.fixture
def of(tmp_path: Path):
    """What a CSV file of this text is read as."""

    def call(text: str, **options) -> Split:
        (tmp_path / "a.csv").write_text(text)
        return read(tmp_path / "a.csv", **options)

    return call


@pytest.mark.parametrize(
    "name",
    [
        *("label", "labels", "Label", "LABEL", " label ", '"label"', "target", "targets", "class"),
        *("Class", "classes", "species", "Species", "y", "Y", "class_label", "Class Label"),
        *("class-id", "label.id", "y_true", "target_class", "ground truth"),
    ],
)
@pytest.mark.parametrize("at", [0, 1, 2])
def test_the_column_that_the_header_calls_a_label_is_the_label(of, name: str, at: int) -> None:
    names = ["p0", "p1"]
    names.insert(at, name)
    rows = [[1, 2], [3, 4]]
    for row, label in zip(rows, (5, 3), strict=True):
        row.insert(at, label)
    text = "\n".join(",".join(map(str, row)) for row in [names, *rows])
    if name.lower() == "y" and at == 1:  # a point's y, perhaps
        with pytest.raises(ValueError, match=r"may be any of the columns '.', 'p1'; label_column"):
            of(text)
        return
    split = of(text)
    assert split.labels.tolist() == [5, 3]
    assert split.x.tolist() == [[1, 2], [3, 4]]


def test_the_label_is_not_the_last_column_of_a_file_that_begins_with_it(of) -> None:
    split = of("label,p0,p1\n5,0,0\n3,9,0")
    assert split.labels.tolist() == [5, 3]
    assert split.x.tolist() == [[0, 0], [9, 0]]
    with pytest.raises(
        ValueError, match=r"the last column holds 0 in all 2 rows; label_column must"
    ):
        of("5,0,0\n3,9,0")
    assert of("5,0,0\n3,9,0", label_column=0).labels.tolist() == [5, 3]
    assert of("5,0,0\n3,9,0", label_column=-1).labels.tolist() == [0, 0]
    assert of("a,b,class\n5,0,0\n3,9,0").labels.tolist() == [0, 0]  # the header says so


def test_points_have_a_y_and_a_label(of) -> None:
    assert of("x,y,label\n1,2,0\n3,4,1").labels.tolist() == [0, 1]
    assert of("label,x,y\n0,1,2\n1,3,4").labels.tolist() == [0, 1]
    assert of("x,y\n1,0\n3,1").labels.tolist() == [0, 1]
    with pytest.raises(ValueError, match=r"may be any of the columns 'y', 'z'; label_column must"):
        of("x,y,z\n1,2,0\n3,4,1")
    assert of("x,y,z\n1,2,0\n3,4,1", label_column="z").labels.tolist() == [0, 1]
    assert of("x,y,z\n1,2,0\n3,4,1", label_column="y").labels.tolist() == [2, 4]


def test_a_column_may_be_named(of) -> None:
    text = "label,p0,p1\n5,0,2\n3,9,1"
    assert of(text, label_column="label").labels.tolist() == [5, 3]
    assert of(text, label_column=" p1 ").labels.tolist() == [2, 1]
    assert of(text, label_column=np.int64(0)).labels.tolist() == [5, 3]
    assert of("a,b,Type\n1,2,3\n4,5,6").labels.tolist() == [3, 6]  # no name says more


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (
            "label,p0\n5,1\n",
            {"label_column": -1},
            r"was -1, the column 'p0', but .* 'label'; .* name",
        ),
        (
            "label,p0\n5,1\n",
            {"label_column": 1},
            r"was 1, the column 'p0', but .* has a column 'lab",
        ),
        ("a,label,class\n5,1,1\n", {}, r"may be any of the columns 'label', 'class'; label_column"),
        ("label,a,class\n5,1,1\n", {}, r"may be any of the columns 'label', 'class'"),
        ("target,a,b,y_true\n5,1,1,1\n", {}, r"may be any of the columns 'target', 'y_true'"),
        (
            "label,a\n5,1\n",
            {"label_column": "lable"},
            r"'lable', which .* has 0 times; .* label, a",
        ),
        ("a,a\n5,1\n", {"label_column": "a"}, r"was 'a', which .* has 2 times"),
        ("5,1\n", {"label_column": "a"}, r"was 'a', .* must be a number, as there is no header"),
        ("5,1\n", {"label_column": 1.0}, r"label_column was 1.0; it must be an integer"),
        ("5,1\n", {"label_column": True}, r"label_column was True; it must be an integer"),
        ("5,1\n", {"header": 1}, r"header was 1; it must be True or False"),
        ("5,1\n", {"first_label": 1.0}, r"first_label was 1.0; it must be an integer"),
        ("5,1\n", {"first_label": 2}, r"the label in row 1 is 1; it must be a whole number from 2"),
    ],
)
def test_a_contradiction_is_refused(of, text: str, options: dict, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        of(text, **options)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0,1,2\n7,8,1\n7,9,0\n", r"the first line counts from 0 to 2, as pandas numbers columns"),
        ("0,1\n7,8\n7,9\n", r"the first line counts from 0 to 1"),
        (",a,label\n0,1,0\n1,2,1\n", r"column 1 has no name, as pandas' index .* index=False"),
        ('"","a","label"\n"0","1","0"\n', r"column 1 has no name"),
        ("a,,label\n0,1,0\n", r"column 2 has no name"),
        ("a,label,\n0,1,\n", r"column 3 has no name"),
        (
            "Unnamed: 0,a,label\n0,1,0\n1,2,1\n",
            r"column 1 has the name 'Unnamed: 0', as pandas' ind",
        ),
    ],
)
def test_what_pandas_adds_is_told(of, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        of(text)


def test_a_doubtful_first_line_is_what_the_caller_says(of) -> None:
    text = "0,1,2\n7,8,1\n7,9,0\n"
    assert of(text, header=True).labels.tolist() == [1, 0]
    assert of(text, header=False).labels.tolist() == [2, 1, 0]
    assert of(text, header=True, label_column="0").labels.tolist() == [7, 7]
    assert of("0,1,2,label\n1,2,3,4\n5,6,7,8").labels.tolist() == [4, 8]
    assert of("label,0,1\n1,2,3\n5,6,7").labels.tolist() == [1, 5]
    assert of("?,#\n1,2\n3,4", header=True).labels.tolist() == [2, 4]
    assert of("RI,Na,Mg,Type\n1,2,3,4\n5,6,7,8").labels.tolist() == [4, 8]  # Na is sodium here
    with pytest.raises(ValueError, match=r"row 1, field 1 is 'a'; it must be a finite number"):
        of("a,b\n1,2\n", header=False)


@pytest.mark.parametrize(
    "field",
    ["?", "NA", "N/A", "nan", "NaN", "-nan", "null", "None", "", " ", ".", "-", "inf", "-inf"],
)
def test_missing_values_are_refused_wherever_they_are(of, field: str) -> None:
    told = r"it must be a finite number \(fill in what is missing, or leave its rows out\)"
    for text, place in (
        (f"1,{field},0\n1,2,1\n", "row 1, field 2"),
        (f"1,2,0\n1,2,{field}\n", "row 2, field 3"),
        (f"a,b,label\n1,2,0\n{field},2,1\n", "row 2, field 1"),
        (f'"1","2","0"\n"1","{field}","1"\n', "row 2, field 2"),
    ):
        with pytest.raises(ValueError, match=f"{place} is .*; {told}"):
            of(text)
    with pytest.raises(ValueError, match=r"the first line's field 1 is|column 1 has no name"):
        of(f"{field},{field}\n1,2\n3,4\n")


@pytest.mark.parametrize(
    "field",
    ["٣", "１", "1_000", "0x10", "infinity", "1e999", "1e39", "1,5", "1 2", "²", "0b1", "1d5"],
)
def test_only_decimal_digits_are_numbers(of, field: str) -> None:
    quoted = f'"{field}"'
    with pytest.raises(ValueError, match=r"row 2, field 2 is .*; it must be a finite number"):
        of(f"1,2,0\n1,{quoted},1\n")
    with pytest.raises(ValueError, match=r"row 1, field 2 is .*|the first line's field 1 is"):
        of(f"1,{quoted},0\n1,2,1\n")
    if field not in ("1d5", "1e39"):  # which may be a name, or a number too large
        with pytest.raises(
            ValueError, match=r"the first line's field 1 is .*; it must be a finite"
        ):
            of(f"{quoted},{quoted}\n1,2\n3,4\n")


def test_labels_are_not_rounded_to_whole_numbers(of) -> None:
    with pytest.raises(ValueError, match=r"the label in row 1 is 0.99999999.*; it must be a whole"):
        of("1,0.99999999\n2,3\n")
    assert of("1,4.0\n2,3e0\n").labels.tolist() == [4, 3]


@pytest.mark.parametrize("quoting", [csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC, csv.QUOTE_MINIMAL])
@pytest.mark.parametrize("many", [1, 3000])
def test_quotes_are_understood(of, quoting: int, many: int) -> None:
    rows = [[0.5, -2e3, 3], [1e-7, 0, 4]] * many
    text = io.StringIO()
    writer = csv.writer(text, quoting=quoting)
    writer.writerow(["a, b", 'the "b"', "class"])
    writer.writerows(rows)
    split = of(text.getvalue())
    assert split.labels.tolist() == [3, 4] * many
    assert np.array_equal(split.x, np.array(rows, np.float32)[:, :2])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('"1","2\n"3","4"\n', r"row 1 has quotes that do not match"),
        ('1,2\n"3,4\n', r"row 2 has quotes that do not match|row 2 has 1 fields"),
        ('1,2\n"3,4",5\n', r"row 2, field 1 is '3,4'; it must be a finite number"),
        ('1,2\n"3"4,5\n', r"row 2"),
        ('1,2\n3"",5\n', r"row 2"),
        ('1,2\n3"4",5\n', r"row 2"),
        ('1,2\n"3""4",5\n', r"row 2"),
        ('1,2\n"3" "4",5\n', r"row 2"),
        ('"a,b"\n1,2\n', r"has 1 column; it must have two or more"),
    ],
)
def test_quotes_that_do_not_match_are_refused(of, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        of(text)


def test_what_pandas_writes_is_read(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    table = pandas.DataFrame(rng.normal(size=(50, 4)).astype(np.float32))
    labels = rng.integers(0, 3, 50)
    path = tmp_path / "a.csv"
    for place, names in ((4, "label"), (0, "target"), (2, "species")):
        named = table.copy()
        named.insert(place, names, labels)
        named.to_csv(path, index=False)
        split = read(path)
        assert np.array_equal(split.x, table.to_numpy())
        assert np.array_equal(split.labels, labels)
        named.to_csv(path, index=False, quoting=csv.QUOTE_ALL)
        assert np.array_equal(read(path).x, table.to_numpy())
        named.to_csv(path)
        with pytest.raises(ValueError, match="column 1 has no name"):
            read(path)
        named.to_csv(path, index=False, header=False)
        assert np.array_equal(read(path, label_column=place).labels, labels)
    numbered = table.copy()
    numbered[4] = labels
    numbered.to_csv(path, index=False)
    with pytest.raises(ValueError, match="the first line counts from 0 to 4"):
        read(path)
    assert np.array_equal(read(path, header=True).labels, labels)


def test_the_arguments_of_csv_files_are_not_ignored_elsewhere(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((2, 3)), labels=[0, 1])
    (tmp_path / "a.svm").write_text("1 1:2\n")
    (tmp_path / "a.amat").write_text("1 1:2\n")
    for name in ("a.npz", "a.svm", "a.amat"):
        for options in ({"label_column": 0}, {"header": True}):
            with pytest.raises(ValueError, match=r"was .*; it must be None but for .csv files"):
                read(tmp_path / name, **options)
    with pytest.raises(ValueError, match=r"label_column was 0; it must be None but for .csv"):
        read((tmp_path / "a", tmp_path / "b"), label_column=0)
    with pytest.raises(ValueError, match=r"first_label was 1; it must be 0 for .amat files"):
        read(tmp_path / "a.amat", first_label=1)


def test_labels_may_count_from_one(of, tmp_path: Path) -> None:
    from fastfa.data import write_idx

    assert of("1,26\n2,1\n", first_label=1).labels.tolist() == [25, 0]
    np.savez(tmp_path / "a.npz", x=np.zeros((2, 3)), labels=[1, 26])
    assert read(tmp_path / "a.npz", first_label=1).labels.tolist() == [0, 25]
    with pytest.raises(ValueError, match=r"labels\[0\] was 1; it must be from 2 to"):
        read(tmp_path / "a.npz", first_label=2)
    write_idx(tmp_path / "images", np.zeros((2, 3, 3), np.uint8))
    write_idx(tmp_path / "labels", np.array([1, 26], np.uint8))
    pair = tmp_path / "images", tmp_path / "labels"
    assert read(pair).labels.tolist() == [1, 26]
    assert read(pair, first_label=1).labels.tolist() == [0, 25]
    write_idx(tmp_path / "labels", np.array([0.5, 1], np.float32))
    with pytest.raises(ValueError, match=r"labels has dtype float32; it must be an integer one"):
        read(pair)
