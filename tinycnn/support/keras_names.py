"""Keras's names: those that are only another name of something here, and those that are not here.

Nobody needs to read this file. Every name of Keras's public API either works in tinycnn, or its
error says in one line what it is and what to write instead. A name that tinycnn's own files have is
taken from there; all others are looked up here:

- `find` answers for the names of a module: `tinycnn.layers.Convolution2D`, `tinycnn.nn.relu`.
- `attribute` answers for the names of an object: `model.trainable_weights`.
- `settled` answers for the arguments of a call: `Dense(10, input_dim=784)`.

A few of TensorFlow's names are here, too, for scripts that begin with `import tensorflow as tf`.

Source: the public API of Keras 3.15.
"""

import importlib
import sys
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import numpy as np

from tinycnn.support.arguments import did_you_mean

# --- names of modules that work -------------------------------------------------------------------

_FOLDER = "datasets.folder.image_dataset_from_directory"
# Where the thing is, by the name that Keras has for it, room by room; "" is the top.
ALIASES: dict[str, dict[str, str]] = {
    "": {
        "Loss": "losses.Loss",
        "Metric": "metrics.Metric",
        "Regularizer": "regularizers.L1L2",
        "KerasTensor": "tensors.Symbol",
        "Variable": "parameter.Parameter",
        "Tensor": "tensors.Tensor",
    },
    "layers": {
        "AvgPool2D": "layers.AveragePooling2D",
        "Convolution2D": "layers.Conv2D",
        "GlobalAvgPool2D": "layers.GlobalAveragePooling2D",
        "GlobalMaxPool2D": "layers.GlobalMaxPooling2D",
        "InputLayer": "layers.Input",
        "MaxPool2D": "layers.MaxPooling2D",
    },
    "models": {"Model": "functional.Model"},
    "optimizers.schedules": {"LearningRateSchedule": "optimizers.schedules.LearningRateSchedule"},
    "random": {"set_seed": "utils.set_random_seed"},
    "regularizers": {
        "Regularizer": "regularizers.L1L2",
        "l1": "regularizers.L1",
        "l1_l2": "regularizers.L1L2",
        "l2": "regularizers.L2",
    },
    "saving": {
        "load_model": "models.load_model",
        "load_weights": "models.load_weights",
        "save_model": "models.save_model",
        "save_weights": "models.save_weights",
    },
    "preprocessing": {"image_dataset_from_directory": _FOLDER},
    "utils": {"plot_model": "plotting.plot_model", "image_dataset_from_directory": _FOLDER},
    "math": {"confusion_matrix": "inspection.confusion_matrix"},
}
# The names of activations that TensorFlow has in `tf.nn`; `tf.math` and `tf` have some, too.
ACTIVATIONS = "elu leaky_relu relu sigmoid silu softmax softplus swish tanh".split()
for _room, _names in (
    ("nn", ACTIVATIONS),
    ("math", ["sigmoid", "softplus", "tanh", "softmax"]),
    ("", ["sigmoid", "tanh"]),
):
    ALIASES.setdefault(_room, {}).update({name: f"activations.{name}" for name in _names})


def _of_numpy(name: str) -> Callable[..., Any]:
    """The function of NumPy's, whose results also have `.numpy()`, as TensorFlow's have."""

    def function(*arguments: Any, **keywords: Any) -> Any:
        keywords.pop("name", None)  # of the operation in a graph
        result = getattr(np, name)(*arguments, **keywords)
        return importlib.import_module("tinycnn.tensors").tensor(result)

    function.__name__, function.__doc__ = name, f"np.{name}, with a Tensor as its result."
    return function


def _one_hot(indices: Any, depth: int) -> Any:
    """One-hot rows, as float32; a number that is no class gives zeros."""
    rows = np.asarray(indices)[..., np.newaxis] == np.arange(depth)
    return importlib.import_module("tinycnn.tensors").tensor(rows.astype(np.float32))


def _cast(x: Any, dtype: Any) -> Any:
    """`x` in another dtype."""
    return importlib.import_module("tinycnn.tensors").tensor(np.asarray(x).astype(dtype))


def _only(name: str, value: Any) -> Callable[[Any], None]:
    """Keras's setter of something that has one value here."""

    def setter(new: Any) -> None:
        if new != value:
            raise ValueError(f"`{name}` is always {value!r} here. Received: {new!r}")

    return setter


def _initializer(name: str) -> Callable[..., str]:
    """Keras's class of an initializer, whose name is enough here."""

    def make(seed: int | None = None) -> str:
        if seed is not None:
            raise ValueError(
                "the model's seed decides the initial weights: Sequential(..., seed=1). "
                f"Received: seed={seed!r}"
            )
        return name

    return make


def _nothing() -> None:
    """Does nothing: there is no global state to clear."""


