"""Trains one network at two sites with Flower; the images stay where they are, weights travel.

    pip install flwr
    python examples/federated.py                    # 6 rounds, some minutes
    python examples/federated.py --quick            # 3 short ones
    python examples/federated.py --data-dir FOLDER  # your own copy of MNIST

Site 0 has images of the digits 0 to 6, site 1 of 3 to 9, so neither can learn all ten alone. In
each round both start from the common weights and train for an epoch, and the common weights become
the means of the two, weighted by the numbers of images (FedAvg: McMahan et al. 2017, Algorithm 1).
The accuracies are those on images that no site has trained on, the last tenth of the training
images.

It starts three processes, which talk over this machine's loopback: the server and the two sites.
On several machines each is started on its own: `--role server --address 0.0.0.0:8080` on one, and
on the others `--role 0` and `--role 1`, with the server's address. Anybody on the way can then read
the weights; Flower's SuperLink and SuperNode encrypt them, and are what it recommends. This example
uses `start_server` and `start_client`, which need no project folder. Flower 1.42 has them still,
and calls them deprecated. Without MNIST it trains on digits that tinycnn draws itself, and says so.
"""

import argparse
import logging
import os
import socket
import subprocess
import sys
import time

import numpy as np

from tinycnn import Conv2D, Dense, Flatten, MaxPooling2D, Rescaling, Sequential, kernels
from tinycnn.datasets import digits
from tinycnn.support.console import say
from tinycnn.support.scripts import (
    end,
    end_errors_in_one_line,
    natural_number,
    positive_integer,
)

end_errors_in_one_line()

SITES = {"0": range(7), "1": range(3, 10)}  # the digits that each site has images of

parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
parser.add_argument("--dataset", choices=["auto", "mnist", "synthetic"], default="auto")
parser.add_argument("--data-dir", help="folder with the four MNIST files")
parser.add_argument("--rounds", type=positive_integer, help="default: 6; quick: 3")
parser.add_argument("--images", type=positive_integer, help="default: 20000; quick: 3000")
parser.add_argument("--seed", type=natural_number, default=0)
parser.add_argument("--quick", action="store_true", help="fewer rounds and images")
parser.add_argument("--role", choices=["all", "server", *SITES], default="all")
parser.add_argument("--address", help="host:port of the server; default: a free port here")
args = parser.parse_args()
os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")  # Flower would report its use
try:
    import flwr
    from flwr.common import ndarrays_to_parameters
except ImportError:
    end("this example needs Flower, not installed here: pip install flwr")
logging.getLogger("flwr").setLevel(logging.ERROR)
rounds = args.rounds or (3 if args.quick else 6)
images = args.images or (3000 if args.quick else 20_000)
if args.role != "all" and not args.address:
    end(f"--role {args.role} needs the server's --address, such as 192.168.0.2:8080", 2)


def build():
    """The network, which is the same at each site."""
    layers = [
        Rescaling(1 / 255, input_shape=(28, 28, 1)),
        Conv2D(16, (3, 3), activation="relu"),
        MaxPooling2D((2, 2)),
        Conv2D(32, (3, 3), activation="relu"),
        MaxPooling2D((2, 2)),
        Flatten(),
        Dense(10, activation="softmax"),
    ]
    model = Sequential(layers, seed=args.seed)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def load():
    """The images and labels to train on, those to judge by, and what they are."""
    (x, y), _, dataset = digits.load_data(args.dataset, args.data_dir, train=images)
    at = len(x) * 9 // 10
    return (x[:at, ..., None], y[:at]), (x[at:, ..., None], y[at:]), dataset


class Site(flwr.client.NumPyClient):
    """What a site answers the server: Flower calls `fit` once a round."""

    def __init__(self, name):
        (x, y), (self.x_test, self.y_test), _ = load()
        mine = np.isin(y, SITES[name])
        self.name, self.x, self.y = name, x[mine], y[mine]

    def fit(self, parameters, config):
        """Trains the common weights for an epoch: (weights, number of images, what to tell)."""
        model = build()  # with a new optimizer: the state of the last one belongs to other weights
        model.set_weights(parameters)
        model.epochs_trained = config["round"]  # so that each round has its own order of the images
        model.fit(self.x, self.y, 64, verbose=0)
        _, accuracy = model.evaluate(self.x_test, self.y_test, verbose=0)
        return model.get_weights(), len(self.y), {self.name: accuracy}


def serve():
    """Averages the sites' weights, round by round, and tells how well they do."""
    _, (x, y), dataset = load()
    model = build()
    say(f"data: {dataset}; {len(y):,} images to judge by, of all ten digits")
    say(f"{'round':>5}{'site 0':>10}{'site 1':>10}{'common':>10}")
    told = {}

    def collect(results):
        for _, metrics in results:
            told.update(metrics)
        return {}

    def judge(number, weights, config):
        if number:  # 0: before the first round
            model.set_weights(weights)
            _, accuracy = model.evaluate(x, y, verbose=0)
            say(f"{number:5d}{told['0']:10.4f}{told['1']:10.4f}{accuracy:10.4f}")

    strategy = flwr.server.strategy.FedAvg(
        min_fit_clients=len(SITES),
        min_available_clients=len(SITES),
        fraction_evaluate=0.0,  # the server judges
        accept_failures=False,
        initial_parameters=ndarrays_to_parameters(model.get_weights()),
        on_fit_config_fn=lambda number: {"round": number},
        fit_metrics_aggregation_fn=collect,
        evaluate_fn=judge,
    )
    config = flwr.server.ServerConfig(num_rounds=rounds)
    flwr.server.start_server(server_address=args.address, config=config, strategy=strategy)
    say(f"fingerprint of the common weights: {model.fingerprint()}")


def start_all():
    """The server and the sites as processes of this machine; one that fails ends them all."""
    address = args.address
    if not address:
        with socket.create_server(("127.0.0.1", 0)) as free:
            address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, *sys.argv, "--address", address, "--role"]
    running = {role: subprocess.Popen([*command, role]) for role in ("server", *SITES)}
    try:
        while running["server"].poll() is None:
            for role in SITES:
                if running[role].poll() not in (None, 0):
                    end(f"site {role} has ended with exit code {running[role].returncode}")
            time.sleep(0.2)
        if running["server"].returncode:
            end(f"the server has ended with exit code {running['server'].returncode}")
        for role in SITES:
            running[role].wait(timeout=60)
    finally:
        for process in running.values():
            process.kill()


if args.role == "all":
    start_all()
elif args.role == "server":
    serve()
else:
    kernels.warm_up()
    flwr.client.start_client(server_address=args.address, client=Site(args.role).to_client())
