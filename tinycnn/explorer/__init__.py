"""The explorer: one offline page of your own model, in which every number adds up.

    python -m tinycnn.explorer model.npz -o page.html

`export` makes the page. It opens by a double click, without a network. It shows every layer's maps
and gradients for a sample or a digit that is drawn on it, and of each number the products and sums
that make it, forward and backward.

`engine.js` is the arithmetic, with the names and formulas of `kernels/reference/`; `explain.js`
takes one number apart, and `view.js` is what is seen. Read them in that order.
"""

from tinycnn.explorer.page import export

__all__ = ["export"]
