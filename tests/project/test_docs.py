"""The documentation: its Python runs, its commands parse, its links lead somewhere, its numbers hold."""

from __future__ import annotations

import ast
import doctest
import importlib
import importlib.util
import pkgutil
import re
import shlex
import tomllib
from pathlib import Path
from types import ModuleType

import fastfa as fa
import pytest
from doc_blocks import blocks, commands, run_python

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
ALL = [
    *PAGES,
    *(
        ROOT / name
        for name in (
            *("ARCHITECTURE.md", "CONTRIBUTING.md", "CODE_OF_CONDUCT.md", "SECURITY.md"),
            *("CHANGELOG.md", "bench/README.md"),
        )
    ),
]
pytestmark = pytest.mark.skipif(
    not (DOCS / "index.md").exists(),
    reason="the tests are not beside the repository's documentation",
)


def named(paths: list[Path]) -> list:
    return [pytest.param(path, id=str(path.relative_to(ROOT))) for path in paths]


# ---- code ----------------------------------------------------------------------------------------


def with_python() -> list[Path]:
    return [p for p in PAGES if p.exists() and "```py" in p.read_text(encoding="utf-8")]


@pytest.mark.filterwarnings("default::DeprecationWarning")  # of one peer about another
@pytest.mark.parametrize("page", named(with_python()))
def test_the_python_of_a_page_runs(page, tmp_path, monkeypatch, restore_threads, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    names, missing = run_python(page)
    if page.name == "README.md":  # its first example is also a promise
        assert names["history"]["test_error"][-1] < 0.08
        assert 40 < names["alignment"][0].angle_bp < 70
        assert "nokland2016" in capsys.readouterr().out
    if missing:
        pytest.skip(f"all but the blocks that need {', '.join(sorted(missing))} ran")


def modules() -> list[str]:
    found = [
        m.name for m in pkgutil.walk_packages(fa.__path__, "fastfa.") if "__main__" not in m.name
    ]
    return ["fastfa", *found]


def test_the_examples_in_docstrings_run(tmp_path, monkeypatch):
    """They are on the site's pages of reference."""
    monkeypatch.chdir(tmp_path)  # some write files
    failed = tried = 0
    for name in modules():
        try:
            module = importlib.import_module(name)
        except ImportError:
            if not name.startswith(("fastfa.interop.", "fastfa.sklearn")):
                raise
            continue  # the neighbour isn't here
        done = doctest.testmod(module)
        failed, tried = failed + done.failed, tried + done.attempted
    assert tried >= 5
    assert not failed


def parsed(arguments: list[str], page: Path, line: str) -> None:
    from fastfa import cli

    try:
        cli._parser().parse_args(arguments)
    except SystemExit as leaving:
        if leaving.code:
            pytest.fail(f"{page.relative_to(ROOT)}: fastfa doesn't understand `{line}`")


def test_the_commands_in_sentences_exist():
    """`fastfa reproduce linear`, in the middle of a line; not those with NAMES to be filled in."""
    found = 0
    for page in PAGES:
        for line in re.findall(r"`(fastfa [\w ./:=-]+)`", page.read_text(encoding="utf-8")):
            words = shlex.split(line)[1:]
            if any(re.fullmatch(r"[A-Z]+", word) for word in words):
                continue
            bare = not any(
                word.startswith("-") for word in words[1:]
            )  # a name, not a whole command
            parsed([*words, "--help"] if bare else words, page, line)
            found += 1
    assert found >= 20


def test_the_commands_of_all_pages_exist(monkeypatch, tmp_path, capsys):
    from fastfa import cli

    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    monkeypatch.chdir(tmp_path)
    seen = set()
    for page in ALL:
        for line, run in commands(page.read_text(encoding="utf-8")):
            words = shlex.split(line)
            while words and re.fullmatch(r"\w+=\S*", words[0]):
                words.pop(0)
            if not words:
                continue
            program, *rest = words
            seen.add(program)
            if program == "fastfa":
                parsed(rest, page, line)
                assert not run or cli.main(rest) == 0, line
            elif program == "make":
                assert {w for w in rest if "=" not in w} <= targets, line
            elif program == "python" and rest[0].endswith(".py"):
                assert (ROOT / rest[0]).is_file(), line
            if program == "pip":  # zsh takes brackets that aren't quoted for a pattern
                assert not any("[" in word and word[0] not in "\"'" for word in line.split()), line
            for extras in re.findall(r"fastfa\[([\w,]+)\]", line):
                assert set(extras.split(",")) <= set(project["optional-dependencies"]), line
    assert {"fastfa", "make", "pip"} <= seen


def test_toml_blocks_are_settings():
    from fastfa.cli.settings import read_config

    found = 0
    for page in PAGES:
        for block in blocks(page.read_text(encoding="utf-8")):
            if block.kind == "toml":
                assert tomllib.loads(block.text), page
                found += 1
    assert found
    assert callable(read_config)


# ---- links ---------------------------------------------------------------------------------------


def prose(page: Path) -> str:
    """Without code, in which brackets mean other things."""
    text = re.sub(r"^( *)```.*?^\1```", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    return re.sub(r"`[^`\n]*`", lambda m: m[0] if "](" in m[0] else "``", text)


def anchors(page: Path) -> set[str]:
    """Of headings, as GitHub and the site make them, and of the objects on a page of reference."""
    text = page.read_text(encoding="utf-8")
    bare = re.sub(r"^( *)```.*?^\1```", "", text, flags=re.S | re.M)
    headings = re.findall(r"^#+ (.*)$", bare, re.M)
    slugs = {
        re.sub(r"[^\w\- ]", "", h.replace("`", "")).strip().lower().replace(" ", "-")
        for h in headings
    }
    return slugs | set(re.findall(r"^::: ([\w.]+)$", text, re.M))


@pytest.mark.parametrize("page", named([p for p in ALL if p.exists()]))
def test_the_links_of_a_page_lead_somewhere(page):
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        path, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or ROOT not in target.parents:
            broken.append(f"{link}: no such file")
        elif anchor and anchor not in anchors(target):
            broken.append(f"{link}: no such heading")
    assert not broken


def test_every_page_is_in_the_navigation():
    """And every page of the navigation exists; mkdocs is stricter, but isn't always there."""
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    listed = set(re.findall(r"^ *- (?!#)([\w./-]+\.md)$", nav, re.M))
    pages = {str(p.relative_to(DOCS)) for p in DOCS.rglob("*.md")}
    there = {n for n in listed if not n.startswith("repository/")}
    assert there <= pages, there - pages
    assert all((ROOT / n.removeprefix("repository/")).exists() for n in listed - there)
    # A page that comes with a part of fastfa may still wait for its place: its line is there, commented.
    waiting = set(re.findall(r"^ *# - ([\w./-]+\.md)$", nav, re.M))
    assert pages - listed <= waiting


# ---- reference and numbers -----------------------------------------------------------------------


def test_every_public_name_is_on_one_page_of_reference():
    shown = []
    for page in sorted((DOCS / "api").glob("*.md")):
        shown += re.findall(r"^::: ([\w.]+)$", page.read_text(encoding="utf-8"), re.M)
    # Where a function has its module's name, the site's generator wants both; Python knows one.
    modules = [n for n in shown if (ROOT / "python" / f"{n.replace('.', '/')}.py").exists()]
    assert not modules, "these are modules: write a.name.name for a function of its module's name"
    shown = [re.sub(r"\.(\w+)\.\1$", r".\1", name) for name in shown]
    assert len(shown) == len(set(shown))
    public = {
        f"fastfa.{n}"
        for n in fa.__all__
        if not n.startswith("__") and not isinstance(getattr(fa, n), ModuleType)
    }
    for module in ("data", "experiments", "plots"):
        public |= {
            f"fastfa.{module}.{n}" for n in importlib.import_module(f"fastfa.{module}").__all__
        }
    tree = ast.parse((ROOT / "python/fastfa/interop/torch/__init__.py").read_text(encoding="utf-8"))
    (names,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "__all__"
    )
    public |= {f"fastfa.interop.torch.{name}" for name in names}
    assert public <= set(shown), public - set(shown)
    for name in shown:
        module, _, attribute = name.rpartition(".")
        if module == "fastfa.interop.torch" and attribute in names:
            continue  # without PyTorch it can't be imported
        assert hasattr(importlib.import_module(module), attribute), name


def test_the_tables_are_those_of_the_measurements(monkeypatch):
    """Numbers in pages can't drift from docs/results."""
    path = ROOT / "tools" / "site" / "tables.py"
    monkeypatch.syspath_prepend(path.parent)
    spec = importlib.util.spec_from_file_location("site_tables", path)
    tables = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tables)
    used = set()
    for page in tables.PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        used |= set(re.findall(r"<!-- begin ([\w-]+) -->", text))
        assert tables.filled(text) == text, f"{page}: run python tools/site/tables.py"
    assert used == set(tables.TABLES)
    from fastfa.experiments import NAMES

    assert importlib.import_module("experiment_tables").experiments() == NAMES


# ---- the extractor itself ------------------------------------------------------------------------

PAGE = """\
# A page

```python
a = 1
```

<!-- not run: takes a day -->
```python
raise SystemExit
```

<!-- needs: no_such_package_here -->
```python
import no_such_package_here
```

```sh
fastfa info  # what is there
FOO=1 make demo && cd x
```
"""


def test_blocks_share_names_and_marks_are_heeded(tmp_path):
    (page := tmp_path / "page.md").write_text(PAGE + "\n```python\nb = a + 1\n```\n")
    names, missing = run_python(page)
    assert names["b"] == 2
    assert missing == {"no_such_package_here"}
    assert commands(PAGE) == [("fastfa info", False), ("FOO=1 make demo", False), ("cd x", False)]


@pytest.mark.parametrize(
    "text",
    [
        "```python\nassert 1 > 2\n```\n",
        "<!-- not run: too long -->\n```python\nx = = 1\n```\n",
        "<!-- not run: -->\n```python\nx = 1\n```\n",
        "    ```python\n    1 / 0\n    ```\n",
    ],
    ids=["wrong", "syntax", "no reason", "indented"],
)
def test_what_is_wrong_in_a_page_is_found(tmp_path, text):
    (page := tmp_path / "page.md").write_text("intro\n\n" + text)
    with pytest.raises((AssertionError, SyntaxError, ValueError, ZeroDivisionError)):
        run_python(page)


def test_pages_that_order_the_members_of_a_class_name_all_of_them():
    ordered = re.compile(
        r"::: fastfa\.(\w+)\n    options:\n(?:      \w+: \w+\n)*      members: \[(.*?)\]", re.S
    )
    found = [
        pair for page in (DOCS / "api").glob("*.md") for pair in ordered.findall(page.read_text())
    ]
    assert {"Network", "Trainer"} <= {name for name, _ in found}
    for name, members in found:
        public = {member for member in dir(getattr(fa, name)) if not member.startswith("_")}
        assert set(re.findall(r"\w+", members)) == public, name
