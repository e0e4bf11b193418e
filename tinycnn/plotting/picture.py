"""Picture: a matplotlib Figure that a notebook shows. Importing this file imports matplotlib."""

import io

from matplotlib.figure import Figure


class Picture(Figure):
    """A Figure that shows itself as the value of a notebook's cell.

    A notebook shows a plain Figure only once pyplot has been set up (`%matplotlib inline`), and
    tinycnn never touches pyplot.
    """

    def _repr_png_(self) -> tuple[bytes, dict[str, str]]:
        """The picture as a PNG file: what Jupyter asks a cell's value for.

        With it goes what a screen reader says in its place: the titles.
        """
        file = io.BytesIO()
        self.savefig(file, format="png")
        titles = [self.get_suptitle()]
        titles += [axes.get_title(place) for axes in self.axes for place in ("left", "center")]
        return file.getvalue(), {"alt": ", ".join(title for title in titles if title)}
