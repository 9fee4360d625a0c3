"""Learns readers' tastes from what they read, and carries them to new readers and new articles."""

from dataclasses import dataclass, field

import numpy as np
from scipy import linalg, sparse
from threadpoolctl import threadpool_limits

from recsys.arrays import Float32, Float64, Int32
from recsys.compiled import loose
from recsys.top import best


@dataclass(frozen=True, slots=True, eq=False)
class Factors:
    """A reader's taste for an article is the inner product of their rows.

    ``gram`` f32[f, f] is YᵗY over the articles that somebody has read. It is kept apart, because an
    article that got its row from its content was never turned down by anyone.
    """

    visitors: Float32
    """f32[V, f]; zeros for a reader without events."""
    articles: Float32
    """f32[A, f]; zeros for an article that nobody has read, unless ``warmed``."""
    gram: Float32 = field(repr=False)
    alpha: float = 1.0
    """Confidence per unit of weight: c = 1 + alpha·weight."""
    regularization: float = 0.05
    _inverse: Float64 = field(init=False, repr=False)
    """f64[f, f]: of YᵗY + λI, the system of a reader of whom nothing is known."""

    def __post_init__(self) -> None:
        penalty = max(self.regularization, 1e-9) * np.eye(len(self.gram))
        object.__setattr__(self, "_inverse", linalg.inv(self.gram + penalty))

    def fold_in(self, rows: Int32, weights: Float32) -> Float32:
        """Return f32[f]: the taste of a reader who has these articles with these weights.

        ``rows`` int32[m] and ``weights`` f32[m] ≥ 0; zeros come back where there are none.
        Closed form (YᵗY + Yᵗ(C - I)Y + λI)⁻¹ YᵗCp of Hu, Koren and Volinsky (2008), eq. 4. For few
        articles the system that is solved has a line for each of them: A = YᵗY + λI is inverted
        once, and (A + ZᵗEZ)⁻¹Zᵗ = A⁻¹Zᵗ(I + EZA⁻¹Zᵗ)⁻¹ (the push-through identity).
        """
        if 2 * len(rows) <= len(self.gram):
            taste: Float32 = _fold_few(self.articles, self._inverse, rows, self.alpha * weights)
            return taste
        read = self.articles[rows].astype(np.float64)
        extra = self.alpha * np.asarray(weights, np.float64)
        system = self.gram + (read.T * extra) @ read
        system[np.diag_indices_from(system)] += max(self.regularization, 1e-9)
        wanted = read.T @ (1.0 + extra)
        return linalg.solve(system, wanted, assume_a="pos", check_finite=False).astype(np.float32)

    def top(self, taste: Float32, k: int, exclude: Int32) -> tuple[Int32, Float32]:
        """Return rows int32[≤k] and scores f32[≤k] of the best articles for a taste f32[f].

        Ties by row. Only positive scores come back, and never a row of ``exclude``. It stands in
        for ``implicit``'s own ``recommend``, which, asked for more than there is, returns read
        articles at -3.4e38 and then row 0 over and over.
        """
        scores = self.articles @ taste
        scores[exclude] = -np.inf
        return best(scores, k)

    def warmed(self, vectors: Float32, mapping: Float32, support: Int32) -> "Factors":
        """Return factors in which articles without readers (``support`` 0) have mapped rows."""
        articles = self.articles.copy()
        cold = np.flatnonzero(support == 0)
        articles[cold] = cold_factors(vectors[cold], mapping)
        return Factors(self.visitors, articles, self.gram, self.alpha, self.regularization)


@loose
def _fold_few(articles: Float32, inverse: Float64, rows: Int32, extra: Float32) -> Float32:
    many, width = len(rows), len(inverse)
    moved = np.zeros((many, width))  # ZA⁻¹
    for place in range(many):
        for factor in range(width):
            weight = np.float64(articles[rows[place], factor])
            for other in range(width):
                moved[place, other] += weight * inverse[factor, other]
    system = np.eye(many)
    wanted = np.empty(many)
    for place in range(many):
        wanted[place] = 1.0 + extra[place]
        for other in range(many):
            near = 0.0
            for factor in range(width):
                near += articles[rows[place], factor] * moved[other, factor]
            system[place, other] += extra[place] * near
    solved = np.linalg.solve(system, wanted)
    taste = np.zeros(width)
    for place in range(many):
        for factor in range(width):
            taste[factor] += moved[place, factor] * solved[place]
    return taste.astype(np.float32)


def fit(
    matrix: sparse.csr_matrix,
    *,
    factors: int = 64,
    iterations: int = 15,
    regularization: float = 0.05,
    alpha: float = 10.0,
    seed: int = 0,
    threads: int = 0,
    start: tuple[Float32, Float32] | None = None,
) -> Factors:
    """Factorise the weights f32[V, A] ≥ 0 of readers' events by implicit ALS.

    Hu, Koren and Volinsky (2008), Collaborative filtering for implicit feedback datasets, with the
    conjugate gradient steps of Takács, Pilászy and Tikk (2011). ``threads`` 0 means all cores; the
    result is the same to the bit for any number. It begins with the rows of ``start`` f32[V, f] and
    f32[A, f] where they are given, else with random ones: near the end few iterations do.
    """
    readers, articles = matrix.shape
    empty = Factors(
        np.zeros((readers, factors), np.float32),
        np.zeros((articles, factors), np.float32),
        np.zeros((factors, factors), np.float32),
        alpha,
        regularization,
    )
    if matrix.nnz == 0:
        return empty
    # implicit wants c itself, and takes what is below 1 for dislike
    confidence = sparse.csr_matrix(
        (1.0 + alpha * matrix.data, matrix.indices, matrix.indptr), matrix.shape, np.float32
    )
    # here: the service folds readers in and never learns
    from implicit.cpu.als import AlternatingLeastSquares

    # implicit threads over rows itself; a BLAS that threads too would make it many times slower
    with threadpool_limits(1, user_api="blas"):
        model = AlternatingLeastSquares(
            factors=factors,
            regularization=regularization,
            iterations=iterations,
            random_state=seed,
            num_threads=threads,
        )
        if start is not None:
            model.user_factors, model.item_factors = start
        model.fit(confidence, show_progress=False)
        gram = model.item_factors.T @ model.item_factors
    return Factors(model.user_factors, model.item_factors, gram, alpha, regularization)


def cold_map(
    vectors: Float32, articles: Float32, support: Int32, least: int = 5, ridge: float = 1.0
) -> Float32:
    """Return f32[d+1, f]: the ridge regression from content vectors (and 1) to article factors.

    Learned on articles with at least ``least`` distinct readers (``support`` int32[A]); where there
    are none, on those with any; all zeros where nobody has read anything. The bias is not shrunk.
    """
    seen = support >= max(1, min(least, int(support.max(initial=0))))
    x = np.ones((int(seen.sum()), vectors.shape[1] + 1), np.float64)
    x[:, :-1] = vectors[seen]
    if not len(x):
        return np.zeros((x.shape[1], articles.shape[1]), np.float32)
    penalty = np.full(x.shape[1], ridge)
    penalty[-1] = 1e-6
    with threadpool_limits(1, user_api="blas"):
        system: Float64 = x.T @ x + np.diag(penalty)
        mapped = linalg.solve(system, x.T @ articles[seen].astype(np.float64), assume_a="pos")
    return np.asarray(mapped, np.float32)


def cold_factors(vectors: Float32, mapping: Float32) -> Float32:
    """Return f32[n, f]: the factors that content vectors f32[n, d] stand for."""
    return np.asarray(vectors @ mapping[:-1] + mapping[-1], np.float32)
