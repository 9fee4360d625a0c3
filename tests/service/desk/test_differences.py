"""What is called more than chance is so after counting how often it was looked for."""

from data.performance import Dimension, Rate
from data.ratios import Gap
from service.desk.differences import verdict

SLOT, SITE = Dimension.SLOT, Dimension.SITE


def rate(of, by=None, p=1.0):
    gap = None if by is None else Gap(by, by - 0.01, by + 0.01, p)
    return Rate((of,), 1000, 50, 500, 40, 0.05, 0.04, 0.06, gap)


def test_of_many_comparisons_only_what_outlives_all_of_them_is_named():
    sites = [rate(f"s{n}", 0.001, 0.02) for n in range(20)]
    found = verdict({SLOT: [rate(1, 0.03, 1e-6), rate(2, 0, 0.9), rate(3)], SITE: sites})
    assert found.compared == 22
    assert found.few == 1
    assert [(one.dimension, one.rate.of) for one in found.differences] == [(SLOT, (1,))]
    alone = verdict({SITE: [sites[0], rate("t", 0, 0.9), rate("u", 0, 0.8)]})
    assert alone.differences == ()  # 0.02 of three is 0.06
    assert len(verdict({SLOT: [], SITE: [*sites[:1], rate("v", -0.001, 0.02)]}).differences) == 1


def test_two_groups_are_one_comparison_told_from_the_better_one():
    found = verdict({SITE: [rate("a", -0.02, 1e-4), rate("b", 0.02, 1e-4)]})
    assert found.compared == 1
    (one,) = found.differences
    assert one.rate.of == ("b",)
    assert one.more


def test_the_largest_difference_comes_first_and_less_is_told_as_less():
    found = verdict({SLOT: [rate(n, by, 1e-9) for n, by in enumerate((0.01, -0.04, 0.02))]})
    assert [(one.rate.of[0], one.more) for one in found.differences] == [
        (1, False),
        (2, True),
        (0, True),
    ]


def test_nothing_to_compare_is_no_difference():
    assert verdict({SLOT: [rate(1)], SITE: []}).compared == 0
    assert verdict({}).differences == ()
