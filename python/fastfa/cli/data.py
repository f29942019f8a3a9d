"""``fastfa data``: which datasets there are, and how to get them."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from fastfa.cli.folder import check_root, place
from fastfa.data.known import dataset_info
from fastfa.data.local import LOCAL_DATASETS
from fastfa.data.places import locate
from fastfa.data.registry import DATASETS, DatasetInfo


def register(subparsers: Any) -> None:
    """Add ``data list`` and ``data fetch`` to the command line."""
    data = subparsers.add_parser("data", help="list datasets, or download one")
    actions = data.add_subparsers(dest="action", metavar="ACTION", required=True)

    listing = actions.add_parser("list", help="show the known datasets and where they are")
    listing.add_argument("--root", metavar="DIR", help="a folder to look in before the others")
    listing.set_defaults(run=run_list)

    fetch = actions.add_parser("fetch", help="download a dataset and check it")
    fetch.add_argument("name", metavar="NAME", help=", ".join(DATASETS))
    fetch.add_argument(
        "--root",
        metavar="DIR",
        help="put it into DIR/NAME (default: $FASTFA_DATA, or else the user's cache)",
    )
    fetch.add_argument("--mirror", metavar="URL", help="use this address, not the known mirrors")
    fetch.add_argument("--force", action="store_true", help="download also what is there already")
    fetch.set_defaults(run=run_fetch)


def run_list(args: argparse.Namespace) -> int:
    """Print a table of the datasets; the exit status."""
    if args.root is not None:
        check_root("data", args.root)
    rows = [("NAME", "EXAMPLES", "SIZE", "LICENCE", "WHERE")]
    rows += [_row(info, args.root) for info in (DATASETS | LOCAL_DATASETS).values()]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        print("  ".join([*cells, row[4]]))
    return 0


def run_fetch(args: argparse.Namespace) -> int:
    """Download a dataset; the exit status."""
    from tqdm import tqdm

    from fastfa.data.fetch import fetch_dataset

    fetched = fetch_dataset(
        args.name,
        None if args.root is None else place("data", "root", args.root),
        mirror=args.mirror,
        force=args.force,
        progress=sys.stderr.isatty(),
        report=lambda line: tqdm.write(line, file=sys.stderr),
    )
    if dataset_info(args.name).embedded:
        print(f"{args.name} is part of fastfa: nothing to download")
    else:
        print(f"{args.name} is in {fetched[0].path.parent}")
    return 0


def _row(info: DatasetInfo, root: str | None) -> tuple[str, str, str, str, str]:
    paths = list(locate(info.name, root).values())
    there = [path for path in paths if path is not None]
    how = f"to get it: fastfa data fetch {info.name}"
    if not info.can_be_fetched:
        how = f"to get it: {info.hint}"  # docs/data.md says more
    size = info.download_size
    if info.made_from:
        where = f"made from {info.made_from}; {how}"
    elif len(there) == len(paths):
        size = sum(os.path.getsize(path) for path in there if os.path.isfile(path))
        where = "part of fastfa" if info.embedded else str(there[0].parent)
    elif there:
        where = f"{len(there)} of {len(paths)} files in {Path(there[0]).parent}; {how}"
    else:
        where = how
    images = f"{info.train_size} + {info.test_size}"
    return info.name, images, f"{size / 1e6:.1f} MB" if size else "", info.licence, where
