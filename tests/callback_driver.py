"""Drives a callback, ours or Keras's, through made-up epochs, and notes what it decides."""

from types import SimpleNamespace

NAN = float("nan")


class Model:
    """What callbacks need of a model. Its weights are the number of the epoch."""

    def __init__(self, optimizer=None):
        self.optimizer = optimizer or SimpleNamespace(learning_rate=1.0)
        self.stop_training = False
        self.metrics = []  # where Keras looks for directions
        self.epoch = None
        self.events = []

    def compiled_with(self):
        return None, self.optimizer

    def get_weights(self):
        return [self.epoch]

    def set_weights(self, weights):
        self.events.append(("restored", *weights))

    def save(self, path, overwrite=True):
        self.events.append(("saved", self.epoch, str(path)))


def drive(callback, values, monitor="val_loss", optimizer=None):
    """What the callback does in epochs whose monitored numbers are `values`.

    Returns:
        The epochs run, the learning rate after each, and the events in their order: weights
        restored, and models saved.
    """
    model = Model(optimizer)
    if hasattr(callback, "set_model"):
        callback.set_model(model)
    else:
        callback.model = model
    callback.on_train_begin({})
    rates = []
    for epoch, value in enumerate(values):
        model.epoch = epoch
        callback.on_epoch_begin(epoch, {})
        callback.on_epoch_end(epoch, {} if value is None else {monitor: value})
        rates.append(float(model.optimizer.learning_rate))
        if model.stop_training:
            break
    callback.on_train_end({})
    return len(rates), rates, model.events
