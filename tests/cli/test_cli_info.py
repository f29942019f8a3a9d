"""fastfa info, --version, and what the command imports."""

from __future__ import annotations

import json
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import fastfa as fa
from fastfa.cli import main


def test_info_is_a_table_of_the_build(capsys):
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    info = fa.build_info()
    assert len(out.splitlines()) == len(info) + 1  # and the GPUs
    for value in (info["version"], info["isa"], info["eigen"], *info["isa_available"]):
        assert value in out


def test_info_as_json_is_the_build(capsys):
    assert main(["info", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told.pop("gpus")
    assert told == fa.build_info()


class Gpu:
    name = "NVIDIA H100"
    cuda_compute_capability = (9, 0)
    memory_info = SimpleNamespace(total=80 * 2**30, free=79.5 * 2**30)


def cuda_core(monkeypatch, devices):
    """A cuda.core that finds these devices, or raises this error."""

    class NvmlError(Exception):
        pass

    def get_all_devices():
        if isinstance(devices, list):
            return iter(devices)
        raise devices

    system = SimpleNamespace(
        NvmlError=NvmlError,
        Device=SimpleNamespace(get_all_devices=get_all_devices),
        get_kernel_mode_driver_version=lambda: (580, 65, 6),
    )
    core = ModuleType("cuda.core")
    core.system = system
    package = ModuleType("cuda")
    for module in (package, core):
        monkeypatch.setitem(sys.modules, module.__name__, module)


def test_info_tells_of_gpus(capsys, monkeypatch):
    cuda_core(monkeypatch, [Gpu, Gpu])
    assert main(["info"]) == 0
    gpu = "NVIDIA H100 (compute capability 9.0, 80.0 GiB, 79.5 free, driver 580.65.6)"
    assert capsys.readouterr().out.splitlines()[-1].endswith(f"  {gpu}, {gpu}")
    for devices, told in (
        ([], "none"),
        (RuntimeError("no driver"), "none that can be used: no dri"),
    ):
        cuda_core(monkeypatch, devices)
        assert main(["info", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["gpus"].startswith(told)


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"fastfa {fa.build_info()['version']}\n"


def test_the_package_runs_as_a_module(run_python):
    command = [sys.executable, "-W", "error", "-m", "fastfa", "info"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "version" in done.stdout


def test_help_imports_neither_plots_nor_progress_bars(run_python):
    run_python(
        "import sys; from fastfa.cli import main\n"
        "assert main(['--help']) == 0\n"
        "late = {'matplotlib', 'tqdm', 'tomllib', 'urllib.request'} & set(sys.modules)\n"
        "assert not late, late"
    )
