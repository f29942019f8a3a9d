"""What goes out to the public: links, versions and names agree, and a check refuses what is unready."""

from __future__ import annotations

import io
import re
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
if not (ROOT / ".github").is_dir():
    pytest.skip("the tests are not in the repository", allow_module_level=True)
sys.path.insert(0, str(ROOT / "tools"))
import check_release  # noqa: E402
import check_wheel  # noqa: E402

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
BASE = PROJECT["urls"]["Repository"]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def minors(text: str) -> list[str]:
    return sorted(set(re.findall(r"3\.(\d\d)\b", text)))


def test_every_link_to_the_repository_starts_alike():
    owner = BASE.split("/")[-2]
    links = re.findall(r"https://[\w./-]*/fastfa\b", read("pyproject.toml"))
    links += re.findall(r"https://[\w./-]*/fastfa\b", read("recipe/recipe.yaml"))
    assert set(links) == {BASE, f"https://{owner}.github.io/fastfa"}


def test_the_versions_agree():
    version = PROJECT["version"]
    assert f"project(fastfa VERSION {version} " in read("CMakeLists.txt")
    assert re.search(rf"^version: {version}$", read("CITATION.cff"), re.M)
    assert re.search(rf'^  version: "{version}"$', read("recipe/recipe.yaml"), re.M)
    assert re.search(rf"^## {version} \(", read("CHANGELOG.md"), re.M)


def test_the_pythons_agree():
    classified = minors("\n".join(PROJECT["classifiers"]))
    built = re.search(r"cp3\{([\d,]+)\}", PYPROJECT["tool"]["cibuildwheel"]["build"])
    tested = re.search(r"python: (\[.*\])", read(".github/workflows/test.yml"))
    assert classified == built[1].split(",") == minors(tested[1])
    assert PROJECT["requires-python"] == f">=3.{classified[0]}"


def test_an_action_is_of_one_version_everywhere():
    text = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / ".github").rglob("*.yml"))
    used = set(re.findall(r"uses: ([\w./-]+)@(\w{40}) # (v[\d.]+)\n", text))
    assert len(used) == len({action for action, _, _ in used}) > 5
    assert len(re.findall(r"uses: (?!\./)", text)) == len(re.findall(r"@\w{40} # v", text))


def test_the_recipe_needs_what_the_package_needs():
    recipe = read("recipe/recipe.yaml")
    run = re.search(r"\n  run:\n((?:    .*\n)*)", recipe)[1]
    needed = {re.sub(r"\s", "", line.strip("- ")) for line in run.splitlines()}
    assert needed == {*PROJECT["dependencies"], "python"}
    build = {re.match(r"[\w-]+", line)[0] for line in PYPROJECT["build-system"]["requires"]}
    host = re.search(r"\n  host:\n((?:    .*\n)*)", recipe)[1]
    assert build - {"cmeel-eigen"} | {"eigen", "python", "pip"} == set(
        re.findall(r"- ([\w-]+)", host)
    )


# ---- the description on a package index ------------------------------------------------------------


def described(text: str) -> list[str]:
    """What is found in a wheel of this description."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as wheel:
        wheel.writestr("fastfa-0.dist-info/METADATA", f"Metadata-Version: 2.4\n\n{text}")
        return list(check_wheel.readme_problems(wheel))


def absolute() -> str:
    """README.md as pyproject.toml has it changed."""
    text = README
    for each in PYPROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"][
        "substitutions"
    ]:
        text = re.sub(each["pattern"], each["replacement"], text)
    return text.replace("$HFPR_VERSION", PROJECT["version"])


def test_the_readme_of_a_package_index_has_absolute_links():
    assert described(absolute()) == []
    assert README.count("](docs/") > 10  # and there was something to change


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("](https://arxiv.org", "](docs/x", "holds in the repository only"),
        (f"]({BASE}/raw/", f"]({BASE}/blob/", "is not below"),  # a page instead of the picture
        ("/docs/faq.md", "/docs/qaf.md", "the repository doesn't have"),
        ("## Measured", "## Guessed", "is not README.md"),
    ],
)
def test_a_wrong_description_is_found(old, new, said):
    text = absolute()
    assert old in text
    assert any(said in problem for problem in described(text.replace(old, new, 1)))


def test_relative_links_are_found_in_every_form():
    found = described("[![a](b.png)](c.md) [d](e.md) [f](#g)")
    assert [
        name for name in ("b.png", "c.md", "e.md", "#g") if f"to {name}," in "".join(found)
    ] == [*("b.png", "c.md", "e.md")]


# ---- before a release ------------------------------------------------------------------------------


def test_what_is_not_ready_is_refused():
    """As long as nobody owns the repository and the changelog says unreleased."""
    found = "\n".join(check_release.text_problems(f"v{PROJECT['version']}9"))
    assert "tag" in found
    assert ("OWNER" in found) == ("/OWNER/" in BASE)
    assert ("unreleased" in found) == ("(unreleased)" in read("CHANGELOG.md"))


def test_a_release_has_every_file_once(tmp_path):
    version = PROJECT["version"]
    pythons = re.search(r"cp3\{([\d,]+)\}", PYPROJECT["tool"]["cibuildwheel"]["build"])[1].split(
        ","
    )
    names = [f"fastfa-{version}.tar.gz"] + [
        f"fastfa-{version}-cp3{p}-cp3{p}-manylinux_2_27_{a}.manylinux_2_28_{a}.whl"
        for p in pythons
        for a in ("x86_64", "aarch64")
    ]
    for name in names:
        (tmp_path / name).touch()
    assert list(check_release.file_problems(tmp_path)) == []
    (tmp_path / names[3]).unlink()
    (tmp_path / "fastfa-0.0.9.tar.gz").touch()
    found = "\n".join(check_release.file_problems(tmp_path))
    assert f"cp3{pythons[1]}" in found
    assert "fastfa-0.0.9.tar.gz" in found
