"""Lists the kinds of article that the sample network publishes, and how each of them lives."""

from dataclasses import dataclass

from recsys.types import Tone

TOPICS = (
    "politics",
    "economy",
    "disaster",
    "justice",
    "sport",
    "science",
    "transport",
    "society",
    "food",
    "craft",
    "festival",
    "living",
    "fashion",
    "culture",
    "city",
    "travel",
    "nature",
    "work",
    "language",
)
DAY = 86_400


@dataclass(frozen=True, slots=True)
class Genre:
    """A kind of article."""

    site: str
    text: str
    """Heading in the site's text file."""
    section: str
    things: str
    """Word list of what it is about."""
    topics: tuple[str, str]
    """Its main and second topic."""
    share: float
    """Of all original articles, relative to the others."""
    hours: float
    """Time constant of the interest in it."""
    tone: Tone = Tone.UNKNOWN
    language: str = "en"
    sponsored: bool = False
    days: tuple[int, int] | None = None
    """After how many days it expires, from and to; never where None."""
    threads: float = 0.0
    """Share of the running stories that are of this kind."""
    wire: tuple[str, str] | None = None
    """Site and section that take copies of it from the wire."""

    @property
    def file(self) -> str:
        """Name of the text file that holds its templates."""
        return "japanese" if self.language == "ja" else self.site


def _ja(site: str, text: str, section: str, things: str, topics: tuple[str, str], share: float,
        hours: float, **more: object) -> Genre:  # fmt: skip
    return Genre(site, text, section, things, topics, share, hours, language="ja", **more)  # type: ignore[arg-type]


GRAVE, LIGHT = Tone.GRAVE, Tone.LIGHT
GENRES = (
    Genre("daily", "politics", "Politics", "policy", ("politics", "society"), 70, 10,
          threads=22, wire=("genkan", "News")),
    Genre("daily", "business", "Business", "industry", ("economy", "work"), 50, 14,
          threads=12, wire=("genkan", "News")),
    Genre("daily", "disaster", "Japan", "disaster", ("disaster", "transport"), 14, 10, GRAVE,
          threads=16, wire=("slowtrain", "Alerts")),
    Genre("daily", "incident", "Japan", "incident", ("justice", "society"), 26, 8, GRAVE,
          threads=12),
    Genre("daily", "obituary", "Obituaries", "calling", ("culture", "society"), 10, 18, GRAVE),
    Genre("daily", "sport", "Sport", "sport", ("sport", "culture"), 55, 8,
          threads=20, wire=("neon", "City")),
    Genre("daily", "research", "Science", "research", ("science", "economy"), 30, 26,
          threads=6, wire=("engawa", "Reading")),
    Genre("daily", "rail", "Transport", "rail", ("transport", "travel"), 40, 12,
          threads=10, wire=("slowtrain", "Alerts")),
    Genre("daily", "society", "Japan", "society", ("society", "living"), 45, 20,
          threads=6, wire=("engawa", "Reading")),
    _ja("daily", "news", "日本語", "policy", ("politics", "society"), 26, 12),
    _ja("daily", "quake", "日本語", "disaster", ("disaster", "transport"), 5, 10, tone=GRAVE),
    Genre("engawa", "food", "Kitchen", "dish", ("food", "living"), 55, 160),
    Genre("engawa", "craft", "Hands", "craft", ("craft", "culture"), 36, 220),
    Genre("engawa", "festival", "Seasons", "festival", ("festival", "travel"), 36, 72, LIGHT,
          threads=3),
    Genre("engawa", "living", "Home", "living", ("living", "craft"), 46, 200),
    _ja("engawa", "living", "暮らし", "dish", ("food", "living"), 16, 160),
    _ja("engawa", "living", "手しごと", "craft", ("craft", "culture"), 14, 200),
    Genre("neon", "fashion", "Style", "fashion", ("fashion", "culture"), 36, 90, LIGHT),
    Genre("neon", "opening", "Eat & Drink", "opening", ("food", "city"), 42, 80, LIGHT),
    Genre("neon", "culture", "Culture", "culture", ("culture", "city"), 36, 60, threads=3),
    Genre("neon", "quarter", "City", "quarter", ("city", "society"), 32, 120),
    Genre("slowtrain", "sight", "Places", "sight", ("travel", "culture"), 46, 500),
    Genre("slowtrain", "outdoors", "Outdoors", "outdoors", ("nature", "travel"), 36, 500),
    Genre("slowtrain", "journey", "By rail", "journey", ("transport", "travel"), 32, 450),
    Genre("slowtrain", "regional", "Food trips", "regional", ("food", "travel"), 32, 400),
    Genre("slowtrain", "offer", "Offers", "offer", ("travel", "transport"), 12, 200, LIGHT,
          sponsored=True, days=(20, 40)),
    _ja("slowtrain", "travel", "旅", "sight", ("travel", "culture"), 20, 400),
    Genre("genkan", "job", "Jobs", "job", ("work", "economy"), 60, 150, days=(10, 30)),
    Genre("genkan", "grammar", "Japanese", "grammar", ("language", "culture"), 40, 400),
    Genre("genkan", "advice", "Advice", "advice", ("work", "society"), 36, 350),
    Genre("genkan", "training", "Offers", "training", ("work", "language"), 12, 150, LIGHT,
          sponsored=True, days=(10, 30)),
    _ja("genkan", "job", "求人", "job", ("work", "economy"), 18, 150, days=(10, 30)),
    _ja("genkan", "grammar", "日本語", "grammar", ("language", "culture"), 14, 400),
)  # fmt: skip
"""Every kind; an article's genre is its position here."""
IN_JAPANESE = {
    (g.text, g.site): next(
        j for j, other in enumerate(GENRES) if other.language == "ja" and other.text == ja
    )
    for g, ja in ((GENRES[0], "news"), (GENRES[2], "quake"))
}
"""The genre in which a running story of (text, site) is told in Japanese."""