_SETTINGS: dict[str, Any] = {
    "backend": lambda: "numpy",
    "epsilon": lambda: 1e-7,
    "floatx": lambda: "float32",
    "image_data_format": lambda: "channels_last",
    "set_backend": _only("backend", "numpy"),
    "set_epsilon": _only("epsilon", 1e-7),
    "set_floatx": _only("floatx", "float32"),
    "set_image_data_format": _only("image_data_format", "channels_last"),
}
# What needs no more than a line, and what is in NumPy.
SMALL: dict[str, dict[str, Any]] = {
    "": {
        "newaxis": None,
        "version": lambda: importlib.import_module("tinycnn").__version__,
        "cast": _cast,
        "one_hot": _one_hot,
        **{name: getattr(np, name) for name in "float32 float64 int32 int64 uint8".split()},
        **{
            theirs: _of_numpy(ours)
            for theirs, ours in {
                "abs": "abs",
                "argmax": "argmax",
                "concat": "concatenate",
                "constant": "array",
                "convert_to_tensor": "array",
                "equal": "equal",
                "expand_dims": "expand_dims",
                "ones": "ones",
                "range": "arange",
                "reduce_max": "max",
                "reduce_mean": "mean",
                "reduce_min": "min",
                "reduce_sum": "sum",
                "reshape": "reshape",
                "round": "round",
                "square": "square",
                "squeeze": "squeeze",
                "stack": "stack",
                "transpose": "transpose",
                "zeros": "zeros",
            }.items()
        },
    },
    "math": {
        theirs: _of_numpy(ours)
        for theirs, ours in {
            "abs": "abs",
            "argmax": "argmax",
            "equal": "equal",
            "exp": "exp",
            "log": "log",
            "reduce_max": "max",
            "reduce_mean": "mean",
            "reduce_min": "min",
            "reduce_sum": "sum",
            "sqrt": "sqrt",
            "square": "square",
        }.items()
    },
    "backend": {
        **_SETTINGS,
        "clear_session": _nothing,
        "get_value": lambda thing: thing.numpy() if hasattr(thing, "numpy") else thing,
        "set_value": lambda thing, value: thing.assign(value),
    },
    "initializers": {
        "GlorotNormal": _initializer("glorot_normal"),
        "GlorotUniform": _initializer("glorot_uniform"),
        "HeNormal": _initializer("he_normal"),
        "HeUniform": _initializer("he_uniform"),
        "LecunNormal": _initializer("lecun_normal"),
        "LecunUniform": _initializer("lecun_uniform"),
        "Ones": _initializer("ones"),
        "Zeros": _initializer("zeros"),
    },
    "config": {
        **_SETTINGS,
        "list_physical_devices": lambda device_type=None: [],
        "is_interactive_logging_enabled": lambda: True,
    },
    "utils": {"clear_session": _nothing},
    "test": {"is_gpu_available": lambda: False, "gpu_device_name": lambda: ""},
    "models": {
        "save_model": lambda model, filepath, **arguments: model.save(filepath, **arguments),
        "save_weights": lambda model, path, **arguments: model.save_weights(path, **arguments),
        "load_weights": lambda model, path, **arguments: model.load_weights(path, **arguments),
    },
}

# --- names of modules that are not here -----------------------------------------------------------

_PICTURES = (
    "it is not here; open pictures with Pillow: np.asarray(Image.open(path).resize((28, 28)))"
)
_SEQUENCES = "it is for sequences, and the layers here are for images; Keras has it"
_NO_OBJECTS = "models are saved as plain values here, so there is nothing to register or serialize"
_ARRAYS = "it works on nested structures of tensors, and data here are arrays"
_TEXT = "it is for text, and the layers here are for images"
_TRAINED = (
    "it is a large network with trained weights, which is not here; build one of Conv2D and Dense, "
    "or load weights with tinycnn.keras_weights"
)
_OWN_LAYER = "it is not here; write a Layer with forward and backward: examples/your_own_layer.py"
_OWN_METRIC = "it is not here; write a function (y_true, y_pred) -> number and give it to compile"
_OWN_LOSS = (
    "it is not here; write a Loss with forward and backward, or take one of tinycnn.losses.LOSSES"
)
_OWN_ACTIVATION = (
    "it is not here; take one of tinycnn.layers.activations.ACTIVATIONS, or write a Layer"
)
_DTYPES = (
    "there is no mixed precision here; a model is Sequential(..., dtype='float32' or 'float64')"
)
_MANY = "it spreads work over devices; here the processor's cores share it by themselves"

