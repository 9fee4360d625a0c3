"""Trains a bundle by Spark: the cluster learns of events and texts, the driver puts it together."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from data.store import Snapshot
from recsys.bundle import Bundle
from recsys.errors import ConfigError
from recsys.history import History
from recsys.policy import Policy
from recsys.tables import TONES
from recsys.types import ArticleId, Tone
from training.fit import NOBODY
from training.parts import Parts, assemble
from training.rank import with_ranker
from training.recipe import Recipe
from training.spark import facts
from training.spark.behaviour import Behaviour, ratings, tastes
from training.spark.facts import Facts
from training.spark.session import line_of
from training.spark.sources import Source
from training.spark.texts import describe, embedder_of, tone_of
from training.stages import Report, silent, stage

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(slots=True, eq=False)
class SparkEngine:
    """Reads a source and learns of it; ``training.run.run`` takes it as its store and its learner.

    Events never come to the driver, but for a sample of readers: the gate and the ranker replay
    history event by event, which no cluster makes faster.
    """

    spark: "SparkSession"
    source: Source
    most: int = facts.MOST_EVENTS
    """Events of the sample, about."""
    _facts: Facts | None = field(default=None, init=False, repr=False)

    def snapshot(self, until: int) -> Snapshot:
        """Return the sample of what was known before ``until`` (UTC seconds).

        Raises ``ConfigError`` where the cluster fails at what the source holds.
        """
        with _readable():
            self._facts = facts.read(self.spark, self.source, until)
            return self._facts.sample(until, self.most)

    def learn(
        self,
        history: History,
        recipe: Recipe,
        now: int,
        policy: Policy | None = None,
        *,
        mark: Mapping[str, int] | None = None,
        parent: str = "",
        corrections: Mapping[ArticleId, Tone] = NOBODY,
        earlier: Iterable[Bundle] = (),
        report: Report = silent,
    ) -> Bundle:
        """Return a bundle, not yet written, of all that the source knew at the last snapshot.

        ``history`` is that snapshot's sample: of it the ranker learns. Nothing is taken over of
        ``earlier`` bundles.
        """
        known = self._facts
        if known is None:
            raise RuntimeError("learn() comes after snapshot(), which reads the source")
        with stage("events on the cluster", report) as note:
            held = f"the driver replays {len(history.interactions)} of them"
            note(f"{known.count} of {len(known.articles)} articles; {held}")
        with _readable():
            parts = learn_parts(known, recipe, now, corrections=corrections, report=report)
        bundle = assemble(
            parts,
            known.articles,
            known.visitors,
            recipe,
            now,
            mark=mark,
            parent=parent,
            report=report,
        )
        return with_ranker(bundle, history, recipe, now, policy, report=report)


def learn_parts(
    known: Facts,
    recipe: Recipe,
    now: int,
    *,
    corrections: Mapping[ArticleId, Tone] = NOBODY,
    report: Report = silent,
) -> Parts:
    """Return what ``training.fit.learn_parts`` does of the same facts, all before ``now``.

    Vectors, signatures, tones, trends and counts are the same but for the order of additions;
    tastes are as good but not the same, for Spark's ALS begins elsewhere.
    """
    count = len(known.articles)
    with stage("content vectors: learn", report) as note:
        embedder = embedder_of(known.texts, count, recipe.dims, recipe.seed)
        note(f"{len(embedder.terms)} terms × {embedder.dims}")

    with stage("tones: learn", report) as note:
        tone = tone_of(known.texts, known.articles, corrections, recipe.seed)
        note(f"{len(tone.terms)} terms")

    with stage("content vectors, fingerprints, tones", report) as note:
        vectors, marks, judged = describe(known.texts, count, embedder, tone)
        note(f"{count} articles, {np.count_nonzero(judged == TONES.index(Tone.GRAVE))} grave")

    with stage("readers' tastes", report) as note:
        shape = len(known.visitors), count
        rated = ratings(known.events, recipe.weights, now)
        learned, support, pairs = tastes(
            rated,
            shape,
            factors=recipe.factors,
            iterations=recipe.iterations,
            regularization=recipe.regularization,
            alpha=recipe.alpha,
            seed=recipe.seed,
        )
        note(f"{shape[0]} readers × {shape[1]} articles, {pairs} pairs")

    with stage("visits", report) as note:
        behaviour = Behaviour.of(known.events)
        opens = behaviour.opens()
        note(f"{opens} openings")

    with stage("trends", report) as note:
        trends = behaviour.trends(count, now, recipe.trend_half_lives)
        note(f"{len(trends.half_lives)} clocks")

    with stage("read together", report) as note:
        together = behaviour.together(count, now, recipe.coread_half_lives, recipe.coread_width)
        note(f"{len(together.arrays()['columns'])} transitions")

    with stage("reads", report) as note:
        reads = behaviour.reads(len(known.visitors))
        note(f"{len(reads.rows)} of known readers")
    behaviour.firsts.unpersist()
    return Parts(
        embedder=embedder,
        vectors=vectors,
        signatures=marks,
        tone=tone,
        judged=judged,
        factors=learned,
        support=support,
        reads=reads,
        trends=trends,
        coread=together,
        events=known.count,
        opens=opens,
    )


@contextmanager
def _readable() -> Iterator[None]:
    """Turn what Spark says into one sentence."""
    from pyspark.errors import PySparkException

    try:
        yield
    except PySparkException as error:
        raise ConfigError(
            f"Spark failed: {line_of(error, 'Caused by')}; its own log tells more. Where memory was"
            " short, give more: --set spark.executor.memory=8g"
        ) from error
