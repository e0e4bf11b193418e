"""Small scripts in the style of public tutorials: on Keras, and on tinycnn with other import lines.

    python -m pytest -m reference tests/keras_names/test_keras_scripts.py
    python tests/keras_names/keras_scripts_run.py          # a line a script, with its differences

`keras_scripts_run.py` says what is compared.
"""

import ast
import re

import keras_scripts_run as scripts
import numpy as np
import pytest

import tinycnn

# Losses after ten or twenty steps of Adam or SGD in float32, from equal weights: measured up to
# 4e-6. A metric is a share of at most 320 samples: a single other answer would be 3e-3.
TOLERANCE = 2e-5


@pytest.mark.parametrize("name", scripts.NAMES)
def test_only_import_lines_change(name):
    before, after = (scripts.text_of(name, ours).splitlines() for ours in (False, True))
    changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    assert changed and all(re.match("(import|from) ", a) for a, _ in changed)
    assert not re.search(r"^\s*(import|from) (keras|tensorflow)", "\n".join(after), re.MULTILINE)
    assert ast.get_docstring(ast.parse("\n".join(before)))


def test_there_are_forty_or_more():
    assert len(scripts.NAMES) >= 40
    assert sum(not scripts.is_noisy(name) for name in scripts.NAMES) >= 40


@pytest.mark.reference
@pytest.mark.parametrize("name", scripts.NAMES)
def test_a_script_does_the_same_as_on_keras(name, tmp_path):
    pytest.importorskip("tensorflow", reason="no TensorFlow")
    keras = scripts.import_keras()
    (tmp_path / "keras").mkdir()
    (tmp_path / "tinycnn").mkdir()
    classes = [keras.Sequential, keras.Model]
    theirs = scripts.in_folder(tmp_path / "keras", name, keras, classes, False)
    ours = scripts.in_folder(tmp_path / "tinycnn", name, tinycnn, [tinycnn.Model], True)
    assert ours.printed == theirs.printed
    assert [method for method, _ in ours.calls] == [method for method, _ in theirs.calls]
    for (method, a), (_, b) in zip(theirs.calls, ours.calls, strict=True):
        for (key, values), (our_key, our_values) in zip(
            scripts.flat(a), scripts.flat(b), strict=True
        ):
            assert our_key == key and our_values.shape == values.shape, method
            if not scripts.is_noisy(name):
                np.testing.assert_allclose(our_values, values, TOLERANCE, TOLERANCE, err_msg=key)
