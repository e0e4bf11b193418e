"""The shape of the package: `python .ci/shape.py [ROOT]`.

Prints its circles of imports (annotations under TYPE_CHECKING included), its longest functions and
its longest files. ROOT is a checkout, this one by default: to compare two, run it on both.
"""

import ast
import sys
from pathlib import Path

from tinycnn.support.console import say

LONGEST = 6


def main(root):
    """Prints the three lists."""
    files = {path: ast.parse(path.read_text("utf-8")) for path in sorted(root.rglob("*.py"))}
    names = {module(path, root): path for path in files}
    arrows = {name: imported(files[path], name, names) for name, path in names.items()}
    circles = [circle for circle in components(arrows) if len(circle) > 1]
    say(f"{len(files)} files, {len(circles)} circles of imports")
    for circle in circles:
        say(f"  a circle of {len(circle)}: {', '.join(sorted(circle))}")
    functions = [
        (node.end_lineno - node.lineno + 1, f"{path.relative_to(root)}: {node.name}")
        for path, tree in files.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    ]
    lengths = [
        (len(path.read_text("utf-8").splitlines()), str(path.relative_to(root))) for path in files
    ]
    for title, measured in (("functions", functions), ("files", lengths)):
        say(f"the longest {title}, in lines:")
        for count, name in sorted(measured, reverse=True)[:LONGEST]:
            say(f"  {count:4}  {name}")


def module(path, root):
    """tinycnn/layers/core.py -> "tinycnn.layers.core"."""
    parts = path.relative_to(root.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imported(tree, name, names):
    """The modules of the package that a file imports wherever it does so outside of functions."""
    found = set()
    inside = {n for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for n in ast.walk(f)}
    for node in ast.walk(tree):
        if node in inside:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            # `from package import thing`: the module `package.thing`, or what the package offers.
            below = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (below & names.keys()) or {node.module}
    return (found & names.keys()) - {name}


def components(arrows):
    """The strongly connected components of a graph (Tarjan 1972)."""
    index, low, stack, result = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in arrows[node]:
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            result.append(stack[stack.index(node) :])
            del stack[stack.index(node) :]

    for node in arrows:
        if node not in index:
            visit(node)
    return result


if __name__ == "__main__":
    main((Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parents[1]) / "tinycnn")
