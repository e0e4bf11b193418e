"""Batches that are handed out: the same training as with arrays, in little memory, as in Keras."""

import tracemalloc
import warnings

import numpy as np
import pytest

from tinycnn import Callback, Checkpoint, Dense, Flatten, Input, Sequential, utils
from tinycnn.callbacks import EarlyStopping

pytestmark = pytest.mark.usefixtures("numpy_rung")

RNG = np.random.default_rng(0)
X, Y = RNG.random((24, 3), np.float32), RNG.random((24, 2), np.float32)
BATCHES = [(X[i : i + 5], Y[i : i + 5]) for i in range(0, 24, 5)]  # 5, 5, 5, 5, 4


def net():
    model = Sequential([Input((3,)), Dense(4, activation="tanh"), Dense(2)], seed=1)
    model.compile("sgd", "mse")
    return model


def generator(batches=BATCHES, rounds=1):
    for _ in range(rounds):
        yield from batches


class Numbered(utils.PyDataset):
    """Batches by their number, which notes what it is asked for."""

    def __init__(self, batches=BATCHES):
        super().__init__()
        self.batches, self.asked, self.ends = batches, [], 0

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, i):
        self.asked.append(i)
        return self.batches[i]

    def on_epoch_end(self):
        self.ends += 1


class Loader:
    """What other libraries' loaders are: gone through anew for each epoch."""

    def __init__(self, known=True):
        self.rounds = 0
        if known:
            self.__class__ = Sized

    def __iter__(self):
        self.rounds += 1
        return iter(BATCHES)


class Sized(Loader):
    """One that knows how many."""

    def __len__(self):
        return len(BATCHES)


def arrays(epochs=1, **arguments):
    model = net()
    history = model.fit(X, Y, batch_size=5, epochs=epochs, shuffle=False, verbose=0, **arguments)
    return model, history


# --- the same as arrays ---------------------------------------------------------------------------

SOURCES = {
    "a generator": lambda epochs: generator(rounds=epochs),
    "an endless generator": lambda epochs: generator(rounds=99),
    "numbered": lambda epochs: Numbered(),
    "a loader": lambda epochs: Loader(known=False),
    "a loader that knows how many": lambda epochs: Loader(),
}


@pytest.mark.parametrize("source", SOURCES)
def test_the_same_training_as_with_arrays(source):
    """To the bit: weights, losses, validation, partial last batches, optimizer steps."""
    expected, history = arrays(3, validation_data=(X[:7], Y[:7]))
    model = net()
    steps = {"steps_per_epoch": 5} if "generator" in source else {}
    found = model.fit(
        SOURCES[source](3),
        epochs=3,
        shuffle=False,
        verbose=0,
        validation_data=Numbered([(X[:5], Y[:5]), (X[5:7], Y[5:7])]),
        **steps,
    )
    assert model.fingerprint() == expected.fingerprint()
    assert found.history == history.history and found.epoch == history.epoch
    assert model.optimizer.iterations == 15


def test_evaluate_and_predict_as_with_arrays():
    model = net()
    loss, y = model.evaluate(X, Y, batch_size=5, verbose=0), model.predict(X, verbose=0)
    for source in (generator(), Numbered(), Loader(known=False), Loader()):
        assert model.evaluate(source, verbose=0) == loss
    for source in (generator(), Numbered(), (x for x, _ in BATCHES), Loader()):
        # One product of 24 rows sums as five of five do, but for float32's rounding.
        np.testing.assert_allclose(model.predict(source, verbose=0), y, rtol=1e-6)


def test_steps_of_evaluate_and_predict():
    model = net()
    two = model.evaluate(X[:10], Y[:10], batch_size=5, verbose=0)
    for source in ((X, Y), (generator(rounds=9),), (Numbered(),)):
        assert model.evaluate(*source, batch_size=5, steps=2, verbose=0) == two
    assert len(model.predict(X, batch_size=5, steps=2, verbose=0)) == 10
    assert len(model.predict(generator(rounds=9), steps=7, verbose=0)) == 24 + 10


def test_a_model_without_a_shape_is_built_by_the_first_batch():
    model = Sequential([Dense(2)])
    model.compile("sgd", "mse")
    model.fit(generator(), verbose=0)
    assert model.input_shape == (3,)


# --- order and steps ------------------------------------------------------------------------------


