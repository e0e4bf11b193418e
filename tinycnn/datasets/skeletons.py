"""The digits that synthetic.py draws, as skeletons: strokes through control points.

Legend: V variants of all digits, P control points, S samples of a pen's path. Points are (x, y) in
heights of a digit, x to the right, y down.
"""

import functools
from typing import NamedTuple

import numpy as np

from tinycnn.utils import Array

# A row is a variant: its digit, its share among the variants of that digit, its name and its
# strokes, separated by "|": control points x,y in hundredths of the digit's height. A stroke starts
# and ends on its outer points and is pulled towards those between, so the points of a loop lie
# outside it. Strokes that name the same point stay joined there, in a corner.
SKELETONS = """
0 4 closed: 36,0 6,2 -6,60 18,104 52,100 76,50 60,2 34,0
0 3 ends overlapping: 48,6 14,-4 -6,50 8,104 50,104 76,50 62,0 34,-2 20,14
0 2 not quite closed: 30,8 2,20 -4,90 24,108 66,96 72,30 58,0 40,4
0 1 a curl inside: 20,10 -4,60 16,106 54,100 74,40 50,-6 26,8 40,22 60,14
0 2 broad: 40,0 -14,0 -24,104 40,106 100,100 90,0 40,0 24,8
0 1 a lead-in stroke: 60,-4 36,8 -6,40 4,106 50,104 76,50 56,0 30,14 24,30
0 1 a stroke inside: 44,2 6,-2 -8,60 14,106 58,100 78,40 56,-4 36,10 34,40 30,64
1 8 bare: 10,0 10,50 10,100
1 2 flag: 2,16 16,0 | 16,0 16,50 16,100
1 1 flag and base: 4,16 20,0 | 20,0 20,50 20,100 | 0,100 20,100 40,100
2 3 straight base: 4,26 6,-4 60,-10 72,30 46,66 0,98 | 0,98 36,98 78,96
2 1 curled head: 12,34 -4,14 30,-10 78,4 56,54 0,98 | 0,98 40,96 84,96
2 3 loop, tail high: 8,24 20,-4 70,-14 66,30 50,72 20,112 -20,112 -10,74 40,58 84,54
2 3 loop, tail falling: 6,24 14,-8 66,-12 64,36 54,80 20,116 -20,100 0,62 46,56 66,84 80,108
2 2 small loop: 6,28 10,-4 62,-12 66,30 50,66 20,100 -6,108 -8,76 24,76 56,90 92,92
2 1 curl and loop: 10,36 -2,10 46,-14 72,16 52,66 20,110 -14,106 -2,68 44,66 86,80
2 2 waved base: 4,22 18,-6 66,-6 64,40 30,74 2,96 | 2,96 26,80 54,98 86,92
2 2 sharp turn: 2,26 20,-8 66,-8 54,48 0,98 | 0,98 34,72 56,84 84,96
2 1 rising base: 4,16 30,-8 70,0 50,52 0,98 | 0,98 36,82 82,62
2 2 narrow: 0,18 8,-8 46,-6 44,44 8,96 | 8,96 28,100 60,86
2 1 like a Z: 0,6 34,4 64,0 | 64,0 36,50 0,98 | 0,98 34,98 72,96
2 2 round-shouldered Z: 0,10 30,0 90,-14 60,36 30,68 0,98 | 0,98 36,98 78,94
2 1 low: 2,12 40,-8 84,0 56,40 4,86 | 4,86 10,100 40,94 90,88
3 4 corner: 2,12 16,-4 58,-6 62,36 24,46 | 24,46 70,46 70,106 20,106 0,88
3 3 curved waist: 4,12 20,-6 60,-4 54,44 20,46 30,48 70,54 62,106 16,106 0,90
3 2 flat top: 2,4 30,4 58,4 | 58,4 24,42 | 24,42 72,44 68,108 18,104 0,90
3 2 looped waist: 0,14 20,-6 60,-2 46,44 16,52 20,38 60,44 62,106 16,104 0,86
3 1 small head: 14,10 30,-6 54,2 50,34 26,42 | 26,42 84,44 80,110 16,104 0,86
3 1 short lower bowl: 2,10 24,-6 60,0 54,36 26,46 | 26,46 62,46 60,92 28,102
3 1 hooked head: 4,20 6,0 50,-12 58,30 24,46 | 24,46 70,42 72,108 4,110 0,90
4 4 open: 6,2 2,30 0,56 | 0,56 30,56 66,50 | 58,0 54,50 48,100
4 2 open and round: 6,0 -4,50 14,66 52,44 | 58,0 52,44 48,100
4 3 short upright: 10,0 0,50 | 0,50 35,50 70,46 | 46,22 44,60 42,100
4 2 closed: 46,0 20,34 0,62 | 0,62 34,62 70,60 | 46,0 46,50 46,100
4 1 bar to the upright: 6,0 2,34 | 2,34 14,52 48,46 | 54,2 48,46 44,100
5 4 one stroke: 66,0 40,1 16,2 | 16,2 10,44 | 10,44 40,28 74,52 62,106 20,106 0,90
5 3 detached top: 16,6 10,44 | 10,44 40,30 68,54 58,104 20,106 0,90 | 20,6 44,2 70,0
5 2 like an S: 66,2 26,-4 0,30 30,46 66,56 60,106 18,106 0,92
5 2 curled bowl: 60,0 16,4 | 16,4 6,46 | 6,46 50,28 74,70 40,112 -4,104 4,80
5 3 long top: 84,0 50,4 22,8 | 22,8 14,40 | 14,40 46,34 60,70 34,110 0,92
5 1 curved neck: 80,2 30,4 10,30 | 10,30 50,40 54,84 24,108 0,96
5 1 low, curled bowl: 92,0 52,4 36,14 | 36,14 12,46 | 12,46 62,40 64,74 36,112 -6,108 -4,86 18,88
5 2 short bowl: 50,0 18,5 | 18,5 8,46 | 8,46 58,42 62,76 34,100
6 4 curved back: 40,0 10,32 -12,86 20,110 62,98 54,54 18,52 0,84
6 3 straight back: 28,0 6,46 -6,96 28,108 58,92 46,54 16,62 4,84
6 1 hooked top: 54,2 18,8 -12,70 10,110 60,106 60,58 20,48 -2,86
6 1 narrow: 20,0 2,50 0,104 42,106 50,70 24,62 4,90
6 2 curled in: 18,0 -4,40 -10,108 32,108 78,102 66,44 34,44 26,78 38,100
6 2 broad loop: 36,0 2,30 -20,110 40,106 86,100 70,60 40,60 24,96
7 4 corner: 0,6 30,5 60,2 | 60,2 40,46 24,100
7 2 round shoulder: 0,10 34,-2 70,-2 44,46 34,100
7 2 serif: 2,26 4,4 | 4,4 32,6 62,4 | 62,4 38,48 28,100
7 2 serif, round: 0,26 10,-4 50,0 66,6 46,50 36,100
7 2 bar: 0,4 30,6 60,0 | 60,0 38,44 22,100 | 14,52 36,50 60,46
7 2 serif and bar: 0,22 4,4 | 4,4 32,6 60,4 | 60,4 38,48 28,100 | 14,56 36,54 62,50
7 1 bowed: 0,4 40,-6 76,-2 70,56 30,100
7 1 hooked foot: 0,6 30,5 60,2 | 60,2 38,56 14,98 28,104 40,94
7 1 upright: 0,4 28,4 54,4 | 54,4 52,50 50,100
8 4 an S and back: 52,12 30,-8 -2,14 20,44 62,62 60,104 4,108 -4,70 36,46 58,20 50,2
8 2 ends crossing: 54,16 40,-8 2,-4 4,36 56,56 64,102 6,110 -6,72 34,50 64,24 50,0
8 2 open top: 60,4 30,-10 -4,14 16,44 62,60 56,106 2,106 -4,70 36,44 72,6
8 2 gap at the right: 60,8 36,-10 -2,4 4,42 58,60 50,106 0,108 -2,76 34,52 50,36
8 1 two rings: 30,46 4,48 0,-4 60,-4 56,48 30,46 | 30,46 -10,46 -2,106 62,106 70,46 30,46
8 1 mirrored: 20,4 50,-10 60,26 30,48 -6,66 0,106 56,108 62,72 26,46 2,26 16,2
8 3 wide, open top: 66,8 40,-12 -16,6 12,44 52,66 44,108 8,108 4,76 40,44 78,8
8 2 curled in: 50,20 60,0 20,-12 -6,14 26,46 54,72 40,108 10,106 8,78 34,48 60,14
9 3 ring and stem: 52,16 36,-10 -4,2 -2,46 36,54 54,14 | 54,6 50,50 46,100
9 3 one stroke: 54,10 20,-10 -8,20 6,52 44,46 54,4 | 54,4 50,54 42,100
9 2 round ring: 46,16 26,-12 -10,6 -2,54 34,54 52,8 48,50 48,100
9 3 curved tail: 54,10 20,-12 -8,16 4,52 44,48 54,6 | 54,6 58,70 44,106 10,94
9 2 no corner: 52,20 28,-14 -8,12 4,54 48,46 56,10 52,60 42,100
9 2 small ring: 38,14 26,-8 4,0 4,36 24,40 40,6 | 40,6 38,50 32,100
9 2 slanted stem: 54,6 14,-4 -6,40 30,50 54,8 | 54,8 40,56 20,100
9 2 gap at the top: 44,8 14,-6 -8,34 16,56 54,36 | 58,0 54,36 46,100
9 3 open at the right: 62,12 36,-8 -4,2 -6,46 36,48 52,26 | 52,26 48,60 36,100
"""

