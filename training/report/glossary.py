"""Explains each metric in two sentences, for those who meet it here for the first time."""

import re

ENTRIES = {
    "HR@10": "Hit rate: how often the article that the reader opened next is among the ten links"
    " shown. 0.600 means six times in ten.",
    "MRR@10": "Mean reciprocal rank: 1 where that article is the first link, 1/2 where it is the"
    " second, 1/10 where it is the tenth, 0 where it is not shown. It rewards putting it on top.",
    "nDCG@10": "Discounted cumulative gain: like MRR, but it falls off more gently from link to"
    " link. 1 would be the right article on top every time.",
    "Recall@10": "The share of what was opened that is among the ten links. It equals the hit rate"
    " where one article is asked for.",
    "Precision@10": "The share of the ten links that were opened. It can be no more than 0.1 where"
    " one article is asked for.",
    "MAP@10": "Mean average precision: precision at the place of each hit, averaged. It equals MRR"
    " where one article is asked for.",
    "AUC": "How often a card that was clicked is ranked above one that was shown beside it and was"
    " not. 0.5 is what chance reaches, 1 is perfect.",
    "coverage": "The share of all articles that were shown at least once. A system that shows"
    " everybody the same ten has almost none.",
    "Gini": "How unevenly showings fall on articles: 0 is all alike, 1 is one article alone. Lower"
    " is more even.",
    "novelty": "Self-information of what is shown, in bits: the fewer readers an article had"
    " before the cut, the more. One bit more means half as popular.",
    "diversity": "How unlike the links of one box are in content, on average. 0 is ten copies of"
    " one text, 1 is nothing in common.",
    "serendipity": "Hits that plain recent popularity would not have had. They are what a box adds"
    " to a list of what everybody reads.",
    "other sites": "The share of links that lead to another site than the page's. It is what the"
    " network gains, and it may cost hits.",
    "fresh": "The share of links to articles less than a day old. How much is right depends on the"
    " publisher.",
    "site": "The share of all links that lead to the site. They add up to 1.",
    "section": "The share of all links that lead to the section. They add up to 1.",
    "source": "The share of links that each source proposed: content, co-reading, trends, taste."
    " They add up to 1.",
    "hits by source": "The share of hits that came from the source. One that fills many cards and"
    " brings few hits is worth a look.",
    "calibration error": "How far predicted click rates are from what happened, averaged over"
    " cards. 0 is perfect; lower is better.",
    "skill": "How much better the predicted click rates are than always predicting their mean. 0"
    " is no better, 1 is perfect.",
}

CURVES = {
    "calibration": "Cards are sorted by predicted click rate and put into bins. On the dashed"
    " line, what was predicted is what happened; below it, too much was promised.",
    "position": "How often cards in each slot of the box were clicked. Readers click what stands"
    " on top more often whatever it is, so a click there proves less.",
}


SEGMENTS = {
    "reader": ("By reader", "Readers whom the bundle had seen before the cut, and all others."),
    "visit": ("By length of the visit", "How many articles were opened before in the visit."),
    "age": ("By age of the article", "How old the article was that the reader opened."),
    "site": ("By site", "Where the page was under which the box stood."),
    "day": ("Day by day", "Date, UTC. Systems go on learning from what is opened."),
    "hour": ("By hour", "Hour of the day, UTC, at which was asked."),
}
"""What questions are parted by: a title, and what the parts are."""

TERMS = {
    "95 % interval": "Had other visits of the same days been drawn, the figure would have landed in"
    " it 95 times in 100. It is a bootstrap over visits, whose questions hang together.",
    "adjusted p": "How probable a difference as large is where two systems are equally good,"
    " corrected for how many were compared (Holm, 1979). Below 0.05 it is not taken for chance.",
    "ahead, behind, cannot tell": "Ahead and behind are differences with an adjusted p below 0.05."
    " Cannot tell means that these questions do not settle it, not that systems are equal.",
    "cut": "The moment up to which everything was learned. What came after it was replayed as a"
    " stream: asked about first, learned from afterwards.",
}


def family(metric: str) -> str:
    """Return the kind of a metric: ``site`` of ``site: daily``."""
    return metric.partition(": ")[0]


def explain(metric: str) -> str:
    """Return two sentences on a metric, empty where unknown; any ``@k`` reads like ``@10``."""
    name = family(metric)
    return ENTRIES.get(name) or ENTRIES.get(re.sub(r"@\d+$", "@10", name), "")
