"""Pages in a real browser, as wide as a laptop and a phone: nothing sticks out, the console is quiet."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from browser import CHROMIUM, measure

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "build/site"  # of `make docs`
PAGES = [
    "index.html",
    "getting-started.html",
    "reproduce.html",
    "benchmarks.html",
    "api/network.html",
]
LAPTOP, PHONE = 1280, 390

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")


def assert_readable(folder, pages, profile):
    found, console = measure(folder, pages, (LAPTOP, PHONE), profile)
    assert console == []
    assert len(found) == 2 * len(pages)
    for page in found:
        where = f"{page['page']} at {page['width']} px"
        assert page["scroll"] <= 1, f"{where} scrolls sideways: {page['wide']}"
        assert not page["broken"], f"{where} breaks names in tables: {page['broken']}"


@pytest.mark.skipif(not (SITE / "index.html").is_file(), reason="needs the site, of `make docs`")
def test_the_site_fits_into_windows_and_says_nothing_on_the_console(tmp_path):
    assert_readable(SITE, PAGES, tmp_path)


def test_the_report_of_experiments_fits(tmp_path):
    folder = tmp_path / "report"
    shutil.copytree(
        ROOT / "docs/results/reproduce", folder, ignore=shutil.ignore_patterns("trials")
    )
    assert_readable(folder, ["report.html"], tmp_path / "profile")


def test_what_sticks_out_and_what_the_console_says_are_found(tmp_path):
    pages = tmp_path / "pages"
    pages.mkdir()
    wide = '<meta name=viewport content="width=device-width"><p style="width:500px">wide</p>'
    (pages / "wide.html").write_text(f"<!doctype html>{wide}<script>console.error('oh')</script>")
    found, console = measure(pages, ["wide.html"], (LAPTOP, PHONE), tmp_path / "profile")
    assert [page["scroll"] > 1 for page in found] == [False, True]
    assert any("oh" in line for line in console)
