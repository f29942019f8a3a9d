"""What experiments write: strict JSON of few digits."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..atomic import atomic_write


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Strict JSON, all or nothing; numbers with 9 significant digits, NaN and infinities as null."""
    with atomic_write(path) as file:
        file.write((json.dumps(plain(content), indent=1) + "\n").encode())


def plain(value: Any) -> Any:
    """What JSON can say: floats of 9 digits, null for NaN and infinities, lists for arrays."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.9g}") if math.isfinite(value) else None
    return value
