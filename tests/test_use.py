"""One model and several threads: right results, or an error that says who is at work."""

import contextvars
import copy
import pickle
import threading

import numpy as np
import pytest

from tinycnn import Callback, inspection

pytestmark = pytest.mark.usefixtures("numpy_rung")


def in_another_thread(function):
    """What it returned or raised, on the same rung: a new thread starts on the default one."""
    result = []
    context = contextvars.copy_context()

    def target():
        try:
            result.append(context.run(function))
        except Exception as error:
            result.append(error)

    # On this thread's rung: a thread of its own would choose the default one, with other last bits.
    thread = threading.Thread(target=contextvars.copy_context().run, args=(target,))
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    return result[0]


class During(Callback):
    """Calls a function in the middle of a training, once."""

    def __init__(self, function):
        self.function, self.result = function, None

    def on_train_batch_begin(self, batch, logs=None):
        if batch == 1 and self.result is None:
            self.result = self.function(self.model)


USES = {
    "predict": lambda model, x, y: model.predict(x, verbose=0),
    "evaluate": lambda model, x, y: model.evaluate(x, y, verbose=0),
    "fit": lambda model, x, y: model.fit(x, y, verbose=0),
    "train_on_batch": lambda model, x, y: model.train_on_batch(x, y),
    "test_on_batch": lambda model, x, y: model.test_on_batch(x, y),
    "loss_and_gradients": lambda model, x, y: model.loss_and_gradients(x, y),
    "forward": lambda model, x, y: model.forward(x),
    "feature_maps": lambda model, x, y: inspection.feature_maps(model, model.layers[0], x),
    "saliency": lambda model, x, y: inspection.saliency(model, x, 0),
    "grad_cam": lambda model, x, y: inspection.grad_cam(model, model.layers[0], x, 0),
}


def trained(make, data, hook=None):
    model = make()
    model.fit(*data, batch_size=4, epochs=2, verbose=0, callbacks=[hook] if hook else None)
    return model


@pytest.mark.parametrize("name", USES)
def test_no_other_thread_gets_in_between_a_fit(name, small_model, small_data):
    data = small_data(12)
    hook = During(lambda model: in_another_thread(lambda: USES[name](model, *data)))
    model = trained(small_model, data, hook)
    assert isinstance(hook.result, RuntimeError)
    assert "fit is running in another thread" in str(hook.result)
    assert name in str(hook.result)
    assert model.fingerprint() == trained(small_model, data).fingerprint()
    USES[name](model, *data)  # and once it has ended, all goes on


@pytest.mark.parametrize("name", ["predict", "evaluate", "test_on_batch"])
def test_a_callback_may_use_the_model_that_is_being_trained(name, small_model, small_data):
    data = small_data(12)
    hook = During(lambda model: USES[name](model, *data))
    assert (
        trained(small_model, data, hook).fingerprint() == trained(small_model, data).fingerprint()
    )
    assert hook.result is not None


def test_two_threads_may_predict(small_model, small_data):
    x, y = small_data(6)
    model = small_model()
    expected = model.predict(x, verbose=0)

    class Meanwhile(Callback):
        def on_predict_batch_end(self, batch, logs=None):
            self.result = in_another_thread(lambda: self.model.predict(x, verbose=0))
            self.error = in_another_thread(lambda: self.model.evaluate(x, y, verbose=0))

    hook = Meanwhile()
    np.testing.assert_array_equal(model.predict(x, verbose=0, callbacks=[hook]), expected)
    np.testing.assert_array_equal(hook.result, expected)
    assert "predict is running in another thread" in str(hook.error)


def test_another_model_and_a_copy_are_free(small_model, small_data):
    data = small_data(12)
    other = small_model()

    def both(model):
        free = (other, copy.deepcopy(model), pickle.loads(pickle.dumps(other)))
        return [in_another_thread(lambda m=m: m.evaluate(*data, verbose=0)) for m in free]

    hook = During(both)
    trained(small_model, data, hook)
    assert not [result for result in hook.result if isinstance(result, Exception)]


def test_an_error_gives_the_model_back(small_model, small_data):
    class Fails(Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise ZeroDivisionError

    model, data = small_model(), small_data(4)
    with pytest.raises(ZeroDivisionError):
        model.fit(*data, verbose=0, callbacks=[Fails()])
    assert isinstance(in_another_thread(lambda: model.evaluate(*data, verbose=0)), list)
