"""Arrays and plain values as bytes, for the pipe between the grader and a student's process.

A message is its length, the length of a JSON text, the text, and the bytes of all arrays. Nothing
in it is ever executed: a student's process can send numbers and words only. As calls.py, this file
needs NumPy alone.
"""

import json
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
NUMBER = 8  # bytes of a length


def pack(value: Any) -> bytes:
    """A message of dicts, lists, tuples, arrays, numbers, texts, True, False and None."""
    arrays: list[bytes] = []
    text = json.dumps(_plain(value, arrays)).encode()
    body = len(text).to_bytes(NUMBER, "big") + text + b"".join(arrays)
    return len(body).to_bytes(NUMBER, "big") + body


def unpack(data: bytes) -> list[Any]:
    """All complete messages.

    Raises:
        ValueError: if the bytes are not messages.
    """
    values = []
    while len(data) >= NUMBER:
        end = NUMBER + int.from_bytes(data[:NUMBER], "big")
        if len(data) < end:
            break  # the process ended in the middle of it
        values.append(_message(data[NUMBER:end]))
        data = data[end:]
    return values


def _message(body: bytes) -> Any:
    start = NUMBER + int.from_bytes(body[:NUMBER], "big")
    try:
        value, rest = _value(json.loads(body[NUMBER:start]), body[start:])
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"not a message: {error}") from error
    if rest:
        raise ValueError("not a message: bytes are left over")
    return value


def _plain(value: Any, arrays: list[bytes]) -> Any:
    if isinstance(value, np.ndarray):
        arrays.append(np.ascontiguousarray(value).tobytes())
        return {"is": "array", "dtype": value.dtype.str, "shape": list(value.shape)}
    if isinstance(value, tuple):
        return {"is": "tuple", "of": [_plain(one, arrays) for one in value]}
    if isinstance(value, list):
        return [_plain(one, arrays) for one in value]
    if isinstance(value, dict):
        names = list(value)
        return {"is": "dict", "keys": names, "of": [_plain(value[name], arrays) for name in names]}
    return value


def _value(plain: Any, data: bytes) -> tuple[Any, bytes]:
    if isinstance(plain, dict) and plain["is"] == "array":
        dtype, shape = np.dtype(plain["dtype"]), tuple(plain["shape"])
        if dtype.kind not in "biuf" or any(type(n) is not int or n < 0 for n in shape):
            raise ValueError("not a message: an array of something else than numbers")
        size = int(np.prod(shape, dtype=object)) * dtype.itemsize
        if size > len(data):
            raise ValueError("not a message: bytes are missing")
        return np.frombuffer(data[:size], dtype).reshape(shape).copy(), data[size:]
    if not isinstance(plain, (dict, list)):
        return plain, data
    values = []
    for one in plain if isinstance(plain, list) else plain["of"]:
        value, data = _value(one, data)
        values.append(value)
    if isinstance(plain, list):
        return values, data
    if plain["is"] == "tuple":
        return tuple(values), data
    return dict(zip(plain["keys"], values, strict=True)), data
