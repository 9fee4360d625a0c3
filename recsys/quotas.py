"""Says how many cards of one slate each site and section may have, and should."""

import math
from dataclasses import dataclass

import numpy as np

from recsys.arrays import Bool, Int16, Int64
from recsys.ids import Vocabulary
from recsys.policy import Policy
from recsys.situation import by_section


@dataclass(frozen=True, slots=True, eq=False)
class Quotas:
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
    plain: bool = False
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
            np.ceil(np.nan_to_num(by_section(sections, rules, name), nan=free) * n).astype(np.int64)
            if rules
            else np.full(len(sections) + 1, math.ceil(free * n))
            for name, free in (("max", 1.0), ("min", 0.0))
        )
        from_home = n - math.ceil(policy.other_sites_min * n) if home >= 0 else n
        plain = not policy.sites and not policy.sections
        return cls(n, home, from_home, site_most, site_least, most, least, plain)

    def room(
        self, site: Int16, section: Int16, taken_sites: Int64, taken_sections: Int64
    ) -> dict[str, Bool]:
        """Return by quota that there is, bool[m]: which of m candidates may have the next slot.

        ``site`` and ``section`` int16[m] are theirs; ``taken_sites`` int64[S + 1] and
        ``taken_sections`` int64[C + 1] count the cards that are there already. A least share
        counts once the slots that are left are needed for it.
        """
        rooms = {}
        if not self.plain:
            left = self.n - int(taken_sites.sum())
            short = self.section_least - taken_sections
            free = (taken_sections < self.section_most)[section]
            rooms["sections"] = free & self._needed(short, section, left)
            rooms["sites"] = self._needed(self.site_least - taken_sites, site, left)
        rooms["max_per_site"] = (taken_sites < self.site_most)[site]
        if self.home >= 0:
            home_full = taken_sites[self.home] >= self.from_home
            rooms["other_sites_min"] = (site != self.home) | np.bool_(not home_full)
        return rooms

    @staticmethod
    def _needed(short: Int64, code: Int16, left: int) -> Bool:
        """Return bool[m]: which candidates leave slots enough for what is still short.

        Whatever no candidate could fill is not waited for.
        """
        there = np.zeros(len(short), np.bool_)
        there[code] = True
        short = np.where(there, np.maximum(short, 0), 0)
        if short.sum() < left:
            return np.ones(len(code), np.bool_)
        return np.asarray(short[code] > 0, np.bool_)
