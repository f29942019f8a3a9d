"""The progress bar: of the terminal, or of the notebook."""

from __future__ import annotations

import warnings
from typing import Any


def progress_bar(shown: bool, **options: Any) -> Any:
    """tqdm's bar: a widget where a notebook has ipywidgets, else lines on standard error."""
    from tqdm import TqdmWarning  # not at import: `import fastfa` is to stay quick

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TqdmWarning)  # without ipywidgets the lines will do
        from tqdm.auto import tqdm
    return tqdm(disable=not shown, **options)