# By room, and then the names of each answer.
MISSING: dict[str, dict[str, str]] = {
    "": {
        "DTypePolicy FloatDTypePolicy": _DTYPES,
        "Function Operation": "a network here is a chain of Layers, and has no other operations",
        "Initializer": "an initializer here is a function (shape, rng, dtype) -> array",
        "InputSpec": "a Layer checks its input's shape in `build`",
        "Quantizer": "there is no quantization here",
        "RematScope remat": "it saves memory in large models, and there is no need for it here",
        "StatelessScope SymbolicScope name_scope": "there are no graphs and no scopes here",
        "device": _MANY,
        # TensorFlow's
        "GradientTape": (
            "there is no tape here: model.loss_and_gradients(x, y) returns the loss and gradients"
        ),
        "function": "every step is plain Python here; leave the decorator out",
        "Session Graph placeholder global_variables_initializer get_default_graph": (
            "it is of TensorFlow 1; write a Sequential model and call fit"
        ),
        "executing_eagerly": "everything is eager here",
        "get_logger": "there is nothing to be silenced; verbose=0 silences a training",
        "distribute": _MANY,
    },
    "activations": {
        "celu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh "
        "log_sigmoid log_softmax mish relu6 selu silu soft_shrink softplus softsign sparse_plus "
        "sparse_sigmoid sparsemax squareplus swish tanh_shrink threshold": _OWN_ACTIVATION,
    },
    "backend": {
        "get_uid is_float_dtype is_int_dtype is_keras_tensor result_type standardize_dtype": (
            "data here are NumPy's arrays: see x.dtype and np.result_type"
        ),
        # Those of Keras 2
        "function": "for inner outputs make Model(model.inputs, layer.output)",
        "gradients": "model.loss_and_gradients(x, y) returns the loss and the gradients",
        "learning_phase set_learning_phase": "write model(x, training=True)",
        "image_dim_ordering set_image_dim_ordering": "images are always (N, H, W, C) here",
        "get_session set_session tensorflow_backend": "there are no sessions here; leave it out",
        "abs argmax cast clip concatenate dot equal exp expand_dims flatten log max mean min "
        "ones pow reshape round shape sqrt square squeeze std sum transpose var zeros": (
            "data here are NumPy's arrays: write the function of that name in NumPy"
        ),
    },
    "callbacks": {
        "BackupAndRestore": "write Checkpoint('run.npz', resume=True), which resumes to the bit",
        "CallbackList": "fit takes a list of callbacks",
        "OrbaxCheckpoint": "write Checkpoint('run.npz'), or ModelCheckpoint",
        "ProgbarLogger": "fit draws the progress by itself; see verbose",
        "RemoteMonitor": "it sends events to a server; write a Callback with on_epoch_end",
        "SwapEMAWeights": "there are no averages of weights here",
        "TensorBoard": "it is not here; CSVLogger writes the history to a file",
    },
    "config": {
        "disable_flash_attention enable_flash_attention is_flash_attention_enabled": (
            "there are no attention layers here"
        ),
        "disable_interactive_logging enable_interactive_logging": "verbose=0 silences a training",
        "disable_traceback_filtering enable_traceback_filtering is_traceback_filtering_enabled": (
            "tracebacks are whole here"
        ),
        "dtype_policy set_dtype_policy": _DTYPES,
        "enable_unsafe_deserialization": "a model file here holds no code",
        "is_nnx_enabled": "it is for JAX",
        "max_epochs set_max_epochs": "give fit its epochs",
        "max_steps_per_epoch set_max_steps_per_epoch": "give fit fewer samples: x[:n], y[:n]",
        "experimental set_visible_devices": "there are no devices to choose from here",
        "experimental_list_devices run_functions_eagerly": "leave it out: every step is eager",
        "threading": "tinycnn's kernels.use and Numba's set_num_threads choose the threads",
    },
    "datasets": {
        "boston_housing california_housing": "it is no image data set; scikit-learn has it",
        "imdb reuters": _TEXT,
        "cifar10 cifar100 fashion_mnist": "it is not here yet; mnist and digits are",
    },
    "initializers": {
        "Constant constant": "write a function (shape, rng, dtype) -> np.full(shape, 0.1, dtype)",
        "RandomNormal RandomUniform TruncatedNormal": (
            "write 'random_normal', 'random_uniform' or 'truncated_normal' for the defaults, or "
            "a function (shape, rng, dtype) -> array"
        ),
        "Identity IdentityInitializer Orthogonal OrthogonalInitializer STFT STFTInitializer "
        "VarianceScaling identity orthogonal stft variance_scaling": (
            "it is not here; write a function (shape, rng, dtype) -> array"
        ),
        "Initializer": "an initializer here is a function (shape, rng, dtype) -> array",
        "deserialize serialize": "an initializer here is a name or a function",
    },
    "layers": {
        "Add Average Concatenate Dot Maximum Minimum Multiply Subtract add average concatenate dot "
        "maximum minimum multiply subtract": (
            "it joins branches, and a network here is one chain of layers, without branches"
        ),
        "Bidirectional ConvLSTM1D ConvLSTM2D ConvLSTM3D GRU GRUCell LSTM LSTMCell Masking RNN "
        "SimpleRNN SimpleRNNCell StackedRNNCells TimeDistributed": (
            "recurrent layers are not here, and images need none; Keras has them"
        ),
        "AdditiveAttention Attention GroupQueryAttention MultiHeadAttention": (
            "attention layers are not here; Keras has them"
        ),
        "CategoryEncoding Discretization Embedding HashedCrossing Hashing IntegerLookup "
        "ReversibleEmbedding StringLookup TextVectorization": _TEXT,
        "Conv1D Convolution1D": (
            "write Conv2D(filters, (size, 1)) for inputs of shape (steps, 1, channels)"
        ),
        "AveragePooling1D AvgPool1D GlobalAveragePooling1D GlobalAvgPool1D GlobalMaxPool1D "
        "GlobalMaxPooling1D MaxPool1D MaxPooling1D UpSampling1D ZeroPadding1D Cropping1D": (
            "write the layer of that name in 2D for inputs of shape (steps, 1, channels)"
        ),
        "AveragePooling3D AvgPool3D Conv3D Convolution3D Conv3DTranspose Convolution3DTranspose "
        "Cropping3D GlobalAveragePooling3D GlobalAvgPool3D GlobalMaxPool3D GlobalMaxPooling3D "
        "MaxPool3D MaxPooling3D SpatialDropout3D UpSampling3D ZeroPadding3D": (
            "it is for volumes, and the layers here are for images; Keras has it"
        ),
        "Conv1DTranspose Conv2DTranspose Convolution1DTranspose Convolution2DTranspose": (
            "it makes images larger, as in a decoder, and is not here; Keras has it"
        ),
        "DepthwiseConv1D DepthwiseConv2D SeparableConv1D SeparableConv2D SeparableConvolution1D "
        "SeparableConvolution2D": "it is not here; write Conv2D",
        "AlphaDropout GaussianDropout SpatialDropout1D SpatialDropout2D": (
            "it is not here; write Dropout"
        ),
        "GroupNormalization LayerNormalization RMSNormalization SpectralNormalization "
        "UnitNormalization": "it is not here; write BatchNormalization",
        "AugMix AutoContrast ContrastLimitedAdaptiveHistogramEqualization CutMix Equalization "
        "MaxNumBoundingBoxes MixUp Pipeline RandAugment RandomBrightness RandomColorDegeneration "
        "RandomColorJitter RandomContrast RandomCrop RandomElasticTransform RandomErasing "
        "RandomGaussianBlur RandomGrayscale RandomHue RandomInvert RandomPerspective "
        "RandomPosterization RandomSaturation RandomSharpness RandomShear Solarization "
        "RandomFlip": (
            "it is not here; RandomTranslation, RandomRotation and RandomZoom augment images"
        ),
        "CenterCrop Cropping2D": "crop the arrays: x[:, top:bottom, left:right]",
        "Resizing": "resize the pictures before the training, with Pillow's Image.resize",
        "AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D "
        "AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D": (
            "write AveragePooling2D or MaxPooling2D, with a pool_size that gives that output"
        ),
        "GlobalMaxPooling2D GlobalMaxPool2D": "it is not here yet; write GlobalAveragePooling2D",
        "ActivityRegularization": "write kernel_regularizer, which penalizes weights",
        "Identity": "write Activation('linear')",
        "InputSpec": "a Layer checks its input's shape in `build`",
        "Lambda": _OWN_LAYER + "; scale pixels with Rescaling",
        "PReLU": "write LeakyReLU, whose slope is not learned",
        "ThresholdedReLU": "write ReLU",
        "EinsumDense": "write Dense",
        "FlaxLayer JaxLayer TFSMLayer TorchModuleWrapper": "it wraps another library's layers",
        "MelSpectrogram STFTSpectrogram": "it is for sound, and the layers here are for images",
        "GaussianNoise Normalization Permute RepeatVector Reshape UpSampling2D Wrapper "
        "ZeroPadding2D": _OWN_LAYER,
        "deserialize serialize": _NO_OBJECTS,
    },
    "losses": {
        "BinaryCrossentropy BinaryFocalCrossentropy CTC CategoricalFocalCrossentropy "
        "CategoricalGeneralizedCrossEntropy CategoricalHinge Circle CosineSimilarity Dice Hinge "
        "Huber KLDivergence LogCosh MeanAbsoluteError MeanAbsolutePercentageError "
        "MeanSquaredLogarithmicError Poisson SquaredHinge Tversky binary_crossentropy "
        "binary_focal_crossentropy categorical_crossentropy categorical_focal_crossentropy "
        "categorical_generalized_cross_entropy categorical_hinge circle cosine_similarity ctc dice "
        "hinge huber kl_divergence log_cosh mean_absolute_error mean_absolute_percentage_error "
        "mean_squared_error mean_squared_logarithmic_error poisson "
        "sparse_categorical_crossentropy squared_hinge tversky": _OWN_LOSS,
        "deserialize serialize": "a loss here is a name or a Loss",
    },
    "metrics": {
        "AUC Accuracy BinaryAccuracy BinaryCrossentropy BinaryIoU CategoricalAccuracy "
        "CategoricalCrossentropy CategoricalHinge ConcordanceCorrelation CosineSimilarity F1Score "
        "FBetaScore FalseNegatives FalsePositives Hinge IoU KLDivergence LogCoshError Mean "
        "MeanAbsoluteError MeanAbsolutePercentageError MeanIoU MeanMetricWrapper MeanSquaredError "
        "MeanSquaredLogarithmicError OneHotIoU OneHotMeanIoU PearsonCorrelation Poisson Precision "
        "PrecisionAtRecall R2Score Recall RecallAtPrecision RootMeanSquaredError "
        "SensitivityAtSpecificity SparseCategoricalAccuracy SparseCategoricalCrossentropy "
        "SparseTopKCategoricalAccuracy SpecificityAtSensitivity SquaredHinge Sum "
        "TopKCategoricalAccuracy TrueNegatives TruePositives binary_accuracy binary_crossentropy "
        "binary_focal_crossentropy categorical_accuracy categorical_crossentropy "
        "categorical_focal_crossentropy categorical_hinge concordance_correlation hinge huber "
        "kl_divergence log_cosh mean_absolute_error mean_absolute_percentage_error "
        "mean_squared_error mean_squared_logarithmic_error pearson_correlation poisson "
        "sparse_categorical_accuracy sparse_categorical_crossentropy "
        "sparse_top_k_categorical_accuracy squared_hinge top_k_categorical_accuracy": _OWN_METRIC,
        "deserialize serialize": "a metric here is a name, a function or a Metric",
    },
    "models": {
        "clone_model": "write copy.deepcopy(model), or build the model again for new weights",
        "model_from_json": "build the model again, or load_model(path) what model.save wrote",
        "model_from_config": "build the model again, or load_model(path) what model.save wrote",
    },
    "nn": {
        "crelu gelu log_softmax relu6 selu": _OWN_ACTIVATION,
    },
    "optimizers": {
        "Adadelta Adafactor Adagrad Adamax Ftrl Lamb Lion Muon Nadam ScheduleFreeAdamW": (
            "it is not here; write Adam, or an Optimizer with an update_step"
        ),
        "LossScaleOptimizer MultiOptimizer OptimizerMap": "it wraps optimizers; write Adam or SGD",
        "deserialize serialize": "an optimizer here is a name or an Optimizer",
    },
    "optimizers.schedules": {
        "CosineDecayRestarts InverseTimeDecay": (
            "it is not here; write a LearningRateSchedule with a __call__(step)"
        ),
        "deserialize serialize": _NO_OBJECTS,
    },
    "preprocessing": {
        "text_dataset_from_directory": _TEXT,
        "timeseries_dataset_from_array": _SEQUENCES,
    },
    "preprocessing.image": {
        "ImageDataGenerator": (
            "begin the model with RandomTranslation, RandomRotation and RandomZoom, and call fit"
        ),
        "array_to_img img_to_array load_img save_img smart_resize": _PICTURES,
    },
    "random": {
        "SeedGenerator beta binomial categorical dropout gamma normal randint shuffle "
        "truncated_normal uniform": "write NumPy's: np.random.default_rng(0).normal(...)",
    },
    "regularizers": {
        "OrthogonalRegularizer orthogonal_regularizer": "it is not here; write L2",
        "deserialize": _NO_OBJECTS,
    },
    "saving": {
        "CustomObjectScope custom_object_scope get_custom_objects get_registered_name "
        "get_registered_object register_keras_serializable": (
            "hand a Layer of your own over when loading: load_model(path, custom_layers={...})"
        ),
        "KerasFileEditor": "it is for .keras files; Keras has it",
        "deserialize_keras_object serialize_keras_object": _NO_OBJECTS,
    },
    "utils": {
        "Config FeatureSpace Progbar split_dataset text_dataset_from_directory "
        "timeseries_dataset_from_array audio_dataset_from_directory pad_sequences": (
            "it is for other data than images; Keras has it"
        ),
        "pack_x_y_sample_weight unpack_x_y_sample_weight": (
            "it hands out batches; give fit the arrays, np.concatenate of the batches"
        ),
        "array_to_img img_to_array load_img save_img": _PICTURES,
        "CustomObjectScope custom_object_scope get_custom_objects get_registered_name "
        "get_registered_object register_keras_serializable": (
            "hand a Layer of your own over when loading: load_model(path, custom_layers={...})"
        ),
        "deserialize_keras_object serialize_keras_object": _NO_OBJECTS,
        "disable_interactive_logging enable_interactive_logging": "verbose=0 silences a training",
        "is_interactive_logging_enabled": "progress is printed where verbose says so",
        "get_file": "download it with the requests package, and check its SHA-256",
        "get_source_inputs is_keras_tensor standardize_dtype": "data here are NumPy's arrays",
        "model_to_dot": "write utils.plot_model(model, 'model.png')",
        "np_utils": "write `from tinycnn.utils import to_categorical`",
        "generic_utils vis_utils": "write the function of that name in tinycnn.utils",
        "multi_gpu_model": _MANY,
    },
}

