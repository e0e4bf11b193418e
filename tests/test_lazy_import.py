"""Modules by attribute, as Keras has them: loaded when they are first asked for."""

import subprocess
import sys

import pytest

import tinycnn


@pytest.mark.parametrize(
    "name",
    [
        *("datasets.mnist.load_data", "datasets.synthetic", "datasets.idx.read_idx"),
        *("utils.to_categorical", "callbacks.EarlyStopping", "optimizers.schedules.CosineDecay"),
        *("plotting.plot_history", "gradient_check.check_layer", "model_selection.cross_validate"),
        *(
            "explorer.export",
            "inspection",
            "keras_weights",
            "kernels.reference",
            "losses",
            "metrics",
            "models",
        ),
    ],
)
def test_a_module_by_attribute(name):
    code = f"import tinycnn as keras; keras.{name}; from tinycnn import {name.split('.')[0]}"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_a_name_that_is_not_there():
    for module, name in ((tinycnn, "tinycnn"), (tinycnn.datasets, "tinycnn.datasets")):
        with pytest.raises(AttributeError, match=f"module '{name}' has no attribute 'cifar'"):
            module.cifar  # noqa: B018
        assert not hasattr(module, "_modules_")


def test_dir_lists_what_can_be_had():
    assert {"datasets", "utils", "Conv2D", "gradient_check"} <= set(dir(tinycnn))
    assert {"mnist", "synthetic", "idx"} <= set(dir(tinycnn.datasets))
