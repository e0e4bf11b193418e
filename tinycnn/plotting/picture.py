"""Picture: a matplotlib Figure that a notebook shows. Importing this file imports matplotlib."""

import io

from matplotlib.figure import Figure


class Picture(Figure):
    """A Figure that shows itself as the value of a notebook's cell.

    A notebook shows a plain Figure only once pyplot has been set up (`%matplotlib inline`), and
    tinycnn never touches pyplot.
    """

    def _repr_png_(self) -> bytes:
        """The picture as a PNG file: what Jupyter asks a cell's value for."""
        file = io.BytesIO()
        self.savefig(file, format="png")
        return file.getvalue()
