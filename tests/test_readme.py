"""The README's examples run, one after the other, and do what their comments say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).resolve().parent.parent / "README.md"


@pytest.mark.skipif(not README.exists(), reason="the tests are not beside the repository's README")
def test_the_examples_in_the_readme_run(capsys):
    first, *others = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.S)
    names: dict[str, object] = {}
    exec(compile(first, str(README), "exec"), names)
    assert names["history"]["test_error"][-1] < 0.08
    assert 40 < names["alignment"][0].angle_bp < 70
    assert capsys.readouterr().out.strip()
    for example in others:
        exec(compile(example, str(README), "exec"), names)
    assert "nokland2016" in capsys.readouterr().out
