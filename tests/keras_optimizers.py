"""The cases of the optimizer fixtures, for the script that writes them and the test that replays.

Nothing here imports Keras or tinycnn. The tensors, and the gradients of each step, are those of
`keras_trace.py`: gradients of all magnitudes, some of them zero.
"""

from keras_trace import DATA

FILE = DATA / "keras_optimizers.npz"
STEPS = 50
CHECKPOINTS = (1, 2, 10, 50)
DTYPES = ("float32", "float64")

SCHEDULE = (
    "ExponentialDecay",
    {"initial_learning_rate": 0.01, "decay_steps": 7, "decay_rate": 0.5},
)

#: Name -> (class, arguments). A schedule among the arguments is (class, arguments) again. The norms
#: of the tensors' gradients are some 1.5, 0.1 and 0.8; that of the second one is 0 at even steps.
OPTIMIZERS = {
    "rmsprop": ("RMSprop", {}),
    "rmsprop_momentum": ("RMSprop", {"learning_rate": 0.002, "rho": 0.8, "momentum": 0.7}),
    "rmsprop_centered": ("RMSprop", {"centered": True, "epsilon": 1e-5}),
    "rmsprop_centered_momentum": ("RMSprop", {"centered": True, "momentum": 0.9}),
    "adamw": ("AdamW", {}),
    "adamw_strong": ("AdamW", {"learning_rate": 0.01, "weight_decay": 0.3, "beta_2": 0.99}),
    "adam_decay": ("Adam", {"learning_rate": 0.01, "weight_decay": 0.1}),
    "rmsprop_decay": ("RMSprop", {"weight_decay": 0.1}),
    "momentum_decay": ("SGD", {"learning_rate": 0.05, "momentum": 0.9, "weight_decay": 0.1}),
    "sgd_clipnorm": ("SGD", {"learning_rate": 0.05, "clipnorm": 0.6}),
    "sgd_global_clipnorm": ("SGD", {"learning_rate": 0.05, "global_clipnorm": 1.5}),
    "sgd_clipvalue": ("SGD", {"learning_rate": 0.05, "clipvalue": 0.1}),
    "adam_clipnorm": ("Adam", {"clipnorm": 0.6}),
    "rmsprop_global_clipnorm": ("RMSprop", {"global_clipnorm": 0.8}),
    "nesterov_clipvalue": (
        "SGD",
        {"learning_rate": 0.05, "momentum": 0.8, "nesterov": True, "clipvalue": 0.2},
    ),
    "sgd_schedule": ("SGD", {"learning_rate": SCHEDULE}),
    "momentum_schedule_decay": (
        "SGD",
        {"learning_rate": SCHEDULE, "momentum": 0.9, "weight_decay": 0.5},
    ),
    "adam_schedule": ("Adam", {"learning_rate": SCHEDULE}),
    "adagrad": ("Adagrad", {}),
    "adagrad_from_zero": (
        "Adagrad",
        {"learning_rate": 0.05, "initial_accumulator_value": 0.0, "epsilon": 1e-5},
    ),
    "adagrad_decay": ("Adagrad", {"learning_rate": 0.05, "weight_decay": 0.1, "clipvalue": 0.2}),
    "adadelta": ("Adadelta", {}),
    "adadelta_of_the_paper": ("Adadelta", {"learning_rate": 1.0, "rho": 0.9, "epsilon": 1e-6}),
    "adadelta_schedule": ("Adadelta", {"learning_rate": SCHEDULE}),
    "nadam": ("Nadam", {}),
    "nadam_fast": (
        "Nadam",
        {"learning_rate": 0.02, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-5},
    ),
    "nadam_decay": ("Nadam", {"weight_decay": 0.1, "clipvalue": 0.1}),
    "adam_amsgrad": ("Adam", {"amsgrad": True}),
    "adam_amsgrad_forgetful": ("Adam", {"learning_rate": 0.01, "beta_2": 0.7, "amsgrad": True}),
    "adamw_amsgrad": ("AdamW", {"learning_rate": 0.01, "beta_2": 0.9, "amsgrad": True}),
}

#: Name -> (class, arguments, steps): the schedules on their own.
SCHEDULES = {
    "exponential": (*SCHEDULE, range(0, 60, 3)),
    "exponential_staircase": ("ExponentialDecay", SCHEDULE[1] | {"staircase": True}, range(30)),
    "exponential_growing": (
        "ExponentialDecay",
        {"initial_learning_rate": 1e-6, "decay_steps": 10.5, "decay_rate": 2.0},
        range(0, 200, 7),
    ),
    "cosine": ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 40}, range(0, 50, 2)),
    "cosine_alpha": (
        "CosineDecay",
        {"initial_learning_rate": 0.1, "decay_steps": 40, "alpha": 0.2},
        range(0, 50, 2),
    ),
    "cosine_warmup": (
        "CosineDecay",
        {
            "initial_learning_rate": 0.0,
            "decay_steps": 30,
            "warmup_target": 0.1,
            "warmup_steps": 10,
        },
        range(50),
    ),
    "cosine_warmup_alpha": (
        "CosineDecay",
        {
            "initial_learning_rate": 0.02,
            "decay_steps": 17,
            "alpha": 0.1,
            "warmup_target": 0.3,
            "warmup_steps": 4,
        },
        range(30),
    ),
    "piecewise": (
        "PiecewiseConstantDecay",
        {"boundaries": [2, 4, 9], "values": [1.0, 0.5, 0.1, 0.01]},
        range(12),
    ),
    "polynomial": ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 20}, range(30)),
    "polynomial_root": (
        "PolynomialDecay",
        {
            "initial_learning_rate": 0.1,
            "decay_steps": 20,
            "end_learning_rate": 0.01,
            "power": 0.5,
        },
        range(30),
    ),
    "polynomial_cycle": (
        "PolynomialDecay",
        {"initial_learning_rate": 0.1, "decay_steps": 8, "power": 2.0, "cycle": True},
        range(40),
    ),
}


def make(case, classes, schedules):
    """Return the optimizer of a case, from modules that hold its class and its schedule's."""
    class_name, arguments = case
    rate = arguments.get("learning_rate")
    if isinstance(rate, tuple):
        arguments = arguments | {"learning_rate": getattr(schedules, rate[0])(**rate[1])}
    return getattr(classes, class_name)(**arguments)
