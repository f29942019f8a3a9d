"""What is known of a dataset by its name."""

from __future__ import annotations

from .local import LOCAL_DATASETS
from .registry import DATASETS, DatasetInfo


def dataset_info(name: str) -> DatasetInfo:
    """What is known of the dataset called `name`, of `DATASETS` or of `LOCAL_DATASETS`.

    Raises
    ------
    TypeError
        `name` is not a string.
    ValueError
        There is no dataset of this name; the message lists those there are, and any that are
        spelled like it.
    """
    if not isinstance(name, str):
        raise TypeError(f"[data] name was {name!r}; it must be a string")
    if name in DATASETS:
        return DATASETS[name]
    if name in LOCAL_DATASETS:
        return LOCAL_DATASETS[name]
    import difflib  # only for the message

    known = [*sorted(DATASETS), *sorted(LOCAL_DATASETS)]
    close = difflib.get_close_matches(name.lower().replace("_", "-"), known, n=2)
    meant = f" (did you mean {' or '.join(close)}?)" if close else ""
    raise ValueError(f"[data] name was {name!r}{meant}; it must be one of {', '.join(known)}")
