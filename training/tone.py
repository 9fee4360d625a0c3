"""Learns to tell grave articles from light ones from weak rules, publishers and editors."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize
from threadpoolctl import threadpool_limits

from recsys.arrays import Bool, Float32
from recsys.rules import Action, Rule
from recsys.tone import JUDGED, ToneModel, candidates, lead_of
from recsys.types import Article, ArticleId, Tone

SAMPLE = 20_000
"""Articles of those that publishers labelled, and of those nobody did, to learn from at most."""
MOST_TERMS = 30_000
"""Terms that are learned at most, the most frequent ones."""
FEWEST = 30
"""So many articles that are of a tone, and so many that are not, it takes to learn it."""
WEAK = 0.1
"""What a sure vote of the rules counts for beside a person's word."""
CLEAR = (0.1, 0.9)
"""Below and above these chances rules have voted clearly; what lies between teaches nothing."""
TRUSTED = 10
"""So often people must contradict the rules to leave them a third of the say."""
ALIKE, MOST_ALIKE = 0.5, 500
"""From which cosine to an article that people corrected a vote is void, and how many of those are
looked at: the rules would else outvote the correction with all the articles of its kind."""
LOOSENESS = 300.0
"""How far weights may go for what the examples say: scikit-learn's C."""


def fit_tone(
    articles: Sequence[Article], corrections: Mapping[ArticleId, Tone], seed: int = 0
) -> ToneModel:
    """Return a model learned from ``articles``; the same ones and seed give the same bits.

    Rules vote, and clear votes are examples of little weight (data programming; Ratner et al.,
    2016). What a publisher or, before that, an editor has said is one of full weight, whatever the
    rules say; votes on articles like one on which a person contradicts the rules are void. What is
    learned from examples, with words that no rule knows, and the rules have half the say each; the
    more people contradict the rules, the less say these have. A tone with too few examples is left
    to them.
    """
    rules = ToneModel.rules()
    tones = [corrections.get(article.id, article.tone) for article in articles]
    edited = np.array([article.id in corrections for article in articles], np.bool_)
    chosen = sampled(tones, edited, seed)
    texts = [lead_of(articles[row]) for row in chosen]
    chances = rules.chances(texts)
    target, weight = _examples(chances, [tones[row] for row in chosen])
    if not any(_enough(target[:, c], weight[:, c]) for c in range(len(JUDGED))):
        return rules
    wide = _widened(rules, texts)
    matrix = wide.matrix(texts)
    weights, bias = wide.weights.copy(), wide.bias.copy()
    # One thread: the order of additions, and so the last bit, must not depend on the machine.
    with threadpool_limits(1):
        for c in range(len(JUDGED)):
            called = chances[:, c] >= rules.thresholds[c]
            contradicted = (weight[:, c] == 1.0) & (called != target[:, c])
            weight[(weight[:, c] < 1.0) & _like(matrix, contradicted), c] = 0.0
            if not _enough(target[:, c], weight[:, c]):
                continue
            told = np.flatnonzero(weight[:, c])
            found = LogisticRegression(
                C=LOOSENESS, solver="liblinear", intercept_scaling=5.0, random_state=seed
            ).fit(matrix[told], target[told, c], _balanced(target[told, c], weight[told, c]))
            say = TRUSTED / (2 * TRUSTED + np.count_nonzero(contradicted))
            weights[:, c] = say * weights[:, c] + (1 - say) * found.coef_[0]
            bias[c] = say * bias[c] + (1 - say) * found.intercept_[0]
    return ToneModel(wide.terms, weights, bias, wide.thresholds)


def sampled(tones: Sequence[Tone], edited: Bool, seed: int) -> list[int]:
    """Return the rows to learn from, in order: all that editors corrected, and of others some."""
    rng = np.random.default_rng(seed)
    labelled = np.array([tone != Tone.UNKNOWN for tone in tones], np.bool_)
    rows = [np.flatnonzero(edited)]
    for part in (np.flatnonzero(labelled & ~edited), np.flatnonzero(~labelled & ~edited)):
        rows.append(rng.choice(part, SAMPLE, replace=False) if len(part) > SAMPLE else part)
    chosen: list[int] = np.sort(np.concatenate(rows)).tolist()
    return chosen


def _examples(chances: Float32, tones: Sequence[Tone]) -> tuple[Bool, Float32]:
    """Return what each article is an example of, bool[n, 2], and its weight, f32[n, 2]."""
    low, high = CLEAR
    target = chances >= high
    weight = np.where(target | (chances < low), WEAK * np.abs(2 * chances - 1), 0.0)
    for row, tone in enumerate(tones):
        if tone != Tone.UNKNOWN:
            target[row], weight[row] = [tone == one for one in JUDGED], 1.0
    return target, weight.astype(np.float32)


def _enough(target: Bool, weight: Float32) -> bool:
    told = weight > 0
    return min(np.count_nonzero(target & told), np.count_nonzero(~target & told)) >= FEWEST


def _balanced(target: Bool, weight: Float32) -> Float32:
    """Return weights by which votes for a tone count as much as those against: it is rare.

    The many weigh less; what a person has said weighs 1 as before.
    """
    votes = weight < 1.0
    sums = weight[votes & target].sum(), weight[votes & ~target].sum()
    if not min(sums):
        return weight
    scale = np.where(target, min(sums) / sums[0], min(sums) / sums[1])
    balanced: Float32 = np.where(votes, weight * scale, weight).astype(np.float32)
    return balanced


def _like(matrix: sparse.csr_matrix, contradicted: Bool) -> Bool:
    """Return bool[n]: articles like one on which a person has contradicted the rules."""
    rows = np.flatnonzero(contradicted)[-MOST_ALIKE:]
    unit = normalize(matrix)
    likeness = (unit @ unit[rows].T).toarray()
    like: Bool = likeness.max(axis=1, initial=0.0) >= ALIKE
    return like


def _widened(rules: ToneModel, texts: Sequence[str]) -> ToneModel:
    """Return the rules' model with the terms of ``texts`` beside theirs, of no weight yet."""
    rare = 3 if len(texts) > 1_000 else 2
    counter = CountVectorizer(analyzer=candidates, min_df=rare, max_features=MOST_TERMS)
    try:
        found = counter.fit(texts).vocabulary_
    except ValueError:  # scikit-learn's word for: no text holds any term
        return rules
    terms = sorted({*rules.terms, *found})
    weights = np.zeros((len(terms), len(JUDGED)), np.float32)
    row = {term: at for at, term in enumerate(terms)}
    weights[[row[term] for term in rules.terms]] = rules.weights
    return ToneModel(tuple(terms), weights, rules.bias, rules.thresholds)


def corrections(rules: Iterable[Rule], now: int) -> dict[ArticleId, Tone]:
    """Return what editors' rules that were there and active at ``now`` say of articles' tones.

    ``rules`` come the newest first, as ``data.rules.rules`` gives them; the newest of an article
    counts.
    """
    said: dict[ArticleId, Tone] = {}
    for rule in rules:
        if rule.action == Action.TONE and rule.created <= now and rule.active(now):
            said.setdefault(rule.article, rule.tone)
    return said
