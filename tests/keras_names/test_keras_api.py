"""Every name of the installed Keras's public API works in tinycnn, or says what to write instead.

    python -m pytest -m reference tests/keras_names/test_keras_api.py
    python tests/keras_names/test_keras_api.py              # how many of each, room by room

There are three kinds of names: those of modules, those of objects (a model, a layer, ...), and
arguments. A name works if tinycnn has it. It answers if asking for it raises an error of one line
that names it and goes on with what it is, or what to write instead. There must be no third case.
"""

import functools
import importlib
import inspect
import sys
from types import ModuleType

import numpy as np
import pytest
from keras_scripts_run import import_keras

import tinycnn
from tinycnn.support import keras_names

pytestmark = pytest.mark.reference

WORKS, ANSWERS, NEITHER = "works", "answers", "neither"


def modules(keras):
    """All public modules of Keras by the room they are: "", "layers", "optimizers.schedules"."""
    found = {}
    waiting = [("", keras)]
    while waiting:
        room, module = waiting.pop()
        found[room] = module
        for name, value in vars(module).items():
            if isinstance(value, ModuleType) and name not in ("src", "_tf_keras"):
                inner = f"{room}.{name}".lstrip(".")
                if value.__name__ == f"keras.{inner}" and inner not in found:
                    waiting.append((inner, value))
    return found


def public(thing):
    return [name for name in dir(thing) if not name.startswith("_") and name != "src"]


def answer(ask, name):
    """What becomes of a question: whether it works, and the words of the error if not."""
    try:
        ask()
    except (AttributeError, ImportError, TypeError) as error:
        text = str(error)
        told = "\n" not in text and name in text and len(text) < 300
        told = told and any(mark in text for mark in (f" {name}: ", f"`{name}`"))
        told = told and not text.endswith("has no attribute") and "; it has " not in text
        return (ANSWERS if told else NEITHER), text
    return WORKS, ""


def module_of(room):
    """The module of tinycnn; where there is none, the answer stands for all that is in it."""
    return importlib.import_module(f"tinycnn.{room}" if room else "tinycnn")


def of_modules(keras):
    """(place, outcome, words) of every public name in every public module."""
    for room, module in sorted(modules(keras).items()):
        for name in public(module):
            yield f"{room}.{name}".lstrip("."), *asked_for(room, name)


def asked_for(room, name):
    """What becomes of a name in a room; where there is no such room, its answer is the name's."""
    outcome, words = answer(lambda: getattr(module_of(room), name), name)
    while outcome == NEITHER and room:
        inner, (room, _, last) = room, room.rpartition(".")
        outcome, words = answer(functools.partial(module_of, inner), last)
        if outcome == WORKS:
            return NEITHER, words
    return outcome, words


def objects(keras):
    """Pairs (Keras's object, tinycnn's of the same class)."""
    both = []
    for package in (keras, tinycnn):
        model = package.Sequential([package.Input((4,)), package.layers.Dense(2, "softmax")])
        model.compile(package.optimizers.Adam(), package.losses.CategoricalCrossentropy())
        x, y = np.zeros((2, 4), "float32"), np.eye(2, dtype="float32")
        history = model.fit(x, y, verbose=0)
        both.append(
            {
                "Sequential": model,
                "Dense": model.layers[0],
                "Adam": model.optimizer,
                "CategoricalCrossentropy": model.loss,
                "History": history,
                "EarlyStopping": package.callbacks.EarlyStopping(),
                "Variable": model.weights[0],
                "CosineDecay": package.optimizers.schedules.CosineDecay(0.1, 3),
                "L2": package.regularizers.L2(),
            }
        )
    return {name: (both[0][name], both[1][name]) for name in both[0]}


def of_objects(keras):
    """(place, outcome, words) of every public attribute of the objects."""
    for kind, (theirs, ours) in objects(keras).items():
        for name in public(type(theirs)):
            yield f"{kind}.{name}", *answer(functools.partial(getattr, ours, name), name)


