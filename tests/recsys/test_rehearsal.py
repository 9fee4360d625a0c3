"""After a rehearsal no page waits for a compiler."""

import sys
from pathlib import Path

import pytest
from numba.core.registry import CPUDispatcher

from recsys.bundle import Bundle, open_bundle, write
from recsys.engine import Engine
from recsys.live import Live
from recsys.policy import Policy
from recsys.rehearsal import NOW, _bundle, rehearse
from recsys.types import Article, ArticleId, Event, Kind, Query


def compiled() -> dict[str, int]:
    return {
        f"{name}.{key}": len(value.signatures)
        for name, module in list(sys.modules.items())
        if name.startswith("recsys.")
        for key, value in list(vars(module).items())
        if isinstance(value, CPUDispatcher)
    }


@pytest.mark.parametrize("empty", [False, True])
def test_a_bundle_from_the_disk_finds_every_kernel_compiled(tmp_path: Path, empty: bool) -> None:
    assert rehearse() > 100
    before = compiled()
    live = Live(open_bundle(write(Bundle.empty() if empty else _bundle(), tmp_path)))
    live.refresh(NOW)
    for article in (Article("a", "new", "/new", "", NOW), Article("b", "newer", "/newer", "", NOW)):
        live.add([article])
        live.withdraw([ArticleId("a", "k2")])
        live.observe([Event("", Kind.READ, article.id, NOW, "w", "v", context=("a:b",))])
    live.refresh(NOW + 1)
    engine = Engine(live.bundle, live, Policy(exploration=0.5))
    for page in (None, ArticleId("a", "new"), ArticleId("b", "k1")):
        for seed in range(9):
            visitor = ("", "w", "reader")[seed % 3]
            engine.explain(Query("b", NOW + 1, page, visitor, n=4, context=("a:b",), seed=seed))
    assert compiled() == before