def test_numbered_batches_are_shuffled_anew_in_each_epoch():
    data = Numbered()
    net().fit(data, epochs=3, verbose=0)
    first, orders = data.asked[0], np.reshape(data.asked[1:], (3, 5)).tolist()
    assert first == 0  # looked at before the training begins
    assert [sorted(order) for order in orders] == [[0, 1, 2, 3, 4]] * 3
    assert len({tuple(order) for order in orders}) > 1
    assert data.ends == 3
    again = Numbered()
    net().fit(again, epochs=3, verbose=0)
    assert again.asked == data.asked  # the model's seed decides
    unshuffled = Numbered()
    net().fit(unshuffled, epochs=2, shuffle=False, verbose=0)
    assert unshuffled.asked[1:] == [0, 1, 2, 3, 4] * 2


@pytest.mark.parametrize("source", [lambda: (X, Y), lambda: (Numbered(),), lambda: (Loader(),)])
def test_an_epoch_of_some_steps_goes_on_where_the_last_one_stopped(source):
    """Five batches in steps of 2: 01, 23, 4 and no more, 01."""
    model, expected = net(), net()
    with pytest.warns(UserWarning, match="ran out of data after 1 of 2 batches"):
        model.fit(*source(), batch_size=5, epochs=4, steps_per_epoch=2, shuffle=False, verbose=0)
    for i in (0, 1, 2, 3, 4, 0, 1):
        expected.train_on_batch(*BATCHES[i])
    assert model.fingerprint() == expected.fingerprint()


def test_steps_that_divide_the_batches_begin_anew_without_a_word():
    model, expected = net(), net()
    model.fit(X[:20], Y[:20], batch_size=5, epochs=3, steps_per_epoch=2, shuffle=False, verbose=0)
    for i in (0, 1, 2, 3, 0, 1):
        expected.train_on_batch(*BATCHES[i])
    assert model.fingerprint() == expected.fingerprint()


def test_validation_steps_begin_anew_in_each_validation():
    model = net()
    found = model.fit(
        *(X, Y),
        validation_data=(X, Y),
        validation_steps=2,
        batch_size=5,
        epochs=2,
        shuffle=False,
        verbose=0,
    )
    expected = net()
    for epoch in range(2):
        expected.fit(X, Y, batch_size=5, shuffle=False, verbose=0)
        loss = expected.evaluate(X[:10], Y[:10], batch_size=5, verbose=0)
        assert found.history["val_loss"][epoch] == loss


# --- ends -----------------------------------------------------------------------------------------


def test_a_generator_that_ends_too_early_ends_the_training_with_a_word():
    model = net()
    with pytest.warns(UserWarning, match=r"after 2 of 3 batches|after 0 of 3 batches") as told:
        history = model.fit(generator(), epochs=9, steps_per_epoch=3, verbose=0)
    assert len(told) == 2
    assert history.epoch == [0, 1] and model.optimizer.iterations == 5
    assert all(np.isfinite(history.history["loss"]))


def test_a_generator_without_steps_is_one_epoch():
    history = net().fit(generator(), verbose=0)  # no warning: all of it was asked for
    assert history.epoch == [0]
    with pytest.warns(UserWarning, match="after 0 batches of the epoch"):
        history = net().fit(generator(), epochs=3, verbose=0)
    assert history.epoch == [0]


def test_a_validation_that_has_ended_logs_nothing():
    """Keras logs a loss of 0, which EarlyStopping would take for the best one."""
    stopping = EarlyStopping("val_loss", patience=99)
    with pytest.warns(UserWarning) as told:
        history = net().fit(
            X, Y, epochs=3, validation_data=generator(), callbacks=[stopping], verbose=0
        )
    assert len(history.history["val_loss"]) == 1 and stopping.best > 0
    words = " ".join(str(warning.message) for warning in told)
    assert "ran out of data after 0 batches" in words and "not available" in words


def test_callbacks_are_told_the_number_of_steps():
    seen = []

    class Steps(Callback):
        def on_train_begin(self, logs=None):
            seen.append(self.params["steps"])

    for source, steps in ((generator(), None), (Numbered(), 5), (generator(rounds=9), 3)):
        asked = {"steps_per_epoch": 3} if steps == 3 else {}
        net().fit(source, callbacks=[Steps()], verbose=0, **asked)
    assert seen == [None, 5, 3]


@pytest.mark.parametrize("verbose", [1, 2])
def test_progress_of_unknown_length(verbose, capsys):
    net().fit(generator(), verbose=verbose)
    assert "5/5" in capsys.readouterr().out


# --- memory ---------------------------------------------------------------------------------------


