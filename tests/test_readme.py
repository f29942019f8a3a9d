"""The README's example runs and does what its comments say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).resolve().parent.parent / "README.md"


@pytest.mark.skipif(not README.exists(), reason="the tests are not beside the repository's README")
def test_the_example_in_the_readme_runs(capsys):
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.S)
    names: dict[str, object] = {}
    exec(compile(example, str(README), "exec"), names)
    assert names["history"]["test_error"][-1] < 0.08
    assert 40 < names["alignment"][0].angle_bp < 70
    assert capsys.readouterr().out.strip()
