"""What `compare.py` makes of its measurements: the figures, the table, the picture."""

import statistics
from itertools import zip_longest

import numpy as np

# Name: title, the modules it needs, colour (Okabe and Ito's), marker.
NAMES = {
    "numba": ("tinycnn (Numba)", (), "#0072B2", "o"),
    "numpy": ("tinycnn (NumPy)", (), "#56B4E9", "v"),
    "keras": ("Keras, TensorFlow", ("keras", "tensorflow"), "#D55E00", "s"),
    "keras-jit": ("Keras, XLA", ("keras", "tensorflow"), "#E69F00", "D"),
    "pytorch": ("PyTorch", ("torch",), "#009E73", "^"),
}
PEERS = ("keras", "keras-jit", "pytorch")


def dense_flops(model, training, validation):
    """Floating-point operations of an epoch that does all of the dense work.

    Two for each multiply-add: forward for all images; for those of training the gradients of the
    kernels and of the layers' inputs too, but for the first layer's, which nobody reads. Outputs
    that a pool then drops are computed, as a dense engine does.

    Args:
        model: a built Sequential of convolutions, dense layers and what costs nothing beside them.
        training: number of images.
        validation: number of images.
    """
    forward = [
        2 * int(np.prod(layer.output_shape[:-1])) * layer.kernel.value.size
        for layer in model.layers
        if hasattr(layer, "kernel")
    ]
    return training * (3 * sum(forward) - forward[0]) + validation * sum(forward)


def seconds_of(result):
    """Of a competitor's epochs, by round."""
    return [figures["seconds"] for figures in result["rounds"]]


def ratios(seconds, ours):
    """Round by round, how many times as long as `ours`; rounds that lack one are left out."""
    return [theirs / own for theirs, own in zip(seconds, ours, strict=False)]


def time_to(accuracy, rounds):
    """Seconds of training, validation included, until the test accuracy is reached, or None."""
    spent = 0.0
    for figures in rounds:
        spent += figures["seconds"]
        if figures["test_accuracy"] >= accuracy:
            return spent
    return None


def summarize(results, training, flops, peaks):
    """The figures of the table. {name: {title of a row: figure or None}}."""
    ours = seconds_of(next(iter(results.values())))
    summary = {}
    for name, result in results.items():
        seconds = seconds_of(result)
        median = statistics.median(seconds)
        summary[name] = {
            "seconds per epoch, median": median,
            "  minimum": min(seconds),
            "  maximum": max(seconds),
            "  rounds": len(seconds),
            "times as long as the first column, median": statistics.median(ratios(seconds, ours)),
            "images trained on per second": training / median,
            "share of the dense floor, %": 100 * flops / (max(peaks) * 1e9) / median,
            "seconds of epochs to 98% test accuracy": time_to(0.98, result["rounds"]),
            "  to 99%": time_to(0.99, result["rounds"]),
            "test accuracy after the last round, %": 100 * result["rounds"][-1]["test_accuracy"],
            "peak memory, MB": result["peak_memory"],
            "start to first losses, seconds": result["first_losses_after"],
            "start to exit, seconds": result.get("start_to_exit"),
            "other programs, core seconds in an epoch, at most": disturbance(result),
        }
    return summary


def disturbance(result):
    """The most that other programs worked during an epoch, or None where that is not told."""
    seconds = [figures["seconds_of_others"] for figures in result["rounds"]]
    return None if None in seconds else max(seconds)


def shares_of_others(results, cores):
    """By round, what other programs took of the cores' time in the turn that they took most of."""
    rounds = zip_longest(*(result["rounds"] for result in results.values()))
    shares = []
    for turns in rounds:
        found = [(turn["seconds_of_others"], turn["seconds"]) for turn in turns if turn]
        known = all(others is not None for others, _ in found)
        shares.append(max(o / (s * cores) for o, s in found) if known else None)
    return shares


def table(summary):
    """The summary as text: a row for each figure, a column for each competitor."""

    def cell(figure):
        if figure is None:
            return "-"
        return f"{figure:,.2f}" if isinstance(figure, float) and figure < 200 else f"{figure:,.0f}"

    rows = [["", *(NAMES[name][0] for name in summary)]]
    rows += [
        [title, *(cell(figures[title]) for figures in summary.values())]
        for title in next(iter(summary.values()))
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            text.rjust(width) if i else text.ljust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def against_the_faster(results):
    """Round by round, the faster of the peers against the first competitor; [] without a peer."""
    peers = [seconds_of(results[name]) for name in PEERS if name in results]
    ours = seconds_of(next(iter(results.values())))
    return ratios([min(turns) for turns in zip(*peers, strict=True)], ours) if peers else []


def picture(results, floor, title, subtitle):
    """Seconds per epoch, and test accuracy over time. A matplotlib Figure, 11 x 4.8 inches.

    Args:
        results: as `compare` returns them.
        floor: seconds of an epoch done densely at sgemm's peak.
        title: what was measured.
        subtitle: on what.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.8), layout="constrained")
    bars, curves = figure.subplots(1, 2)
    for place, (name, result) in enumerate(results.items()):
        label, _, colour, marker = NAMES[name]
        seconds = seconds_of(result)
        bars.barh(place, statistics.median(seconds), color=colour, alpha=0.8)
        bars.plot(seconds, [place] * len(seconds), "|", color="black", markersize=12)
        bars.annotate(
            f"{statistics.median(seconds):.2f} s",
            (max(seconds), place),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
        )
        accuracies = [100 * figures["test_accuracy"] for figures in result["rounds"]]
        curves.plot(np.cumsum(seconds), accuracies, f"{marker}-", color=colour, label=label)
    bars.axvline(floor, color="black", linestyle=":", label="all dense work at sgemm's peak")
    bars.set_yticks(range(len(results)), [NAMES[name][0] for name in results])
    bars.invert_yaxis()
    bars.margins(x=0.18, y=0.12)
    bars.set(xlabel="seconds per epoch, validation included", title="bar: median; tick: a round")
    for level in (98, 99):
        curves.axhline(level, color="gray", linestyle="--", linewidth=0.8)
    curves.set(
        xlim=(0, None),
        xlabel="seconds of epochs, validation included",
        ylabel="test accuracy, %",
        title="after each epoch",
    )
    for axes in (bars, curves):
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    figure.suptitle(title)
    figure.supxlabel(subtitle, fontsize="small", color="dimgray", wrap=True)
    return figure
