"""A figure that a notebook shows, whatever backend is set there."""

from __future__ import annotations

import io

from matplotlib.figure import Figure


class ShownFigure(Figure):
    """A figure made without pyplot, for which IPython would otherwise show its name alone.

    Where ``%matplotlib inline`` was said, IPython draws it in its own way and doesn't ask here.
    """

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        """The picture, and the width and height in pixels at which it is shown."""
        file = io.BytesIO()
        self.savefig(file, format="png")
        width, height = self.get_size_inches() * 100
        return file.getvalue(), {"width": round(width), "height": round(height)}
