"""Keras's descriptions of models, to and from the plain values that `Stateful.state` returns.

Keras describes every object as {"module", "class_name", "config", "registered_name"}, in `.h5`
files and in Keras 2 as {"class_name", "config"}. The names of its settings are ours. Where Keras
has more of them, ours correspond to one value of each, and a file that has another one is refused.
Only names of closed lists become objects, and no module that a file names is imported.

Source: keras/src/saving/serialization_lib.py, keras/src/legacy/saving/, and the `get_config` of
each class.
"""

from collections.abc import Collection, Mapping
from typing import Any

from tinycnn import losses
from tinycnn.errors import ModelFileError
from tinycnn.initializers import INITIALIZERS
from tinycnn.layers import LAYERS
from tinycnn.losses import LOSSES
from tinycnn.metrics import CLASSES, METRICS
from tinycnn.optimizers import OPTIMIZERS
from tinycnn.optimizers.schedules import SCHEDULES
from tinycnn.support import console
from tinycnn.support.arguments import printable
from tinycnn.support.keywords import keywords_of
from tinycnn.utils import snake_case

Config = dict[str, Any]

# The one value, or the values, of those settings of Keras's that we do not have. None always means
# that a setting is not used.
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "amsgrad": (False,),
    "axis": (-1, [-1]),
    "data_format": ("channels_last",),
    "decay": (0.0,),
    "dilation_rate": (1, [1, 1]),
    "fill_value": (0.0,),
    "groups": (1,),
    "interpolation": ("bilinear",),
    "invert": (False,),
    "is_legacy_optimizer": (False,),
    "keepdims": (False,),
    "label_smoothing": (0.0,),
    "negative_slope": (0.0,),
    "optional": (False,),
    "ragged": (False,),
    "reduction": ("sum_over_batch_size", "auto"),
    "renorm": (False,),
    "sparse": (False,),
    "synchronized": (False,),
    "threshold": (0.0,),
    "use_ema": (False,),
}
# What has no effect: where noise comes from, what another setting has switched off, names, a
# metric's dtype, and how weights began that are in the file; `_initializer` looks at kernels and
# biases.
WITHOUT_EFFECT = frozenset(
    "beta_initializer dtype ema_momentum gamma_initializer jit_compile moving_mean_initializer "
    "moving_variance_initializer name renorm_momentum seed".split()
)
# These do nothing in inference: a model without them predicts the same.
TRAINING_ONLY = frozenset(
    "ActivityRegularization AlphaDropout AugMix AutoContrast CutMix Dropout Equalization "
    "GaussianDropout GaussianNoise MixUp RandAugment RandomBrightness RandomColorDegeneration "
    "RandomColorJitter RandomContrast RandomElasticTransform RandomErasing RandomFlip "
    "RandomGaussianBlur RandomGrayscale RandomHue RandomInvert RandomPerspective "
    "RandomPosterization RandomRotation RandomSaturation RandomSharpness RandomShear "
    "RandomTranslation RandomZoom Solarization SpatialDropout1D SpatialDropout2D".split()
)
RENAMED = {("LeakyReLU", "alpha"): "negative_slope"}  # as Keras 2 called it
MAX_AXES = 64


# --- to Keras -------------------------------------------------------------------------------------


def to_keras(content: Mapping[str, Any]) -> Config:
    """The model that `content` describes as Keras's `config.json` has it.

    Raises:
        ValueError: for a layer that Keras does not have.
    """
    policy = _object("keras", "DTypePolicy", {"name": content["dtype"]})
    shape = [None, *content["input_shape"]]
    taken = {layer["config"]["name"] for layer in content["layers"]}
    name = content.get("input_layer", "input_layer")
    while name in taken:
        name += "_"
    first = {"batch_shape": shape, "dtype": content["dtype"], "sparse": False, "name": name}
    layers = [_object("keras.layers", "InputLayer", first)]
    for layer in content["layers"]:
        if layer["class"] not in LAYERS:
            raise ValueError(
                f"Keras has no layer {layer['class']}, and would not open a file that names it: "
                "save the model in a file that ends in .npz"
            )
        config = {"trainable": layer.get("trainable", True), "dtype": policy}
        config |= {key: _to_keras(key, value) for key, value in layer["config"].items()}
        layers.append(_object("keras.layers", layer["class"], config))
    trainable = content.get("trainable", True)
    model = {"name": content["name"], "trainable": trainable, "dtype": policy, "layers": layers}
    if "input_layer" in content:
        where = "keras.src.models.functional"  # Keras has no public name for it
        described = _object(where, "Functional", {**model, **_as_graph(layers)})
    else:
        described = _object("keras", "Sequential", {**model, "build_input_shape": shape})
        described["build_config"] = {"input_shape": shape}
    if content["compile"]:
        described["compile_config"] = _compile_to_keras(content["compile"])
    return described


