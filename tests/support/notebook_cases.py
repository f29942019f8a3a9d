"""A notebook run by a kernel of this Python."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys

import pytest

needs_kernel = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("nbclient", "ipykernel", "matplotlib")),
    reason="needs nbclient, ipykernel and matplotlib",
)

EXECUTE = """
import sys, nbformat
from nbclient import NotebookClient
path = sys.argv[1]
notebook = nbformat.read(path, as_version=4)
NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
nbformat.write(notebook, path)
"""


def executed(notebook, folder):
    """The outputs of each cell, once a kernel of this Python has run it."""
    path = folder / "run.ipynb"
    path.write_text(json.dumps(notebook))
    places = {f"JUPYTER_{name}_DIR": str(folder) for name in ("CONFIG", "DATA", "RUNTIME")}
    done = subprocess.run(
        [sys.executable, "-c", EXECUTE, path],
        env=os.environ | places | {"IPYTHONDIR": str(folder), "JUPYTER_PLATFORM_DIRS": "1"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {
        cell["id"]: cell["outputs"]
        for cell in json.loads(path.read_text())["cells"]
        if cell["cell_type"] == "code"
    }


def notebook_of(cells):
    """A notebook of code cells: their names and sources."""
    made = [
        {"cell_type": "code", "id": name, "metadata": {}, "source": source, "outputs": []}
        | {"execution_count": None}
        for name, source in cells.items()
    ]
    return {"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
