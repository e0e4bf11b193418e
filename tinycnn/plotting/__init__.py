"""Pictures. Each function returns a matplotlib Figure; save it with `figure.savefig(path)`.

A notebook shows it as the value of a cell. No window is ever opened and no global state is touched
(Figure, never pyplot), so this works without a display. matplotlib is imported by the functions,
not by importing tinycnn. What is drawn comes from `tinycnn.inspection`. `title` goes under each
picture's own headline and should name the data set and the model.
"""

from tinycnn.plotting.arrays import plot_arrays, show_arrays
from tinycnn.plotting.figures import contact_sheet
from tinycnn.plotting.gradients import plot_gradients
from tinycnn.plotting.history import plot_history
from tinycnn.plotting.inside import plot_feature_maps, plot_filters, plot_grad_cam, plot_saliency
from tinycnn.plotting.machinery import plot_augmentation, plot_im2col
from tinycnn.plotting.predictions import (
    plot_confusion_matrix,
    plot_mistakes,
    plot_predictions,
    plot_reading,
)

__all__ = [
    "contact_sheet",
    "plot_arrays",
    "plot_augmentation",
    "plot_confusion_matrix",
    "plot_feature_maps",
    "plot_filters",
    "plot_grad_cam",
    "plot_gradients",
    "plot_history",
    "plot_im2col",
    "plot_mistakes",
    "plot_predictions",
    "plot_reading",
    "plot_saliency",
    "show_arrays",
]
