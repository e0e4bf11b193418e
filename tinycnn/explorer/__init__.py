"""The explorer: one offline page of your own model, in which every number adds up.

    python -m tinycnn.explorer model.npz -o page.html

`export` makes the page. It opens by a double click, without a network. It shows every layer's maps
and gradients for a sample or a digit that is drawn on it, and of each number the products and sums
that make it, forward and backward.

The page's scripts, in the order in which they are put together and best read:

    engine.js               the arithmetic, with the names and formulas of kernels/reference/
    network.js              the kinds of layers, the two folds, what is made of them
    model.js                reads the model out of the page; the check against Python; a step of SGD
    words.js                numbers and places in words, and sums whose printed terms add up
    windows.js              what is said of windows
    explain_activations.js  activations, forward and backward, and where the backward begins
    explain_forward.js      how each kind of layer makes an output
    explain_inputs.js       how each kind of layer makes the gradient at its input
    explain_parameters.js   how the gradient of a parameter adds up
    explain.js              one number taken apart
    draw.js                 strokes, and MNIST's normalisation
    maps.js                 tensors as maps and colours
    widgets.js              tables of sums, windows, the grid of numbers
    pad.js                  the pad to draw on
    story.js                the sentences and tasks that the page opens with
    change.js               editing, learning, undoing
    choice.js               what is chosen, and the address that tells of it
    overview.js             the upper half of the page
    inside.js               the inside of a layer
    view.js                 where it begins
"""

from tinycnn.explorer.page import export

__all__ = ["export"]