# Rooms that are not here at all, nor anything in them.
ROOMS: dict[str, str] = {
    "applications": _TRAINED,
    "compat": "it is of TensorFlow 1; write a Sequential model and call fit",
    "constraints": "constraints on weights are not here; a kernel_regularizer keeps them small",
    "data": "tf.data makes batches; give fit the arrays: fit(x, y, batch_size=64)",
    "distillation": "training a model on another's outputs is not here; fit(x, other.predict(x))",
    "distribution": _MANY,
    "dtype_policies": _DTYPES,
    "export": "model.save writes the model here",
    "image": _PICTURES,
    "io": "read files with open() or NumPy",
    "legacy": "it is of Keras 2, and Keras 3 has left it; leave it out",
    "lite": "it is for phones; see tinycnn.keras_weights for the way to Keras, which converts",
    "mixed_precision": _DTYPES,
    "ops": "data here are NumPy's arrays; write NumPy's functions",
    "optimizers.legacy": "Keras 3 has left it; write tinycnn.optimizers",
    "quantizers": "there is no quantization here",
    "preprocessing.sequence": _SEQUENCES,
    "preprocessing.text": _TEXT,
    "saved_model": "model.save writes the model here",
    "summary": "it writes TensorBoard's logs; CSVLogger writes the history to a file",
    "tree": _ARRAYS,
    "utils.bounding_boxes": "it finds objects in images, and networks here are classifiers",
    "utils.legacy": _NO_OBJECTS,
    "visualization": "tinycnn.plotting draws predictions, filters, maps and histories",
    "wrappers": "it makes a scikit-learn estimator, and is not here",
    # Those of earlier versions, from which Keras 3 imports nothing
    "layers.advanced_activations": "write `from tinycnn.layers import LeakyReLU, ELU`",
    "layers.experimental": "write the layer of that name in tinycnn.layers",
    "train": "model.save keeps a whole model; Checkpoint('run.npz', resume=True) a training",
    "layers.merge": "branches are not here: a network is one chain of layers",
    "layers.recurrent": "recurrent layers are not here; Keras has them",
    "layers.embeddings": _TEXT,
    "utils.np_utils": "write `from tinycnn.utils import to_categorical`",
    "utils.vis_utils": "write `from tinycnn.utils import plot_model`",
    "utils.generic_utils": "write `from tinycnn.utils import ...`",
}

