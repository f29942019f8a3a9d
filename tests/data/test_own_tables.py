"""Tables of one's own: what the target is, the division into parts, and what is refused."""

from __future__ import annotations

from pathlib import Path

import fastfa as fa
import numpy as np
import pytest
from fastfa.data import read, read_dataset

FLOWERS = [("setosa", 1.0), ("virginica", 2.0), ("versicolor", 3.0)]


@pytest.fixture
def of(tmp_path: Path):
    """The dataset of a file of this text."""

    def call(text: str, name: str = "a.csv", **options) -> fa.data.Dataset:
        (tmp_path / name).write_text(text)
        return read_dataset(tmp_path / name, **options)

    return call


def flowers(count: int = 30, order: int = 1) -> str:
    rows = [f"{at},{value},{name}" for at in range(count) for name, value in FLOWERS[::order]]
    return "\n".join(["number,size,species", *rows])


def test_names_are_classes_in_alphabetical_order_wherever_they_come_first(of) -> None:
    for order in (1, -1):
        data = of(flowers(order=order))
        assert data.class_names == ("setosa", "versicolor", "virginica")
        assert data.feature_names == ("number", "size")
        assert data.classes == data.outputs == 3
        for part in (data.train, data.test):
            assert part.class_names == data.class_names
            sizes = np.array([1.0, 3.0, 2.0])[part.labels]  # of the names, as they were written
            assert np.array_equal(part.x[:, 1], sizes)
    assert "species: 3 classes ('setosa', 'versicolor', 'virginica')" in data.origin


def test_every_class_has_its_share_in_the_part_that_is_held_out() -> None:
    labels = np.repeat(["many", "few", "one"], [80, 15, 1])
    x = np.arange(96.0)[:, None]
    seen = set()
    for seed in range(5):
        data = read_dataset((x, labels), held_out=0.2, seed=seed)
        found = dict(zip(data.class_names, np.bincount(data.test.labels, minlength=3), strict=True))
        assert found == {"many": 16, "few": 3, "one": 0}
        both = np.concatenate([data.train.x, data.test.x])[:, 0]
        assert sorted(both) == list(range(96))  # each row once
        seen.add(tuple(data.test.x[:, 0]))
        again = read_dataset((x, labels), held_out=0.2, seed=seed)
        assert np.array_equal(again.test.x, data.test.x)
    assert len(seen) == 5
    assert (
        "19 held out as test set (a share of 0.2, each class by its share, seed 4)" in data.origin
    )


def test_a_split_is_as_before_unless_it_is_stratified() -> None:
    split = fa.data.from_arrays(np.arange(20.0)[:, None], [0] * 10 + [1] * 10)
    order = np.argsort(np.random.Philox(3).random_raw(20), kind="stable")
    assert split.split(0.3, 3)[1].x[:, 0].tolist() == sorted(order[:6])
    assert np.bincount(split.split(0.3, 3, stratified=True)[1].labels).tolist() == [3, 3]


@pytest.mark.parametrize(
    ("targets", "options", "names"),
    [
        (["0", "1", "2"], {}, ("0", "1", "2")),
        (["10", "9", "-1"], {}, ("-1", "9", "10")),  # as numbers, not as text
        (["1", "2.5", "2"], {}, None),
        (["1", "2.5", "2"], {"task": "classification"}, ("1", "2", "2.5")),
        (["1", "2", "3"], {"task": "regression"}, None),
        (["1", "b", "3"], {"task": "classification"}, ("1", "3", "b")),
        (["yes", "no", "no"], {}, ("no", "yes")),
    ],
)
def test_what_the_target_is_follows_from_its_values_or_is_said(of, targets, options, names) -> None:
    text = "a,b,t\n" + "\n".join(f"{at},{at},{value}" for at, value in enumerate(targets * 4))
    data = of(text, target="t", **options)
    if names is None:
        assert data.is_regression
        assert data.classes == 0
        assert data.outputs == 1
        assert "t: regression" in data.origin
        values = {*data.train.labels, *data.test.labels}
        assert values == {float(value) for value in targets}
    else:
        assert data.class_names == names
        for part in (data.train, data.test):
            written = [targets[int(row) % 3] for row in part.x[:, 0]]
            assert [names[label] for label in part.labels] == written


