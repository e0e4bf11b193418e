"""DataParallel in one process: what the shards of a batch are, and what becomes of them."""

import sys
import threading

import numpy as np
import pytest
from rank_program import network

from tinycnn import (
    BatchNormalization,
    Callback,
    Checkpoint,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Layer,
    ModelFileError,
    Sequential,
    callbacks,
)
from tinycnn.distributed import DataParallel
from tinycnn.support import console, job, mpi
from tinycnn.support.mpi import LAUNCHED
from tinycnn.support.ordered_sum import Tree, added, bounds, ordered_sum, rounds_alone

pytestmark = pytest.mark.usefixtures("numpy_rung")


@pytest.fixture(autouse=True)
def no_mpi(monkeypatch):
    """There is no mpi4py, or it would be at work in the process of the tests."""
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    for name in LAUNCHED:
        monkeypatch.delenv(name, raising=False)


def images(n, dtype=np.float32):
    rng = np.random.default_rng(0)
    return rng.random((n, 8, 8, 1)).astype(dtype), rng.integers(0, 3, n)


def fit(model, shards=None, n=50, batch_size=16, epochs=2, **more):
    """All that a training leaves, every bit; without shards it has no distribution."""
    if shards:
        more["distribution"] = DataParallel(shards)
    history = model.fit(
        *images(n), batch_size, epochs, verbose=0, validation_split=0.2, **more
    ).history
    content, arrays = model.state()
    return history, content, {name: array.tobytes() for name, array in arrays.items()}


# --- what a shard is ------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:BatchNormalization takes the statistics")
def test_one_shard_is_no_distribution():
    assert fit(network(), 1) == fit(network())
    assert fit(network(), 4) != fit(network())  # the noise is another one, and the statistics


@pytest.mark.parametrize("shards", [2, 3, 8])
@pytest.mark.parametrize("n", [16, 13, 5])
def test_the_gradient_is_that_of_the_batch(shards, n):
    """Without noise and statistics a step is the same but for rounding."""

    def after_a_step(shards):
        model = Sequential(
            [
                Conv2D(
                    3, (3, 3), activation="tanh", input_shape=(8, 8, 1), kernel_regularizer="l2"
                ),
                Flatten(),
                Dense(3, activation="softmax"),
            ],
            seed=1,
            dtype="float64",
        )
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
        more = {"distribution": DataParallel(shards)} if shards else {}
        history = model.fit(*images(n), 16, verbose=0, **more).history
        return history, model.get_weights()

    (history, weights), (expected_history, expected) = after_a_step(shards), after_a_step(0)
    assert history["accuracy"] == expected_history["accuracy"]
    # Sums of at most 16 numbers of about 1, in float64, in two orders.
    np.testing.assert_allclose(history["loss"], expected_history["loss"], rtol=1e-14)
    for ours, theirs in zip(weights, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-15)


class Record(Layer):
    """Notes what it is given in training."""

    def forward(self, x, training=False):
        if training:
            self.seen = [*getattr(self, "seen", []), np.array(x)]
        return super().forward(x, training)


def recorded(shards, n, batch_size):
    """The parts that the first layer of a model is given in an epoch, and all samples."""
    record = Record(input_shape=(1,))
    model = Sequential([record, Dense(1)], seed=0)
    model.compile("sgd", "mse")
    x = np.arange(n, dtype=np.float32)[:, np.newaxis]
    model.fit(x, x, batch_size, verbose=0, distribution=DataParallel(shards))
    return record.seen, x


def test_each_sample_is_used_once_whatever_does_not_divide():
    seen, x = recorded(shards=4, n=23, batch_size=10)
    # Batches of 10, 10 and 3 in four contiguous parts; one of the last has nothing.
    assert [len(part) for part in seen] == [2, 3, 2, 3, 2, 3, 2, 3, 1, 1, 1]
    np.testing.assert_array_equal(np.sort(np.concatenate(seen), axis=0), x)


