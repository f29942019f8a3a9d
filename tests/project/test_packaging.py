"""What is installed: types, stubs, docstrings, the command, libraries and their symbols."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import fastfa as fa
import pytest
from fastfa import _core

PACKAGE = Path(fa.__file__).parent


def test_the_package_is_typed():
    assert (PACKAGE / "py.typed").is_file()


def test_the_stub_lists_exactly_what_the_core_has():
    tree = ast.parse((PACKAGE / "_core.pyi").read_text(encoding="utf-8"))
    listed: dict[str, set[str] | None] = {}
    bases: dict[str, set[str]] = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            bases[node.name] = {ast.unparse(base).partition("[")[0] for base in node.bases}
            listed[node.name] = {
                n.name if isinstance(n, ast.FunctionDef) else n.target.id
                for n in node.body
                if isinstance(n, ast.FunctionDef | ast.AnnAssign)
            }
        elif isinstance(node, ast.FunctionDef):
            listed[node.name] = None
        elif isinstance(node, ast.AnnAssign):
            listed[node.target.id] = None
    assert {n for n in listed if not n.startswith("_")} == {
        n for n in dir(_core) if not n.startswith("_")
    }
    for name, members in listed.items():
        if members is not None and not name.startswith("_"):  # a private base is the stub's own
            members = members.union(*(listed[base] for base in bases[name] if base in listed))
            present = {n for n in vars(getattr(_core, name)) if not n.startswith("_")}
            assert {m for m in members if not m.startswith("_")} == present, name


def public_objects():
    """Every public name of the package and of its public modules, with what it is."""
    for module_name in ["fastfa", "fastfa.data", "fastfa.metrics"]:
        module = importlib.import_module(module_name)
        own = [
            n
            for n, thing in vars(module).items()
            if getattr(thing, "__module__", "") == module_name
        ]
        for name in getattr(module, "__all__", [n for n in own if not n.startswith("_")]):
            yield f"{module_name}.{name}", getattr(module, name)


def members(qualified: str, cls: type):
    for name, member in vars(cls).items():
        inherited_tuple_field = issubclass(cls, tuple) and name in getattr(cls, "_fields", ())
        documented = inspect.isfunction(member) or isinstance(member, property | classmethod)
        if documented and not name.startswith("_") and not inherited_tuple_field:
            yield f"{qualified}.{name}", member


def test_every_public_name_has_a_docstring():
    bare = []
    for qualified, thing in public_objects():
        if inspect.ismodule(thing) or callable(thing):
            if not (inspect.getdoc(thing) or "").strip():
                bare.append(qualified)
            if inspect.isclass(thing):
                bare += [
                    n for n, m in members(qualified, thing) if not (inspect.getdoc(m) or "").strip()
                ]
    assert not bare


def test_every_public_function_is_annotated():
    bare = []
    for qualified, thing in public_objects():
        functions = [(qualified, thing)] if inspect.isfunction(thing) else []
        if inspect.isclass(thing):
            functions = [(n, m) for n, m in members(qualified, thing) if inspect.isfunction(m)]
        for name, function in functions:
            signature = inspect.signature(function)
            parameters = [p for p in signature.parameters.values() if p.name not in ("self", "cls")]
            if signature.return_annotation is signature.empty or any(
                p.annotation is p.empty for p in parameters
            ):
                bare.append(name)
    assert not bare


def test_all_names_exist_once():
    assert len(set(fa.__all__)) == len(fa.__all__)
    wanted = {
        *("Network", "Dense", "Feedback", "SGD", "Trainer", "DivergenceError", "build_info"),
        *("set_num_threads", "get_num_threads", "data", "metrics"),
    }
    assert wanted <= set(fa.__all__)
    for name in fa.__all__:
        assert getattr(fa, name) is not None


def test_build_info_tells_what_was_built():
    info = fa.build_info()
    told = {"version", "isa", "isa_available", "bf16", "bf16_available", "threads", "eigen"}
    assert set(info) == told | {"compiler", "cuda"}
    assert re.fullmatch(r"\d+\.\d+(\.\d+)?([a-z.+].*)?", info["version"])
    assert info["version"] == fa.__version__
    assert info["isa"] in info["isa_available"]
    assert info["threads"] == fa.get_num_threads() >= 1
    assert re.fullmatch(r"3\.4\.\d+", info["eigen"])
    assert info["compiler"]
    assert info["cuda"] is None or re.fullmatch(r"\d+\.\d+.* \(sm_.*\)", info["cuda"])


def test_the_version_is_that_of_the_distribution():
    from importlib.metadata import version

    assert version("fastfa") == fa.__version__


def test_the_base_install_needs_what_it_is_said_to_need():
    from importlib.metadata import requires

    needed = {re.match(r"[\w.-]+", r)[0] for r in requires("fastfa") if "extra ==" not in r}
    assert needed == {"numpy", "safetensors", "tqdm"}


def test_a_tool_is_of_one_version_wherever_it_is_pinned():
    root = Path(__file__).parents[2]
    pinned = re.compile(
        r"\b(ruff|clang-format|torch)(?:==|-pre-commit\n *rev: v|\n *rev: v)([\d.]+)"
    )
    found: dict[str, set[str]] = {}
    for name in (
        *("pyproject.toml", "docs/requirements.txt", "bench/requirements.txt"),
        *("tests/requirements.txt", ".pre-commit-config.yaml"),
    ):
        for tool, version in pinned.findall((root / name).read_text(encoding="utf-8")):
            found.setdefault(tool, set()).add(version)
    assert {tool: len(versions) for tool, versions in found.items()} == dict.fromkeys(
        ("ruff", "clang-format", "torch"), 1
    )


def test_extras_of_extras_are_read_as_pip_reads_them():
    done = subprocess.run(
        [sys.executable, Path(__file__).parents[2] / "tools/requirements.py", "base", "dask"],
        check=True,
        capture_output=True,
        text=True,
    )
    names = [re.match(r"[\w.-]+", line)[0] for line in done.stdout.split()]
    assert names == ["numpy", "safetensors", "tqdm", "joblib", "scipy", "distributed"]


def test_licences_travel_with_the_package():
    from importlib.metadata import files

    names = [str(f) for f in files("fastfa")]
    assert any(re.search(r"LICEN[CS]E", n) for n in names)
    assert any(re.search(r"(?i)eigen|MPL", n) and "dist-info" in n for n in names), names


def test_the_console_script_tells_its_version():
    scripts = Path(sysconfig.get_path("scripts"))
    command = next((p for p in (scripts / "fastfa", scripts / "fastfa.exe") if p.exists()), None)
    assert command is not None, f"there is no fastfa in {scripts}"
    done = subprocess.run(
        [command, "--version"], capture_output=True, text=True, timeout=300, check=True
    )
    assert fa.__version__ in done.stdout


def libraries() -> list[Path]:
    return sorted({*PACKAGE.rglob("*.so*"), *PACKAGE.rglob("*.dylib")})


def kernels() -> list[Path]:
    return [p for p in libraries() if re.search(r"v[234]|portable", p.name)]


def tool(*command: str) -> str:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stdout


linux = pytest.mark.skipif(sys.platform != "linux", reason="reads ELF files")


@linux
def test_each_kernel_library_exports_one_function():
    assert len(kernels()) >= len(fa.build_info()["isa_available"])
    for path in kernels():
        symbols = tool("nm", "-D", "--defined-only", str(path)).splitlines()
        assert len(symbols) == 1, (path.name, symbols)
        assert symbols[0].split()[1] == "T", symbols


@linux
def test_the_kernels_share_no_weak_symbols():
    """A weak template compiled with other -m flags elsewhere lets v2 code run AVX-512."""
    for path in kernels():
        weak = [s for s in tool("nm", "-D", str(path)).splitlines() if s.split()[-2] in "VWu"]
        weak = [s for s in weak if not re.search(r"__cxa_finalize|_ITM_|__gmon_start__", s)]
        assert not weak, (path.name, weak)


@linux
def test_no_library_links_openmp_or_python():
    assert libraries()
    for path in libraries():
        needed = [s for s in tool("readelf", "-d", str(path)).splitlines() if "(NEEDED)" in s]
        assert needed, path
        for line in needed:
            assert not re.search(r"omp|python|cuda|blas|mkl|tbb", line), (path.name, line)


@linux
def test_the_core_exports_nothing_but_its_module():
    path = Path(_core.__file__)
    symbols = [s.split()[-1] for s in tool("nm", "-D", "--defined-only", str(path)).splitlines()]
    assert [s for s in symbols if s.startswith("PyInit")] == ["PyInit__core"]
    assert not [s for s in symbols if "Eigen" in s]


@linux
def test_no_library_turns_subnormals_off_when_loaded():
    """-ffast-math at link time brings in crtfastm.o, which sets flush-to-zero when loaded."""
    for path in libraries():
        assert "set_fast_math" not in tool("nm", "-a", str(path))
