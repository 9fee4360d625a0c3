"""Names the five sites of the sample network and the colours they are drawn in."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SampleSite:
    """One invented site."""

    id: str
    name: str
    colour: str
    """Of its masthead; the strongest colour of its pictures."""
    palette: tuple[str, str, str, str]
    """Of its pictures: far sky, near sky, far shape, near shape."""
    language: str = "en"

    @property
    def url(self) -> str:
        """Address of the front page, relative to the demo service."""
        return f"/demo/{self.id}/"


SITES = (
    SampleSite(
        "daily",
        "The Archipelago Daily",
        "#1f3a5f",
        ("#e9eef3", "#c3d0dc", "#6f8aa6", "#1f3a5f"),
    ),
    SampleSite(
        "engawa",
        "Engawa",
        "#7a4b2a",
        ("#f6efe3", "#e8d5b5", "#b88a5b", "#5b3a29"),
    ),
    SampleSite(
        "neon",
        "Neon & Linen",
        "#a2275a",
        ("#f7e9ee", "#efc4cf", "#8a5fa0", "#2b2140"),
    ),
    SampleSite(
        "slowtrain",
        "The Slow Train",
        "#2f6b4f",
        ("#eef4ec", "#c9dfd0", "#6fa287", "#22503c"),
    ),
    SampleSite(
        "genkan",
        "Genkan Board",
        "#b2542b",
        ("#fbf1e6", "#f2d3b3", "#d98f5c", "#6e3620"),
    ),
)
SITE_IDS = tuple(site.id for site in SITES)


def configuration() -> str:
    """Return the sites as the tables [sites.ID] of ``recsys.toml``."""
    tables = [
        f'[sites.{site.id}]\nname = "{site.name}"\nurl = "{site.url}"\nlanguage = "{site.language}"'
        for site in SITES
    ]
    return "# The sample network.\n\n" + "\n\n".join(tables) + "\n"