def _as_graph(layers: list[Config]) -> Config:
    """Says in each layer from which other one it gets its input, and returns the two ends."""
    before: list[Any] = []
    for layer in layers:
        layer["name"] = layer["config"]["name"]
        # The shape is not read again: Keras calls each layer on what the one before it returns.
        tensor = {"shape": [None], "dtype": "float32", "keras_history": before}
        argument = {"class_name": "__keras_tensor__", "config": tensor}
        layer["inbound_nodes"] = [{"args": [argument], "kwargs": {}}] if before else []
        before = [layer["name"], 0, 0]
    return {"input_layers": [layers[0]["name"], 0, 0], "output_layers": before}


def _to_keras(key: str, value: Any) -> Any:
    """One setting of a layer; initializers and regularizers are objects in Keras."""
    if key.endswith("_initializer") and isinstance(value, str):
        name = "".join(part.capitalize() for part in value.split("_"))
        config = {} if value in ("zeros", "ones") else {"seed": None}
        return _object("keras.initializers", name, config)
    if key.endswith("_regularizer") and isinstance(value, Mapping):
        return _object("keras.regularizers", value["class_name"], value["config"])
    return value


def _compile_to_keras(compiled: Mapping[str, Any]) -> Config:
    optimizer, loss = compiled["optimizer"], compiled["loss"]
    config = dict(optimizer["config"])
    if isinstance(rate := config.get("learning_rate"), Mapping):
        config["learning_rate"] = _object(
            "keras.optimizers.schedules", rate["class"], rate["config"]
        )
    return {
        "optimizer": _object("keras.optimizers", optimizer["class"], config),
        "loss": _object("keras.losses", loss["class"], loss["config"]),
        "loss_weights": None,
        "metrics": [_metric_to_keras(metric) for metric in compiled["metrics"]] or None,
        "weighted_metrics": None,
        "run_eagerly": False,
        "steps_per_execution": 1,
        "jit_compile": False,
    }


def _metric_to_keras(metric: Any) -> Any:
    """A metric by its name or, if it has settings, as an object."""
    if isinstance(metric, Mapping):
        return _object("keras.metrics", metric["class"], metric["config"])
    return metric


def _object(module: str, name: str, config: Mapping[str, Any]) -> Config:
    return {"module": module, "class_name": name, "config": config, "registered_name": None}


def plainer(described: Any) -> Any:
    """The same in the form of `.h5` files: layers without modules."""
    kept = ("class_name", "config", "name", "inbound_nodes")
    layers = [
        {key: layer[key] for key in kept if key in layer} for layer in described["config"]["layers"]
    ]
    return {
        "class_name": described["class_name"],
        "config": {**described["config"], "layers": layers},
    }


# --- from Keras -----------------------------------------------------------------------------------


def from_keras(described: Any, with_weights: bool = True) -> tuple[Config, list[str]]:
    """What `content` says of a model, without seed and counters, and the classes of Keras's layers.

    Args:
        described: Keras's description, from either form of its files.
        with_weights: the weights are in a file, so that it does not matter how they began.

    Returns:
        The content. Each layer in it has "place" besides, its place among Keras's layers, of which
        those that do nothing but train may be left out; and the classes of all of these.

    Raises:
        ModelFileError: for what tinycnn does not have; the message names it.
    """
    name, config = _unpacked(described, "the model")
    if name not in ("Sequential", "Functional", "Model"):
        raise ModelFileError(f"a model of the class {name!r:.100}, and only Sequential is known")
    if not isinstance(config.get("layers"), list):
        raise ModelFileError("its layers are not a list")
    if name != "Sequential":
        _check_chain(config)
    shape = config.get("build_input_shape")
    dtypes: list[str] = []
    layers: list[Config] = []
    classes: list[str] = []
    of_graph: Config = {}
    for class_name, settings in (_unpacked(layer, "a layer") for layer in config["layers"]):
        for key in ("batch_shape", "batch_input_shape"):  # today's name, and Keras 2's
            shape = settings.pop(key, None) or shape
        dtypes.append(_dtype(settings.pop("dtype", "float32")))
        if class_name == "InputLayer":
            _without_unknown("InputLayer", settings, ())
            if name != "Sequential":
                of_graph = {"input_layer": settings["name"]}
            continue
        if not classes:
            axes = len(_input_shape(shape))
        classes.append(class_name)
        trainable = settings.pop("trainable", True)
        if settings.get("axis") in (axes, [axes]):
            settings["axis"] = -1  # the last one, by its number
        if (axis := settings.get("axis", -1)) not in (-1, [-1]):
            raise ModelFileError(f"{class_name} has axis={axis}; here it is over the last axis")
        try:
            settings = _layer(class_name, settings, with_weights)
        except ModelFileError as error:
            if class_name not in TRAINING_ONLY:
                raise
            console.notice(f"{error}. It is left out, as it does nothing in inference")
            continue
        layer = {"class": class_name, "config": settings, "place": len(classes) - 1}
        layers.append(layer if trainable else {**layer, "trainable": False})
        if class_name == "Flatten" or class_name.startswith("Global"):
            axes = 1
        elif class_name == "Reshape":
            axes = len(settings["target_shape"])
    if len(set(dtypes)) > 1:
        raise ModelFileError(f"layers of several dtypes: {', '.join(sorted(set(dtypes)))}")
    return {
        "name": config["name"],
        "dtype": dtypes[0] if dtypes else "float32",
        "input_shape": _input_shape(shape),
        "layers": layers,
        "trainable": config.get("trainable", True),
        **of_graph,
        "compile": None,
    }, classes


