"""Is an optimizer what its definition says? Its steps, beside the definition written out.

An optimizer remembers: each step changes what the last one left, and a mistake in that shows only
after some steps. The definitions, in definitions.py, remember nothing.
"""

import copy
import html
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tinycnn.gradient_check.definitions import Definition, definitions_of
from tinycnn.optimizers import Optimizer
from tinycnn.parameter import Parameter
from tinycnn.support.arguments import integer
from tinycnn.support.reprs import table
from tinycnn.utils import Array

# Relative to the largest change of a step. Keras, and so tinycnn, rounds Adam's betas to float32 in
# the bias correction: that alone makes 7e-6 of a difference at beta_2 = 0.999.
TOLERANCE = 2e-5
SHAPES = ((3, 2), (4,))  # two parameters, so that one may disturb the other


# --- the report -----------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class OptimizerReport:
    """What `check_optimizer` found.

    Attributes:
        title: the optimizer.
        definition: the name of the definition that it was compared with; None if it fits none.
        differences: after each step, how far the parameters moved otherwise than by the definition,
            relative to the largest movement; none if a rule is broken.
        faults: the rules that are broken, as sentences.
        pattern: what the differences look like, in words; "" if nothing simple.
    """

    title: str
    definition: str | None
    differences: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    pattern: str = ""

    @property
    def passed(self) -> bool:
        """Whether no rule is broken and every step is as defined."""
        known = self.definition is not None and bool(self.differences)
        return not self.faults and known and all(d <= TOLERANCE for d in self.differences)

    def raise_if_failed(self) -> None:
        """Raises ArithmeticError with the whole report, unless it passed."""
        if not self.passed:
            raise ArithmeticError(str(self))

    def _lines(self) -> list[str]:
        lines = [f"FAIL  {fault}" for fault in self.faults]
        if self.definition is None and not self.faults:
            lines.append(
                "FAIL  its steps are none that tinycnn knows: give its definition, "
                "check_optimizer(optimizer, definition)"
            )
        return lines

    def __str__(self) -> str:
        lines = [f"{self.title}, beside {self.definition or 'no definition'}", *self._lines()]
        if self.definition is not None and self.differences:
            lines.append("      step  difference")
        for step, difference in enumerate(self.differences, 1):
            verdict = "pass" if difference <= TOLERANCE else "FAIL"
            lines.append(f"{verdict}  {step:>4}  {difference:.1e}")
        return "\n".join([*lines, *([f"pattern: {self.pattern}"] if self.pattern else [])])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """What a notebook shows: the same as a table."""
        rows = [
            ["pass" if difference <= TOLERANCE else "FAIL", str(step), f"{difference:.1e}"]
            for step, difference in enumerate(self.differences, 1)
        ]
        caption = f"{self.title}, beside {self.definition or 'no definition'}"
        notes = self._lines() + ([f"pattern: {self.pattern}"] if self.pattern else [])
        made = table(["verdict", "step", "difference"], rows, caption)
        return made + "".join(f"<p>{html.escape(note)}</p>" for note in notes)


# --- the check ------------------------------------------------------------------------------------


def check_optimizer(
    optimizer: Optimizer, definition: Definition | None = None, steps: int = 6, seed: int = 0
) -> OptimizerReport:
    """Compares the steps of an optimizer with its definition, written out.

    It works on a copy, from step 1 on, in float64, without the optimizer's clipping; weight decay
    is part of the comparison. Two parameters get random gradients. It also checks that the
    gradients stay as they are, that one parameter does not disturb the other, and that the same
    gradients give the same steps again.

    Args:
        optimizer: one of tinycnn's or of your own.
        definition: a function (gradients, learning_rates) -> change. It gets all gradients of a
            parameter so far and the learning rate of each step, the last one last, and returns the
            change of the value in the last step. None takes that of the class for SGD, RMSprop,
            Adam, AdamW and what is derived from them. For any other class the definitions of these
            are tried, with the settings of the optimizer that have the same names.
        steps: how many; the state shows from the second on.
        seed: decides the values and gradients.

    Example:
        >>> check_optimizer(SGD(0.1, momentum=0.9)).passed
        True
    """
    if not isinstance(optimizer, Optimizer):
        raise ValueError(
            f"`optimizer` must be an Optimizer object, such as SGD(0.1). Received: {optimizer!r}"
        )
    steps = integer(steps, "steps", least=2)
    rng = np.random.default_rng([seed, 3])
    values = [np.asarray(rng.standard_normal(shape)) for shape in SHAPES]
    # Of several sizes, so that a rule which looks at the size of a gradient shows that it does.
    gradients = [
        [np.asarray(rng.standard_normal(shape) * 10.0 ** rng.integers(-2, 2)) for shape in SHAPES]
        for _ in range(steps)
    ]
    path, rates, faults = _walk(optimizer, values, gradients)
    if not faults and not _same(path, _walk(optimizer, values, gradients)[0]):
        faults.append("the same gradients give other steps: it must draw no random numbers")
    if not faults:
        for i in range(len(SHAPES)):
            alone, _, _ = _walk(optimizer, values[i : i + 1], [[g[i]] for g in gradients])
            if not _same([[moved[i]] for moved in path], alone):
                faults.append(
                    f"parameter {i} takes other steps when it is alone: what is remembered must be "
                    "remembered for each parameter, and the number of a step is self.iterations"
                )
                break
    title = repr(optimizer)
    if faults:
        return OptimizerReport(title, None, faults=faults)
    candidates = {"its definition": definition} if definition else definitions_of(optimizer)
    decay = optimizer.weight_decay or 0.0
    found = {
        name: _defined(made, values, gradients, rates, decay) for name, made in candidates.items()
    }
    differences = {name: _differences(values, path, made) for name, made in found.items()}
    best = min(differences, key=lambda name: max(differences[name]))
    unknown = len(candidates) > 2 and max(differences[best]) > TOLERANCE
    if unknown:
        return OptimizerReport(title, None)
    pattern = _pattern(values, path, found[best], differences[best])
    return OptimizerReport(title, best, differences[best], pattern=pattern)


