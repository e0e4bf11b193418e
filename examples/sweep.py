"""Searches for the best small network with Optuna; may be stopped at any time, and goes on.

    pip install optuna
    python examples/sweep.py                    # 30 trials, some minutes
    python examples/sweep.py --quick            # 8 short ones
    python examples/sweep.py --data-dir FOLDER  # your own copy of MNIST

Each trial trains a network of other sizes, at another learning rate. Optuna proposes them by how
the earlier ones did, and gives up a trial early if its validation accuracy is below the median of
the others after as many epochs. All trials are kept in `sweep.db` in --output-dir. You may stop
the sweep with Ctrl-C, or kill it: the same command goes on after the last finished trial, and makes
the trials that it would have made without the stop. With a larger --trials it goes on further.

The best of many looks better than it is, because luck is part of what was chosen. So the best one
is trained again at the end, which gives the same bits, and reads the test images once. It is saved
as `sweep_best.npz`. Without MNIST it trains on digits that tinycnn draws itself, and says so.
"""

import argparse
from pathlib import Path

from tinycnn import (
    Adam,
    Callback,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    MaxPooling2D,
    Rescaling,
    Sequential,
    kernels,
)
from tinycnn.datasets import digits
from tinycnn.support.console import say
from tinycnn.support.files import claim_folder
from tinycnn.support.scripts import (
    end,
    end_errors_in_one_line,
    natural_number,
    positive_integer,
)

end_errors_in_one_line()
parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
parser.add_argument("--dataset", choices=["auto", "mnist", "synthetic"], default="auto")
parser.add_argument("--data-dir", help="folder with the four MNIST files")
parser.add_argument("--trials", type=positive_integer, help="in all; default: 30; quick: 8")
parser.add_argument("--images", type=positive_integer, help="default: 12000; quick: 2000")
parser.add_argument("--epochs", type=positive_integer, help="default: 4; quick: 2")
parser.add_argument("--seed", type=natural_number, default=0)
parser.add_argument("--quick", action="store_true", help="fewer trials, images and epochs")
parser.add_argument("--output-dir", type=Path, default=Path("output"))
args = parser.parse_args()
try:
    import optuna
except ImportError:
    end("this example searches with Optuna, not installed here: pip install optuna")
trials = args.trials or (8 if args.quick else 30)
images = args.images or (2000 if args.quick else 12_000)
epochs = args.epochs or (2 if args.quick else 4)
claim_folder(args.output_dir)  # one that can't be written to, or is in use, ends it here

# --- data: a fifth of the training images to judge by
(x_train, y_train), (x_test, y_test), dataset = digits.load_data(
    args.dataset, args.data_dir, train=images
)
x_train, x_test = x_train[..., None], x_test[..., None]  # the bytes: the networks rescale them


# --- a trial: the sizes and rates to try, the network they make, and when to give it up
def suggest(trial):
    """The arguments of `build`, as Optuna proposes them."""
    return {
        "filters": trial.suggest_int("filters", 4, 32, log=True),
        "units": trial.suggest_int("units", 8, 64, log=True),
        "dropout": trial.suggest_float("dropout", 0.0, 0.5, step=0.1),
        "learning_rate": trial.suggest_float("learning_rate", 3e-4, 3e-2, log=True),
    }


def build(filters, units, dropout, learning_rate):
    """A compiled network of these sizes."""
    layers = [
        Rescaling(1 / 255, input_shape=(28, 28, 1)),
        Conv2D(filters, (3, 3), activation="relu"),
        MaxPooling2D((2, 2)),
        Conv2D(2 * filters, (3, 3), activation="relu"),
        MaxPooling2D((2, 2)),
        Flatten(),
        Dense(units, activation="relu"),
        Dropout(dropout),
        Dense(10, activation="softmax"),
    ]
    model = Sequential(layers, seed=args.seed)
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class Pruning(Callback):
    """Tells Optuna how far a trial has come, and ends it if others were better by then."""

    def __init__(self, trial):
        self.trial = trial
        self.pruned = False

    def on_epoch_end(self, epoch, logs=None):
        """Reports the epoch's validation accuracy."""
        self.trial.report(logs["val_accuracy"], epoch)
        if epoch + 1 < epochs and self.trial.should_prune():
            self.pruned = self.model.stop_training = True


def train(model, callbacks=()):
    """Its accuracy on the validation images."""
    history = model.fit(
        x_train, y_train, 64, epochs, verbose=0, callbacks=callbacks, validation_split=0.2
    )
    return history.history["val_accuracy"][-1]


# --- the study, which is a file of SQLite's: whole after a kill at any moment
optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(
    storage=f"sqlite:///{(args.output_dir / 'sweep.db').resolve()}",
    study_name="sweep",
    direction="maximize",
    pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
    load_if_exists=True,
)
settings = {"data": dataset, "images": images, "epochs": epochs, "seed": args.seed}
for name, value in settings.items():
    if (before := study.user_attrs.get(name, value)) != value:
        end(
            f"{args.output_dir / 'sweep.db'}: {name} was {before} in that sweep; choose another "
            f"--output-dir for a new one. Received: {value}"
        )
    study.set_user_attr(name, value)
State = optuna.trial.TrialState
for trial in study.get_trials(states=[State.RUNNING]):  # a sweep was stopped within it
    study.tell(trial.number, state=State.FAIL)
finished = study.get_trials(states=[State.COMPLETE, State.PRUNED])


# --- the trials
def show(number, trial):
    """A line of the table."""
    forms = ("9d", "7d", "9.1f", "9.5f")
    params = "".join(f"{x:{form}}" for x, form in zip(trial.params.values(), forms, strict=True))
    ended = f"  given up after epoch {trial.last_step + 1}" * (trial.state is State.PRUNED)
    say(f"{number:5d}{params}{trial.intermediate_values[trial.last_step]:14.4f}{ended}")


kernels.warm_up()
say(f"data: {dataset}, {len(x_train):,} training images, {epochs} epochs, seed {args.seed}")
say(f"{'trial':>5}{'filters':>9}{'units':>7}{'dropout':>9}{'rate':>9}{'val_accuracy':>14}")
for number, trial in enumerate(finished, start=1):
    show(number, trial)
for number in range(len(finished) + 1, trials + 1):
    # Each trial has a sampler of its own: what it proposes follows from the trials before, and not
    # from a generator whose state would be lost by a stop.
    study.sampler = optuna.samplers.TPESampler(seed=args.seed + number, n_startup_trials=8)
    trial = study.ask()
    pruning = Pruning(trial)
    accuracy = train(build(**suggest(trial)), [pruning])
    if pruning.pruned:
        study.tell(trial, state=State.PRUNED)
    else:
        study.tell(trial, accuracy)
    show(number, study.trials[-1])

# --- the best, trained again, and the test images, once
best = study.best_trial
model = build(**best.params)
again = train(model)
say(f"\nbest: {', '.join(f'{name} {value:.4g}' for name, value in best.params.items())}")
say(f"validation accuracy {best.value:.4f}; trained again, {again:.4f}")
_, accuracy = model.evaluate(x_test, y_test, verbose=0)
say(f"test accuracy {accuracy:.4f}, of {len(x_test):,} images")
model.save(args.output_dir / "sweep_best.npz")
say(f"wrote {args.output_dir / 'sweep_best.npz'}")