def _unpacked(described: Any, what: str) -> tuple[str, Config]:
    """The class and a copy of the settings of something that Keras has described."""
    if not isinstance(described, Mapping) or not isinstance(described.get("config"), Mapping):
        raise ModelFileError(f"{what} is not described as Keras does it")
    return str(described.get("class_name")), dict(described["config"])


def _check_chain(config: Mapping[str, Any]) -> None:
    """Checks that the layers of a model of the functional API follow each other, as listed.

    Raises:
        ModelFileError: if they do not.
    """
    before = None
    for layer in config["layers"]:
        nodes = layer["inbound_nodes"]
        if before is not None and (len(nodes) != 1 or _only_input(nodes[0]) != before):
            raise ModelFileError(
                "a model of the functional API with branches, or with a layer called twice or in "
                "a special way; tinycnn has chains of layers only"
            )
        before = layer.get("name") or layer["config"]["name"]
    ends = [config["input_layers"], config["output_layers"]]
    names = [end[0][0] if isinstance(end[0], list) and len(end) == 1 else end[0] for end in ends]
    if names != [config["layers"][0]["config"]["name"], before]:
        raise ModelFileError("a model of the functional API whose input or output is in its middle")


def _only_input(node: Any) -> Any:
    """The name of the layer that a call of another got its only input from; None if there is none.

    Keras 3 writes {"args": [tensor], "kwargs": {...}}, Keras 2 [[name, 0, 0, {...}]].
    """
    if isinstance(node, Mapping):
        tensors, keywords = node["args"], node["kwargs"]
        inputs = [tensor["config"]["keras_history"] for tensor in tensors]
    else:
        inputs, keywords = node, node[0][3]
    plain = len(inputs) == 1 and all(value is None for value in keywords.values())
    return inputs[0][0] if plain else None


def _input_shape(shape: Any) -> list[int]:
    if not shape:
        raise ModelFileError("it was saved before its input shape was known")
    if not isinstance(shape, list) or len(shape) > MAX_AXES or None in shape[1:]:
        raise ModelFileError(
            f"its inputs have no fixed shape, which tinycnn needs: {printable(repr(shape), 100)}"
        )
    return shape[1:]


def _dtype(value: Any) -> str:
    name = value["config"]["name"] if isinstance(value, Mapping) else value
    if name not in ("float32", "float64"):
        raise ModelFileError(f"a layer computes in {name!r:.100}; tinycnn in float32 or float64")
    return str(name)


def _layer(name: str, settings: Config, with_weights: bool) -> Config:
    """The constructor's arguments of our layer of that name."""
    if name not in LAYERS:
        raise ModelFileError(f"tinycnn has no layer {name!r:.100}")
    config: Config = {}
    for key, value in settings.items():
        key = RENAMED.get((name, key), key)
        if key.endswith("_initializer") and key not in WITHOUT_EFFECT:
            value = _initializer(f"{name}'s {key}", value, with_weights)
        elif key.endswith("_regularizer") and isinstance(value, Mapping):
            value = {"class_name": value.get("class_name"), "config": value.get("config")}
        elif key == "activation" and isinstance(value, Mapping):
            value = value.get("config")  # a function, by its name; a layer has a dict here
        config[key] = value
    config = _without_unknown(name, config, keywords_of(LAYERS[name]) or ())
    try:
        LAYERS[name](**config)
    except (TypeError, ValueError) as error:
        raise ModelFileError(f"{name}: {error}") from None
    return config


