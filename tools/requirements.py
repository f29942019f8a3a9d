"""Print requirements, a line each, from where they are declared: ``pyproject.toml``.

    python tools/requirements.py build base test      # build requirements, dependencies, an extra

Names are ``build`` (the build system's), ``base`` (the package's own) and extras.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


def requirements(*names: str) -> list[str]:
    """Those of all names, in their order, each once. An extra may consist of others: ``fastfa[a,b]``."""
    declared = tomllib.loads(PROJECT.read_text(encoding="utf-8"))
    groups = declared["project"]["optional-dependencies"] | {
        "build": declared["build-system"]["requires"],
        "base": declared["project"]["dependencies"],
    }
    found: list[str] = []
    for name in names:
        if name not in groups:
            raise SystemExit(f"there is no {name!r}; it must be one of {', '.join(groups)}")
        for each in groups[name]:
            within = re.fullmatch(r"fastfa\[(.*)\]", each)
            found += requirements(*within[1].split(",")) if within else [each]
    return list(dict.fromkeys(found))


if __name__ == "__main__":
    print("\n".join(requirements(*sys.argv[1:])))