def test_many_whole_numbers_are_refused_until_it_is_said_what_they_are(of) -> None:
    text = "a,age\n" + "\n".join(f"{at},{at}" for at in range(21))
    with pytest.raises(ValueError, match=r"'age' has 21 different whole numbers.*task must be"):
        of(text)
    assert of(text, task="regression").is_regression
    assert of(text, task="classification").classes == 21
    fewer = text.rpartition("\n")[0]
    assert of(fewer).classes == 20


@pytest.mark.filterwarnings("error")
def test_a_damaged_number_among_labels_is_no_class_of_its_own(of) -> None:
    with pytest.raises(ValueError, match=r"row 3, field 2 is 'l'; it must be a finite number"):
        of("a,label\n1,0\n2,1\n3,l\n4,0")
    with pytest.raises(ValueError, match=r"row 2, field 2 is ''; it must be a name \(fill in"):
        of("a,label\n1,x\n2,\n3,y\n4,x")
    with pytest.raises(ValueError, match=r"row 2, field 1 is 'NA'; .*fill in what is missing"):
        of("a,label\n1,x\nNA,y\n3,y\n4,x")
    with pytest.raises(ValueError, match=r"row 2, field 1 is ''"):
        of("a,label\n1,x\n,y\n4,x")
    with pytest.raises(ValueError, match=r"field 1 is 'm'; .* \(column 'sex'\)"):
        of("sex,size,label\nm,1,x\nf,2,y")


