"""CMake's presets: each can be built, and says only what the build knows."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
if not (ROOT / "CMakePresets.json").exists():
    pytest.skip("the sources aren't here", allow_module_level=True)
PRESETS = json.loads((ROOT / "CMakePresets.json").read_text(encoding="utf-8"))


def test_every_variable_of_ours_is_one_of_the_build():
    cmake = [ROOT / "CMakeLists.txt", *(ROOT / "cmake").glob("*.cmake")]
    known = set(re.findall(r"FASTFA_\w+", "\n".join(f.read_text(encoding="utf-8") for f in cmake)))
    for preset in PRESETS["configurePresets"]:
        ours = {name for name in preset["cacheVariables"] if name.startswith("FASTFA_")}
        assert ours <= known, preset["name"]


def test_what_can_be_configured_can_be_built():
    configured = [preset["name"] for preset in PRESETS["configurePresets"]]
    assert [preset["configurePreset"] for preset in PRESETS["buildPresets"]] == configured