SAMPLES = 96  # of a pen's path: about a pixel apart


class Skeletons(NamedTuple):
    """All variants, in the order of the table: path = weights @ (points + jitter)."""

    shares: Array  # (10, V) of integers: 0 for the variants of other digits
    points: Array  # (V, P, 2): control points, padded with zeros
    weights: Array  # (V, S, P): of each control point in each sample, padded with zeros


@functools.cache
def skeletons() -> Skeletons:
    """The table, ready to be drawn from; computed once."""
    rows = [row.partition(": ") for row in SKELETONS.strip().splitlines()]
    parts = [_compile(strokes) for _, _, strokes in rows]
    P = max(len(points) for points, _ in parts)
    table = Skeletons(
        shares=np.zeros((10, len(rows)), np.int64),
        points=np.zeros((len(rows), P, 2), np.float32),
        weights=np.zeros((len(rows), SAMPLES, P), np.float32),
    )
    for v, ((head, _, _), (points, weights)) in enumerate(zip(rows, parts, strict=True)):
        digit, share, _ = head.split(" ", 2)
        table.shares[int(digit), v] = int(share)
        table.points[v, : len(points)] = points
        table.weights[v, :, : len(points)] = weights
    return table


def _compile(text: str) -> tuple[Array, Array]:
    """The control points (P, 2) of a variant's strokes, and their weights (S, P) in the samples."""
    strokes = [stroke.split() for stroke in text.split("|")]
    names = list(dict.fromkeys(name for stroke in strokes for name in stroke))  # each once
    points = np.array([name.split(",") for name in names], np.float64) / 100
    weights, steps = [], []
    for stroke in strokes:
        chosen = np.eye(len(names))[[names.index(name) for name in stroke]]
        weights.append(_spline_weights(len(stroke)) @ chosen)
        moves = np.diff(weights[-1] @ points, axis=0)
        steps += [0.0, *np.hypot(moves[:, 0], moves[:, 1])]  # 0: lifted, the pen draws nothing
    # SAMPLES points at equal distances along all strokes.
    length = np.cumsum(steps)
    nearest = np.interp(np.linspace(0, length[-1], SAMPLES), length, np.arange(len(length)))
    return points, np.concatenate(weights)[np.rint(nearest).astype(int)]


def _spline_weights(count: int) -> Array:
    """Weights (200 per segment, count) of the control points of a uniform cubic B-spline.

    A point mirrored beyond each end, 2 p[0] - p[1], makes the curve start and end on its points.
    """
    eye = np.eye(count)
    p = np.vstack([2 * eye[0] - eye[1], eye, 2 * eye[-1] - eye[-2]])
    u = np.linspace(0, count - 1, 200 * (count - 1))
    i = np.minimum(u.astype(int), count - 2)
    t = (u - i)[:, None]
    curve = (1 - t) ** 3 * p[i] + (4 - 6 * t**2 + 3 * t**3) * p[i + 1]
    curve += (1 + 3 * t + 3 * t**2 - 3 * t**3) * p[i + 2] + t**3 * p[i + 3]
    return np.asarray(curve / 6)