# --- names of objects -----------------------------------------------------------------------------

_CLASSIFY = "write model.predict(x).argmax(axis=-1)"
_BATCHES = "write {}, which takes generators, too; or give {} the arrays"
_GRAPHS = "there are no graphs here: a step is loss_and_gradients and then optimizer.update"
_NO_STATE = "layers hold their parameters themselves: see `parameters`"
_NO_FILES = "model.save and load_model keep a whole model"


def _apart(model: Any) -> list[Any]:
    """The parameters of a model or a layer that training does not change."""
    learning = {id(parameter) for parameter in _learning(model)}
    return [p for p in model.parameters if id(p) not in learning]


def _learning(thing: Any) -> list[Any]:
    """The parameters of a model or a layer that training changes."""
    return [p for p in thing.parameters if p.learns] if thing.trainable else []


_WEIGHTS: dict[str, Any] = {
    "weights": lambda thing: thing.parameters,
    "variables": lambda thing: thing.parameters,
    "trainable_weights": _learning,
    "trainable_variables": _learning,
    "non_trainable_weights": _apart,
    "non_trainable_variables": _apart,
}
_OF_LAYERS: dict[str, str] = {
    "add_loss add_metric add_variable add_weight": "a Layer makes its parameters by add_parameter",
    "compute_mask supports_masking": "there are no masks here",
    "compute_dtype dtype_policy variable_dtype input_dtype": _DTYPES,
    "compute_output_shape compute_output_spec": "see `output_shape`, or `output.shape`",
    "get_build_config build_from_config": "see `input_shape` and build",
    "input_spec": "see `input_shape`",
    "losses": "see `penalty` of the model",
    "get_losses_for get_updates_for updates add_update": _GRAPHS,
    "metrics metrics_variables": "the model holds the metrics",
    "path": "see `name`",
    "quantize quantized_build quantized_call quantization_mode "
    "get_quantization_layer_structure variable_serialization_spec": "no quantization here",
    "enable_lora lora_enabled": "there is no need of it in small networks; see `trainable`",
    "rematerialized_call symbolic_call stateless_call": "call the layer: layer(x)",
    "call": "write forward, or call it: layer(x)",
    "load_own_variables save_own_variables": _NO_STATE,
    "input_mask output_mask inbound_nodes outbound_nodes get_input_at get_output_at "
    "get_output_shape_at": "see `input` and `output`",
    "activity_regularizer bias_regularizer": "see `kernel_regularizer`",
}
# By the class, which is tinycnn's own: a function of the object if the name works, else the answer.
OBJECTS: dict[str, Mapping[str, Any]] = {
    "Network": {
        **_WEIGHTS,
        "inputs": lambda model: [model.input],
        "outputs": lambda model: [model.output],
        "metrics_names": lambda model: ["loss", *(metric.name for metric in model.metrics)],
        "reset_metrics": lambda model: _nothing,
        "reset_states": lambda model: _nothing,
        "run_eagerly": lambda model: True,
        **_OF_LAYERS,
        "predict_classes": _CLASSIFY,
        "predict_proba": "write model.predict(x), which are the probabilities",
        "fit_generator": _BATCHES.format("fit", "fit"),
        "evaluate_generator": _BATCHES.format("evaluate", "evaluate"),
        "predict_generator": "write predict, and give it the arrays",
        "compiled_loss": "see `loss`",
        "compiled_metrics compute_metrics get_metrics_result": "see `metrics` and evaluate",
        "compute_loss stateless_compute_loss": "write loss_of, after a forward",
        "train_step test_step predict_step": "write train_on_batch, test_on_batch and predict",
        "make_train_function make_test_function make_predict_function train_function "
        "test_function predict_function": _GRAPHS,
        "jit_compile": "kernels.active() says whether the compiled kernels run",
        "steps_per_execution": "every step is run by itself",
        "distribute_strategy distribute_reduction_method": _MANY,
        "get_state_tree set_state_tree": "see `get_weights` and `set_weights`",
        "get_compile_config compile_from_config": "a saved model keeps its compile settings",
        "get_config from_config to_json to_yaml": _NO_FILES,
        "save_weights load_weights": _NO_FILES + "; see also tinycnn.keras_weights",
        "export": "model.save writes a model here; tinycnn.keras_weights takes it to Keras",
        "loss_weights": "a model has one output",
        "state_updates stateful": _GRAPHS,
    },
    "Layer": {
        **_WEIGHTS,
        **_OF_LAYERS,
        "kernel_constraint bias_constraint": "constraints on weights are not here",
    },
    "Optimizer": {
        "lr": "it is `learning_rate` since Keras 2.3",
        "decay": "make a schedule the learning_rate, such as ExponentialDecay",
        "variables": "see `state`, the slots of each parameter, and `iterations`",
        "get_weights set_weights weights": "see `state`, the slots of each parameter",
        "minimize apply apply_gradients stateless_apply get_gradients get_updates": (
            "after a backward write optimizer.update(model.learning)"
        ),
        "assign assign_add assign_sub add_variable add_variable_from_reference "
        "add_optimizer_variables": "`slots` names what an optimizer keeps for each parameter",
        "exclude_from_weight_decay": "it decays every parameter alike; see regularizers.L2",
        "finalize_variable_values scale_loss": "there is nothing to finalize or to scale here",
        "load_own_variables save_own_variables": "model.save keeps the optimizer's state",
        "use_ema ema_momentum": "it is not here",
    },
    "Loss": {
        "call": "write forward",
        "dtype": "it follows the predictions",
        "reduction": "a loss is the mean over the samples",
    },
    "Metric": {
        "reset_states": "it is `reset_state` since Keras 2.5",
        "update_state result reset_state add_weight add_variable variables dtype "
        "stateless_reset_state stateless_result stateless_update_state get_config from_config": (
            "a metric here is a function of a batch: metric(y_true, y_pred)"
        ),
    },
    "Callback": {
        "model": lambda callback: None,  # before it has one
        "get_monitor_value": "see logs, the last argument of each hook",
    },
    "Parameter": {
        "shape": lambda parameter: parameter.value.shape,
        "ndim": lambda parameter: parameter.value.ndim,
        "dtype": lambda parameter: parameter.value.dtype.name,
        "numpy": lambda parameter: parameter.value.copy,
        "assign": lambda parameter: lambda value: _assign(parameter, value),
        "constraint": lambda parameter: None,
        "path": "see `name`",
        "assign_add assign_sub": "write assign(value), or parameter.value += ...",
        "aggregation handle overwrite_with_gradient synchronization": _GRAPHS,
    },
}


