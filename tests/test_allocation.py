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
batch, momentum, rule = int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
net = fa.Network(300, [fa.Dense(517, "tanh"), fa.Dense(200, "logistic"), fa.Dense(10, "softmax")],
                 rule, loss="cross_entropy")
x = np.random.default_rng(0).random((512, 300), dtype=np.float32)
y = np.eye(10, dtype=np.float32)[np.arange(512) % 10]
sgd, few, many = fa.SGD(0.01, momentum=momentum), np.arange(256), np.tile(np.arange(512), 4)

def count(order):
    before = allocations()
    net._train_chunk(x, y, sgd, batch, order)
    return allocations() - before

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


@pytest.mark.parametrize("rule", ["fa", "bp", "dfa", "shallow"])
@pytest.mark.parametrize("momentum", ["0", "0.9"])
@pytest.mark.parametrize("batch", ["1", "32"])
def test_eight_times_the_steps_take_no_more_allocations(batch, momentum, rule, counter, run_python):
    arguments = (
        f"import sys; sys.argv = ['-', {str(counter)!r}, {batch!r}, {momentum!r}, {rule!r}]\n"
    )
    few, many = run_python(arguments + PROGRAM, env={"LD_PRELOAD": str(counter)}).split()
    assert int(many) == int(few) > 0
