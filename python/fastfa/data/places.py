"""Where datasets lie on this machine."""

from __future__ import annotations

import os
from pathlib import Path

from .known import dataset_info
from .limit import path_of
from .registry import DatasetInfo

Root = str | os.PathLike[str] | None


def cache_root() -> Path | None:
    """The user's cache, ``$XDG_CACHE_HOME/fastfa`` or ``~/.cache/fastfa``; None without a home."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(cache):  # the XDG specification has relative ones ignored
        return Path(cache, "fastfa")
    try:
        return Path.home() / ".cache" / "fastfa"
    except RuntimeError:
        return None


def search_roots(root: Root = None) -> list[Path]:
    """The folders that may hold datasets, in the order in which they are looked at.

    `root` itself if given, ``$FASTFA_DATA``, the user's cache, and the system's data folders. The
    files of the dataset NAME lie in ``<root>/NAME/``.
    """
    roots: list[Path | None] = []
    if root is not None:
        roots.append(Path(root).expanduser())
    if os.environ.get("FASTFA_DATA"):
        roots.append(Path(os.environ["FASTFA_DATA"]).expanduser())
    roots.append(cache_root())
    roots += [Path("/usr/share/datasets"), Path("/usr/local/share/datasets")]
    return list(dict.fromkeys(place for place in roots if place is not None))


def check_root(where: str, root: Root) -> None:
    """Refuse a root that was given but isn't there: the others would be taken instead, unnoticed.

    Raises
    ------
    FileNotFoundError
        It is no folder.
    TypeError, ValueError
        It is no path.
    """
    if root is not None and not os.path.isdir(os.path.expanduser(path_of(where, "root", root))):
        raise FileNotFoundError(
            f"[{where}] root was {os.fspath(root)!r}; it must be a folder that is there"
        )


def folders(info: DatasetInfo, root: Root = None) -> list[Path]:
    """The folders that may hold this dataset's files."""
    if info.embedded:
        from importlib.resources import files  # slow to import, and seldom needed

        return [Path(str(files("fastfa.data"))) / info.name.replace("-", "_")]
    names = [info.name, info.folder] if info.folder else [info.name]
    return [place / name for place in search_roots(root) for name in names]


def files_in(folder: Path, info: DatasetInfo) -> dict[str, Path | None]:
    """Each file of the dataset, plain or else gzip, in this folder; None if it is not there.

    TIMIT's are folders, whose names are in capitals on some discs.
    """
    found: dict[str, Path | None] = {}
    if info.format == "timit":
        for file in info.files:
            spelled = (folder / file.name, folder / file.name.upper())
            found[file.name] = next((path for path in spelled if os.path.isdir(path)), None)
        return found
    for file in info.files:
        candidates = [folder / file.name]
        if info.format in ("idx", "amat"):
            candidates.append(folder / f"{file.name}.gz")
        # os.path.isfile is False, where Path.is_file raises, in a folder that may not be read.
        found[file.name] = next((path for path in candidates if os.path.isfile(path)), None)
    return found


def locate(name: str, root: Root = None) -> dict[str, Path | None]:
    """Tell which file of a dataset is found where, without opening any.

    All files come from one folder: the first that has them all, or else the first that has any.

    Parameters
    ----------
    name : str
        One that `load` takes. A set that is made from another lies where that other does.
    root : str or path-like, optional
        A folder to look in before the others; it must be there. ``mnist-mini`` always comes from the
        package.

    Returns
    -------
    dict of str to (pathlib.Path or None)
        By name without ``.gz``, in the order of ``dataset_info(name).files``: for IDX training
        images, training labels, test images, test labels. None for a file that is not there.

    Raises
    ------
    FileNotFoundError
        `root` is no folder.
    ValueError
        There is no dataset of this name.
    """
    info = dataset_info(name)
    check_root("locate", root)
    if info.made_from:
        return locate(info.made_from, root)
    some: dict[str, Path | None] = dict.fromkeys(file.name for file in info.files)
    for folder in folders(info, root):
        found = files_in(folder, info)
        if all(found.values()):
            return found
        if not any(some.values()):
            some = found
    return some
