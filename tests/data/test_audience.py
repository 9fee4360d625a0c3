"""The simulated audience does what is true of the sample network's readers."""

import random
from pathlib import Path

import numpy as np
import pytest

from data.sample.audience import Audience, bias, load
from data.sample.generate import generate
from data.sample.sizes import SIZES
from data.sample.traffic import BIAS
from recsys.errors import DataError
from recsys.types import ArticleId

END = 1_795_392_000


@pytest.fixture(scope="module")
def audience(tmp_path_factory) -> Audience:
    folder = tmp_path_factory.mktemp("network")
    generate(folder, SIZES["tiny"], 1, END)
    return load(folder)


def test_it_knows_every_article_by_its_row(audience: Audience) -> None:
    assert len(audience.articles) == len(audience.published) == len(audience.rows)
    assert all(audience.row(id) == row for row, id in enumerate(audience.articles))
    assert audience.row(ArticleId("daily", "none")) == -1


def test_active_readers_come_more_often(audience: Audience) -> None:
    draw = random.Random(1)
    came = np.bincount([audience.arrives(draw) for _ in range(5_000)], minlength=150)
    activity = np.diff(audience.arrivals, prepend=0.0)
    assert np.corrcoef(came, activity)[0, 1] > 0.95


def test_visits_begin_with_new_articles_to_the_readers_taste(audience: Audience) -> None:
    draw = random.Random(1)
    now = int(np.median(audience.published))
    landed = [audience.lands_on(7, now, draw) for _ in range(2_000)]
    assert audience.published[landed].max() <= now
    there = np.flatnonzero(audience.published <= now)
    liking = audience.truth.affinity(np.full(len(landed), 7), np.array(landed)).mean()
    assert liking > audience.truth.affinity(np.full(len(there), 7), there).mean()
    assert audience.published[landed].mean() > audience.published[there].mean()


def test_slots_are_examined_by_the_true_position_bias(audience: Audience) -> None:
    draw = random.Random(1)
    seen = np.zeros(8)
    for _ in range(4_000):
        seen[audience.examines(8, draw)] += 1
    assert seen / 4_000 == pytest.approx([*BIAS, BIAS[-1], BIAS[-1]], abs=0.04)
    assert bias(40) == BIAS[-1]


def test_what_is_liked_is_clicked_more(audience: Audience) -> None:
    draw = random.Random(1)
    rows = np.arange(len(audience.articles))
    liking = audience.truth.affinity(np.full(len(rows), 3), rows)
    most, least = int(liking.argmax()), int(liking.argmin())
    rates = [
        np.mean([audience.clicks(3, row, draw) for _ in range(2_000)]) for row in (most, least)
    ]
    assert rates[0] > 1.5 * rates[1] > 0


def test_the_same_seed_wants_the_same(audience: Audience) -> None:
    def wants(seed: int) -> list[int]:
        draw = random.Random(seed)
        return [audience.lands_on(audience.arrives(draw), END, draw) for _ in range(20)]

    assert wants(4) == wants(4) != wants(5)


def test_without_a_network_the_next_step_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="make one with: recsys demo"):
        load(tmp_path)
