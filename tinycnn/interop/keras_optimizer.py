"""The state of an optimizer as Keras's files hold it: its variables, in their order.

They are the number of steps, the learning rate unless it follows a schedule, and the optimizer's
arrays for each parameter that learns. Our names of these arrays are the optimizers' `slots`.

Source: the `build` of each class in keras/src/optimizers/.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tinycnn.optimizers import OPTIMIZERS, Optimizer
from tinycnn.parameter import Parameter
from tinycnn.support import console
from tinycnn.utils import Array

# For each group of slots come all parameters, and for each of these the slots side by side.
SLOTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "Adadelta": (("mean_square", "mean_square_step"),),
    "Adagrad": (("sum_of_squares",),),
    "Adam": (("m", "v"), ("v_max",)),
    "AdamW": (("m", "v"), ("v_max",)),
    "Nadam": (("m", "v"),),
    "RMSprop": (("mean_square",), ("velocity",), ("mean_gradient",)),
    "SGD": (("velocity",),),
}


def variables(
    compiled: Mapping[str, Any],
    learning: Sequence[tuple[str, Array]],
    arrays: Mapping[str, Array],
    dtype: str,
) -> dict[str, Array]:
    """Keras's variables of an optimizer, by their names and in their order.

    An optimizer that has made no step yet has the arrays that it begins with: Keras warns of a file
    without them.

    Args:
        compiled: what `Stateful.state` says under "compile".
        learning: names and values of the parameters that training changes.
        arrays: what `Stateful.state` returns.
        dtype: the model's.
    """
    optimizer, title = _made(compiled), compiled["optimizer"]["class"].lower()
    optimizer.build([Parameter(name, value) for name, value in learning])
    steps = compiled["iterations"]
    found = {f"{title}/iteration": np.asarray(steps, np.int64)}
    if optimizer.schedule is None:
        found[f"{title}/learning_rate"] = np.asarray(optimizer.learning_rate, dtype)
    for i, slot in _in_order(optimizer, len(learning)):
        array = arrays.get(f"optimizer/{i}/{slot}", optimizer.state[i][slot])
        found[f"{title}/{learning[i][0]}_{slot}"] = array
    if title == "nadam":
        # The product of its momenta so far, which follows from the number of steps. Of so many as
        # 100,000 it is 0.
        shares = 1 - 0.5 * 0.96 ** np.arange(1.0, min(steps, 100_000) + 1)
        product = np.prod(compiled["optimizer"]["config"]["beta_1"] * shares)
        found[f"{title}/variable"] = np.asarray(product, dtype)
    return found


def take(
    compiled: dict[str, Any],
    learning: Sequence[tuple[str, Array]],
    arrays: dict[str, Array],
    dtype: str,
    found: Sequence[Array],
) -> None:
    """Puts what `variables` returns, from a file, into `compiled` and `arrays`.

    A notice says so if it does not fit the model, and then nothing is taken: Keras warns of it.
    """
    optimizer = _made(compiled)
    places = list(_in_order(optimizer, len(learning)))
    scalars = 1 if optimizer.schedule is not None else 2
    shapes = [()] * scalars + [learning[i][1].shape for i, _ in places]
    shapes += [()] * (type(optimizer).__name__ == "Nadam")
    received = [array.shape for array in found]
    if received == [()] * scalars and not found[0]:
        return  # Keras's optimizer had not made its arrays yet
    if received != shapes:
        console.notice(
            f"the state of the optimizer, {type(optimizer).__name__}, is not read, and begins "
            "anew: what the file holds is that of other weights"
        )
        return
    compiled["iterations"] = int(found[0])
    config = compiled["optimizer"]["config"]
    if scalars == 2 and np.float32(config["learning_rate"]) != np.float32(found[1]):
        config["learning_rate"] = float(found[1])  # a callback has changed it
    for (i, slot), array in zip(places, found[scalars:], strict=False):
        arrays[f"optimizer/{i}/{slot}"] = array.astype(dtype)


def _made(compiled: Mapping[str, Any]) -> Optimizer:
    described = compiled["optimizer"]
    return OPTIMIZERS[described["class"]].from_config(described["config"])


def _in_order(optimizer: Optimizer, count: int) -> Iterator[tuple[int, str]]:
    """(number of the parameter, slot) of each of the arrays, in Keras's order."""
    for group in SLOTS[type(optimizer).__name__]:
        for i in range(count):
            yield from ((i, slot) for slot in group if slot in optimizer.slots)
