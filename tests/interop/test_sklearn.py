"""tinycnn.interop.sklearn: the classifier keeps scikit-learn's rules, and its tools run it."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest

from tinycnn import Conv2D, Dense, Flatten, Input, Sequential
from tinycnn.callbacks import EarlyStopping
from tinycnn.datasets import synthetic
from tinycnn.optimizers import SGD
from tinycnn.optimizers.schedules import CosineDecay
from tinycnn.utils import set_random_seed

pytestmark = pytest.mark.usefixtures("numpy_rung")


def test_a_missing_scikit_learn_is_named_with_the_cure():
    code = "import sys; sys.modules['sklearn'] = None; import tinycnn.interop.sklearn"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    last = process.stderr.splitlines()[-1]
    assert last.startswith("ImportError: CNNClassifier needs sklearn, ")
    assert last.endswith("pip install 'tinycnn[sklearn]'")


@pytest.fixture
def sklearn():
    """The module under test, where scikit-learn is installed."""
    pytest.importorskip("sklearn", reason="no scikit-learn")
    from tinycnn.interop import sklearn

    return sklearn


@pytest.fixture(scope="module")
def digits():
    """400 and 100 drawn digits (n, 28, 28) in [0, 1], labelled by words."""
    (x, y), (x_test, y_test) = synthetic.load_data(train=400, test=100)
    words = np.array("zero one two three four five six seven eight nine".split())
    return x / np.float32(255), words[y], x_test / np.float32(255), words[y_test]


def classifier(sklearn, **arguments):
    how = {"epochs": 3, "learning_rate": 0.005, "random_state": 0, **arguments}
    return sklearn.CNNClassifier(**how)


def dense(input_shape, classes, seed):
    layers = [Input(input_shape), Flatten(), Dense(classes, activation="softmax")]
    return Sequential(layers, seed=seed)


# --- scikit-learn's own checks --------------------------------------------------------------------


@pytest.mark.reference
@pytest.mark.parametrize("arguments", [{"random_state": 0}, {}])
def test_check_estimator_finds_nothing(sklearn, arguments):
    from sklearn.utils.estimator_checks import check_estimator

    results = check_estimator(sklearn.CNNClassifier(**arguments), on_fail=None, on_skip=None)
    failed = {r["check_name"]: r["exception"] for r in results if r["status"] == "failed"}
    assert failed == {}
    passed = [r for r in results if r["status"] == "passed"]
    assert len(passed) >= 45  # of 55 in scikit-learn 1.9; two need packages that are not here


# --- learning -------------------------------------------------------------------------------------


@pytest.mark.reference
def test_it_learns_and_answers_in_the_labels_it_was_given(sklearn, digits):
    x, y, x_test, y_test = digits
    model = classifier(sklearn, epochs=5).fit(x, y)
    assert model.score(x_test, y_test) > 0.5  # guessing is 0.1; measured 0.79
    chance = model.predict_proba(x_test)
    assert chance.shape == (100, 10)
    np.testing.assert_allclose(chance.sum(axis=1), 1, rtol=1e-5)  # ten numbers in float32
    assert model.classes_.tolist() == sorted(set(y))
    np.testing.assert_array_equal(model.predict(x_test), model.classes_[chance.argmax(axis=1)])
    assert sorted(model.history_) == ["accuracy", "loss"]
    assert len(model.history_["loss"]) == 5


@pytest.mark.reference
def test_the_same_digits_in_every_shape_are_the_same_network(sklearn, digits):
    x, y, x_test, _ = digits
    x, y = x[:60], y[:60]
    maps = classifier(sklearn).fit(x, y)
    images = classifier(sklearn).fit(x[..., np.newaxis], y)
    rows = classifier(sklearn, sample_shape=(28, 28, 1)).fit(x.reshape(60, -1), y)
    assert rows.n_features_in_ == 784
    expected = maps.model_.fingerprint()
    assert images.model_.fingerprint() == rows.model_.fingerprint() == expected
    chance = rows.predict_proba(x_test.reshape(100, -1))
    np.testing.assert_array_equal(chance, maps.predict_proba(x_test))


@pytest.mark.reference
def test_random_state_decides_all(sklearn, digits):
    x, y = digits[0][:60], digits[1][:60]

    def print_of(**arguments):
        return classifier(sklearn, **arguments).fit(x, y).model_.fingerprint()

    assert print_of() == print_of()
    assert print_of() != print_of(random_state=1)
    assert print_of(random_state=np.random.RandomState(0)) == print_of()
    assert print_of(random_state=None) != print_of(random_state=None)
    set_random_seed(5)
    first = print_of(random_state=None)
    set_random_seed(5)
    assert print_of(random_state=None) == first


@pytest.mark.reference
def test_a_second_fit_forgets_the_first(sklearn, digits):
    x, y = digits[0][:60], digits[1][:60]
    few = np.isin(y, ["one", "two"])
    model = classifier(sklearn).fit(x, y)
    again = model.fit(x[few], y[few])
    assert again is model and model.classes_.tolist() == ["one", "two"]
    fresh = classifier(sklearn).fit(x[few], y[few])
    assert model.model_.fingerprint() == fresh.model_.fingerprint()


@pytest.mark.reference
def test_parameters_are_not_changed_by_a_fit(sklearn, digits):
    optimizer, stopping = SGD(0.5, momentum=0.9), EarlyStopping("val_loss", patience=0)
    model = classifier(
        sklearn,
        optimizer=optimizer,
        learning_rate=None,
        callbacks=[stopping],
        validation_split=0.5,
        epochs=50,
    )
    first = model.fit(digits[0][:60], digits[1][:60]).model_.fingerprint()
    assert optimizer.iterations == 0 and stopping.stopped_epoch == 0
    assert model.callbacks_[0].stopped_epoch == len(model.history_["val_loss"]) - 1 < 49
    assert model.model_.optimizer.momentum == 0.9
    assert model.fit(digits[0][:60], digits[1][:60]).model_.fingerprint() == first


@pytest.mark.reference
def test_bytes_reach_the_network_as_they_are(sklearn):
    """Floats would take four times their memory, and a Rescaling in the network takes pixels."""
    (x, y), _ = synthetic.load_data(train=60, test=1)
    seen = []

    def build(input_shape, classes, seed):
        model = dense(input_shape, classes, seed)
        forward = model.layers[0].forward

        def watching(x, training=False):
            seen.append(x.dtype)
            return forward(x, training)

        model.layers[0].forward = watching
        return model

    with pytest.warns(UserWarning, match="the images hold values up to 255"):
        classifier(sklearn, build_model=build, epochs=1).fit(x, y)
    assert {*seen} == {np.dtype("uint8")}


# --- scikit-learn's tools -------------------------------------------------------------------------


@pytest.mark.reference
def test_a_grid_search_reaches_the_network_s_own_parameters(sklearn, digits):
    from sklearn.model_selection import GridSearchCV

    x, y = digits[0][:200], digits[1][:200]
    grid = {"build_model__units": [1, 32], "learning_rate": [1e-5, 0.01]}
    estimator = classifier(sklearn, build_model=sklearn.SmallCNN(filters=4))
    search = GridSearchCV(estimator, grid, cv=2).fit(x, y)
    # One unit, or a hundredth of a step: neither has learned anything yet.
    assert search.best_params_ == {"build_model__units": 32, "learning_rate": 0.01}
    best = search.best_estimator_
    assert [p.value.shape for p in best.model_.layers[0].parameters] == [(3, 3, 1, 4), (4,)]
    assert estimator.build_model.units == 32 and not hasattr(estimator, "model_")
    assert search.score(digits[2], digits[3]) > 0.3  # guessing is 0.1; measured 0.65


@pytest.mark.reference
def test_a_pipeline_scales_and_flattens_before_it(sklearn, digits):
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler

    x, y = digits[0].reshape(400, -1) * 255, digits[1]
    pipeline = make_pipeline(MinMaxScaler(), classifier(sklearn, sample_shape=(28, 28, 1)))
    scores = cross_val_score(pipeline, x, y, cv=2)
    assert scores.min() > 0.3  # guessing is 0.1; measured 0.53


@pytest.mark.reference
def test_folds_in_other_processes_have_the_same_scores(sklearn, digits):
    from sklearn.model_selection import cross_val_score

    x, y = digits[0][:100], digits[1][:100]
    ours, theirs = (
        cross_val_score(classifier(sklearn, epochs=2), x, y, cv=2, n_jobs=n) for n in (1, 2)
    )
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.reference
def test_clone_has_the_parameters_and_not_the_training(sklearn, digits):
    from sklearn.base import clone

    model = classifier(sklearn, build_model=sklearn.SmallCNN(units=5), callbacks=[EarlyStopping()])
    copied = clone(model.set_params(epochs=2, validation_split=0.5))
    assert copied.get_params()["build_model__units"] == 5
    assert copied.build_model is not model.build_model
    with pytest.raises(ValueError, match="not fitted yet"):
        copied.predict(digits[2])
    model.fit(digits[0][:60], digits[1][:60])
    assert not hasattr(clone(model), "model_")
    fingerprint = copied.fit(digits[0][:60], digits[1][:60]).model_.fingerprint()
    assert fingerprint == model.model_.fingerprint()


@pytest.mark.reference
@pytest.mark.parametrize("copies", [lambda m: pickle.loads(pickle.dumps(m)), copy.deepcopy])
def test_a_copy_predicts_the_same_and_learns_on_its_own(sklearn, digits, copies):
    model = classifier(sklearn, build_model=dense).fit(digits[0][:60], digits[1][:60])
    before = model.predict_proba(digits[2])
    other = copies(model)
    np.testing.assert_array_equal(other.predict_proba(digits[2]), before)
    other.set_params(random_state=1).fit(digits[0][:60], digits[1][:60])
    np.testing.assert_array_equal(model.predict_proba(digits[2]), before)
    assert not np.array_equal(other.predict_proba(digits[2]), before)


# --- what is refused ------------------------------------------------------------------------------


def compiled(input_shape, classes, seed):
    model = dense(input_shape, classes, seed)
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def unfinished(input_shape, classes, seed):
    return Sequential(
        [Conv2D(classes, 3, activation="softmax", input_shape=(28, 28, 1))], seed=seed
    )


@pytest.mark.reference
@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"build_model": lambda *a: 3}, r"must return a Sequential\. Received: 3$"),
        ({"build_model": compiled}, r"must not compile the model: .* Received: a compiled model$"),
        ({"build_model": lambda s, c, seed: dense(s, c, 7)}, "hand its argument `seed` on"),
        ({"build_model": lambda s, c, seed: dense(s, c + 1, seed)}, r"over the \d+ .* \(11,\)$"),
        (
            {"build_model": lambda s, c, seed: Sequential([Dense(c)], seed=seed)},
            r"outputs of shape \(28, 28, 10\), without a softmax$",
        ),
        ({"build_model": unfinished}, r"Received: outputs of shape \(26, 26, 10\)$"),
        ({"sample_shape": (28, 28, 3)}, r"a sample of X, 784\. Received: sample_shape=\(28, 28, 3"),
        ({"sample_shape": "images"}, "`sample_shape` must be a tuple of positive integers"),
        ({"optimizer": "adamm"}, "unknown optimizer; known are"),
        ({"learning_rate": -1}, "`learning_rate` must be a finite number >= 0"),
        ({"epochs": -1}, r"`epochs` must be .*Received: epochs=-1"),
        ({"batch_size": 0}, "`batch_size` must be a positive integer"),
        ({"validation_split": 1.0}, "`validation_split` must be in"),
    ],
)
def test_a_wrong_parameter_is_refused_by_fit(sklearn, digits, arguments, match):
    model = classifier(sklearn, **arguments)
    with pytest.raises(ValueError, match=match):
        model.fit(digits[0], digits[1])
    assert not hasattr(model, "model_") and not hasattr(model, "classes_")


@pytest.mark.reference
def test_a_learning_rate_beside_a_schedule_is_refused(sklearn, digits):
    model = classifier(sklearn, optimizer=SGD(CosineDecay(0.1, 10)), learning_rate=0.1)
    with pytest.raises(TypeError, match="follows a CosineDecay"):
        model.fit(digits[0], digits[1])


@pytest.mark.reference
def test_wrong_data_are_refused(sklearn, digits):
    x, y, x_test, _ = digits
    model = classifier(sklearn, build_model=dense, epochs=1)
    with pytest.raises(ValueError, match=r"at least 2 classes\. Received: one class, one$"):
        model.fit(x[y == "one"], y[y == "one"])
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        model.fit(x, np.linspace(0, 1, len(x)))
    with pytest.raises(ValueError, match="NaN"):
        model.fit(np.full_like(x, np.nan), y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.fit(x, y[:-1])
    model.fit(x, y)
    with pytest.raises(ValueError, match=r"must have shape \(N, 28, 28, 1\)"):
        model.predict(x_test[..., :27])
    with pytest.raises(ValueError, match="27 features"):
        model.predict(x_test[:, :27])
