"""`fastfa train --augment`: the library's distortions, crops and mirror images."""

from __future__ import annotations

import fastfa as fa
import numpy as np
from cli_cases import PLAIN, assert_same, config_of, train, weights_of, write

QUICK = ("mnist-mini", "--epochs", "2", "--quiet", *PLAIN)


def test_augment_is_the_librarys_distortion(tmp_path, capsys):
    options = {"alpha": 20, "sigma": 3, "translate": 1, "rotate": 5, "scale": 0.1, "fill": -0.25}
    given = [text for name, value in options.items() for text in (f"--augment-{name}", value)]
    elastic = ("--augment", "elastic", *given, "--seed", 2)
    assert train(*QUICK, "--hidden", 15, *elastic, "--out", tmp_path) == 0
    net = fa.Network(
        (28, 28), [fa.Dense(n, "logistic") for n in (15, 10)], loss="cross_entropy", seed=2
    )
    how = fa.data.Distortion(**options)
    trainer = fa.Trainer(net, fa.SGD(0.1), epochs=2, seed=2, augment=how, progress=False)
    trainer.fit(fa.data.load("mnist-mini").train)
    assert_same(weights_of(tmp_path), net.state_dict())
    assert config_of(tmp_path)["augment"] == str(how)


def test_augment_crop_is_the_librarys(tmp_path, capsys):
    crop = ("--augment", "crop", "--augment-padding", 2, "--augment-flip", 0, "--seed", 2)
    assert train(*QUICK, "--hidden", 15, *crop, "--out", tmp_path) == 0
    net = fa.Network(
        (28, 28), [fa.Dense(n, "logistic") for n in (15, 10)], loss="cross_entropy", seed=2
    )
    how = fa.data.CropFlip(padding=2, flip=0)
    trainer = fa.Trainer(net, fa.SGD(0.1), epochs=2, seed=2, augment=how, progress=False)
    trainer.fit(fa.data.load("mnist-mini").train)
    assert_same(weights_of(tmp_path), net.state_dict())
    assert config_of(tmp_path)["augment"] == str(how)


def test_a_setting_of_another_augmentation_is_refused(tmp_path, capsys):
    for arguments, words in [
        (("crop", "--augment-alpha", 9), "augment_alpha was 9.0; it must not be given: it applies to "
         "augment 'elastic'"),
        (("elastic", "--augment-flip", 0.1), "it applies to augment 'crop'"),
        (("none", "--augment-fill", 0.1), "it applies to augment 'elastic' or 'crop'"),
        (("crop", "--augment-flip", 2), "augment_flip was 2.0; it must be a finite number in [0, 1]"),
        (("mirror",), "augment was 'mirror'; it must be one of none, elastic, crop"),
    ]:  # fmt: skip
        assert train(*QUICK, "--augment", *arguments, "--out", tmp_path / "o") == 1
        assert words in capsys.readouterr().err
        assert not (tmp_path / "o").exists()


def test_colours_are_normalised_by_channel_and_lie_on_their_mean(
    tmp_path, capsys, monkeypatch, rng
):
    part = fa.data.Split(rng.random((40, 192), "f4") + 1, np.arange(40) % 4, (3, 8, 8))
    colours = fa.data.Dataset("cifar-10", part, part, 4, (3, 8, 8))
    monkeypatch.setattr(fa.data, "load", lambda name, root=None: colours)
    common = ("cifar-10", "--layers", "conv:2x3x3", "pool:max:2", "--epochs", 1, "--normalise")
    assert train(*common, "--augment", "crop", "--out", tmp_path) == 0
    assert config_of(tmp_path)["augment"] == "CropFlip(padding=4, flip=0.5, fill=0.0)"
    assert config_of(tmp_path)["data"]["normalised"] == "per channel"
    with np.load(tmp_path / "normalisation.npz") as statistics:
        assert np.allclose(statistics["mean"][::64], part.images.mean((0, 2, 3)), rtol=1e-5)


def fill_of(folder):
    return float(config_of(folder)["augment"].rpartition("fill=")[2].rstrip(")"))


def test_what_lies_outside_is_the_background_as_training_sees_it(tmp_path, capsys):
    elastic = (*QUICK, "--hidden", 5, "--augment", "elastic")
    assert train(*elastic, "--out", tmp_path / "raw") == 0
    assert train(*elastic, "--normalise", "--out", tmp_path / "normal") == 0
    assert train(*elastic, "--normalise", "--augment-fill", 0.5, "--out", tmp_path / "own") == 0
    data = fa.data.load("mnist-mini")
    corner = fa.data.normalise(data.train.x).x[0, 0]
    assert data.train.x[0, 0] == 0 > corner
    assert fill_of(tmp_path / "raw") == 0
    assert np.float32(fill_of(tmp_path / "normal")) == corner
    assert fill_of(tmp_path / "own") == 0.5


def test_augment_none_switches_a_files_distortions_off(tmp_path, capsys):
    file = write(tmp_path / "c.toml", 'hidden = [5]\naugment = "elastic"\naugment_alpha = 9\n')
    off = ("--config", file, "--augment", "none")
    assert train(*QUICK, *off, "--out", tmp_path / "a") == 0
    assert train(*QUICK, "--hidden", 5, "--out", tmp_path / "b") == 0
    assert config_of(tmp_path / "a")["augment"] is None
    assert_same(weights_of(tmp_path / "a"), weights_of(tmp_path / "b"))


def test_features_that_are_no_images_are_not_distorted(tmp_path, capsys, monkeypatch, rng):
    part = fa.data.Split(rng.random((8, 39), "f4"), np.arange(8) % 6, (1, 1, 39))
    speech = fa.data.Dataset("timit-stops", part, part, 6, (1, 1, 39))
    monkeypatch.setattr(fa.data, "load", lambda name, root=None: speech)
    assert train("timit-stops", "--augment", "elastic", "--out", tmp_path / "o") == 1
    assert "augment was 'elastic' with dataset 'timit-stops'" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()
    assert train("timit-stops", "--layers", "dense:5", "--epochs", 1) == 0
