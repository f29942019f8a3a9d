"""What may be asked of a network while another thread works with it, and what never waits."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import threading
import time
from pathlib import Path

import capi
import fastfa as fa
import numpy as np
import pytest
from capi import STATUS, Layer, last_error


def within(seconds, call):
    """call(), which must return within that time."""
    answers = []
    thread = threading.Thread(target=lambda: answers.append(call()), daemon=True)
    thread.start()
    thread.join(seconds)
    assert answers, "it waits"
    return answers[0]


@pytest.mark.parametrize(
    ("kind", "status", "told"),
    [
        ("pipe", "BAD_FILE", "it is not a regular file"),
        ("device", "BAD_FILE", "it is not a regular file"),
        ("socket", "IO", ""),
        ("folder", "IO", "Is a directory"),
        ("nothing", "IO", "No such file"),
    ],
)
def test_load_never_waits_for_what_is_no_file(kind, status, told, tmp_path):
    net = capi.Network(3, [Layer(units=2), Layer(units=1)])
    before = net.state()
    path = tmp_path / "x"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path = "/dev/zero"
    elif kind == "socket":
        import socket

        with socket.socket(socket.AF_UNIX) as one:
            one.bind(str(path))
    elif kind == "folder":
        path.mkdir()

    def load():
        return net.call("load", os.fsencode(path)), last_error()

    code, message = within(10, load)
    assert code == STATUS[status], message
    assert told in message
    assert within(10, lambda: net.call("reset_memory")) == 0  # the network isn't held
    for name, value in net.state().items():
        np.testing.assert_array_equal(value, before[name])


def test_a_pipe_with_a_writer_is_no_file_either(tmp_path):
    net = capi.Network(3, [Layer(units=2), Layer(units=1)])
    whole, pipe = tmp_path / "whole", tmp_path / "pipe"
    assert net.call("save", os.fsencode(whole)) == 0
    os.mkfifo(pipe)

    def write():
        with contextlib.suppress(BrokenPipeError):
            pipe.write_bytes(whole.read_bytes())

    threading.Thread(target=write, daemon=True).start()
    time.sleep(0.05)
    assert within(10, lambda: net.call("load", os.fsencode(pipe))) == STATUS["BAD_FILE"]


def test_questions_do_not_wait_for_an_epoch():
    """steps() and the sizes are answered while another thread trains; steps() only grows."""
    net = fa.Network(784, [fa.Dense(400, "tanh"), fa.Dense(10)])
    x, y = np.ones((2000, 784), "float32"), np.zeros((2000, 10), "float32")
    trains = threading.Thread(
        target=lambda: net.train_epoch(x, y, fa.SGD(1e-6), batch_size=1), daemon=True
    )
    seen = [0]
    trains.start()
    while trains.is_alive():
        begin = time.monotonic()
        seen.append(net.steps)
        assert [w.shape for w in net.weights] == [(400, 784), (10, 400)]
        assert net.feedback_scales[0] > 0
        assert time.monotonic() - begin < 5
    trains.join()
    assert seen == sorted(seen)
    assert net.steps == 2000
    assert len(set(seen)) > 2  # it was looked at on the way


# ---- where the kernels are looked for --------------------------------------------------------------

PROGRAM = """
#include <stdio.h>
#include <unistd.h>
#include "fastfa/fastfa.h"
int main(int n, char** arguments) {
  if (n < 2 || chdir(arguments[1]) != 0) return 2;
  fastfa_layer layer = FASTFA_LAYER_INIT;
  layer.units = 2;
  fastfa_config config = FASTFA_CONFIG_INIT;
  config.inputs = 3;
  config.layers = &layer;
  config.n_layers = 1;
  fastfa_network* net = NULL;
  if (fastfa_network_create(&config, &net) != FASTFA_OK) {
    puts(fastfa_last_error());
    return 3;
  }
  fastfa_network_destroy(net);
  puts("made");
  return 0;
}
"""
PLANTED = """
#include <unistd.h>
__attribute__((constructor)) static void opened(void) { _exit(77); }
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_kernels_come_from_the_librarys_own_folder_wherever_the_process_goes(tmp_path):
    """The loader knows the library by a relative path; the process then changes its folder."""
    home, trap = tmp_path / "home", tmp_path / "trap"
    trap.mkdir()
    shutil.copytree(fa.get_library_dir(), home / "lib")
    (tmp_path / "program.c").write_text(PROGRAM)
    (tmp_path / "planted.c").write_text(PLANTED)
    cc = ["cc", f"-I{fa.get_include()}"]
    library = str(home / "lib" / "libfastfa.so")
    subprocess.run([*cc, tmp_path / "program.c", library, "-o", tmp_path / "program"], check=True)
    (trap / "lib").mkdir()
    for kernels in (home / "lib").glob("fastfa_*.so"):
        planted = [*cc, "-shared", "-fPIC", tmp_path / "planted.c"]
        subprocess.run([*planted, "-o", trap / "lib" / kernels.name], check=True)
        shutil.copy(trap / "lib" / kernels.name, trap / kernels.name)
    done = subprocess.run(
        [tmp_path / "program", trap],
        cwd=home,
        env={"LD_LIBRARY_PATH": "lib", "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stdout) == (0, "made\n"), done.stderr


def test_another_emulated_device_only_where_the_build_has_one(run_python, tmp_path):
    """A build without the emulator opens no library that the environment names."""
    (tmp_path / "no.so").write_bytes(b"")
    source = """
import fastfa as fa
try:
    fa.Network(2, [fa.Dense(1)], device="cuda-emulated")
except fa.DeviceError as error:
    print(error)
"""
    told = run_python(source, env={"FASTFA_EMULATED_LIBRARY": str(tmp_path / "no.so")})
    emulator = Path(fa.get_library_dir()) / "fastfa_cuda_emulated.so"
    assert told.startswith("[Network] device 'cuda-emulated' isn't to be had")
    assert ("no.so" in told) == emulator.exists(), told
