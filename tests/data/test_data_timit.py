"""TIMIT folders in their genuine formats, MFCC against its definition, LIBSVM files."""

from __future__ import annotations

import gzip
import math
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from fastfa import data
from fastfa.data import mfcc, read_libsvm
from sound_files import EXPECTED, RATE, riff, speech, sphere, write_sentence


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Two speakers for training and one for testing, in capitals as on the disc."""
    folder = tmp_path / "timit-stops"
    for number, place in enumerate(
        [
            "TRAIN/DR1/FCJF0/SA1",
            "TRAIN/DR1/FCJF0/SX37",
            "TRAIN/DR2/MABC0/SI648",
            "TEST/DR3/MXYZ0/SX9",
        ]
    ):
        write_sentence(folder / place, seed=number)
    return folder


def reference_mfcc(signal: np.ndarray) -> np.ndarray:
    """The definition, frame by frame and filter by filter."""

    def mel(frequency: float) -> float:
        return 2595 * math.log10(1 + frequency / 700)

    s = signal.astype(float)
    emphasised = np.array([s[t] - 0.97 * s[max(t - 1, 0)] for t in range(len(s))])
    hamming = [0.54 - 0.46 * math.cos(2 * math.pi * n / 399) for n in range(400)]
    edges = [mel(8000) * m / 27 for m in range(28)]
    cepstra = []
    for i in range(len(s) // 160):
        window = np.zeros(400)
        for n in range(400):
            t = 160 * i - 120 + n
            if 0 <= t < len(s):
                window[n] = emphasised[t] * hamming[n]
        power = np.abs(np.fft.fft(window, 512)[:257]) ** 2
        logs = []
        for m in range(1, 27):
            energy = 0.0
            for k in range(257):
                position = mel(k * 16000 / 512)
                if edges[m - 1] < position <= edges[m]:
                    energy += power[k] * (position - edges[m - 1]) / (edges[m] - edges[m - 1])
                elif edges[m] < position < edges[m + 1]:
                    energy += power[k] * (edges[m + 1] - position) / (edges[m + 1] - edges[m])
            logs.append(math.log(max(energy, 1e-3)))
        cepstra.append(
            [
                math.sqrt(2 / 26)
                * sum(logs[j] * math.cos(math.pi * c * (j + 0.5) / 26) for j in range(26))
                for c in range(13)
            ]
        )

    def slopes(values: np.ndarray) -> np.ndarray:
        last = len(values) - 1
        return np.array(
            [
                sum(d * (values[min(i + d, last)] - values[max(i - d, 0)]) for d in (1, 2))
                / (2 * (1 + 4))
                for i in range(len(values))
            ]
        )

    first = slopes(np.array(cepstra))
    return np.hstack([cepstra, first, slopes(first)])


@pytest.mark.parametrize("samples", [160, 161, 319, 320, 1000])
def test_mfcc_follows_its_definition(samples: int) -> None:
    signal = speech(seed=samples)[:samples]
    features = mfcc(signal)
    assert features.shape == (samples // 160, 39)
    assert features.dtype == np.float32
    assert np.allclose(features, reference_mfcc(signal), rtol=1e-5, atol=1e-4)


def test_silence_has_finite_features() -> None:
    features = mfcc(np.zeros(1000))
    assert np.isfinite(features).all()
    assert np.abs(features[:, 1:]).max() < 1e-3


@pytest.mark.parametrize("wrong", [np.zeros(159), np.zeros((2, 400)), np.full(400, np.nan)])
def test_mfcc_refuses(wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"\[mfcc\] signal has shape"):
        mfcc(wrong)


class TestCorpus:
    """What needs soundfile."""

    @pytest.fixture(autouse=True)
    def _soundfile(self) -> None:
        pytest.importorskip("soundfile", reason="soundfile is not installed (fastfa[timit])")

    def test_frames_of_stops_are_taken_and_sa_sentences_left_out(self, corpus: Path) -> None:
        loaded = data.load("timit-stops", corpus.parent)
        assert (loaded.name, loaded.classes, loaded.image_shape) == ("timit-stops", 6, (1, 1, 39))
        assert loaded.train.labels.tolist() == 2 * EXPECTED
        assert loaded.test.labels.tolist() == EXPECTED
        middles = 80 + 160 * np.arange(50)
        rows = np.concatenate(
            [
                np.flatnonzero((a <= middles) & (middles < b))
                for a, b in ((2000, 2880), (4400, 5040), (5040, 5200))
            ]
        )
        expected = np.concatenate([mfcc(speech(seed=seed))[rows] for seed in (1, 2)])
        assert np.array_equal(loaded.train.x, expected)

    def test_sa_sentences_can_be_had(self, corpus: Path) -> None:
        assert len(data.load_timit(corpus, sa=True).train) == 3 * len(EXPECTED)

    def test_small_letters_and_riff_and_the_other_byte_order_read_alike(
        self, corpus: Path, tmp_path: Path
    ) -> None:
        expected = data.load_timit(corpus)
        ways = [
            lambda s: sphere(s, order="10"),
            riff,
            lambda s: riff(s, b"JUNK" + struct.pack("<I", 9) + b"data.data" + b"\0"),
        ]
        for number, way in enumerate(ways):
            folder = tmp_path / f"{number}"
            for path in sorted(corpus.rglob("*.PHN")):
                lower = folder / str(path.relative_to(corpus)).lower()
                lower.parent.mkdir(parents=True, exist_ok=True)
                lower.write_text(path.read_text())
                samples = np.frombuffer(path.with_suffix(".WAV").read_bytes()[1024:], "<i2")
                lower.with_suffix(".wav").write_bytes(way(samples))
            again = data.load_timit(folder)
            for split, other in ((again.train, expected.train), (again.test, expected.test)):
                assert np.array_equal(split.x, other.x)
                assert np.array_equal(split.labels, other.labels)

    @pytest.mark.parametrize(
        ("phones", "message"),
        [
            (
                "0 1600 h#\n1600 x b\n",
                r"line 2 is '1600 x b'; it must be two sample numbers and a phone",
            ),
            ("0 1600\n", r"line 1 is '0 1600'; it must be"),
            ("0 1600 b extra\n", r"line 1 is '0 1600 b extra'"),
            ("0 1600 bee\n", r"line 1 is '0 1600 bee'; .* a phone of TIMIT"),
            ("-5 1600 b\n", r"line 1 is '-5 1600 b'"),
            ("0 1600 h#\n1600 1600 b\n", r"line 2 goes from 1600 to 1600"),
            (
                "100 1600 h#\n50 2000 b\n",
                r"line 2 goes from 50 to 2000; it must begin at 100 or later",
            ),
            ("", r"holds no phones; it must hold at least one"),
            (
                "٠ ١٦٠٠ b\n".encode().decode("latin-1"),
                r"line 1 is .*; it must be two sample numbers",
            ),
            (
                "0 3000 b\n1000 2000 d\n",
                r"around sample 1040 lies in b of line 1 and in d of line 2; it must lie in one",
            ),
            ("0 3000 iy\n1000 2000 d\n", r"lies in iy of line 1 and in d of line 2"),
            ("0 3000 d\n1000 2000 iy\n", r"lies in d of line 1 and in iy of line 2"),
            ("0 9 h#\n0 3000 b\n10 20 iy\n2000 4000 b\n", r"b of line 2 and in b of line 4"),
            ("0 7000 h#\n7000 8400 b\n", r"b ends at sample 8400, but SX9.WAV has 8000"),
        ],
    )
    def test_malformed_phones_are_refused(self, corpus: Path, phones: str, message: str) -> None:
        path = corpus / "TEST" / "DR3" / "MXYZ0" / "SX9.PHN"
        path.write_text(phones)
        with pytest.raises(ValueError, match=message) as caught:
            data.load_timit(corpus)
        assert f"[load_timit] {path}" in str(caught.value)

    @pytest.mark.parametrize(
        ("sound", "message"),
        [
            (b"", r"SX9.WAV cannot be read"),
            (b"NIST_1A\n   1024\n", r"SX9.WAV cannot be read"),
            (sphere(speech())[:-400], r"SX9.WAV has 7800 samples; it must have 8000"),
            (sphere(speech())[:1024], r"SX9.WAV"),
            (riff(speech())[:-400], r"SX9.WAV has 7800 samples; it must have 8000"),
            (riff(speech(), rate=8000), r"1 channels, 8000 samples a second\); it must be"),
            (riff(speech(), channels=2), r"2 channels, 16000 samples a second\); it must be"),
            (sphere(speech(), sample_rate=8000), r"8000 samples a second\); it must be"),
            (riff(speech()[:100]), r"has 100 samples; it must have 100, as it says, and 160"),
            (
                sphere(speech(), sample_coding="pcm,embedded-shorten-v2.00"),
                r"SX9.WAV",
            ),
        ],
    )
    def test_malformed_sounds_are_refused(self, corpus: Path, sound: bytes, message: str) -> None:
        path = corpus / "TEST" / "DR3" / "MXYZ0" / "SX9.WAV"
        path.write_bytes(sound)
        with pytest.raises(ValueError, match=message) as caught:
            data.load_timit(corpus)
        assert f"[load_timit] {path}" in str(caught.value)

    def test_phones_may_overlap_where_no_frame_has_its_middle_or_no_stop_is(
        self, corpus: Path
    ) -> None:
        path = corpus / "TEST" / "DR3" / "MXYZ0" / "SX9.PHN"
        path.write_text("0 1640 h#\n1605 2000 b\n2000 4000 iy\n3000 5000 ae\n")
        assert data.load_timit(corpus).test.labels.tolist() == [0, 0]

    @pytest.mark.parametrize("form", ["WAV", "WAVEX", "NIST"])
    def test_what_soundfile_writes_is_read_bit_for_bit(self, tmp_path: Path, form: str) -> None:
        import soundfile
        from fastfa.data.limit import Limit
        from fastfa.data.sound import read_sound

        samples = speech(seed=5)
        soundfile.write(tmp_path / "a.wav", samples, RATE, "PCM_16", format=form)
        assert np.array_equal(read_sound(Limit("here", tmp_path / "a.wav")), samples)

    def test_the_limit_is_asked_before_the_samples_are_read(self, corpus: Path) -> None:
        size = 1024 + 2 * 8000
        with pytest.raises(
            ValueError,
            match=rf"\.WAV: sound of {size} bytes and its features would take {64 * size} bytes",
        ):
            data.load_timit(corpus, limit=64 * size - 1)
        data.load_timit(corpus, limit=64 * size)

    def test_too_little_memory_names_the_file(self, corpus: Path, monkeypatch) -> None:
        import soundfile

        def full(*_: object, **__: object) -> None:
            raise MemoryError

        monkeypatch.setattr(soundfile.SoundFile, "read", full)
        with pytest.raises(MemoryError, match=r"SX37\.WAV: this machine has too little memory"):
            data.load_timit(corpus)

    @pytest.mark.parametrize("error", [RuntimeError, SystemError, OverflowError, OSError])
    def test_whatever_soundfile_raises_names_the_file(self, corpus, monkeypatch, error) -> None:
        import soundfile

        def broken(*_: object, **__: object) -> None:
            raise error("broken")

        monkeypatch.setattr(soundfile.SoundFile, "read", broken)
        with pytest.raises(ValueError, match=r"SX37\.WAV cannot be read \(broken\); it must be"):
            data.load_timit(corpus)

    def test_what_is_missing_is_named(self, corpus: Path, tmp_path: Path) -> None:
        (corpus / "TEST" / "DR3" / "MXYZ0" / "SX9.WAV").unlink()
        with pytest.raises(FileNotFoundError, match=r"SX9.WAV is not there"):
            data.load_timit(corpus)
        (corpus / "TEST" / "DR3" / "MXYZ0" / "SX9.PHN").unlink()
        with pytest.raises(ValueError, match=r"TEST holds 0 sentences with no stop consonant"):
            data.load_timit(corpus)
        with pytest.raises(FileNotFoundError, match=r"has no folder train or TRAIN"):
            data.load_timit(tmp_path)
        (tmp_path / "else" / "timit-stops").mkdir(parents=True)
        with pytest.raises(data.DatasetNotFound, match=r"without train, test\n"):
            data.load("timit-stops", tmp_path / "else")

    def test_without_soundfile_the_error_says_what_to_install(
        self, corpus: Path, monkeypatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "soundfile", None)
        with pytest.raises(ImportError, match=r"pip install 'fastfa\[timit\]'"):
            data.load_timit(corpus)


def test_libsvm_files_are_read_dense(tmp_path: Path) -> None:
    text = "3 1:0.5 3:-2e-1\n1 # nothing\n\n+2 39:1  # the last\n1.0 2:7\n"
    for name, content in (("a.libsvm", text.encode()), ("b.svm", gzip.compress(text.encode()))):
        (tmp_path / name).write_bytes(content)
        split = read_libsvm(tmp_path / name, features=39, first_label=1)
        assert split.labels.tolist() == [2, 0, 1, 0]
        expected = np.zeros((4, 39), np.float32)
        expected[0, [0, 2]], expected[2, 38], expected[3, 1] = (0.5, -0.2), 1, 7
        assert np.array_equal(split.x, expected)
        assert split.image_shape == (1, 1, 39)
        assert read_libsvm(tmp_path / name).labels.tolist() == [3, 1, 2, 1]


@pytest.mark.parametrize("seed", range(5))
def test_libsvm_reads_back_what_was_written(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(20, 39)).astype(np.float32) * (rng.random((20, 39)) < 0.7)
    labels = rng.integers(0, 6, 20)
    lines = [
        " ".join([str(label + 1), *(f"{j + 1}:{float(v)!r}" for j, v in enumerate(row) if v)])
        for row, label in zip(x, labels, strict=True)
    ]
    (tmp_path / "a.libsvm").write_text("\n".join(lines))
    split = read_libsvm(tmp_path / "a.libsvm", 39, first_label=1)
    assert np.array_equal(split.x, x)
    assert np.array_equal(split.labels, labels)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 1:2\n1 1:2 3;4\n", r"line 2 has '3;4'; it must be index:value"),
        ("1 1:2 2:\n", r"line 1 has '2:'; it must be index:value"),
        ("1 1:nan\n", r"line 1 has '1:nan'; it must be index:value"),
        ("1 1:1e60\n", r"line 1 has '1:1e60'; it must be index:value"),
        ("1 1:2 qid:3\n", r"line 1 has 'qid:3'; it must be index:value"),
        ("1 1:2 0:2\n", r"line 1 has index 0; it must be from 2 to 39"),
        ("1 2:2 2:3\n", r"line 1 has index 2; it must be from 3 to 39"),
        ("1 3:2 2:3\n", r"line 1 has index 2; it must be from 4 to 39"),
        ("1 40:2\n", r"line 1 has index 40; it must be from 1 to 39"),
        ("b 1:2\n", r"line 1 has label 'b'; it must be a whole number from 1"),
        ("1.5 1:2\n", r"line 1 has label '1.5'; it must be a whole number from 1"),
        ("0 1:2\n", r"line 1 has label '0'; it must be a whole number from 1"),
        ("1:2 2:3\n", r"line 1 has label '1:2'"),
        ("# only\n", r"holds no examples; it must hold at least one"),
        ("", r"holds no examples"),
    ],
)
def test_malformed_libsvm_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.libsvm").write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        read_libsvm(tmp_path / "a.libsvm", 39, first_label=1)
    assert f"[read_libsvm] {tmp_path / 'a.libsvm'}" in str(caught.value)
