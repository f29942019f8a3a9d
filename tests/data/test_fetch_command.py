"""``fastfa data``: downloads and lists, and an error is one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastfa import data
from fastfa.cli import main
from mirrors import FIRST, assert_complete, use_mirrors


def run_command(*words: str) -> int:
    return main(["data", *words])


def test_the_fetch_command_downloads_then_finds(
    serve, packed, tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    use_mirrors(tiny, serve({}), serve(packed))
    assert run_command("fetch", "tiny", "--root", str(tmp_path)) == 0
    first = capsys.readouterr()
    assert first.out == f"tiny is in {tmp_path / 'tiny'}\n"
    assert "HTTP 404" in first.err
    assert "downloaded from" in first.err
    assert run_command("fetch", "tiny", "--root", str(tmp_path)) == 0
    assert capsys.readouterr().err.count("already there, and right") == 4
    assert_complete(tmp_path / "tiny", packed)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tinny"], "fastfa: error: [data] name was 'tinny' (did you mean tiny?); it must be"),
        (["tiny", "--mirror", "x"], "fastfa: error: [fetch] mirror was 'x'; it must begin"),
        (["tiny", "--mirror", "http://127.0.0.1:9"], "fastfa: error: [fetch] no mirror deliv"),
        (["tiny", "--root", __file__], f"fastfa: error: {__file__}"),
    ],
)
def test_the_fetch_command_fails_in_one_line_with_status_1(
    tiny, words: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    assert run_command("fetch", *words) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    *_, last = printed.err.splitlines()
    assert last.startswith(message)


def test_the_fetch_command_has_nothing_to_do_for_mnist_mini(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_command("fetch", "mnist-mini") == 0
    assert capsys.readouterr().out == "mnist-mini is part of fastfa: nothing to download\n"


def test_a_progress_bar_is_shown_where_asked_for(
    serve, packed, tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    use_mirrors(tiny, serve(packed))
    data.fetch_dataset("tiny", tmp_path, progress=True)
    shown = capsys.readouterr().err
    assert FIRST in shown
    assert "100%" in shown
    data.fetch_dataset("tiny", tmp_path, progress=False, force=True)
    assert capsys.readouterr().err == ""


def test_the_list_command_tells_what_is_where(
    serve, packed, tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    use_mirrors(tiny, serve(packed))

    def row(name: str) -> str:
        assert run_command("list", "--root", str(tmp_path)) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].split() == ["NAME", "EXAMPLES", "SIZE", "LICENCE", "WHERE"]
        return next(line for line in lines if line.split()[0] == name)

    assert row("tiny").endswith("to get it: fastfa data fetch tiny")
    data.fetch_dataset("tiny", tmp_path)
    assert row("tiny").endswith(f"  {tmp_path / 'tiny'}")
    (tmp_path / "tiny" / FIRST).unlink()
    partly = f"3 of 4 files in {tmp_path / 'tiny'}; to get it: fastfa data fetch tiny"
    assert row("tiny").endswith(partly)
    mini = row("mnist-mini")
    assert mini.endswith("part of fastfa")
    assert "6000 + 1000" in mini
    assert "1.1 MB" in mini
    assert "CC BY-SA 3.0" in mini
