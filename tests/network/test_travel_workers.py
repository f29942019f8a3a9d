"""Networks, ensembles and trainers in other processes, and back: in the same bits as here."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor

import checkpoint_cases as cases
import fastfa as fa
import numpy as np
import pytest

X = np.random.default_rng(0).normal(size=(30, 4))
Y = np.random.default_rng(1).normal(size=(30, 2))
MOMENTUM = fa.SGD(0.05, momentum=0.9)


def network(feedback="fa"):
    layers = [fa.Dense(6, "tanh"), fa.Dense(5, "tanh"), fa.Dense(2)]
    return fa.Network(4, layers, feedback, seed=3)


def trained(thing, rounds):
    """Sent to a worker: trains it there, and sends it back."""
    for _ in range(rounds):
        if isinstance(thing, fa.Trainer):
            thing.fit((X, Y))
        else:
            thing.train_epoch(X, Y, MOMENTUM, batch_size=4)
    return thing


def things():
    net, trainer = network("kp"), fa.Trainer(network(), fa.Adam(0.01), epochs=2, progress=False)
    return [trained(each, 1) for each in (net, fa.Ensemble([network(), network("bp")]), trainer)]


def assert_trained(theirs):
    """What came back is what it would have become here."""
    for mine, other in zip([trained(each, 2) for each in things()], theirs, strict=True):
        assert cases.digest(other) == cases.digest(mine)


def train_in_a_worker(method):
    context = multiprocessing.get_context(method)
    with warnings.catch_warnings(), ProcessPoolExecutor(1, mp_context=context) as pool:
        warnings.simplefilter("ignore", DeprecationWarning)  # of any fork beside threads
        assert_trained(list(pool.map(trained, things(), [2, 2, 2])))


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_workers_of_multiprocessing(method):
    """From a new process: what other tests have imported may have threads that no fork survives."""
    paths = {"PYTHONPATH": os.pathsep.join(sys.path)}  # it knows this file
    code = f"import test_travel_workers as here; here.train_in_a_worker({method!r})"
    subprocess.run([sys.executable, "-W", "error", "-c", code], env=os.environ | paths, check=True)


def test_workers_of_joblib():
    joblib = pytest.importorskip("joblib", reason="needs joblib (fastfa[sweep])")
    work = [joblib.delayed(trained)(each, 2) for each in things()]
    assert_trained(joblib.Parallel(2)(work))


@pytest.mark.filterwarnings("ignore")  # of Ray
def test_workers_of_ray():
    ray = pytest.importorskip("ray", reason="needs Ray")
    workers = {"env_vars": {"PYTHONPATH": os.pathsep.join(sys.path)}}
    with ray.init(num_cpus=2, include_dashboard=False, logging_level="error", runtime_env=workers):
        work = ray.remote(trained)
        assert_trained(ray.get([work.remote(each, 2) for each in things()]))


def test_workers_of_dask(cluster):
    from distributed import Client

    with Client(cluster) as client:
        assert_trained(client.gather(client.map(trained, things(), [2, 2, 2], pure=False)))
