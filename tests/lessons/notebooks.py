"""A real notebook: cells run in a fresh kernel, as Jupyter runs them."""

import os

import pytest
from lessons import ROOT

REASON = "needs ipykernel, nbclient and jupytext: the extra `notebook`"


def run(notebook, folder, **environment):
    """The notebook with its results; skips the test where no kernel can be started."""
    for package in ("ipykernel", "jupytext"):
        pytest.importorskip(package, reason=REASON)
    nbclient = pytest.importorskip("nbclient", reason=REASON)
    before = dict(os.environ)
    # The kernel is a process of its own, with a folder of its own for what it keeps.
    os.environ.update(
        PYTHONPATH=str(ROOT),
        IPYTHONDIR=str(folder / "ipython"),
        JUPYTER_RUNTIME_DIR=str(folder / "jupyter"),
        TINYCNN_KERNELS="numpy",
        **environment,
    )
    try:
        client = nbclient.NotebookClient(
            notebook, timeout=600, resources={"metadata": {"path": str(folder)}}
        )
        return client.execute()
    finally:
        os.environ.clear()
        os.environ.update(before)


def run_cells(folder, *sources, **environment):
    """The outputs of each cell, for sources of code."""
    nbformat = pytest.importorskip("nbformat", reason=REASON)
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in sources])
    return [cell.outputs for cell in run(made, folder, **environment).cells]


def printed(outputs):
    """What a cell printed."""
    return "".join(output.text for output in outputs if output.output_type == "stream")


def shown(outputs, kind):
    """The values and displays of a cell that have this MIME type."""
    return [output.data[kind] for output in outputs if kind in output.get("data", {})]
