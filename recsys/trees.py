"""Walks LightGBM's trees for all candidates at once, without LightGBM: serving needs their sums."""

from dataclasses import dataclass, field

import numpy as np

from recsys.arrays import Bool, Float32, Float64, Int32, Int64
from recsys.compiled import kernel

WORD = 32
"""Leaves that one word of a mask stands for."""


@dataclass(frozen=True, slots=True, eq=False)
class Trees:
    """T trees with N inner nodes in all, as arrays.

    A node that a candidate leaves to the right rules out the leaves on its left. What is left of a
    tree's leaves when all nodes have spoken begins with the candidate's own: QuickScorer (Lucchese
    et al., 2015). No step waits for the one before it, so many candidates take it at once.
    """

    text: str = field(repr=False)
    """What LightGBM wrote."""
    width: int
    """Columns that it wants."""
    start: Int64
    """int64[T + 1]: where each tree's nodes begin."""
    feature: Int32
    """int32[N]: the column that a node looks at."""
    threshold: Float32
    """f32[N]: what is larger goes right."""
    unknown_left: Bool
    """bool[N]: whether NaN goes left."""
    kept: Int64
    """int64[N, W]: bits of the leaves that a turn to the right leaves over."""
    leaf: Float64
    """f64[T, W · WORD]: what each leaf adds, from left to right."""

    def __len__(self) -> int:
        return len(self.start) - 1

    @classmethod
    def parse(cls, text: str) -> "Trees":
        """Read LightGBM's text; raises ``ValueError`` for a model of another kind."""
        head, *blocks = text.split("\nTree=")
        facts = dict(line.partition("=")[::2] for line in head.splitlines() if "=" in line)
        if facts.get("num_class") != "1" or "average_output" in head.split():
            raise ValueError("it is no sum of trees")
        if len(blocks) != len(facts.get("tree_sizes", "").split()):
            raise ValueError("trees are missing")
        trees = [_Tree.parse(block) for block in blocks]
        words = max((-(-len(tree.leaf) // WORD) for tree in trees), default=1)
        leaf = np.zeros((len(trees), words * WORD))
        for line, tree in zip(leaf, trees, strict=True):
            line[: len(tree.leaf)] = tree.leaf
        nodes = [tree.feature for tree in trees]
        return cls(
            text=text,
            width=int(facts["max_feature_idx"]) + 1,
            start=np.cumsum([0, *map(len, nodes)]),
            feature=np.concatenate([np.empty(0, np.int32), *nodes]).astype(np.int32),
            threshold=_below(np.concatenate([np.empty(0), *(t.threshold for t in trees)])),
            unknown_left=np.concatenate([np.empty(0, np.bool_), *(t.unknown_left for t in trees)]),
            kept=np.concatenate(
                [np.empty((0, words), np.int64), *(_masks(tree.passed, words) for tree in trees)]
            ),
            leaf=leaf,
        )

    def sums(self, columns: Float32) -> Float64:
        """Return f64[m]: what the trees say of m candidates together, columns f32[F, m].

        The very sums that LightGBM forms, in its order.
        """
        total: Float64 = _sums(
            np.ascontiguousarray(columns),
            self.start,
            self.feature,
            self.threshold,
            self.unknown_left,
            self.kept,
            self.leaf,
        )
        return total


@dataclass(frozen=True, slots=True, eq=False)
class _Tree:
    feature: Int32
    threshold: Float64
    unknown_left: Bool
    passed: list[tuple[int, int]]
    """The leaves that lie on a node's left, from the first to before the last."""
    leaf: Float64

    @classmethod
    def parse(cls, block: str) -> "_Tree":
        told = dict(line.partition("=")[::2] for line in block.splitlines() if "=" in line)
        if told["num_cat"] != "0" or told.get("is_linear", "0") != "0":
            raise ValueError("its trees are of another kind")
        leaves = np.array(told["leaf_value"].split(), np.float64)
        feature = np.array(told.get("split_feature", "").split(), np.int32)
        threshold = np.array(told.get("threshold", "").split(), np.float64)
        kind = np.array(told.get("decision_type", "").split(), np.int64)
        if (kind & 1).any() or ((kind >> 2) == ZERO_MISSES).any():
            raise ValueError("its trees are of another kind")
        # A node that saw no NaN while it learned takes one for 0.
        unknown_left = np.where((kind >> 2) == NAN_MISSES, (kind & 2) > 0, threshold >= 0.0)
        children = [
            np.array(told.get(f"{side}_child", "").split(), int).tolist()
            for side in ("left", "right")
        ]
        order: list[int] = []
        passed = [(0, 0)] * len(feature)

        def visit(node: int) -> None:
            if node < 0:
                order.append(~node)
                return
            first = len(order)
            visit(children[0][node])
            passed[node] = first, len(order)
            visit(children[1][node])

        visit(0 if len(feature) else -1)
        return cls(feature, threshold, unknown_left, passed, leaves[order])


ZERO_MISSES, NAN_MISSES = 1, 2
TINY = np.float32(1e-35)


def _masks(passed: list[tuple[int, int]], words: int) -> Int64:
    """Return int64[n, words]: bits of all leaves but the passed ones, WORD in each word."""
    kept = np.ones((len(passed), words * WORD), np.int64)
    for line, (first, last) in zip(kept, passed, strict=True):
        line[first:last] = 0
    bits: Int64 = kept.reshape(len(passed), words, WORD) @ (1 << np.arange(WORD))
    return bits


def _below(thresholds: Float64) -> Float32:
    """Return f32[n]: the largest that are no larger, so that every float32 goes as it did."""
    rounded = thresholds.astype(np.float32)
    above = rounded.astype(np.float64) > thresholds
    rounded[above] = np.nextafter(rounded[above], np.float32(-np.inf))
    # LightGBM takes numbers that are nearly 0 for 0 before it looks at thresholds.
    rounded[(thresholds >= 0) & (rounded < TINY)] = TINY
    rounded[(thresholds < 0) & (rounded >= -TINY)] = np.nextafter(-TINY, np.float32(-np.inf))
    return rounded


@kernel
def _sums(columns, start, feature, threshold, unknown_left, kept, leaf):  # type: ignore[no-untyped-def]
    count, words = columns.shape[1], kept.shape[1]
    total = np.zeros(count)
    left = np.empty((words, count), np.uint32)
    for tree in range(len(start) - 1):
        left[:] = 0xFFFFFFFF
        for node in range(start[tree], start[tree + 1]):
            column, bound = columns[feature[node]], threshold[node]
            for word in range(words):
                mask, line = np.uint32(kept[node, word]), left[word]
                if unknown_left[node]:
                    for place in range(count):
                        line[place] &= mask if column[place] > bound else np.uint32(0xFFFFFFFF)
                else:
                    for place in range(count):
                        line[place] &= np.uint32(0xFFFFFFFF) if column[place] <= bound else mask
        for place in range(count):
            word = 0
            while left[word, place] == 0:
                word += 1
            bits = np.int64(left[word, place])
            first = FIRST[((bits & -bits) * 0x077CB531 >> 27) & 31]
            total[place] += leaf[tree, word * WORD + first]
    return total


def _de_bruijn() -> Int64:
    """Return int64[32]: the place of a bit by the five bits that it shifts to the top."""
    first = np.zeros(32, np.int64)
    for bit in range(32):
        first[((1 << bit) * 0x077CB531 & 0xFFFFFFFF) >> 27] = bit
    return first


FIRST = _de_bruijn()
