"""CNNClassifier: a network as an estimator of scikit-learn, for its pipelines and searches.

    classifier = CNNClassifier(SmallCNN(), random_state=0)
    search = GridSearchCV(classifier, {"build_model__units": [16, 64]}).fit(images, labels)

Each `fit` builds a new network, for as many classes as the labels have. What builds it is
`build_model`: a function, or an object such as a SmallCNN, whose parameters a search then reaches
as `build_model__<name>`.

scikit-learn comes with the `sklearn` extra: nothing else in tinycnn needs it.

Source: https://scikit-learn.org/stable/developers/develop.html
"""

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinycnn import optimizers
from tinycnn.callbacks import Callback
from tinycnn.layers import Conv2D, Dense, Dropout, Flatten, Input, Layer, MaxPooling2D
from tinycnn.models import Sequential
from tinycnn.optimizers import Optimizer
from tinycnn.support.arguments import shape as checked_shape
from tinycnn.support.extras import need
from tinycnn.utils import Array, next_seed

_base = need("sklearn.base", "CNNClassifier", "sklearn")
BaseEstimator: Any = _base.BaseEstimator
ClassifierMixin: Any = _base.ClassifierMixin
_multiclass = need("sklearn.utils.multiclass", "CNNClassifier", "sklearn")
_utils = need("sklearn.utils", "CNNClassifier", "sklearn")
_validation = need("sklearn.utils.validation", "CNNClassifier", "sklearn")

__all__ = ["CNNClassifier", "SmallCNN"]

Shape = tuple[int, ...]
DTYPES = (np.float32, np.float64, np.uint8)  # of samples; what is of another one becomes the first


class SmallCNN(BaseEstimator):
    """Builds a small network: a convolution and a pool for images, and two dense layers.

    Args:
        filters: of the convolution, 3 x 3; for samples that are not images there is none.
        units: of the dense layer before the last.
        dropout: the share that is dropped before the last layer.

    Example:
        >>> SmallCNN(units=64)((28, 28, 1), classes=10, seed=0).count_params()
        201578
    """

    def __init__(self, filters: int = 16, units: int = 32, dropout: float = 0.0) -> None:
        self.filters = filters
        self.units = units
        self.dropout = dropout

    def __call__(self, input_shape: Shape, classes: int, seed: int) -> Sequential:
        """The network for samples of this shape, with a softmax over the classes."""
        layers: list[Layer] = [Input(input_shape)]
        if len(input_shape) == 3:
            layers.append(Conv2D(self.filters, 3, padding="same", activation="relu"))
            layers.append(MaxPooling2D(2, padding="same"))
        layers += [Flatten(), Dense(self.units, activation="relu"), Dropout(self.dropout)]
        return Sequential([*layers, Dense(classes, activation="softmax")], seed=seed)