METHODS = (
    *("fit", "compile", "evaluate", "predict", "train_on_batch", "test_on_batch"),
    *("predict_on_batch", "summary", "save", "build", "get_layer", "add"),
)
NEEDED = {
    "Activation": ["relu"],
    "Conv2D": [2, 3],
    "Dense": [2],
    "Dropout": [0.5],
    "Rescaling": [2.0],
    "RandomTranslation": [0.1, 0.1],
    "RandomRotation": [0.1],
    "RandomZoom": [0.1],
    "GaussianNoise": [0.1],
    "Reshape": [(2, 2)],
}


def classes(keras):
    """(place, Keras's class, tinycnn's) of those that both have and users instantiate."""
    for room in ("layers", "optimizers", "losses", "metrics", "callbacks", "optimizers.schedules"):
        for name in public(module := modules(keras)[room]):
            theirs, ours = getattr(module, name), getattr(module_of(room), name, None)
            if inspect.isclass(theirs) and inspect.isclass(ours) and name != "Metric":
                yield f"{room}.{name}", theirs, ours


def arguments(thing):
    """The arguments of a function, or of a class with those it hands on to its bases."""
    makers = [thing]
    if inspect.isclass(thing):
        makers = [vars(c)["__init__"] for c in thing.__mro__[:-1] if "__init__" in vars(c)]
    names = []
    for maker in makers:
        parameters = [*inspect.signature(maker).parameters.values()]
        names += [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return [n for n in dict.fromkeys(names) if n != "self"]


# Those that Keras's classes hand on to their bases, and users never write.
INSIDE = {"pool_dimensions", "pool_mode", "rank", "fn", "factor", "function", "layer"}


def of_arguments(keras):
    """(place, outcome, words) of every argument of Keras's classes and methods.

    An argument works if it is taken by name; whether the value then fits is not asked here.
    """
    for place, theirs, ours in classes(keras):
        known = tinycnn.support.keywords.keywords_of(ours)
        for name in arguments(theirs):
            if known is None or name in known or name in INSIDE:
                yield f"{place}({name}=)", WORKS, ""
                continue
            yield f"{place}({name}=)", *taken(ours.__name__, name, known)
    model = tinycnn.Sequential()
    for method in METHODS:
        theirs = getattr(keras.Sequential, method)
        known = [n for n in arguments(getattr(type(model), method))]
        for name in arguments(theirs):
            place = f"Sequential.{method}({name}=)"
            yield place, *((WORKS, "") if name in known else taken(method, name, known))


def taken(owner, name, known):
    """What becomes of an argument that tinycnn does not have, with a value that nobody expects."""
    keywords = {name: object()}
    if name in keras_names.OLD and keras_names.OLD[name][0] in known:
        return WORKS, ""
    if owner in ("Input", "InputLayer") and name in ("batch_shape", "input_shape"):
        return WORKS, ""

    def ask():
        tinycnn.support.keywords.refuse_unknown(owner, keywords, known)

    return answer(ask, name)


KINDS = {"modules": of_modules, "objects": of_objects, "arguments": of_arguments}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_no_name_of_keras_is_left_without_an_answer(kind):
    pytest.importorskip("tensorflow", reason="no TensorFlow")
    keras = import_keras()
    rows = list(KINDS[kind](keras))
    assert len(rows) > 100
    assert [(place, words) for place, outcome, words in rows if outcome == NEITHER] == []
    assert {outcome for _, outcome, _ in rows} == {WORKS, ANSWERS}


def main():
    keras = import_keras()
    print(f"Keras {keras.__version__}: names that work, that answer in one line, neither")
    for kind, rows_of in KINDS.items():
        rows = list(rows_of(keras))
        counts = {}
        for place, outcome, _ in rows:
            room = place.rpartition(".")[0] or "(top)"
            counts.setdefault(room, dict.fromkeys((WORKS, ANSWERS, NEITHER), 0))[outcome] += 1
        for room, count in sorted(counts.items()):
            print(f"  {kind:10}{room:40}", *(f"{n:6}" for n in count.values()))
        total = [sum(count[o] for count in counts.values()) for o in (WORKS, ANSWERS, NEITHER)]
        print(f"{kind} in all:", *total)
        for place, outcome, words in rows:
            if outcome == NEITHER and "-v" in sys.argv:
                print("   NEITHER", place, words)


if __name__ == "__main__":
    main()