def test_a_test_file_means_the_same_by_its_labels_and_columns(of, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("number,size,species\n1,2,virginica\n1,3,versicolor\n")
    data = of(flowers(), test=tmp_path / "t.csv")
    assert len(data.train) == 90
    assert data.test.labels.tolist() == [2, 1]  # though setosa is missing there
    assert "90 examples to train on, 2 of t.csv to test" in data.origin
    (tmp_path / "t.csv").write_text("number,size,species\n1,2,rose\n")
    with pytest.raises(
        ValueError, match=r"t.csv species\[0\] was 'rose'; it must be one of 'setosa'"
    ):
        of(flowers(), test=tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("size,number,species\n2,1,setosa\n")
    with pytest.raises(ValueError, match=r"test has the columns size, number .*in their order"):
        of(flowers(), test=tmp_path / "t.csv")
    with pytest.raises(ValueError, match=r"held_out was 0.1 beside test; it must be None"):
        of(flowers(), test=tmp_path / "t.csv", held_out=0.1)


def test_files_read_one_by_one_have_the_classes_that_they_are_given(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,a\n2,b\n3,c\n")
    (tmp_path / "b.csv").write_text("x,y\n1,c\n2,b\n")
    train = read(tmp_path / "a.csv")
    assert train.class_names == ("a", "b", "c")
    assert read(tmp_path / "b.csv", class_names=train.class_names).labels.tolist() == [2, 1]
    alone = read(tmp_path / "b.csv")
    assert (alone.class_names, alone.labels.tolist()) == (("b", "c"), [1, 0])
    # A fit goes by the names: c is class 2, whatever the file numbered it.
    net = fa.Network(1, [fa.Dense(3, "softmax")], loss="cross_entropy")
    trainer = fa.Trainer(net, fa.SGD(0.1), epochs=1, progress=False)
    record = trainer.fit(train, test=alone).records[-1]
    assert record["test_loss"] == pytest.approx(net.evaluate(alone.x, np.array([2, 1])).loss)


@pytest.mark.parametrize("mark", [";", "\t", ","])
def test_columns_may_lie_between_semicolons_or_tabs(of, mark: str) -> None:
    data = of(flowers().replace(",", mark))
    assert data.feature_names == ("number", "size")
    assert data.train.x[:, 1].max() == 3
    quoted = flowers().replace(",", mark).replace("setosa", f'"setosa {mark} x"')
    assert of(quoted).class_names[0] == f"setosa {mark} x"


def test_columns_that_are_no_features_are_left_out(of) -> None:
    text = ",name,size,species\n0,Ann,1.5,x\n1,Bob,2.5,y\n2,Cid,3.5,x\n3,Dan,4.5,y\n4,Eve,5.5,x"
    data = of(text, ignore=["", "name"])
    assert data.feature_names == ("size",)
    assert sorted([*data.train.x[:, 0], *data.test.x[:, 0]]) == [1.5, 2.5, 3.5, 4.5, 5.5]
    with pytest.raises(ValueError, match=r"ignore was 'age', which .* has 0 times"):
        of(text, ignore=["", "age"])
    with pytest.raises(ValueError, match=r"'species' in it must not be the column of the labels"):
        of(text, ignore=["", "species"], target="species")


def test_large_numbers_keep_their_differences(of) -> None:
    """1.7e9 and a second more are the same float32."""
    text = "time,label\n" + "\n".join(f"{1_700_000_000 + at},{at % 2}" for at in range(40))
    normal = fa.data.normalise_dataset(of(text)).data
    assert len(np.unique(normal.train.x)) == 32


def test_libsvm_and_npz(of, tmp_path: Path) -> None:
    lines = [f"{(-1) ** at} 1:{at} 3:1" for at in range(20)]
    data = of("\n".join(lines), "a.libsvm")
    assert data.class_names == ("-1", "1")
    assert np.array_equal(data.train.labels, data.train.x[:, 0] % 2 == 0)
    (tmp_path / "b.libsvm").write_text("1 1:2\n-1 2:1\n")
    data = of("\n".join(lines), "a.libsvm", test=tmp_path / "b.libsvm")
    assert data.test.x.tolist() == [[2, 0, 0], [0, 1, 0]]  # as wide as the training file
    assert data.test.labels.tolist() == [1, 0]
    prices = "\n".join(f"{at}.5 1:{at}" for at in range(20))
    assert of(prices, "c.svm").is_regression
    np.savez(tmp_path / "d.npz", x=np.arange(20.0)[:, None], labels=["b", "a"] * 10)
    data = read_dataset(tmp_path / "d.npz")
    assert (data.class_names, data.is_table) == (("a", "b"), True)
    assert np.array_equal(data.train.labels, 1 - data.train.x[:, 0] % 2)
    np.savez(tmp_path / "e.npz", x=np.zeros((20, 2, 2), np.uint8), labels=[True, False] * 10)
    data = read_dataset(tmp_path / "e.npz")
    assert (data.class_names, data.is_table) == (("False", "True"), False)


def test_every_column_has_the_statistics_of_its_training_rows() -> None:
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.normal(1000, 50, 200), rng.normal(0, 1e-3, 200), np.full(200, 7.1)])
    data = read_dataset((x, ["a", "b"] * 100))
    normal, mean, sd, *_ = fa.data.normalise_dataset(data)
    assert np.allclose(mean, data.train.x.mean(axis=0))
    assert np.allclose(sd[:2], data.train.x.std(axis=0)[:2])
    assert sd[2] == 1  # constant
    assert np.allclose(normal.train.x[:, :2].std(axis=0), 1)
    assert np.abs(normal.train.x[:, 2]).max() < 1e-12
    assert np.allclose(normal.test.x, (data.test.x - data.train.x.mean(axis=0)) / sd)
    together = fa.data.normalise_dataset(data, per_feature=False)
    assert together.mean.shape == ()
    assert fa.data.normalise_dataset(fa.data.load("mnist-mini")).mean.shape == ()


def test_numbers_to_predict_are_normalised_too() -> None:
    x = np.arange(50.0)[:, None]
    data = read_dataset((x, 1000 + 3 * x[:, 0] + 0.5))
    found = fa.data.normalise_dataset(data)
    assert found.target_mean == pytest.approx(data.train.labels.mean())
    assert found.data.train.labels.std() == pytest.approx(1)
    back = found.data.test.labels * found.target_sd + found.target_mean
    assert np.allclose(back, data.test.labels)