def test_shards_follow_each_other_as_in_the_batch():
    seen, _ = recorded(shards=4, n=23, batch_size=10)
    whole, _ = recorded(shards=1, n=23, batch_size=10)
    np.testing.assert_array_equal(np.concatenate(seen), np.concatenate(whole))


def test_each_shard_has_noise_of_its_own_and_the_first_that_of_a_whole_batch():
    def first_step(shards):
        dropout, record = Dropout(0.5, input_shape=(64,)), Record()
        model = Sequential([dropout, record, Dense(1)], seed=3)
        model.compile("sgd", "mse")
        x = np.ones((8, 64), np.float32)
        more = {"distribution": DataParallel(shards)} if shards else {}
        model.fit(x, x[:, :1], 8, verbose=0, **more)
        return record.seen

    first, second = first_step(2)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, first_step(None)[0][:4])


def test_moving_statistics_are_means_over_the_shards_by_their_samples():
    norm = BatchNormalization(momentum=0.5, input_shape=(1,))
    model = Sequential([norm, Dense(1)], seed=0)
    model.compile("sgd", "mse")
    x = np.array([[0], [4], [10], [10], [14]], np.float32)  # shards: 0, 4 and 10, 10, 14
    with pytest.warns(UserWarning, match="statistics of each shard, 2 samples; choose fewer"):
        model.fit(x, x, 5, shuffle=False, verbose=0, distribution=DataParallel(2))
    # The means are 2 and 34/3; variances 4 and 32/9. From 0 and 1 at first, half of that is kept.
    mean, variance = (2 * 2 + 34) / 5, (2 * 4 + 3 * 32 / 9) / 5
    np.testing.assert_allclose(norm.moving_mean.value, [mean / 2], rtol=1e-6)
    np.testing.assert_allclose(norm.moving_variance.value, [0.5 + variance / 2], rtol=1e-6)


def test_what_a_frozen_layer_keeps_is_left_alone_to_the_bit():
    norm = BatchNormalization(input_shape=(3,), trainable=False)
    model = Sequential([norm, Dense(1)], seed=0)
    model.compile("sgd", "mse")
    # 10 samples in 3 shards: 0.3 + 0.3 + 0.4 times a number is not that number in every bit.
    values = np.random.default_rng(0).random(3).astype(np.float32)
    norm.moving_mean.value[...] = values
    model.fit(np.ones((10, 3)), np.ones((10, 1)), 10, verbose=0, distribution=DataParallel(3))
    np.testing.assert_array_equal(norm.moving_mean.value, values)