def _assign(parameter: Any, value: Any) -> None:
    """Sets the value of a parameter, which keeps its shape and dtype."""
    array = np.asarray(value)
    if array.shape != parameter.value.shape:
        raise ValueError(
            f"{parameter.name} has shape {parameter.value.shape}. Received: shape {array.shape}"
        )
    parameter.value[...] = array


# --- arguments ------------------------------------------------------------------------------------

# Arguments of Keras's with the values that ask for what is so anyway: they are taken, and dropped.
SO_ANYWAY: dict[str, tuple[Any, ...]] = {
    "activity_regularizer": (None,),
    "auto_scale_loss": (True, False),
    "autocast": (True,),
    "batch_size": (None,),  # of an Input
    "beta_constraint": (None,),
    "beta_initializer": ("zeros",),
    "beta_regularizer": (None,),
    "bias_constraint": (None,),
    "bias_regularizer": (None,),
    "bounding_box_format": (None,),
    "data_format": (None, "channels_last"),
    "dilation_rate": (1, (1, 1), [1, 1]),
    "dtype": (None, "float32"),
    "ema_momentum": (0.99,),
    "ema_overwrite_frequency": (None,),
    "expand_nested": (False, True),  # the layers of a model in a model are its own here
    "fill_value": (0, 0.0),
    "gamma_constraint": (None,),
    "gamma_initializer": ("ones",),
    "gamma_regularizer": (None,),
    "gradient_accumulation_steps": (None, 1),
    "groups": (1,),
    "ignore_class": (None,),
    "interpolation": ("bilinear",),
    "jit_compile": ("auto", None, False),
    "keepdims": (False,),
    "kernel_constraint": (None,),
    "lora_rank": (None,),
    "loss_scale_factor": (None,),
    "loss_weights": (None,),
    "moving_mean_initializer": ("zeros",),
    "moving_variance_initializer": ("ones",),
    "noise_shape": (None,),
    "quantization_config": (None,),
    "ragged": (None, False),
    "reduction": ("sum_over_batch_size",),
    "renorm": (False,),
    "run_eagerly": (None, False, True),
    "sample_weight_mode": (None,),
    "save_freq": ("epoch",),
    "save_weights_only": (False,),
    "seed": (None,),
    "show_dtype": (False,),
    "sparse": (None, False),
    "steps_per_execution": (None, 1),
    "synchronized": (False,),
    "target_tensors": (None,),
    "tensor": (None,),
    "use_ema": (False,),
    "validation_batch_size": (None,),
    "weighted_metrics": (None, [], ()),
}

# Old names that Keras 3 takes with a warning, and their names of today.
OLD: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "input_dim": ("input_shape", lambda size: (size,)),
    "alpha": ("negative_slope", lambda slope: slope),
}


