"""``fastfa bench``: what it measures, prints and writes; not how fast anything is."""

from __future__ import annotations

import json

import fastfa as fa
import pytest
from fastfa.cli import bench, main

QUICK = ("--rounds", "2", "--seconds", "0.0001", "--threads", "1")


pytestmark = pytest.mark.usefixtures("restore_threads")


def test_the_table_names_every_workload_and_where_peers_are(capsys):
    assert main(["bench", *QUICK, "--workloads", "linear", "tanh"]) == 0
    out = capsys.readouterr().out
    assert "1 thread, float32" in out
    assert "30-20-10 linear, fa, online" in out
    assert "30-20-10×2 tanh, fa, online" in out
    assert "make bench" in out.splitlines()[-1]


def test_json_goes_to_the_screen_and_the_file(tmp_path, capsys):
    out = tmp_path / "speed.json"
    assert main(["bench", *QUICK, "--workloads", "linear", "--json", "--out", str(out)]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result == json.loads(out.read_text())
    found = result["workloads"]["linear"]
    times = sorted(found["us_per_step"])
    assert len(times) == 2
    assert found["median_us_per_step"] == pytest.approx(sum(times) / 2, abs=1e-3)
    assert found["samples_per_s"] == pytest.approx(1e6 / found["median_us_per_step"], rel=1e-2)
    assert result["build"]["threads"] == 1


def test_every_workload_trains_as_many_steps_as_it_is_asked(monkeypatch):
    """On networks small enough for a test, of the declared rules and kinds of layers."""
    for name, declared in bench.WORKLOADS.items():
        small = [min(n, 12) for n in declared.sizes[2 if declared.local else 1 :]]
        first = (784, 3174) if declared.local else (min(declared.sizes[0], 12),)
        changed = {**vars(declared), "sizes": (*first, *small), "replicas": 1}
        monkeypatch.setitem(bench.WORKLOADS, name, bench.Workload(**changed))
        found = bench.measure(bench.WORKLOADS[name], 1, 1e-6)
        assert found["status"] == "ok"


def test_steps_are_counted_beyond_one_pass(monkeypatch):
    counted = []

    def train_epoch(self, x, y, optimizer, *, batch_size):
        counted.append(len(x) // batch_size)

    monkeypatch.setattr(fa.Network, "train_epoch", train_epoch)
    bench._trainer(bench.Workload((3, 2), "linear", 100))(120)
    assert counted == [50, 50, 20]


@pytest.mark.skipif(hasattr(fa, "Ensemble"), reason="this fastfa has Ensemble")
def test_what_this_build_cannot_do_is_named(capsys):
    assert main(["bench", *QUICK, "--workloads", "replicas"]) == 0
    assert "not available: this fastfa has no fa.Ensemble" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--rounds", "0"], 1, "[bench] rounds was 0; it must be positive"),
        (["--seconds", "nan"], 2, "--seconds: was 'nan'; it must be a finite number"),
        (["--seconds", "-1"], 1, "[bench] seconds was -1.0; it must be positive"),
        (["--out", "no/such/folder/x.json"], 1, "[bench] out was 'no/such/folder/x.json'"),
        (["--threads", "0"], 1, "[set_num_threads] n was 0"),
        (["--workloads", "imagenet"], 2, "invalid choice: 'imagenet'"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_runs(arguments, status, message, capsys):
    assert main(["bench", *arguments]) == status
    out, err = capsys.readouterr()
    assert message in err
    assert out == ""
