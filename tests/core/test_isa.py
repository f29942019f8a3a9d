"""Every instruction set of this machine, each in a process of its own, against the reference."""

from __future__ import annotations

import sys
from pathlib import Path

import fastfa as fa
import numpy as np
import pytest

TESTS = Path(__file__).resolve().parents[1]
LEVELS = fa.build_info()["isa_available"]

# What a level must pass: widths around every vector register, batch sizes, the paper's network.
SUITE = """
import sys
import fastfa as fa
info = fa.build_info()
assert info["isa"] == {level!r}, f"asked for {level}, dispatched to " + info["isa"]
import pytest
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "-x", *{files!r}, "-k", {select!r}]))
"""
FILES = [
    "core/test_parity.py",
    "core/test_oracles.py",
    "core/test_parity_rules.py",
    "layers/test_local.py",
]
SELECT = "every_width or (papers_mnist and step) or short_last_batch or (longer and normal)"
SELECT += " or wide_layers or well_posed or node_perturbation or removed_weights or local_edges"
SELECT += (
    " or ((every_activation and fa-8 or adam and (fa or wm)) and not than_16_bits and not dfa)"
)


@pytest.mark.parametrize("level", LEVELS)
def test_the_core_passes_under_this_level(level, run_python):
    files = [str(TESTS / name) for name in FILES]
    # the best level is what the rest of this test suite runs under
    select = SELECT if level != LEVELS[0] else "papers_mnist"
    source = SUITE.format(level=level, files=files, select=select)
    out = run_python(source, env={"FASTFA_ISA": level}, timeout=500)
    assert " passed" in out
    assert "skipped" not in out


RULES = """
import sys
import numpy as np
import fastfa as fa
from local_cases import Patches, local_case
from parity_cases import ALL_RULES, build, draw_data, plain_case
arrays = {{}}

def local(**options):
    return local_case((2, 6, 7), [Patches(5, 3), Patches(17, 2, 2, "same")], 5, **options)

def dense(**options):
    return plain_case((12, 33, 21, 5), **options)

cases = [(rule, dense) for rule in [*ALL_RULES, "perturbed"]]
cases += [(rule, local) for rule in ("bp", "fa", "usf", "frsf", "brsf", "kp", "normal")]
for rule, make in cases:
    options = {{"perturbation": 0.3}} if rule == "perturbed" else {{"rules": (rule,)}}
    case = make(**options)
    rule = make.__name__ + " " + rule
    rng = np.random.default_rng(0)
    net = build(case, "float64", rng)
    x, y = draw_data(case, 19, "float64", rng)
    for optimizer in (fa.SGD(0.01, momentum=0.5), fa.Adam(1e-3, epsilon=1e-2)):
        net.train_epoch(x, y, optimizer, batch_size=4)
    for name, found in (("W", net.weights), ("B", net.feedback_matrices), ("d", net.deltas(x, y))):
        arrays.update({{f"{{rule}} {{name}}{{i}}": np.array(a) for i, a in enumerate(found)}})
np.savez({path!r}, **arrays)
"""


def test_every_rule_agrees_across_the_levels(run_python, tmp_path):
    """Not to the last bit, for vectors add up in other orders; draws agree exactly."""
    found = []
    for level in LEVELS:
        path = str(tmp_path / f"{level}.npz")
        run_python(RULES.format(path=path), env={"FASTFA_ISA": level})
        with np.load(path) as arrays:
            found.append(dict(arrays))
    for other in found[1:]:
        assert other.keys() == found[0].keys()
        for name, value in found[0].items():
            size = np.linalg.norm(value)
            assert np.linalg.norm(other[name] - value) <= 1e-10 * size, name
            drawn = name.split()[-2] in ("binary", "ternary", "hadamard", "procedural", "uniform")
            if drawn and " B" in name and "kp" not in name:
                np.testing.assert_array_equal(other[name], value)


def test_the_best_level_is_chosen_unless_told_otherwise(run_python):
    source = "import fastfa as fa; print(fa.build_info()['isa'])"
    assert run_python(source, env={"FASTFA_ISA": ""}).strip() == LEVELS[0]
    assert LEVELS in (["portable"], ["v2"], ["v3", "v2"], ["v4", "v3", "v2"])


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/cpuinfo")
@pytest.mark.skipif(LEVELS == ["portable"], reason="not an x86-64 build")
def test_the_levels_available_are_those_of_the_processor():
    flags = next(
        set(line.split(":")[1].split())
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("flags")
    )
    v2 = {"pni", "ssse3", "sse4_1", "sse4_2", "popcnt", "cx16", "lahf_lm"}  # pni is SSE3
    v3 = v2 | {"avx", "avx2", "fma", "bmi1", "bmi2", "f16c", "movbe", "abm"}  # abm has LZCNT
    v4 = v3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
    for level, wanted in (("v2", v2), ("v3", v3), ("v4", v4)):
        assert (level in LEVELS) == (wanted <= flags), level


@pytest.mark.parametrize("wrong", ["v5", "avx2", "V3 "])
def test_an_unknown_level_is_explained(wrong, run_python):
    source = f"""
import sys
try:
    import fastfa as fa
    fa.Network(2, [fa.Dense(1, "linear")])
except Exception as error:
    assert "FASTFA_ISA" in str(error), error
    assert {wrong!r}.strip("'") in str(error), error
    assert {LEVELS[0]!r} in str(error), error
    sys.exit(0)
sys.exit("it was taken")
"""
    run_python(source, env={"FASTFA_ISA": wrong})


SUBNORMALS = """
import numpy as np
def alive():
    for dtype in (np.float32, np.float64):
        tiny = np.finfo(dtype).tiny
        half = np.full(64, tiny, dtype) / dtype(2)
        assert (half > 0).all() and (half * dtype(2) == tiny).all(), dtype
    assert 5e-324 * 1.0 > 0
alive()
import fastfa as fa
alive()
fa.set_num_threads(2)
net = fa.Network(784, [fa.Dense(500, "tanh"), fa.Dense(10, "linear")], "fa")
net.train_epoch(np.ones((8, 784)), np.ones((8, 10)), fa.SGD(1e-4), batch_size=4)
alive()
print("done")
"""


@pytest.mark.parametrize("level", LEVELS)
def test_subnormal_numbers_survive_import_and_training(level, run_python):
    assert run_python(SUBNORMALS, env={"FASTFA_ISA": level}).split() == ["done"]


def test_import_brings_nothing_heavy(run_python):
    source = """
import sys
import fastfa
heavy = {"matplotlib", "torch", "jax", "scipy", "pandas", "cuda", "cupy", "multiprocessing"}
print(sorted(heavy & set(sys.modules)))
"""
    assert run_python(source).strip() == "[]"
