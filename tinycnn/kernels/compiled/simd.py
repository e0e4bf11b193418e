"""The vector type: LANES numbers that the processor handles as one.

Numba compiles through LLVM, and LLVM has vector types. This file teaches Numba one: LANES numbers
of the dtype of the array that it is loaded from (float32 to run, float64 to check gradients; LLVM
splits a vector that is wider than a register). `tiles.py` builds on it what kernels call.

LANES is the width of the registers that Numba makes code for: the host's as LLVM sees them, or
those of NUMBA_CPU_FEATURES. The environment variable TINYCNN_LANES (16, 8 or 4) overrides it, so
that every size can be tested on any machine.

The functions at the end generate code: `builder` appends an instruction to the function that is
being compiled. Their arguments and results stand for values that exist only when it runs.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls
# (what Numba and llvmlite call back with has no types to declare)

import os
import platform

import numba
from llvmlite import binding, ir
from numba import types
from numba.extending import models, register_model

# --- the number of lanes --------------------------------------------------------------------------


def _lanes_of_host() -> int:
    told = vars(numba.config)["CPU_FEATURES"]  # None, or as "+avx2,+fma"
    features = binding.get_host_cpu_features()
    if told is not None:
        features = {name[1:]: name[0] == "+" for name in told.split(",") if name}
    if features.get("avx512f"):
        return 16
    return 8 if features.get("avx2") and platform.machine() not in ("arm64", "aarch64") else 4


def _chosen_lanes() -> int:
    text = os.environ.get("TINYCNN_LANES") or str(_lanes_of_host())
    if text not in ("16", "8", "4"):
        raise ValueError(f"`TINYCNN_LANES` must be 16, 8 or 4. Received: TINYCNN_LANES={text!r}")
    return int(text)


LANES = _chosen_lanes()

# --- the vector type ------------------------------------------------------------------------------


class Vector(types.Type):
    """LANES numbers of one dtype: float32, float64 or uint8."""

    def __init__(self, dtype) -> None:
        kinds = {types.float32: ir.FloatType(), types.float64: ir.DoubleType()}
        element = kinds.get(dtype) or ir.IntType(8)
        self.number = dtype
        self.suffix, self.align = f"f{dtype.bitwidth}", dtype.bitwidth // 8
        self.ir = ir.VectorType(element, LANES)
        super().__init__(name=f"{dtype}x{LANES}")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, fe_type) -> None:
        super().__init__(manager, fe_type, fe_type.ir)


def address(context, builder, array_type, array, index):
    """A pointer to array[index]."""
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [index])


def neighbours(builder, element, vector, count):
    """Pointers to `count` vectors side by side, the first one at `element`."""
    first = builder.bitcast(element, vector.ir.as_pointer())
    return [builder.gep(first, [ir.Constant(ir.IntType(64), v)]) for v in range(count)]


def splat(builder, scalar, vector):
    """A vector whose every lane is `scalar`."""
    undefined = ir.Constant(vector.ir, ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
    everywhere = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(first, undefined, everywhere)


def spread(builder, pointer, vector, count):
    """A vector of `count` neighbouring numbers, again and again."""
    if count == 1:
        return splat(builder, builder.load(pointer), vector)
    kind = ir.VectorType(vector.ir.element, count)
    numbers = builder.load(builder.bitcast(pointer, kind.as_pointer()), align=vector.align)
    return shuffled(builder, numbers, [lane % count for lane in range(LANES)])


def shuffled(builder, value, lanes):
    """The lanes of a vector with these numbers, as a vector; LANES stands for any number at all."""
    integer = ir.IntType(32)
    mask = ir.Constant(ir.VectorType(integer, len(lanes)), list(lanes))
    return builder.shuffle_vector(value, ir.Constant(value.type, ir.Undefined), mask)


def unpacked(builder, values, count):
    """The first `count` items of a tuple, as a list."""
    return [builder.extract_value(values, i) for i in range(count)]
