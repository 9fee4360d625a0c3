"""Looks whether a finished bundle has about the size of the one in service."""

from recsys.manifest import Manifest
from training.gate import Gate
from training.verdict import Check, Findings


def growth(made: Manifest, served: Manifest, gate: Gate) -> Findings:
    """Return whether a bundle is larger or smaller than ``served`` by more than its data explain.

    A bundle may grow with the fastest growing of its articles, readers and events, and shrink with
    the fastest shrinking: in a young network all of them double within days.
    """
    size, before = (sum(file.bytes for file in each.files.values()) for each in (made, served))
    ratios = [
        now / then
        for now, then in (
            *((made.shapes.get(n, 0), served.shapes.get(n, 0)) for n in ("articles", "visitors")),
            (made.metrics.get("events", 0.0), served.metrics.get("events", 0.0)),
        )
        if then
    ]
    most, least = max([1.0, *ratios]), min([1.0, *ratios])
    ratio = size / max(before, 1)
    small = ratio < least / gate.size
    bound = least / gate.size if small else most * gate.size
    return Findings(
        (
            Check(
                "bytes",
                least / gate.size <= ratio <= most * gate.size,
                float(size),
                bound * before,
                float(before),
                sentence=f"The bundle has {size:,} bytes, {ratio:.2f} times what is in service; its"
                f" data explain between {least:.2f} and {most:.2f} times, give or take a factor of"
                f" {gate.size:g}.",
            ),
        )
    )
