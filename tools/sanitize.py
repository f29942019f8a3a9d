"""Runs tests against a build with sanitizers, whose reports end the process and so fail the test.

    python tools/sanitize.py address build/sanitize/address tests/embedding/test_capi.py …

The build's folder goes before installed packages. GCC's runtime must be the first library of the
process, so it is preloaded; Python and NumPy are as they are. FASTFA_ISA chooses the kernels.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OPTIONS = {
    # Python doesn't give back what it still has at the end, so leaks can't be told from that. What is
    # too large is an error of the caller's here as elsewhere.
    "address": {
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:detect_stack_use_after_return=0",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    },
    # A signal handler of Python's and a fork beside threads are meant to work here.
    "thread": {
        "TSAN_OPTIONS": "halt_on_error=1:allocator_may_return_null=1:report_signal_unsafe=0:"
        "die_after_fork=0"
    },
}
LEFT_OUT = (
    # It limits the address space, of which sanitizers reserve terabytes.
    "tests/feedback/test_robust_feedback.py::test_memory_that_runs_out_leaves_a_usable_network",
    # Ctrl-C waits for the end of a block of examples, which takes a minute under ThreadSanitizer.
    "tests/feedback/test_robust_feedback.py::test_alignment_can_be_interrupted",
    # AddressSanitizer keeps what is freed for a while, so that the peak of memory says nothing of leaks.
    "tests/network/test_arrays.py::test_making_training_and_dropping_networks_leaks_nothing",
    # Its program, in C, begins without the sanitizer's runtime.
    "tests/core/test_locks.py::test_kernels_come_from_the_librarys_own_folder_wherever_the_process_goes",
    # Two kernels do the same sums, which -O1 rounds apart by more than 1e-6 of a small weight.
    "tests/core/test_stepwise_calls.py::test_feedback_switched_after_the_pass_leaves_its_deltas",
)


def runtime(name: str) -> str:
    """GCC's library of that name."""
    gcc = os.environ.get("CXX", "g++")
    return subprocess.run(
        [gcc, f"-print-file-name={name}"], check=True, capture_output=True, text=True
    ).stdout.strip()


def main() -> int:
    kind, site, *tests = sys.argv[1:]
    if not (Path(site) / "fastfa").is_dir():
        raise SystemExit(f"{site} was given; it must have a build, which make {site}/.built makes")
    library = {"address": "libasan.so", "thread": "libtsan.so"}[kind]
    environment = {
        **os.environ,
        **OPTIONS[kind],
        "LD_PRELOAD": f"{runtime(library)} {runtime('libstdc++.so')}",
        "PYTHONPATH": str(Path(site).resolve()),
        "OPENBLAS_NUM_THREADS": "1",
    }
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--maxfail=10",
        "-n",
        os.environ.get("TEST_PROCESSES", "logical"),
        "--dist",
        "worksteal",
        "-p",
        "no:cacheprovider",
        *tests,
    ]
    command += [f"--deselect={test}" for test in LEFT_OUT]
    # ThreadSanitizer of GCC 12 wants memory where it was laid out before Linux randomised more of it.
    plain = ["setarch", platform.machine(), "-R"]
    allowed = (
        shutil.which("setarch") and subprocess.run([*plain, "true"], check=False).returncode == 0
    )
    if kind == "thread" and allowed:
        command = [*plain, *command]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