def _initializer(what: str, value: Any, with_weights: bool) -> str:
    name = value.get("class_name") if isinstance(value, Mapping) else value
    name = snake_case(str(name))
    if name in INITIALIZERS:
        return name
    ours = "zeros" if what.endswith("bias_initializer") else "glorot_uniform"
    if not with_weights:
        raise ModelFileError(f"{what} is {name!r:.100}; known are {', '.join(INITIALIZERS)}")
    console.notice(
        f"{what} was {printable(name, 100)}, which tinycnn does not have: "
        f"new weights would begin as {ours}",
        once=True,
    )
    return ours


def _without_unknown(name: str, settings: Config, known: Collection[str]) -> Config:
    """The settings that we have, once all others are found to be what ours amount to.

    Raises:
        ModelFileError: for one that is not.
    """
    config: Config = {}
    for key, value in settings.items():
        if key in known:
            config[key] = value
        elif value is not None and key not in WITHOUT_EFFECT and value not in NEUTRAL.get(key, ()):
            raise ModelFileError(
                f"{printable(name, 100)} has {printable(str(key), 100)}="
                f"{printable(repr(value), 100)}, which tinycnn does not have"
            )
    return config


# --- how it was compiled --------------------------------------------------------------------------


def compile_from_keras(described: Any) -> Config | None:
    """What `content` says under "compile"; None, and a notice, for what tinycnn does not have.

    Args:
        described: Keras's `compile_config`, or the `training_config` of an `.h5` file.
    """
    if not described:
        return None
    try:
        return _compile_from_keras(described)
    except (ModelFileError, LookupError, TypeError, ValueError) as error:
        why = printable(f"{error}")
        console.notice(f"compile the loaded model again, its settings can't be read: {why}")
        return None


def _compile_from_keras(described: Mapping[str, Any]) -> Config:
    name, config = _unpacked(
        described.get("optimizer") or described["optimizer_config"], "the optimizer"
    )
    if name not in OPTIMIZERS:
        raise ModelFileError(f"tinycnn has no optimizer {name!r:.100}")
    rate = config.get("learning_rate")
    if isinstance(rate, Mapping):
        schedule, settings = _unpacked(rate, "the learning rate")
        if schedule not in SCHEDULES:
            raise ModelFileError(f"tinycnn has no schedule {schedule!r:.100}")
        settings = _without_unknown(schedule, settings, keywords_of(SCHEDULES[schedule]) or ())
        config["learning_rate"] = {"class": schedule, "config": settings}
    config = _without_unknown(name, config, keywords_of(OPTIMIZERS[name]) or ())
    made = OPTIMIZERS[name].from_config(config)  # raises for what it does not take
    loss = _loss(described["loss"])
    for key in ("loss_weights", "weighted_metrics"):
        if described.get(key):
            raise ModelFileError(f"it has {key}, and tinycnn has not")
    return {
        "optimizer": {"class": name, "config": made.get_config()},
        "iterations": 0,
        "loss": {"class": type(loss).__name__, "config": loss.get_config()},
        "metrics": _metrics(described.get("metrics") or []),
    }


def _loss(described: Any) -> losses.Loss:
    """The loss that Keras describes by its name, as a function, or as an object."""
    if not isinstance(described, Mapping):
        return losses.get(described)
    name, settings = str(described.get("class_name")), described.get("config")
    if name == "function":
        return losses.get(str(settings))
    if name not in LOSSES or not isinstance(settings, Mapping):
        raise ModelFileError(f"tinycnn has no loss {name!r:.100}")
    return LOSSES[name](**_without_unknown(name, dict(settings), keywords_of(LOSSES[name]) or ()))


def _metrics(described: Any) -> list[str | Config]:
    """Those metrics that tinycnn has, as its files describe them; a notice names the others."""
    names: list[str | Config] = []
    described = described if isinstance(described, list) else [described]
    if described and isinstance(described[0], list):  # Keras 2 has a list for each output
        described = described[0]
    for metric in described:
        name = metric
        if isinstance(metric, Mapping) and metric.get("class_name") in CLASSES:
            kind, known = str(metric["class_name"]), dict(metric.get("config") or {})
            settings = _without_unknown(kind, known, keywords_of(CLASSES[kind]) or ())
            names.append({"class": kind, "config": settings})
            continue
        if isinstance(metric, Mapping):
            name, config = str(metric.get("class_name")), metric.get("config")
            if name == "function":
                name = config
            elif name == "MeanMetricWrapper" and isinstance(config, Mapping):  # Keras 2's
                name = config.get("name")
            elif isinstance(config, Mapping):
                own = {key: value for key, value in config.items() if value is not None}
                plain = own.keys() <= {"name", "dtype"} and own.get("name") == snake_case(name)
                name = snake_case(name) if plain else f"{name} with {own}"
        if isinstance(name, str) and name in METRICS:
            names.append(name)
        else:
            console.notice(f"the metric {printable(repr(name), 100)} is left out: tinycnn has none")
    return names
