"""Wrong solutions that nobody thought of: one small change of the loops at a time, by machine."""

import ast
import copy
from collections.abc import Iterator
from typing import NamedTuple

from mutants import SOURCE

from tinycnn.grader.exercises import EXERCISES

TREE = ast.parse(SOURCE)

# Names that a slip of the pen exchanges.
TWINS = [
    *(("H", "W"), ("KH", "KW"), ("SH", "SW"), ("OH", "OW"), ("PH", "PW"), ("i", "j"), ("u", "v")),
    *(("top", "left"), ("bottom", "right"), ("r", "s"), ("N", "C"), ("C", "F"), ("D", "U")),
    *(("d", "u"), ("n", "i"), ("c", "f"), ("n", "k"), ("x", "dy"), ("x", "kernel")),
    *(
        ("beta_1", "beta_2"),
        ("m_hat", "v_hat"),
        ("m", "v"),
        ("gamma", "beta"),
        ("mean", "variance"),
    ),
    *(("dgamma", "dbeta"), ("probabilities", "targets"), ("total", "largest"), ("y", "dy")),
    *(("velocity", "gradient"), ("momentum", "learning_rate"), ("r0", "s0"), ("r1", "s1")),
    *(("dkernel", "kernel"), ("N", "K"), ("best", "value"), ("value", "step")),
]
COMPARE = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
}
ARITHMETIC = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mod,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
}


class Mutant(NamedTuple):
    """The solution with one node of one function changed."""

    function: str
    name: str  # "col2im:12 Add -> Sub"
    source: str
    line: str  # the changed one

    def load(self):
        """The wrong function."""
        namespace = {"__name__": "mutant"}
        exec(compile(self.source, f"<{self.name}>", "exec"), namespace)
        return namespace[self.function]


def changes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Replacements of a node, with a name."""
    new = copy.deepcopy
    match node:
        case ast.Compare(ops=[op]) if type(op) in COMPARE:
            changed = new(node)
            changed.ops = [COMPARE[type(op)]()]
            yield f"{type(op).__name__} -> {COMPARE[type(op)].__name__}", changed
        case ast.BinOp(op=op) if type(op) in ARITHMETIC:
            changed = new(node)
            changed.op = ARITHMETIC[type(op)]()
            yield f"{type(op).__name__} -> {ARITHMETIC[type(op)].__name__}", changed
        case ast.AugAssign(op=op):
            yield f"{type(op).__name__}= -> =", ast.Assign([new(node.target)], new(node.value))
            changed = new(node)
            changed.op = ast.Sub() if isinstance(op, ast.Add) else ast.Add()
            yield f"{type(op).__name__}= turned", changed
            yield "statement left out", ast.Pass()
        case ast.Assign(targets=[ast.Subscript()]):
            yield "statement left out", ast.Pass()
        case ast.Constant(value=value) if type(value) in (int, float):
            yield f"{value} -> {value + 1}", ast.Constant(value + 1)
            if value == 1:
                yield "1 -> 0", ast.Constant(0)
        case ast.Constant(value="valid"):
            yield "valid -> same", ast.Constant("same")
        case ast.Name(id=name, ctx=ast.Load()):
            for a, b in TWINS:
                if name in (a, b):
                    other = b if name == a else a
                    yield f"{name} -> {other}", ast.Name(other, ast.Load())
        case ast.Call(func=ast.Name(id="range"), args=[end]):
            less = ast.BinOp(new(end), ast.Sub(), ast.Constant(1))
            yield "range one less", ast.Call(new(node.func), [less], [])
            yield "range from 1", ast.Call(new(node.func), [ast.Constant(1), new(end)], [])
        case ast.If():
            for value in (True, False):
                changed = new(node)
                changed.test = ast.Constant(value)
                yield f"if {value}", changed
        case ast.Return(value=value) if value is not None:
            yield "minus", ast.Return(ast.UnaryOp(ast.USub(), new(value)))
        case ast.Tuple(elts=[a, b, *rest], ctx=ast.Load()) if len(rest) <= 2:
            yield "first two exchanged", ast.Tuple([new(b), new(a), *map(new, rest)], ast.Load())


class _Replace(ast.NodeTransformer):
    """Replaces the node number `place` of the walk."""

    def __init__(self, old: ast.AST, new: ast.AST):
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        return self.new if node is self.old else self.generic_visit(node)


def mutants_of(function: str) -> Iterator[Mutant]:
    """Every change of every node of one function, named by its line there."""
    (definition,) = (n for n in TREE.body if isinstance(n, ast.FunctionDef) and n.name == function)
    whole = ast.get_source_segment(SOURCE, definition)
    seen = {ast.unparse(definition)}
    for place, node in enumerate(ast.walk(definition)):
        for kind, (name, _) in enumerate(changes(node)):
            copied = copy.deepcopy(definition)
            old = next(n for i, n in enumerate(ast.walk(copied)) if i == place)
            _, new = list(changes(old))[kind]
            text = ast.unparse(ast.fix_missing_locations(_Replace(old, new).visit(copied)))
            if text not in seen:
                seen.add(text)
                line = node.lineno - definition.lineno
                title = f"{function}:{line}:{node.col_offset} {name}"
                shown = SOURCE.splitlines()[node.lineno - 1].strip()
                yield Mutant(function, title, SOURCE.replace(whole, text), shown)


def all_mutants() -> list[Mutant]:
    """Those of all functions that are graded."""
    return [mutant for function in EXERCISES for mutant in mutants_of(function)]
