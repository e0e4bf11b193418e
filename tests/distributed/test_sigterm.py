"""SIGTERM, by which Slurm, Kubernetes and mpiexec end a program, is handled as Ctrl-C is."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from resumable import data, network

from tinycnn import Callback, Checkpoint
from tinycnn.support.interrupt import Interrupt

SCRIPT = Path(__file__).parents[1] / "resumable.py"

pytestmark = pytest.mark.usefixtures("numpy_rung")


@pytest.fixture(autouse=True)
def default_handler():
    """SIGTERM means what it does in a program that says nothing about it."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL, "the handler was not put back"
    signal.signal(signal.SIGTERM, before)


class Send(Callback):
    """Sends this process a signal at the beginning of batch number `batch` of every epoch."""

    def __init__(self, batch, *signals):
        self.batch, self.signals = batch, signals

    def on_train_batch_begin(self, batch, logs=None):
        if batch == self.batch:
            for number in self.signals:
                os.kill(os.getpid(), number)


def train(path, *hooks, epochs=2):
    model = network()
    hooks = [Checkpoint(path, 1e6, resume=True), *hooks]
    model.fit(*data(40), batch_size=8, epochs=epochs, verbose=0, callbacks=hooks)
    return model.fingerprint()


def test_the_batch_is_finished_saved_and_told_of(tmp_path, capsys):
    path = tmp_path / "checkpoint.npz"
    with pytest.raises(SystemExit) as caught:
        train(path, Send(2, signal.SIGTERM))
    assert caught.value.code == 143
    told = f"stopped after epoch 1, batch 3; with resume it goes on from {path} (epoch 1, batch 3)"
    assert capsys.readouterr().err.splitlines()[-1] == f"tinycnn: {told}"
    assert train(path) == train(tmp_path / "another.npz")


def test_of_two_kinds_of_signals_the_first_decides(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "checkpoint.npz", Send(2, signal.SIGINT, signal.SIGTERM))


def test_one_that_nobody_has_looked_at_is_not_swallowed():
    with pytest.raises(SystemExit, match="143"), Interrupt():
        os.kill(os.getpid(), signal.SIGTERM)


def test_a_handler_of_ones_own_stays(tmp_path):
    seen = []
    signal.signal(signal.SIGTERM, lambda *_: seen.append(1))
    try:
        train(tmp_path / "checkpoint.npz", Send(2, signal.SIGTERM), epochs=1)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    assert seen == [1]


def run(path, *signals):
    """A training in a process of its own, sent these signals in its fourth batch."""
    code = (
        f"import sys; sys.path[:0] = [{str(SCRIPT.parent)!r}, {str(Path(__file__).parent)!r}]\n"
        "from test_sigterm import Send, train\n"
        f"print(train({str(path)!r}, Send(3, *{[int(n) for n in signals]})))"
    )
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "TINYCNN_KERNELS": "numpy"},
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_the_exit_code_of_a_program_that_knows_nothing_of_it(tmp_path):
    ended = run(tmp_path / "checkpoint.npz", signal.SIGTERM)
    assert (ended.returncode, ended.stdout) == (143, "")
    assert ended.stderr.splitlines()[-1].startswith("tinycnn: stopped after epoch 1, batch 4; with")
    again = run(tmp_path / "checkpoint.npz")
    assert again.stdout.split()[-1] == train(tmp_path / "another.npz")


def test_a_second_one_does_not_wait(tmp_path):
    path = tmp_path / "checkpoint.npz"
    ended = run(path, signal.SIGTERM, signal.SIGTERM)
    assert ended.returncode == -signal.SIGTERM  # the system's own end, which a shell calls 143
    assert not path.exists()
