"""Keras's weight files: the functions of `interop/keras_weights.py`, under their first name."""

from tinycnn.interop.keras_weights import load_weights, save_weights

__all__ = ["load_weights", "save_weights"]
