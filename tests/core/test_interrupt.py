"""Ctrl-C stops a running epoch soon and leaves a network that can be used."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from fastfa.processes import workers

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")

# An epoch that would take many minutes; the parent interrupts it.
SOURCE = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs ignore it
import numpy as np
import fastfa as fa
batch_size, threads = int(sys.argv[1]), int(sys.argv[2])
fa.set_num_threads(threads)
layers = [fa.Dense(1000, "logistic"), fa.Dense(10, "logistic")]
net = fa.Network(784, layers, "fa", loss="cross_entropy")
rng = np.random.default_rng(0)
x, y = rng.random((500, 784), dtype="float32"), np.eye(10, dtype="float32")[np.arange(500) % 10]
order = np.tile(np.arange(500), 40_000)
before = np.array(net.weights[0])
sgd = fa.SGD(1e-3)
began = time.perf_counter()
net.train_epoch(x, y, sgd, batch_size=batch_size, order=order[:batch_size])
print("ready", time.perf_counter() - began, flush=True)
try:
    net.train_epoch(x, y, sgd, batch_size=batch_size, order=order)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    steps = net.steps
    assert 1 < steps < 20_000_000 // batch_size
    assert not np.array_equal(before, net.weights[0])
    assert all(np.isfinite(a).all() for a in [*net.weights, *net.biases])
    net.train_epoch(x, y, sgd, batch_size=50)
    assert net.steps == steps + 10
    assert np.isfinite(net.forward(x)).all()
    print("usable", flush=True)
else:
    sys.exit("the epoch ended before it was interrupted")
"""


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("batch_size", [1, 100, 5_000])
def test_ctrl_c_stops_a_running_epoch(batch_size, threads):
    child = subprocess.Popen(
        [sys.executable, "-c", SOURCE, str(batch_size), str(threads)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    too_late = threading.Timer(300, child.kill)  # so that a hang is a failure
    too_late.start()
    try:
        word, seconds = child.stdout.readline().split()
        assert word == "ready"
        time.sleep(max(1.0, 5 * float(seconds)))  # well inside the epoch: after several steps
        child.send_signal(signal.SIGINT)
        sent = time.monotonic()
        assert child.stdout.readline() == "interrupted\n"
        waited = time.monotonic() - sent
        out, err = child.communicate()
    finally:
        too_late.cancel()
        child.kill()
        child.wait()
    assert out == "usable\n", err
    assert child.returncode == 0, err
    assert waited < 5, "promised within a second; five allow for a busy machine"


def test_an_epoch_in_another_thread_does_not_swallow_the_interrupt(run_python):
    """Only the main thread can be interrupted; an epoch elsewhere ends by itself."""
    source = """
import threading
import numpy as np, fastfa as fa
net = fa.Network(20, [fa.Dense(50, "tanh"), fa.Dense(3, "linear")], "fa")
x, y = np.ones((100, 20)), np.ones((100, 3))
order = np.tile(np.arange(100), 200)
work = lambda: net.train_epoch(x, y, fa.SGD(1e-4), batch_size=1, order=order)
thread = threading.Thread(target=work)
thread.start()
thread.join(300)
assert not thread.is_alive() and net.steps == 20_000
print("done")
"""
    assert run_python(source).split() == ["done"]


def test_an_interrupt_that_python_drops_comes_again(run_python):
    """In a weak reference's callback, as SQLAlchemy has them, KeyboardInterrupt goes nowhere."""
    source = """
import signal, time, weakref
from fastfa._interrupts import heard
signal.signal(signal.SIGINT, signal.default_int_handler)
class Thing: pass
thing = Thing()
def callback(_): raise KeyboardInterrupt
there = weakref.ref(thing, callback)
try:
    with heard():
        del thing
        time.sleep(20)
    print("lost")
except KeyboardInterrupt:
    print("heard")
"""
    assert run_python(source).split() == ["heard"]


# ---- the command line: SIGTERM and SIGHUP end it as Ctrl-C does ----------------------------------


def raising(number, times=1):
    """A `Trainer._order` in whose second epoch this process gets a signal."""
    from fastfa import trainer as module

    order = module.Trainer._order

    def send(self, epoch, n):
        if epoch == 2:
            for _ in range(times):
                os.kill(os.getpid(), number)
            time.sleep(5)  # the handler is called here
        return order(self, epoch, n)

    return module.Trainer, send


@pytest.fixture
def training(tmp_path):
    """The words of a quick training with results in ``out``."""
    from tiny_data import write_tiny

    words = ["train", "mnist", "--root", str(write_tiny(tmp_path / "data")), "--hidden", "5"]
    return [*words, "--epochs", "3", "--quiet", "--out", str(tmp_path / "out")]


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_a_training_that_keeps_its_weights(
    training, tmp_path, capsys, monkeypatch, name
):
    from fastfa.cli import main
    from fastfa.history import History

    number = getattr(signal, name)
    usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
    before = signal.signal(number, usual)
    try:
        trainer, send = raising(number, times=1 if number == signal.SIGINT else 3)
        monkeypatch.setattr(trainer, "_order", send)
        assert main(training) == 128 + number
        assert signal.getsignal(number) == usual  # as it was
    finally:
        signal.signal(number, before)
    told = "" if number == signal.SIGINT else f" ({name})"
    assert capsys.readouterr().err == f"fastfa: interrupted{told}\n"
    assert (tmp_path / "out" / "weights.npz").exists()
    assert len(History.from_jsonl(tmp_path / "out" / "history.jsonl")) == 1


def test_a_signal_that_is_ignored_stays_ignored(training, tmp_path, capsys, monkeypatch):
    """As after ``nohup``."""
    from fastfa.cli import main

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        trainer, send = raising(signal.SIGHUP)
        monkeypatch.setattr(trainer, "_order", send)
        monkeypatch.setattr(time, "sleep", lambda _: None)
        assert main(training) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_signal_waits_for_files_that_are_being_written(training, tmp_path, capsys, monkeypatch):
    import numpy as np
    from fastfa.cli import main, outputs

    savez = np.savez

    def slow(*arguments, **named):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.05)
        savez(*arguments, **named)

    monkeypatch.setattr(outputs.np, "savez", slow)
    assert main(training) == 128 + signal.SIGTERM
    assert {"weights.npz", "history.csv"} <= {path.name for path in (tmp_path / "out").iterdir()}


def test_a_second_ctrl_c_does_not_wait():
    from fastfa._interrupts import heard, held

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    written = []

    def write():
        with heard(), held():
            for seconds in (0.01, 5):
                os.kill(os.getpid(), signal.SIGINT)
                written.append(time.sleep(seconds))

    try:
        with pytest.raises(KeyboardInterrupt):
            write()
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(written) == 1


def test_no_signal_leaves_a_pool_with_a_lock_that_is_held(run_python):
    """A signal at each line that Python runs while jobs are handed out and awaited: the jobs end all the
    same. (Within `concurrent.futures.wait` one could leave a lock held, so that a search with --jobs 2
    hung at its end.)"""
    code = """
import os, signal, sys, threading
from concurrent.futures import ThreadPoolExecutor
from fastfa import _interrupts
from fastfa.processes import Pool

FILES = "processes.py", "_base.py", "thread.py", "threading.py"

def search(at):
    seen = 0
    def line(frame, event, argument):
        nonlocal seen
        if event == "line" and frame.f_code.co_filename.endswith(FILES):
            seen += 1
            if seen == at:
                _interrupts._ear(signal.SIGINT, frame)
        return line
    executor = ThreadPoolExecutor(2)
    pool = Pool(executor)
    interrupted = False
    with _interrupts.heard():
        try:
            sys.settrace(line)
            for job in range(2):
                pool.submit(job, int, job)
            found = sorted(pool.next_done() for _ in range(2))
            sys.settrace(None)
            assert found == [(job, job) for job in range(2)]
        except _interrupts.Stopped:
            interrupted = True
        finally:
            sys.settrace(None)
    end = threading.Thread(target=executor.shutdown, daemon=True)
    end.start()
    end.join(10)
    assert not end.is_alive(), f"a lock is held after a signal at line {at}"
    return interrupted

at = 1
while search(at):
    at += 1
print(at)
sys.stdout.flush()
os._exit(0)
"""
    assert int(run_python(code)) > 100  # so many lines had a signal


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, None])
def test_a_pool_leaves_no_process_and_no_thread(error):
    """Else a command that was interrupted printed a traceback at Python's end, now and then."""
    threads, processes = set(threading.enumerate()), set(multiprocessing.active_children())
    with pytest.raises(error) if error else contextlib.nullcontext(), workers(2, int) as pool:
        for seconds in (0, 0, 3600) if error else (0, 0):
            pool.submit(seconds, time.sleep, seconds)
        for _ in range(2):
            assert pool.next_done() == (0, None)
        if error:
            raise error
    assert set(threading.enumerate()) <= threads
    assert set(multiprocessing.active_children()) <= processes


def test_a_terminal_that_is_closed_leaves_the_weights(training, tmp_path):
    """The terminal's process gets SIGHUP, and nothing can be printed any more."""
    words = [*training[:-5], "--epochs", "1000000", *training[-2:]]
    # Where the tests run under nohup, SIGHUP is ignored, and a command leaves it so.
    usual = "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL)"
    code = f"{usual}; import sys; from fastfa.cli import main; sys.exit(main({words!r}))"
    terminal, end = os.openpty()
    child = subprocess.Popen([sys.executable, "-c", code], stdin=end, stdout=end, stderr=end)
    os.close(end)
    try:
        assert os.read(terminal, 100).startswith(b"epoch   1")
        os.close(terminal)
        child.send_signal(signal.SIGHUP)
        assert child.wait(300) == 128 + signal.SIGHUP
    finally:
        child.kill()
        child.wait()
    assert (tmp_path / "out" / "weights.npz").exists()