class CNNClassifier(ClassifierMixin, BaseEstimator):
    """A classifier of scikit-learn's that trains a network of tinycnn's.

    Args:
        build_model: what builds the network: called as build_model(input_shape, classes, seed), it
            returns a Sequential that is not compiled and ends in a softmax over the classes. None
            is SmallCNN().
        sample_shape: what each row of X is reshaped to, such as (28, 28, 1) for images that a
            pipeline has flattened. None leaves the samples as they are, but gives images
            (n, H, W) a channel axis.
        optimizer: a name, such as "adam", or an Optimizer, of which each fit takes a copy.
        learning_rate: None is the optimizer's own.
        batch_size: samples in a step.
        epochs: how often each sample is seen.
        validation_split: the share of the samples, the last ones as they stand, that callbacks
            such as EarlyStopping judge by.
        callbacks: see callbacks/base.py; each fit takes copies of them.
        random_state: decides the initial weights, the order of the samples, and all noise. A
            number gives the same network at each fit.
        verbose: as in `Sequential.fit`.

    Attributes:
        classes_: the labels, sorted.
        model_: the trained Sequential; its outputs are in the order of `classes_`.
        history_: loss and metrics by epoch, as in `History.history`.
        callbacks_: the callbacks that the last fit ran with.
        n_features_in_: the length of axis 1 of X.

    Example:
        >>> classifier = CNNClassifier(SmallCNN(filters=8), epochs=3, random_state=0)
        >>> classifier.fit(images, labels).score(test_images, test_labels)
    """

    def __init__(
        self,
        build_model: Callable[[Shape, int, int], Sequential] | None = None,
        *,
        sample_shape: Sequence[int] | None = None,
        optimizer: str | Optimizer = "adam",
        learning_rate: float | None = None,
        batch_size: int = 32,
        epochs: int = 10,
        validation_split: float = 0.0,
        callbacks: Sequence[Callback] | None = None,
        random_state: Any = None,
        verbose: str | int = 0,
    ) -> None:
        self.build_model = build_model
        self.sample_shape = sample_shape
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.epochs = epochs
        self.validation_split = validation_split
        self.callbacks = callbacks
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn may hand over: images, too."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def fit(self, X: Any, y: Any) -> "CNNClassifier":
        """Builds a network and trains it.

        Args:
            X: samples (n, D), (n, H, W) or (n, H, W, C).
            y: n labels, numbers or text.

        Returns:
            The classifier.

        Raises:
            ValueError: for data that scikit-learn or the network can't take, labels of one class
                only, or a `build_model` that returns something else than it should.
        """
        X, y = _validation.validate_data(self, X, y, allow_nd=True, dtype=DTYPES)
        _multiclass.check_classification_targets(y)
        classes, codes = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(f"y must hold at least 2 classes. Received: one class, {classes[0]}")
        samples = self._samples(X)
        model = self._build(samples.shape[1:], len(classes))
        callbacks = copy.deepcopy(self.callbacks)
        history = model.fit(
            samples,
            codes,
            self.batch_size,
            self.epochs,
            self.verbose,
            callbacks,
            self.validation_split,
        )
        self.classes_, self.model_, self.callbacks_ = classes, model, callbacks
        self.history_ = history.history
        return self

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class, in the order of `classes_`: (n, classes).

        Raises:
            NotFittedError: before `fit`.
            ValueError: for samples of another shape than in `fit`.
        """
        _validation.check_is_fitted(self)
        X = _validation.validate_data(self, X, reset=False, allow_nd=True, dtype=DTYPES)
        return self.model_.predict(self._samples(X), verbose=0)

    def predict(self, X: Any) -> Array:
        """The most probable label of each sample: (n,).

        Raises:
            NotFittedError: before `fit`.
            ValueError: for samples of another shape than in `fit`.
        """
        chosen = self.predict_proba(X).argmax(axis=1)
        return self.classes_[chosen]

    def _samples(self, X: Array) -> Array:
        """The samples in the shape that the network takes."""
        if self.sample_shape is None:
            return X[..., np.newaxis] if X.ndim == 3 else X
        shape = checked_shape(self.sample_shape, "sample_shape")
        if math.prod(shape) != math.prod(X.shape[1:]):
            raise ValueError(
                f"`sample_shape` must have as many numbers as a sample of X, "
                f"{math.prod(X.shape[1:])}. Received: sample_shape={self.sample_shape!r}"
            )
        return X.reshape(len(X), *shape)

    def _build(self, input_shape: Shape, classes: int) -> Sequential:
        """A new network, compiled."""
        seed = next_seed()
        if self.random_state is not None:
            seed = int(_utils.check_random_state(self.random_state).randint(2**31 - 1))
        build = SmallCNN() if self.build_model is None else self.build_model
        model = build(input_shape, classes, seed)
        if not isinstance(model, Sequential):
            raise ValueError(f"`build_model` must return a Sequential. Received: {model!r:.100}")
        if model.loss is not None:
            raise ValueError(
                "`build_model` must not compile the model: CNNClassifier does, with its own "
                "`optimizer` and `learning_rate`. Received: a compiled model"
            )
        if model.seed != seed:
            raise ValueError(
                "`build_model` must hand its argument `seed` on, as in Sequential(layers, "
                "seed=seed): it carries `random_state`. "
                f"Received: a model of seed {model.seed}, for seed {seed}"
            )
        model.build(input_shape)
        softmax = "" if model.last_softmax() else ", without a softmax"
        if softmax or model.output_shape != (classes,):
            raise ValueError(
                f"the model must end in a softmax over the {classes} classes. "
                f"Received: outputs of shape {model.output_shape}{softmax}"
            )
        optimizer = optimizers.get(copy.deepcopy(self.optimizer))
        if self.learning_rate is not None:
            optimizer.learning_rate = self.learning_rate
        model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model