def settled(owner: str, given: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """The keywords of a call by today's names, without those that ask for what is so anyway.

    Args:
        owner: what was called, as the user wrote it: "Dense", "fit".
        given: its keywords.
        known: those that it has.
    """
    keywords = dict(given)
    for name, value in given.items():
        if name in known:
            continue
        if name in SO_ANYWAY and any(
            type(value) is type(v) and value == v for v in SO_ANYWAY[name]
        ):
            del keywords[name]
        elif name in OLD and OLD[name][0] in known and OLD[name][0] not in given:
            today, new = OLD[name]
            keywords[today] = new(keywords.pop(name))
            _warn(f"{owner}: `{name}` is an old name; write {today}={keywords[today]!r}")
        elif owner == "Input" and (shape := _input_shape(name, value)) is not None:
            del keywords[name]
            keywords["shape"] = shape
        elif name == "name" and {"weight_decay", "initial_learning_rate", "boundaries"} & {*known}:
            # Nothing reads the name of an optimizer or a schedule, as in Keras.
            del keywords[name]
        elif name == "decay" and "weight_decay" in known:
            del keywords[name]
            _warn(
                f"{owner}: `decay` has no effect, as in Keras 3; for a falling learning rate write "
                "learning_rate=optimizers.schedules.ExponentialDecay(...)"
            )
    return keywords


def _input_shape(name: str, value: Any) -> Sequence[int] | None:
    """The shape of an Input from other arguments than `shape`; None if it is none of them."""
    if name == "input_shape":
        _warn("Input: `input_shape` is an old name; write `shape`")
        return value
    if name in ("batch_shape", "batch_input_shape") and isinstance(value, list | tuple) and value:
        if value[0] is not None:
            raise ValueError(
                f"a model takes batches of any size; write None for it. Received: {name}={value}"
            )
        return value[1:]
    return None


def _warn(text: str) -> None:
    """Warns at the line that is not tinycnn's."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("tinycnn"):
        frame, level = frame.f_back, level + 1
    warnings.warn(text, UserWarning, stacklevel=level)


# What earlier Keras versions, other libraries and habit call an argument, and what to write here.
OTHERWISE: dict[str, str] = {
    "lr": "learning_rate",
    "alpha": "negative_slope",
    "beta1": "beta_1",
    "beta2": "beta_2",
    "eps": "epsilon",
    "decay": "weight_decay, or a schedule as the learning_rate",
    "nb_filter": "filters",
    "n_filters": "filters",
    "out_channels": "filters",
    "border_mode": "padding",
    "subsample": "strides",
    "stride": "strides",
    "kernel": "kernel_size",
    "init": "kernel_initializer",
    "W_regularizer": "kernel_regularizer",
    "bias": "use_bias",
    "output_dim": "units",
    "p": "rate",
    "input_dim": "input_shape=(size,)",
    "batch_input_shape": "input_shape, without the batch axis",
    "batch_shape": "shape, without the batch axis",
    "nb_epoch": "epochs",
    "show_accuracy": "metrics=['accuracy'] in compile",
    "activity_regularizer": "kernel_regularizer, which penalizes weights",
    "bias_regularizer": "kernel_regularizer, which leaves biases alone",
    "gradient_accumulation_steps": "a larger batch_size in fit",
    "weighted_metrics": "metrics",
    "validation_batch_size": "batch_size, which validation uses, too",
    "filepath": "path",
}

# What Keras has and tinycnn does not, and what to do about it.
NOT_THERE: dict[str, str] = {
    "from_sorted_ids": "Predictions are the probabilities of the classes.",
    "write_graph": "A chain of layers is drawn by plot_model.",
    "write_images": "plotting.plot_filters draws the weights.",
    "write_steps_per_second": "The progress line tells the time of a step.",
    "profile_batch": "Python's cProfile shows where the time goes.",
    "embeddings_freq": "There are no embedding layers.",
    "embeddings_metadata": "There are no embedding layers.",
    "autocast": "Inputs always become the model's dtype.",
    "axis": "It is over the last axis.",
    "baseline": "The first value that is monitored is the baseline.",
    "batch_size": "Batches may have any size.",
    "beta_initializer": "beta is 0 at first.",
    "by_name": "Layers are matched in their order.",
    "skip_mismatch": "All weights of the file must be the model's.",
    "safe_mode": "No file holds code that could run here.",
    "save_format": "The ending of the path decides: .npz, .keras or .h5.",
    "include_optimizer": "The optimizer's state is saved; save_weights saves none.",
    "bounding_box_format": "Images are all that is augmented.",
    "dtype": "All is of the model's dtype: Sequential(..., dtype='float32').",
    "ema_momentum": "Averages of weights are not supported.",
    "ema_overwrite_frequency": "Averages of weights are not supported.",
    "expand_nested": "A model in a model is layer by layer there already.",
    "fill_value": "Zeros come in from outside.",
    "gamma_initializer": "gamma is 1 at first.",
    "ignore_class": "Leave those samples out of x and y.",
    "input_tensor": "Call the first layer on the tensor.",
    "interpolation": "It is bilinear.",
    "keepdims": "The axes of length 1 are dropped.",
    "label_smoothing": "Smooth one-hot labels yourself: y * (1 - s) + s / y.shape[1].",
    "layer_range": "model.get_layer(index=i) is one layer.",
    "line_length": "The table is as wide as the terminal.",
    "lora_alpha": "Small networks have no need of it; see trainable.",
    "lora_rank": "Small networks have no need of it; see trainable.",
    "max_value": "write the layer ReLU, and clip the data.",
    "moving_mean_initializer": "It is 0 at first.",
    "moving_variance_initializer": "It is 1 at first.",
    "negative_slope": "LeakyReLU has one.",
    "noise_shape": "Elements are dropped one by one.",
    "optional": "A model always needs its input.",
    "overwrite": "A file of that name is replaced.",
    "positions": "The table is as wide as the terminal.",
    "quantization_config": "Quantization is not supported.",
    "ragged": "Inputs are regular arrays.",
    "raise_error": "Without the callback a NaN raises NumericalError.",
    "rebuild": "The model is built with each layer that is added.",
    "reduction": "A loss is the mean over the samples.",
    "renorm": "Batch renormalization is not supported.",
    "renorm_clipping": "Batch renormalization is not supported.",
    "renorm_momentum": "Batch renormalization is not supported.",
    "beta_constraint": "Constraints are not supported.",
    "gamma_constraint": "Constraints are not supported.",
    "beta_regularizer": "Only kernels are regularized.",
    "gamma_regularizer": "Only kernels are regularized.",
    "save_freq": "It is at the end of each epoch; Checkpoint(every_seconds=60) saves in between.",
    "save_weights_only": "The whole model is saved.",
    "seed": "The model's seed decides: Sequential(..., seed=1).",
    "show_dtype": "All is of the model's dtype.",
    "show_trainable": "layer.trainable says it.",
    "sparse": "Inputs are arrays; see scipy.sparse's toarray.",
    "synchronized": "A batch is on one machine.",
    "factor": "write height_factor and width_factor",
    "name": "Nothing reads the name: a loss is logged as 'loss'.",
    "trainable": "There is nothing to train in it.",
    "zipped": "The file is a zip archive.",
    "data_format": "Images are always (N, H, W, C), 'channels_last'.",
    "dilation_rate": "Dilated kernels are not supported.",
    "groups": "Grouped convolutions are not supported.",
    "kernel_constraint": "Constraints are not supported.",
    "bias_constraint": "Constraints are not supported.",
    "use_ema": "Averages of weights are not supported.",
    "loss_scale_factor": "Losses are float32 or float64 and need no scale.",
    "loss_weights": "A model has one output.",
    "run_eagerly": "Every step is plain Python already.",
    "steps_per_execution": "Every step is run by itself.",
    "jit_compile": "kernels.use('numpy') turns the compiled kernels off.",
    "auto_scale_loss": "Losses are float32 or float64 and need no scale.",
    "class_weight": "Repeat the samples of a rare class in x and y.",
    "sample_weight": "Repeat samples in x and y.",
    "reset_metrics": "Every call begins anew.",
    "validation_freq": "Validation comes after every epoch.",
    "workers": "Batches are made one after the other.",
    "use_multiprocessing": "Batches are made one after the other.",
    "max_queue_size": "Batches are made one after the other.",
}

# --- looking up -----------------------------------------------------------------------------------


def find(module: str, name: str) -> Any:
    """What Keras has under this name in a module, if it works here under another.

    Args:
        module: the full name of the module of tinycnn that does not have it.
        name: what was asked for.

    Raises:
        AttributeError: if it does not; the message says what it is and what to write instead.
    """
    room = _room_of(module)
    if not room and name == "keras":
        return importlib.import_module("tinycnn")
    if name in SMALL.get(room, {}):
        return SMALL[room][name]
    if name in ALIASES.get(room, {}):
        place, _, real = ALIASES[room][name].rpartition(".")
        try:
            return getattr(importlib.import_module(f"tinycnn.{place}"), real)
        except (ImportError, AttributeError):
            pass  # that is not here either, and the answer follows
    if _is_made_here(_inner(room, name)):
        return importlib.import_module(f"{module}.{name}")
    near = did_you_mean(name, [n for n in dir(sys.modules.get(module)) if not n.startswith("_")])
    raise AttributeError(
        _why(room, name) or f"module {module!r} has no attribute {name!r}{near}", name=name
    )


def attribute(thing: Any, name: str) -> Any:
    """What Keras has under this name in an object of tinycnn's that does not have it.

    Raises:
        AttributeError: if there is no such thing here; the message says what to write instead.
    """
    cls: type = type(thing)
    answer = _answer(cls, name)
    if answer is _FAILED:
        return object.__getattribute__(thing, name)  # raises what the property has raised
    if callable(answer):
        return answer(thing)
    raise AttributeError(answer, name=name, obj=thing)


def install() -> None:
    """Makes the modules of tinycnn ask here for what they don't have."""
    rooms = {*ALIASES, *SMALL, *MISSING} & {
        _room_of(module) for module in sys.modules if module.startswith("tinycnn.")
    }
    for room in rooms:
        inside = vars(sys.modules[f"tinycnn.{room}"])
        inside.setdefault("__getattr__", _door_of(f"tinycnn.{room}"))
        # With a path it counts as a package, and then an import that fails is told by `_Finder`.
        inside.setdefault("__path__", [])
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _SameFinder())
        sys.meta_path.append(_Finder())