Path = list[list[Array]]  # for each step, the values of all parameters after it


def _walk(
    optimizer: Optimizer, values: Sequence[Array], gradients: Sequence[Sequence[Array]]
) -> tuple[Path, list[float], list[str]]:
    """Steps of a fresh copy: the values after each, the learning rates, and broken rules."""
    fresh = copy.deepcopy(optimizer)
    fresh.clipnorm = fresh.clipvalue = fresh.global_clipnorm = None
    parameters = [Parameter(f"parameter {i}", value.copy()) for i, value in enumerate(values)]
    path: Path = []
    rates = []
    for step, given in enumerate(gradients, 1):
        for parameter, gradient in zip(parameters, given, strict=True):
            parameter.grad = gradient.copy()
        rates.append(float(fresh.learning_rate))
        try:
            fresh.update(parameters)
        except (
            RuntimeError,
            TypeError,
        ) as error:  # what the base class says of a wrong update_step
            return path, rates, [str(error)]
        for parameter, gradient in zip(parameters, given, strict=True):
            if parameter.grad is None or not np.array_equal(parameter.grad, gradient):
                return path, rates, ["it changes the gradient: only value and state may change"]
            if not np.isfinite(parameter.value).all():
                return path, rates, [f"after step {step} a value is not finite"]
        path.append([parameter.value.copy() for parameter in parameters])
    return path, rates, []


def _same(a: Path, b: Path) -> bool:
    return all(
        np.array_equal(x, y)
        for one, other in zip(a, b, strict=True)
        for x, y in zip(one, other, strict=True)
    )


def _defined(
    definition: Definition,
    values: Sequence[Array],
    gradients: Sequence[Sequence[Array]],
    rates: Sequence[float],
    decay: float,
) -> Path:
    """The values after each step by the definition, and weight decay before it."""
    now, path = list(values), []
    for t in range(1, len(gradients) + 1):
        shrunk = [value - decay * rates[t - 1] * value for value in now]
        now = [
            value + definition([g[i] for g in gradients[:t]], rates[:t])
            for i, value in enumerate(shrunk)
        ]
        path.append(now)
    return path


def _moves(values: Sequence[Array], path: Path) -> list[Array]:
    """What each step added to the values, all parameters in one row."""
    rows = [np.concatenate([value.ravel() for value in step]) for step in [list(values), *path]]
    return [after - before for before, after in itertools.pairwise(rows)]


def _differences(values: Sequence[Array], path: Path, defined: Path) -> list[float]:
    made, right = _moves(values, path), _moves(values, defined)
    return [
        float(np.max(np.abs(a - b)) / (np.max(np.abs(b)) or 1.0))
        for a, b in zip(made, right, strict=True)
    ]


def _pattern(
    values: Sequence[Array], path: Path, defined: Path, differences: Sequence[float]
) -> str:
    """What the differences look like, in words."""
    wrong = [step for step, difference in enumerate(differences, 1) if difference > TOLERANCE]
    if not wrong:
        return ""
    ratios = []
    for made, right in zip(_moves(values, path), _moves(values, defined), strict=True):
        ratio = float(made @ right / (right @ right))
        # Roughly: epsilon may stand elsewhere.
        fits = np.max(np.abs(made - ratio * right)) <= 0.01 * np.max(np.abs(right))
        ratios.append(ratio if fits else float("nan"))
    if np.ptp(ratios) <= 0.01:
        words = "uphill: a sign is wrong" if abs(ratios[0] + 1) < 0.01 else "a factor is wrong"
        return f"every step is {ratios[0]:.4g} times that of the definition: {words}"
    if wrong[0] == 2:
        return (
            "right in step 1 and wrong from step 2 on: look at what is remembered from step to step"
        )
    if wrong[0] > 2:
        return f"right up to step {wrong[0] - 1}, and wrong from then on"
    if np.isfinite(ratios).all():
        told = ", ".join(f"{ratio:.4g}" for ratio in ratios)
        return (
            f"the steps have the right direction, and {told} times the right length: a factor that "
            "changes with the step, as a bias correction does"
        )
    return "wrong from step 1 on, and not by one factor: look at the formula itself"
