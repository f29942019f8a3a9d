"""History: columns, files, the best epoch."""

from __future__ import annotations

import csv
import json
import os

import fastfa as fa
import numpy as np
import pytest
from fastfa.history import History
from hypothesis import given
from hypothesis import strategies as st

RECORDS = [
    {"epoch": 1, "lr": 0.1, "train_loss": 0.7, "test_error": 0.2},
    {"epoch": 2, "lr": 0.1, "train_loss": 0.1 + 0.2, "test_error": 0.05},
    {"epoch": 3, "lr": 0.01, "train_loss": 1 / 3, "test_error": 0.05, "note": "a, b"},
]


def test_columns_are_read_by_name_with_none_where_a_record_lacks_one():
    history = History(RECORDS)
    assert len(history) == 3
    assert history["test_error"] == [0.2, 0.05, 0.05]
    assert history["note"] == [None, None, "a, b"]
    assert history.columns == ["epoch", "lr", "train_loss", "test_error", "note"]
    assert list(history) == RECORDS


def test_an_unknown_column_is_an_error_that_lists_the_known_ones():
    with pytest.raises(KeyError, match=r"validation_error.*train_loss"):
        History(RECORDS)["validation_error"]


def test_best_is_the_first_of_the_smallest_or_largest():
    history = History(RECORDS)
    assert history.best("test_error")["epoch"] == 2
    assert history.best("test_error", mode="max")["epoch"] == 1


def test_best_passes_over_what_is_missing_or_not_a_number():
    history = History([{"e": float("nan")}, {}, {"e": 0.4}, {"e": 0.3}])
    assert history.best("e") == {"e": 0.3}
    with pytest.raises(ValueError, match="none of its values"):
        History([{"e": float("nan")}]).best("e")
    with pytest.raises(ValueError, match="mode was 'least'"):
        history.best("e", mode="least")


def test_csv_holds_every_value_exactly_and_leaves_missing_fields_empty(tmp_path):
    History(RECORDS).to_csv(tmp_path / "h.csv")
    with open(tmp_path / "h.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["train_loss"]) for row in rows] == [r["train_loss"] for r in RECORDS]
    assert [row["note"] for row in rows] == ["", "", "a, b"]


def test_jsonl_comes_back_as_it_was_written(tmp_path):
    History(RECORDS).to_jsonl(tmp_path / "h.jsonl")
    assert History.from_jsonl(tmp_path / "h.jsonl").records == RECORDS
    assert len((tmp_path / "h.jsonl").read_text().splitlines()) == 3


def test_jsonl_is_strict_json_also_for_numpy_scalars_and_infinities(tmp_path):
    record = {"epoch": np.int64(1), "x": np.float32(0.5), "nan": float("nan"), "inf": np.inf}
    record |= {"less": -np.inf, "list": [np.nan, (1.5, np.float32(np.inf))], "text": "NaN"}
    History([record]).to_jsonl(tmp_path / "h.jsonl")

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    read = json.loads((tmp_path / "h.jsonl").read_text(), parse_constant=refuse)
    assert read.pop("list") == [None, [1.5, np.inf]]
    own = {"nan": None, "inf": np.inf, "less": -np.inf, "text": "NaN"}
    assert read == {"epoch": 1, "x": 0.5} | own


@given(
    st.lists(
        st.dictionaries(
            st.text(max_size=5), st.floats() | st.integers() | st.text(max_size=9) | st.booleans()
        )
    )
)
def test_every_number_and_text_comes_back_through_jsonl(tmp_path_factory, records):
    path = tmp_path_factory.mktemp("jsonl") / "h.jsonl"
    History(records).to_jsonl(path)
    read = History.from_jsonl(path).records
    assert [list(record) for record in read] == [list(record) for record in records]
    for record, own in zip(read, records, strict=True):
        for key, value in own.items():
            assert type(record[key]) is type(value)
            assert record[key] == value or (value != value and record[key] != record[key])


def test_what_a_run_could_not_measure_is_nan_again(tmp_path):
    """The angle with pseudobackprop isn't measured: NaN in the records, and so in the file."""
    net = fa.Network(4, [fa.Dense(5, "tanh"), fa.Dense(2)])
    x = np.random.default_rng(0).normal(size=(20, 4))
    path = tmp_path / "h.jsonl"
    callbacks = [
        fa.Alignment(x, x[:, :2], measures=["angle_pbp", "angle_bp"], pseudobackprop=False),
        fa.JSONLLogger(path),
    ]
    trainer = fa.Trainer(net, fa.SGD(0.1), epochs=2, callbacks=callbacks, progress=False)
    history = trainer.fit((x, x[:, :2]))
    read = History.from_jsonl(path)
    assert np.isnan(history["angle_pbp.0"]).all()
    assert np.isnan(read["angle_pbp.0"]).all()
    assert read["angle_bp.0"] == history["angle_bp.0"]


@pytest.mark.parametrize(("line", "problem"), [("{oops", "line 2"), ("[1, 2]", "line 2.*list")])
def test_a_malformed_line_is_named(tmp_path, line, problem):
    path = tmp_path / "h.jsonl"
    path.write_text('{"epoch": 1}\n' + line + "\n")
    with pytest.raises(ValueError, match=problem):
        History.from_jsonl(path)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "h.jsonl"
    History(RECORDS[:1]).to_jsonl(path)
    before = path.read_bytes()
    with pytest.raises(TypeError):
        History([RECORDS[0], {"epoch": object()}]).to_jsonl(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["h.jsonl"]


def test_an_empty_history_has_no_columns_and_writes_empty_files(tmp_path):
    history = History()
    assert len(history) == 0
    assert history.columns == []
    history.to_jsonl(tmp_path / "h.jsonl")
    assert History.from_jsonl(tmp_path / "h.jsonl").records == []
    with pytest.raises(KeyError):
        history.best("test_error")


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_may_have_no_end_is_not_read(tmp_path, kind):
    path = tmp_path / "h.jsonl"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/null")
    else:
        path.mkdir()
    with pytest.raises(
        ValueError, match=r"\[from_jsonl\] .*h\.jsonl is not a regular file; it must"
    ):
        History.from_jsonl(path)