def test_no_more_than_some_batches_are_in_memory():
    """60 batches of 1 MB each, 240 with their rounds; in memory are at most 8 of them at once."""
    size = 2**20

    def pictures(count=60):
        for i in range(count):
            yield np.full((16, 128, 128), i / 6400, np.float32), np.full((16, 1), i % 2, np.float32)

    class Pictures(utils.PyDataset):
        def __len__(self):
            return 60

        def __getitem__(self, i):
            return next(pictures(1))

    assert next(pictures())[0].nbytes == size
    model = Sequential([Flatten(input_shape=(128, 128)), Dense(1)], seed=0)
    model.compile("sgd", "mse")
    model.fit(Pictures(), steps_per_epoch=1, verbose=0)  # once, so that all is imported
    for run in (
        lambda: model.fit(pictures(), validation_data=pictures(), verbose=0),
        lambda: model.fit(Pictures(), verbose=0),
        lambda: model.evaluate(pictures(), verbose=0),
        lambda: model.predict(pictures(), verbose=0),
    ):
        tracemalloc.start()
        try:
            run()
            assert tracemalloc.get_traced_memory()[1] < 8 * size
        finally:
            tracemalloc.stop()


# --- refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m: m.fit(generator(), Y, verbose=0), "`y` must be left out: the batches that `x`"),
        (lambda m: m.evaluate(generator(), Y), "`y` must be left out"),
        (lambda m: m.fit(generator([]), verbose=0), "`x` hands out no batches"),
        (lambda m: m.fit(Numbered([]), verbose=0), "`x` hands out no batches"),
        (lambda m: m.fit(iter([X]), verbose=0), r"`x\[0\]` must be a batch \(x, y\).*ndarray"),
        (lambda m: m.fit(iter([(X,)]), verbose=0), r"`x\[0\]` must be a batch.*tuple of 1"),
        (lambda m: m.fit(iter([(X[:, :2], Y)])), r"`x\[0\]\[0\]` must have shape \(N, 3\)"),
        (
            lambda m: m.fit(iter([(X, Y[:3])])),
            r"`x\[0\]\[0\]` and `x\[0\]\[1\]` must hold the same",
        ),
        (lambda m: m.fit(generator(), validation_split=0.2), "`validation_split` takes the last"),
        (lambda m: m.fit(generator(), steps_per_epoch=0), "`steps_per_epoch` must be a positive"),
        (lambda m: m.fit(X, Y, steps_per_epoch=1.5), "`steps_per_epoch` must be a positive"),
        (
            lambda m: m.fit(X, Y, validation_data=(X, Y), validation_steps=0),
            "`validation_steps` must be a positive",
        ),
        (lambda m: m.evaluate(X, Y, steps=-1), "`steps` must be a positive"),
        (lambda m: m.fit(X, Y, validation_data=iter([(X, X)])), r"shape \(N, 2\)"),
        (lambda m: m.fit({"x": X}, Y), "`x` must be an array"),
        (lambda m: m.fit(lambda: X, Y), "`x` must be an array. In fit"),
        (lambda m: m.fit(X, generator()), "`y` must be an array. In fit"),
    ],
)
def test_what_does_not_fit_is_refused_before_the_training(call, words):
    model = net()
    before = model.fingerprint()
    with pytest.raises(ValueError, match=words):
        call(model)
    assert model.fingerprint() == before and model.optimizer.iterations == 0


def test_a_later_batch_is_named():
    with pytest.raises(ValueError, match=r"`x\[2\]\[0\]` must hold finite numbers"):
        net().fit(generator([*BATCHES[:2], (X * np.nan, Y)]), verbose=0)


def test_a_checkpoint_needs_arrays(tmp_path):
    hook = Checkpoint(tmp_path / "c.npz")
    for arguments in ({"x": generator()}, {"x": X, "y": Y, "steps_per_epoch": 2}):
        with pytest.raises(ValueError, match="a Checkpoint resumes in the middle of arrays"):
            net().fit(**arguments, callbacks=[hook], verbose=0)


def test_lists_are_arrays_still():
    model, expected = net(), net()
    model.fit(X.tolist(), Y.tolist(), batch_size=5, shuffle=False, verbose=0)
    expected.fit(X.astype(np.float64), Y, batch_size=5, shuffle=False, verbose=0)
    assert model.fingerprint() == expected.fingerprint()
    rows = tuple(X[:3])
    assert model.predict(rows, verbose=0).shape == (3, 2)


def test_workers_are_told_to_change_nothing():
    with pytest.warns(UserWarning, match="batches are made one after the other here"):
        utils.PyDataset(workers=4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert utils.Sequence is utils.PyDataset and isinstance(Numbered(), utils.Sequence)
    with pytest.raises(NotImplementedError, match="PyDataset needs a method `__len__"):
        len(utils.PyDataset())