@pytest.mark.filterwarnings("ignore:BatchNormalization takes the statistics")
def test_a_step_that_is_not_finite_moves_nothing():
    class Stop(Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if batch == 1:
                self.model.layers[-1].parameters[0].value[0, 0] = np.inf
                self.before = [value.tobytes() for value in self.model.get_weights()]

    hook, model = Stop(), network()
    with pytest.raises(ArithmeticError, match="the loss became nan in epoch 1, batch 2"):
        fit(model, 2, callbacks=[hook])
    assert [value.tobytes() for value in model.get_weights()] == hook.before


def test_gradients_that_are_not_finite_are_told_without_a_warning():
    class Opposite(Dense):
        """Its loss is finite; its gradients are infinite, and of another sign in each shard."""

        def backward(self, dy):
            dx = super().backward(dy)
            self.parameters[0].grad = np.full((64, 1), np.inf * (-1) ** self.calls, np.float32)
            self.calls += 1
            return dx

    layer = Opposite(1)
    layer.calls = 0
    model = Sequential([Flatten(input_shape=(8, 8, 1)), layer], seed=0)
    model.compile("sgd", "mse")
    x, y = images(8)
    with pytest.raises(ArithmeticError, match="a gradient is not finite in epoch 1, batch 1"):
        model.fit(x, y[:, np.newaxis], 8, verbose=0, distribution=DataParallel(2))


def test_a_layer_that_sets_no_gradient_is_named():
    class Forgetful(Dense):
        def backward(self, dy):
            return np.zeros((len(dy), 64), np.float32)

    model = Sequential([Flatten(input_shape=(8, 8, 1)), Forgetful(1)], seed=0)
    model.compile("sgd", "mse")
    x, y = images(8)
    with pytest.raises(RuntimeError, match="kernel has no gradient: its layer's backward must set"):
        model.fit(x, y[:, np.newaxis], 8, verbose=0, distribution=DataParallel(2))


# --- arguments and checkpoints --------------------------------------------------------------------


@pytest.mark.parametrize("shards", [0, -1, 2.5, "4", None, True])
def test_bad_shards(shards):
    with pytest.raises(ValueError, match=r"`shards` must be .* Received: shards="):
        DataParallel(shards)


def test_more_shards_than_samples_in_a_batch_are_refused_before_anything_is_changed():
    model = network()
    before = model.fingerprint()
    with pytest.raises(ValueError, match=r"`batch_size`. Received: shards=17, batch_size=16"):
        fit(model, 17)
    assert model.fingerprint() == before


def test_something_else_as_distribution():
    with pytest.raises(
        ValueError, match=r"`distribution` must be one such as .*Received: dist.*=4"
    ):
        fit(network(), distribution=4)


@pytest.mark.filterwarnings("ignore:BatchNormalization takes the statistics")
def test_a_checkpoint_goes_on_with_the_same_shards_only(tmp_path):
    path = tmp_path / "checkpoint.npz"

    def go_on(shards, epochs=2):
        hooks = [Checkpoint(path, 0, resume=True)]
        return fit(network(), shards, epochs=epochs, callbacks=hooks)

    go_on(4, epochs=1)
    for shards, now in ((2, 2), (1, None), (None, None)):
        with pytest.raises(ModelFileError, match=f"`shards` was 4 in that run. Received: {now}"):
            go_on(shards)
    assert go_on(4) == fit(network(), 4)


def test_with_one_shard_a_checkpoint_is_that_of_no_distribution(tmp_path):
    hooks = [Checkpoint(tmp_path / "checkpoint.npz", 0, resume=True)]
    fit(network(), epochs=1, callbacks=hooks)
    assert fit(network(), 1, callbacks=hooks) == fit(network())


def test_without_mpi_there_is_one_rank():
    distribution = DataParallel(4)
    assert (distribution.rank, distribution.ranks) == (0, 1)
    assert distribution.from_main(lambda: 7) == 7


@pytest.mark.parametrize("variable", LAUNCHED)
def test_ranks_that_can_not_find_each_other_are_told(monkeypatch, variable):
    monkeypatch.setenv(variable, "3")
    with pytest.raises(ImportError, match=r"has started 3 processes, .*tinycnn\[mpi\]"):
        DataParallel(4)


def test_ranks_of_another_mpi_are_told(monkeypatch):
    class Other:
        class COMM_WORLD:  # noqa: N801
            size = 1

        @staticmethod
        def Get_library_version():
            return "Other MPI 1.0\nand more"

    monkeypatch.setitem(sys.modules, "mpi4py", type(sys)("mpi4py"))
    monkeypatch.setitem(sys.modules, "mpi4py.MPI", Other)
    monkeypatch.setenv("PMI_SIZE", "3")
    with pytest.raises(RuntimeError, match=r"and mpi4py sees one: .*Received: Other MPI 1.0$"):
        DataParallel(4)


def test_open_mpi_s_processes_write_no_control_characters(monkeypatch):
    class Terminal:
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdout", Terminal())
    assert console.is_terminal()
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")  # its terminal may be a file in truth
    assert not console.is_terminal()


def test_a_rank_that_follows_prints_and_saves_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(job, "_follows", True)
    hooks = [callbacks.CSVLogger(tmp_path / "log.csv"), Checkpoint(tmp_path / "c.npz")]
    hooks.append(callbacks.ModelCheckpoint(tmp_path / "model.npz"))
    model = network()
    model.fit(*images(20), 20, callbacks=hooks)
    model.summary()
    model.save(tmp_path / "saved.npz")
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr() == ("", "")


def test_the_buffers_of_a_message_that_is_interrupted_are_kept(monkeypatch):
    class Interrupted:
        def Test(self):
            raise KeyboardInterrupt

    kept = []
    monkeypatch.setattr(mpi, "_under_way", kept)
    mpi.wait(Done)
    assert kept == []
    request = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        mpi.wait(request)
    assert kept == [request]


# --- the ordered sum ------------------------------------------------------------------------------


def tree(rows):
    """The sum by its definition: neighbours, and then their sums, until one is left."""
    while len(rows) > 1:
        odd = rows[-1:] if len(rows) % 2 else []
        rows = [a + b for a, b in zip(rows[::2], rows[1::2], strict=False)] + odd
    return rows[0]


def numbers(rows, size, seed=0):
    """Numbers of all magnitudes: another order of their sum gives other bits."""
    rng = np.random.default_rng(seed)
    shape = (rows, size)
    return (rng.standard_normal(shape) * 10.0 ** rng.integers(-4, 5, shape)).astype(np.float32)


@pytest.mark.parametrize("shards", range(1, 34))
def test_rows_are_added_in_the_order_of_the_tree(shards):
    rows = numbers(shards, 50)
    expected = tree([*rows])
    np.testing.assert_array_equal(added(rows.copy()), expected)
    if shards > 3:
        assert not np.array_equal(np.cumsum(rows, axis=0)[-1], expected)  # the order matters


class Done:
    """A request of MPI's that is not under way any more."""

    @staticmethod
    def Test():
        return True


class Threads:
    """The part of mpi4py's communicator that the sum needs, for ranks that are threads."""

    def __init__(self, size):
        self.size = size
        self._barrier, self._sent = threading.Barrier(size, timeout=600), [None] * size

    def of(self, rank):
        mine = type(self)(self.size)
        mine.rank, mine._barrier, mine._sent = rank, self._barrier, self._sent
        return mine

    def _everyone(self, message):
        self._sent[self.rank] = message
        self._barrier.wait()
        everyone = list(self._sent)
        self._barrier.wait()
        return everyone

    def Ialltoallv(self, send, receive):
        array, counts = send
        everyone = self._everyone(np.split(array, np.cumsum(counts)[:-1]))
        parts = [theirs[self.rank] for theirs in everyone]
        assert [part.size for part in parts] == receive[1]
        receive[0].reshape(-1)[:] = np.concatenate(parts)
        return Done

    def Iallgatherv(self, mine, receive):
        parts = self._everyone(mine.copy())
        assert [part.size for part in parts] == receive[1]
        receive[0][:] = np.concatenate(parts)
        return Done


@pytest.mark.parametrize("ranks", range(1, 8))
@pytest.mark.parametrize("shards", [7, 8, 12, 14, 24])
@pytest.mark.parametrize("size", [1, 50])
def test_on_any_number_of_ranks_the_bits_are_the_same(ranks, shards, size):
    rows, world, totals = numbers(shards, size), Threads(ranks), [None] * ranks

    def work(rank):
        own = bounds(shards, ranks)
        part = Tree(rounds_alone(shards, ranks))
        for row in rows[own[rank] : own[rank + 1]]:
            part.add(row.copy())
        totals[rank] = ordered_sum(world.of(rank), part.rows, shards)

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(ranks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = tree([*rows])
    for total in totals:
        np.testing.assert_array_equal(total, expected)


def test_a_rank_adds_up_what_is_a_whole_branch():
    # So the traffic is that of a ring: one row a rank.
    assert [rounds_alone(8, ranks) for ranks in (1, 2, 3, 4, 8)] == [3, 2, 0, 1, 0]
    assert rounds_alone(12, 3) == 2
    assert rounds_alone(12, 2) == 1  # 6 a rank: three pairs
