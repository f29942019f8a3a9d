"""The compiled epoch takes no memory: counted by a malloc of our own, preloaded."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

COUNTER = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>

static long calls;
long allocations(void) { return __atomic_load_n(&calls, __ATOMIC_SEQ_CST); }

#define COUNT(name, result, declaration, arguments)                                \
  result name declaration {                                                        \
    static result(*real) declaration;                                              \
    if (!real) real = (result(*) declaration)dlsym(RTLD_NEXT, #name);              \
    __atomic_fetch_add(&calls, 1, __ATOMIC_SEQ_CST);                               \
    return real arguments;                                                         \
  }
COUNT(malloc, void *, (size_t n), (n))
COUNT(realloc, void *, (void *p, size_t n), (p, n))
COUNT(aligned_alloc, void *, (size_t a, size_t n), (a, n))
COUNT(posix_memalign, int, (void **p, size_t a, size_t n), (p, a, n))
"""

PROGRAM = """
import ctypes, sys
import numpy as np
import fastfa as fa

allocations = ctypes.CDLL(sys.argv[1]).allocations
allocations.restype = ctypes.c_long
batch, sgd = int(sys.argv[2]), eval(sys.argv[3])
widths = eval(sys.argv[4])
x = np.random.default_rng(0).random((512, widths[0]), dtype=np.float32)
y = np.eye(widths[-1], dtype=np.float32)[np.arange(512) % widths[-1]]
few, many = np.arange(256), np.tile(np.arange(512), 4)

def count(order):
    before = allocations()
    net._train_chunk(x, y, sgd, batch, order)
    return allocations() - before

for rule, density in eval(sys.argv[5]):
    layers = [fa.Dense(n, "tanh", density=density) for n in widths[1:-1]]
    layers.append(fa.Dense(widths[-1], "softmax"))
    local = eval(sys.argv[6])  # an image's shape and what is above it, below all these
    net = fa.Network(local[0], [*local[1:], *layers], rule, loss="cross_entropy")
    count(few), count(many)  # buffers, threads and Python's own caches are made here
    print(min(count(few) for _ in range(3)), min(count(many) for _ in range(3)))
"""


@pytest.fixture(scope="module")
def counter(tmp_path_factory):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not sys.platform.startswith("linux") or compiler is None:
        pytest.skip("counting malloc needs Linux and a C compiler")
    folder = tmp_path_factory.mktemp("counter")
    (folder / "counter.c").write_text(COUNTER)
    library = folder / "counter.so"
    command = [compiler, "-O1", "-shared", "-fPIC", folder / "counter.c", "-o", library, "-ldl"]
    subprocess.run(command, check=True)
    return library


def counts(
    counter, run_python, batch, optimizer, widths, rules, local="[widths[0]]"
) -> list[tuple[int, int]]:
    """Allocations in few and in many steps, for each of the rules."""
    arguments = ["-", str(counter), str(batch), optimizer, str(widths), rules, local]
    source = f"import sys; sys.argv = {arguments!r}\n" + PROGRAM
    lines = run_python(source, env={"LD_PRELOAD": str(counter)}).splitlines()
    return [tuple(map(int, line.split())) for line in lines]


WIDTHS = (300, 517, 200, 10)


@pytest.mark.parametrize("rule", ["fa", "bp", "dfa", "shallow"])
@pytest.mark.parametrize("momentum", ["0", "0.9"])
@pytest.mark.parametrize("batch", ["1", "32"])
def test_eight_times_the_steps_take_no_more_allocations(batch, momentum, rule, counter, run_python):
    sgd, rules = f"fa.SGD(0.01, momentum={momentum})", f"[({rule!r}, 1.0)]"
    for few, many in counts(counter, run_python, batch, sgd, WIDTHS, rules):
        assert many == few > 0


RULES = """[
    ("drtp", 1.0), ("usf", 1.0), ("frsf", 1.0), ("brsf", 1.0), ("kp", 1.0), ("wm", 1.0),
    ("fa", 0.5), (fa.Feedback("orthogonal"), 1.0), (fa.Feedback("sparse", density=0.1), 0.5),
    (fa.Feedback("low_rank", rank=5), 1.0), (fa.Feedback("binary"), 1.0),
    (fa.Feedback("ternary"), 1.0), (fa.Feedback("hadamard"), 1.0),
    (fa.Feedback("procedural"), 1.0), (fa.Feedback("binary", route="direct"), 1.0),
    (fa.Feedback("uniform", route="direct", plasticity="kolen_pollack"), 0.5),
    (fa.NodePerturbation(0.1), 1.0)]"""


@pytest.mark.parametrize("optimizer", ["fa.SGD(0.01, momentum=0.9)", "fa.Adam(1e-4)"])
@pytest.mark.parametrize("batch", [1, 32])
def test_no_kind_of_feedback_allocates_in_its_steps(batch, optimizer, counter, run_python):
    """All but custom feedback, which makes Python objects."""
    found = counts(counter, run_python, batch, optimizer, (60, 130, 65, 10), RULES)
    assert len(found) == 17
    for few, many in found:
        assert many == few > 0


LOCAL = """[
    (2, 7, 6),
    fa.LocallyConnected2D(5, (3, 2), stride=(1, 2), padding="same", activation="tanh"),
    fa.LocallyConnected2D(17, 2, activation="tanh")]"""


@pytest.mark.parametrize("optimizer", ["fa.SGD(0.01, momentum=0.9)", "fa.Adam(1e-4)"])
@pytest.mark.parametrize("batch", [1, 32])
def test_locally_connected_layers_allocate_nothing(batch, optimizer, counter, run_python):
    """Under every rule that may pass through them; the dense layers above have theirs."""
    rules = [(rule, 1.0) for rule in ("bp", "fa", "usf", "brsf", "kp")]
    rules = str(rules) if batch == 1 else RULES.replace('("wm", 1.0)', '("bp", 1.0), ("fa", 1.0)')
    found = counts(counter, run_python, batch, optimizer, (84, 33, 10), rules, LOCAL)
    assert len(found) == (5 if batch == 1 else 18)
    for few, many in found:
        assert many == few > 0
