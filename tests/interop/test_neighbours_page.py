"""Every block of docs/neighbours.md runs, one section after the other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "neighbours.md"
NEEDS = {
    "scikit-learn": ["sklearn"],
    "Arrays by DLPack": ["torch"],
    "PyTorch": ["torch"],
    "JAX": ["jax"],
    "ONNX": ["onnx", "onnxruntime"],
}


@pytest.mark.skipif(not PAGE.exists(), reason="the tests are not beside the repository's docs")
@pytest.mark.parametrize("section", NEEDS)
def test_the_examples_run(section, tmp_path, monkeypatch, capsys):
    for package in NEEDS[section]:
        pytest.importorskip(package, reason=f"needs {package}")
    parts = re.split(r"^## (.*)\n", PAGE.read_text(encoding="utf-8"), flags=re.M)
    texts = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert texts.keys() == NEEDS.keys()
    blocks = re.findall(r"```python\n(.*?)```", texts[section], re.S)
    assert blocks
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, f"{PAGE.name}, {section}", "exec"), names)
    printed = capsys.readouterr().out
    if section == "scikit-learn":
        assert names["search"].cv_results_["mean_test_score"].min() > 0.91
    if section in ("PyTorch", "ONNX"):
        assert float(re.search(r"\d[\d.e-]*", printed)[0]) < 1e-6
