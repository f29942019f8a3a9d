"""The examples for PyTorch run, and their models learn what they are shown."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch")

torch.set_num_threads(1)
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
pytestmark = pytest.mark.skipif(
    not EXAMPLES.exists(), reason="the tests are not beside the repository's examples"
)


def main_of(name: str):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


@pytest.mark.parametrize("rule", ["bp", "fa", "usf", "frsf", "kp", "dfa"])
def test_resnet20(rule, capsys):
    losses = main_of("torch_resnet20")(["--rule", rule, "--steps", "3", "--batch", "8"])
    assert all(0 < loss < 20 for loss in losses)
    said = capsys.readouterr().out
    assert (
        said.count("Δh∠Δh_BP") == 22
    )  # 21 convolutions, two of them around a block, and the output
    assert "fc " in said


@pytest.mark.parametrize("rule", ["usf", "frsf", "brsf"])
def test_lenet(rule, capsys):
    losses = main_of("torch_lenet")(["--rule", rule, "--steps", "25"])
    assert losses[-1] < 0.95 * losses[0]
    assert capsys.readouterr().out.endswith("Conv2d\n")


@pytest.mark.parametrize("options", [[], ["--shared"]])
def test_transformer_block(options):
    losses = main_of("torch_transformer")([*options, "--steps", "80"])
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize(
    ("script", "options", "part"),
    [
        ("torch_cost", "--rules fa dfa --batch 2 --rounds 3", "rules"),
        (
            "torch_training",
            "--task resnet20 --rules fa --seeds 1 --rate 0.02 --examples 16 --epochs 1",
            "tasks",
        ),
    ],
)
def test_the_benchmarks_run(script, options, part, tmp_path):
    path = EXAMPLES.parent / "bench" / f"{script}.py"
    if not path.exists():
        pytest.skip("the tests are not beside the repository's benchmarks")
    out = tmp_path / "result.json"
    command = [sys.executable, path, *options.split(), "--out", out]
    subprocess.run(command, check=True, capture_output=True)
    result = json.loads(out.read_text(encoding="utf-8"))
    assert result["versions"]["torch"] == torch.__version__
    if part == "rules":
        assert result["rules"].keys() == {"autograd", "fa", "dfa"}
        assert result["rules"]["dfa"]["feedback_mib"] > result["rules"]["fa"]["feedback_mib"] > 0
    else:
        (run,) = result["tasks"]["resnet20"]["rules"]["fa"]["runs"]
        assert 0 <= run["error_percent"] <= 100
        assert run["angle_bp"] > 45
