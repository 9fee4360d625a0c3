"""Says how many cards of one slate each site and section may have, and should."""

import math
from typing import NamedTuple

import numpy as np

from recsys.arrays import Bool, Int64
from recsys.compiled import kernel
from recsys.ids import Vocabulary
from recsys.policy import Policy
from recsys.situation import by_section


class Quotas(NamedTuple):
    """How many of the ``n`` cards of a slate sites and sections may have, and should."""

    n: int
    home: int
    """Code of the page's site, -1 where there is none."""
    from_home: int
    """Cards at most from the page's own site."""
    site_most: Int64
    """int64[S + 1], by code of a site; the last entry stands for -1."""
    site_least: Int64
    section_most: Int64
    """int64[C + 1], likewise by code of a section."""
    section_least: Int64
    plain: bool
    """Whether neither sections nor single sites have shares of their own: that saves time."""

    @classmethod
    def of(
        cls, policy: Policy, home: int, n: int, sites: Vocabulary, sections: Vocabulary
    ) -> "Quotas":
        """Return the quotas of a slate of ``n`` cards; shares round up to whole cards."""
        per_site = max(1, math.ceil(policy.max_per_site * n))
        site_most = np.full(len(sites) + 1, per_site)
        site_least = np.zeros(len(sites) + 1, np.int64)
        for name, quota in policy.sites.items():
            if (code := sites.row(name)) >= 0:
                site_least[code] = math.ceil(quota.min * n)
                if quota.max is not None:
                    site_most[code] = math.ceil(quota.max * n)
        rules = tuple(policy.sections.items())
        most, least = (
            np.ceil(by_section(sections, rules, name, free) * n).astype(np.int64)
            if rules
            else np.full(len(sections) + 1, math.ceil(free * n))
            for name, free in (("max", 1.0), ("min", 0.0))
        )
        from_home = n - math.ceil(policy.other_sites_min * n) if home >= 0 else n
        plain = not policy.sites and not policy.sections
        return cls(n, home, from_home, site_most, site_least, most, least, plain)


@kernel
def short(least: Int64, have: Int64, there: Bool) -> int:
    """Return the cards that are still short of the least shares of what is there, by code.

    Whatever no candidate could fill is not waited for. A least share counts once the slots that are
    left are needed for it.
    """
    total = 0
    for code in range(len(least)):
        if there[code]:
            total += max(least[code] - have[code], 0)
    return total
