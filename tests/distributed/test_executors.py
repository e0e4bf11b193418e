"""cross_validate on executors: the same scores, to the bit; folds that a user gives."""

import multiprocessing
import os
import re
import sys
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from distributed_launch import finish, needs_mpi, start_command
from without_numba import needs_numba

from tinycnn import Dense, Dropout, Flatten, Rescaling, Sequential, kernels
from tinycnn.model_selection import cross_validate, stratified_k_fold
from tinycnn.support import threads
from tinycnn.support.mapped import mapped

pytestmark = pytest.mark.usefixtures("numpy_rung")


def build_model(noise=0.25):
    model = Sequential(
        [
            Rescaling(1 / 255, input_shape=(4, 4, 1)),
            Flatten(),
            Dropout(noise),
            Dense(3, activation="softmax"),
        ],
        seed=0,
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def images(n=60):
    """uint8 images of three classes, which can partly be told apart."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, n)
    x = rng.integers(0, 128, (n, 4, 4, 1)) + 60 * (
        labels[:, None, None, None] == np.arange(4)[:, None]
    )
    return x.astype(np.uint8), labels


def outcome(executor=None, **more):
    arguments = {"k": 4, "batch_size": 8, "epochs": 3, "verbose": 0, "executor": executor} | more
    x, y = images()
    result = cross_validate(lambda: build_model(), x, y, **arguments)  # a lambda can't be pickled
    return result.scores, result.correct.tolist()


def spawned(workers=2):
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


@pytest.fixture(scope="module")
def expected():
    with kernels.use("numpy"):
        scores, correct = outcome()
    assert len(set(scores)) > 1  # or else any order of them would do
    assert 0.4 < np.mean(correct) < 1
    return scores, correct


# --- the same scores ------------------------------------------------------------------------------


def test_in_threads(expected):
    with ThreadPoolExecutor(2) as executor:
        assert outcome(executor) == expected


def test_in_processes(expected):
    with spawned() as executor:
        assert outcome(executor) == expected


def test_the_workers_use_the_rung_that_is_used_here(monkeypatch, expected):
    # Processes have their own default, and threads do not have what `kernels.use` chose elsewhere.
    monkeypatch.setenv("TINYCNN_KERNELS", "nonsense")
    with ThreadPoolExecutor(2) as executor:
        assert outcome(executor) == expected


@pytest.mark.full
def test_in_loky(expected):
    loky = pytest.importorskip("loky")
    assert outcome(loky.get_reusable_executor(max_workers=2)) == expected


@pytest.mark.full
@pytest.mark.filterwarnings("ignore")  # of dask's own
def test_in_dask(expected):
    distributed = pytest.importorskip("distributed")
    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with cluster, distributed.Client(cluster) as client:
        assert outcome(client.get_executor(pure=False)) == expected


MPI_POOL = """
import sys
sys.path[:0] = {folders!r}
from mpi4py.futures import MPIPoolExecutor
from test_executors import outcome

if __name__ == "__main__":
    with MPIPoolExecutor() as executor:
        print(repr(outcome(executor)))
"""


@needs_mpi
@pytest.mark.mpi
def test_in_mpi_s_pool(tmp_path, expected):
    script = tmp_path / "pool.py"
    here = Path(__file__).parent
    script.write_text(MPI_POOL.format(folders=[str(here), str(here.parent)]))
    command = [sys.executable, "-m", "mpi4py.futures", str(script)]
    code, out, err = finish(start_command(3, command, TINYCNN_KERNELS="numpy"))
    assert code == 0, err
    assert out.splitlines()[-1] == repr(expected)


@needs_numba
@pytest.mark.mpi
def test_on_compiled_kernels():
    with kernels.use("numba"), spawned() as executor:
        assert outcome(executor) == outcome()


# --- what is printed, and what goes wrong ---------------------------------------------------------


def test_a_line_for_each_fold_when_it_is_done(capsys):
    with ThreadPoolExecutor(2) as executor:
        scores, _ = outcome(executor, verbose="auto")
    lines = sorted(capsys.readouterr().out.splitlines())
    assert len(lines) == 4
    for i, (line, score) in enumerate(zip(lines, scores, strict=True), start=1):
        assert re.fullmatch(rf"Fold {i}/4 - \d+s - val_accuracy: {score:.4f}", line)


class Late(Executor):
    """Runs what it is given when a result is asked for, and counts it."""

    def __init__(self):
        self.futures = []

    def submit(self, function, /, *arguments, **named):
        future = Future()
        self.futures.append(future)
        if len(self.futures) == 2:
            try:
                self.futures[1].set_result(function(*arguments))
            except Exception as error:
                self.futures[1].set_exception(error)
        return future


def test_an_error_in_a_fold_is_named_and_ends_the_others():
    def broken():
        model = build_model()
        model.layers[-1].parameters[0].value[...] = np.inf
        return model

    executor = Late()
    with pytest.raises(ArithmeticError, match="the loss became nan") as caught:
        cross_validate(broken, *images(), k=4, executor=executor)
    assert caught.value.__notes__ == ["in fold 2 of 4"]
    assert [future.cancelled() for future in executor.futures] == [True, False, True, True]


def test_something_else_as_executor():
    with pytest.raises(
        ValueError, match=r"must be a concurrent.futures.Executor, .*Received: .*=2"
    ):
        outcome(2)


# --- what travels ---------------------------------------------------------------------------------


class Spy(ThreadPoolExecutor):
    """Notes what it is given."""

    seen = ()

    def submit(self, function, /, *arguments, **named):
        self.seen = [*self.seen, arguments]
        return super().submit(function, *arguments, **named)


def test_data_go_through_a_file_in_their_own_dtype_which_is_gone_afterwards():
    with Spy(2) as executor:
        outcome(executor)
    files = {arguments[1][0] for arguments in executor.seen}
    assert len(files) == 1
    (file,) = files
    assert (file.dtype, file.shape) == ("|u1", (60, 4, 4, 1))
    assert not os.path.exists(file.path)
    for model, _, (train, test), *_ in executor.seen:
        assert model.loss is not None
        assert len(train) + len(test) == 60  # indices, no samples


def test_a_memory_map_stays_where_it_is(tmp_path, expected):
    x, y = images()
    np.save(tmp_path / "x.npy", x)
    on_disk = np.load(tmp_path / "x.npy", mmap_mode="r")
    with Spy(2) as executor:
        result = cross_validate(build_model, on_disk, y, 4, 8, 3, verbose=0, executor=executor)
    assert result.scores == expected[0]
    assert {arguments[1][0].path for arguments in executor.seen} == {str(tmp_path / "x.npy")}


@pytest.mark.parametrize(
    "part",
    [
        lambda x: x,
        lambda x: np.asarray(x),
        lambda x: x[3:],
        lambda x: x[::-1],
        lambda x: x[:, ::2],
        lambda x: x.T,
        lambda x: x.view(np.int16),
        lambda x: np.array(x),
    ],
    ids="whole view cut reversed strided transposed other copy".split(),
)
@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_what_is_opened_is_what_was_given(tmp_path, part, mode):
    np.save(tmp_path / "x.npy", np.arange(60, dtype=np.int32).reshape(6, 10))
    whole = np.load(tmp_path / "x.npy", mmap_mode=mode)
    if mode != "r":
        whole[2, 2] = -1  # with "c" it is not in the file
    given = part(whole)
    with mapped([given]) as (file,):
        opened = file.open()
        assert opened.dtype == given.dtype
        np.testing.assert_array_equal(opened, given)
        with pytest.raises(ValueError, match="read-only"):
            opened[0, 0] = 1


def test_a_worker_that_does_not_see_the_file_says_what_to_do():
    with mapped([np.zeros(3)]) as (file,):
        pass
    with pytest.raises(OSError, match=r"workers on other machines need .* name it in TMPDIR"):
        file.open()


@needs_numba
@pytest.mark.parametrize(("workers", "expected"), [(1, 4), (2, 2), (3, 1), (9, 1)])
def test_threads_are_shared_out(monkeypatch, workers, expected):
    chosen = []
    monkeypatch.setattr(threads, "_get_and_set", lambda: (lambda: 4, chosen.append))
    monkeypatch.setattr(threads, "cores", lambda: {0, 2, 4, 6})
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    with kernels.use("numba"), threads.shared_by(workers, 4):
        assert (chosen or [4])[-1] == expected
    assert not chosen or chosen[-1] == 4
    before = list(chosen)
    with kernels.use("numba"), threads.shared_by(workers, 8):  # mpiexec has bound it to half
        assert chosen == before
    monkeypatch.setenv("NUMBA_NUM_THREADS", "3")
    with kernels.use("numba"), threads.shared_by(workers, 4):
        assert chosen == before


# --- folds ----------------------------------------------------------------------------------------


def test_folds_that_are_given(expected):
    x, y = images()
    folds = stratified_k_fold(y, 4)
    assert outcome(k=None, folds=folds) == expected
    masks = [(np.isin(np.arange(60), a), b.tolist()) for a, b in stratified_k_fold(y, 4)]
    assert outcome(k=None, folds=masks) == expected


def test_folds_that_do_not_test_each_sample_once():
    x, y = images()
    folds = [(np.arange(30), np.arange(30, 40)), (np.arange(20, 60), np.arange(10))]
    result = cross_validate(build_model, x, y, epochs=3, folds=folds, verbose=0)
    assert len(result.scores) == 2
    assert result.correct is None
    model = build_model()
    model.fit(x[:30], y[:30], 32, 3, verbose=0)
    right = model.predict(x[30:40], verbose=0).argmax(axis=1) == y[30:40]
    assert result.scores[0] == right.mean()


def test_splitters_of_scikit_learn():
    sklearn = pytest.importorskip("sklearn.model_selection")
    x, y = images()
    kinds = sklearn.KFold(3), sklearn.StratifiedKFold(3), sklearn.ShuffleSplit(3, random_state=0)
    for splitter in kinds:
        pairs = list(splitter.split(x, y))
        by_pairs = cross_validate(build_model, x, y, folds=pairs, verbose=0)
        assert (
            cross_validate(build_model, x, y, folds=splitter, verbose=0).scores == by_pairs.scores
        )


@pytest.mark.parametrize(
    ("folds", "words"),
    [
        ([], "must be 2 at least. Received: 0"),
        ([([0], [1])], "must be 2 at least. Received: 1"),
        ([([0], [1]), [1, 2, 3]], r"pairs \(train, test\) of indices. Received: list as fold 2"),
        ([([0], [1]), 7], "Received: int as fold 2"),
        ([([0, 1, 2], [1, 2])], "Received: 2 samples in both parts of fold 1"),
        ([([0.0], [1])], r"indices \(m,\), m > 0. Received: float64 of shape \(1,\) in fold 1"),
        ([([[0]], [1])], r"Received: int64 of shape \(1, 1\) in fold 1"),
        ([([0], [])], r"of shape \(0,\) in fold 1"),
        ([([True, False], [1])], r"bool of shape \(2,\) in fold 1"),
        ([([0], [60])], "of 60 samples go from 0 to 59. Received: 60 to 60 in fold 1"),
        ([([-1], [5])], "Received: -1 to -1 in fold 1"),
    ],
)
def test_folds_that_can_not_be(folds, words):
    with pytest.raises(ValueError, match=words):
        cross_validate(lambda: pytest.fail("made a model"), *images(), folds=folds)


@pytest.mark.parametrize("more", [{"k": 5}, {"seed": 0}])
def test_folds_beside_what_decides_them(more):
    with pytest.raises(ValueError, match="`k` and `seed` would have no effect"):
        cross_validate(lambda: pytest.fail("made"), *images(), folds=[], **more)