class _SameFinder(MetaPathFinder, Loader):
    """Imports `tinycnn.keras` as tinycnn itself, and likewise all that is in it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == "tinycnn.keras" or fullname.startswith("tinycnn.keras."):
            return ModuleSpec(fullname, self)
        return None

    def exec_module(self, module: ModuleType) -> None:
        same = "tinycnn" + module.__name__.removeprefix("tinycnn.keras")
        sys.modules[module.__name__] = importlib.import_module(same)


class _Finder(MetaPathFinder, Loader):
    """Imports the modules that only Keras has, if something in them works; says why others fail."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith("tinycnn."):
            return None
        room = _room_of(fullname)
        if _is_made_here(room):
            return ModuleSpec(fullname, self, is_package=True)
        if why := _why(*_split(room)):
            raise ImportError(why, name=fullname)
        return None

    def exec_module(self, module: ModuleType) -> None:
        room = _room_of(module.__name__)
        module.__doc__ = f"What Keras has in `{room}` and tinycnn, too: see keras_names.py."
        vars(module)["__getattr__"] = _door_of(module.__name__)


def _door_of(module: str) -> Callable[[str], Any]:
    return lambda name: find(module, name)


def _is_made_here(room: str) -> bool:
    """Whether the module holds nothing but names of this file."""
    if not room or room not in {*ALIASES, *SMALL, *MISSING}:
        return False
    found = sys.modules.get(f"tinycnn.{room}")
    return found is None or getattr(found, "__file__", None) is None


def _room_of(module: str) -> str:
    return module.removeprefix("tinycnn").removeprefix(".")


def _inner(room: str, name: str) -> str:
    return f"{room}.{name}" if room else name


def _split(room: str) -> tuple[str, str]:
    outer, _, name = room.rpartition(".")
    return outer, name


def _why(room: str, name: str) -> str:
    """Why tinycnn has no such name; "" if Keras has none either."""
    where = _inner("tinycnn", room) if room else "tinycnn"
    answer = ROOMS.get(_inner(room, name)) or _by_names(MISSING.get(room, {})).get(name)
    if not answer and room in ("", "backend", "math", "nn") and name in np.__all__:
        answer = f"data here are NumPy's arrays; write np.{name}"
    if not answer and room in ("nn", "math") and not name.startswith("_"):
        answer = "it is TensorFlow's; data here are NumPy's arrays: write NumPy's function"
    return f"{where} has no {name}: {answer}" if answer else ""


def _by_names(table: Mapping[str, Any]) -> dict[str, Any]:
    """The table with a row for each name."""
    return {name: answer for names, answer in table.items() for name in names.split()}


_FAILED = object()  # the class has such a property, and it has raised AttributeError


@lru_cache(maxsize=4096)
def _answer(cls: type, name: str) -> Any:
    """What `attribute` does: a function of the object, or the words of the error, or _FAILED."""
    if any(name in vars(base) for base in cls.__mro__):
        return _FAILED
    for base in cls.__mro__:
        if base.__name__ in OBJECTS and base.__module__.startswith("tinycnn."):
            answer = _by_names(OBJECTS[base.__name__]).get(name)
            if answer is not None:
                return answer if callable(answer) else f"{cls.__name__} has no `{name}`: {answer}"
    return f"{cls.__name__!r} object has no attribute {name!r}"
