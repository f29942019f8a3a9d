"""Docstrings name things as Sphinx does, :class:`Dense`; the site's references are Markdown's."""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:class|func|meth|mod):`([\w.]+)`")


class Roles(griffe.Extension):
    """:class:`Dense` → [`Dense`][fastfa.layers.Dense]: a name means what it means in its module."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is None:
            return

        def reference(match: re.Match[str]) -> str:
            name = match[1]
            try:
                path = name if name.startswith("fastfa.") else obj.resolve(name)
            except griffe.NameResolutionError:  # not imported where it is named
                path = f"fastfa.{name}"
            return f"[`{name}`][{path}]"

        obj.docstring.value = _ROLE.sub(reference, obj.docstring.value)
