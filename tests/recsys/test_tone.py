"""A war report is grave and make-up tips are light, and the words that decide are told."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from recsys.bundle import Bundle
from recsys.errors import BundleCorrupt
from recsys.live import Live
from recsys.tables import TONES
from recsys.tone import ToneModel, lead_of, weak_rules, words
from recsys.types import Article, Tone

RULES = ToneModel.rules()
WAR = Article(
    "daily",
    "war",
    "https://daily.example/war",
    "Air strikes kill dozens as troops push into the city",
    1_795_000_000,
    body="At least 40 people were killed when missiles hit a hospital, rescue workers said."
    " Thousands of refugees spent a second night in the cold, and aid workers spoke of bodies under"
    " the rubble. The army said that its soldiers had come under fire from militants.",
    section="World",
)
MAKE_UP = Article(
    "neon",
    "spring",
    "https://neon.example/spring",
    "Ten make-up tips for a fresh spring look",
    1_795_000_100,
    body="Our stylist shows how a touch of lipstick and mascara brightens your day, and which"
    " celebrity wears it best. Try the eyeliner trick at your next party!",
    section="Style",
)
CAR_LOAN = Article(
    "slowtrain",
    "loan",
    "https://slowtrain.example/loan",
    "Drive away today: car loans from 0.9 per cent",
    1_795_000_200,
    body="A special offer for a limited time: no deposit, low monthly payments, instant approval."
    " Apply online now and get a voucher for your first service.",
    section="Partner",
)


def tone_of(text: str, model: ToneModel = RULES) -> Tone:
    return TONES[int(model.judge([text])[0])]


def test_the_war_report_is_grave_and_what_must_not_stand_under_it_is_light():
    judged = RULES.judge([lead_of(article) for article in (WAR, MAKE_UP, CAR_LOAN)])
    assert [TONES[code] for code in judged] == [Tone.GRAVE, Tone.LIGHT, Tone.LIGHT]


@pytest.mark.parametrize(
    "text",
    [
        "Quake kills 20 in mountain villages\nRescuers search the rubble for survivors.",
        "Teacher charged with child abuse\nPolice say that the victims were under ten.",
        "Actress dies aged 81\nShe had been in many comedies and musicals, and won an Oscar.",
        "Man found guilty of murder of his wife\nThe court heard that she was stabbed at home.",
        "市内で殺人事件、男性が死亡\n警察によると、男性は自宅で刺され、病院で死亡が確認された。",
        "震度6強の地震、津波警報\n沿岸の住民に避難指示が出された。けが人がいるという。",
        "保育所で虐待の疑い\n職員が園児に暴行を加えたとみて調べている。",
        "俳優の山田さん死去、81歳\n葬儀は近親者で営んだ。",
    ],
)
def test_what_is_grave(text):
    assert tone_of(text) == Tone.GRAVE


@pytest.mark.parametrize(
    "text",
    [
        "Quiz: which celebrity chef are you?\nAnswer ten funny questions.",
        "Your horoscope for the week\nThe stars smile on you.",
        "今週の星座占い\n運勢が上がる開運スイーツを紹介します。",
        "人気芸人のお笑いライブ\n爆笑の一夜をお届けします。",
        "Death by chocolate: a recipe to die for\nThis delicious dessert needs no baking.",
    ],
)
def test_what_is_light(text):
    assert tone_of(text) == Tone.LIGHT


@pytest.mark.parametrize(
    "text",
    [
        "The killer app that phones were waiting for\nSoftware firms want a share of the market.",
        "Dead heat in the marathon\nThe judges could not part the two runners.",
        "Rivals in price war over broadband\nAnalysts expect profits to fall.",
        "City waste two shots on goal and a penalty shot\nThe striker missed twice in the match.",
        "Crash diet or crash course?\nWhat a study says of eating less.",
        "Council to vote on earthquake drills\nThe committee will debate the budget.",
        "必殺技の語源をたどる\n言葉の歴史を調べた本が出た。",
        "コレステロールとステロイドの話\n健康診断の数字の読み方。",
        "Parliament passes the budget\nThe opposition voted against it.",
    ],
)
def test_figures_of_speech_and_dry_news_are_neither(text):
    assert tone_of(text) == Tone.NEUTRAL


def test_grave_goes_before_light():
    both = "Celebrity make-up artist murdered\nThe stylist was killed after a fashion party."
    opinion = RULES.explain(both)
    assert opinion.tone == Tone.GRAVE
    lenient = dataclasses.replace(RULES, thresholds=np.zeros(2, np.float32))
    assert tone_of("A text about nothing", lenient) == Tone.GRAVE


@pytest.mark.parametrize("text", ["", "\n", " \n\t", "…\n!!!"])
def test_of_a_text_without_words_nothing_is_known(text):
    assert tone_of(text) == Tone.UNKNOWN


def test_nothing_to_judge_is_judged():
    assert RULES.judge([]).tolist() == []
    assert RULES.chances([]).shape == (0, 2)


def test_title_counts_more_than_opening_and_opening_more_than_the_rest():
    filler = "The weather was mild and people walked along the river in the afternoon sun. " * 5
    places = [f"Murder\n{filler}", f"News\nMurder. {filler}", f"News\n{filler} Murder."]
    chances = RULES.chances(places)[:, 0]
    assert chances[0] > chances[1] > chances[2]


TEXTS = st.lists(
    st.sampled_from(
        [
            *(term for rule in weak_rules() for term in rule.terms[:3]),
            "the",
            "地震で死亡",
            "ß",
            "\n",
        ]
    ),
    max_size=12,
).map(" ".join) | st.text(max_size=60)


@given(st.lists(TEXTS, min_size=1, max_size=5), TEXTS)
def test_a_verdict_does_not_depend_on_the_texts_beside_it(texts, other):
    alone = np.concatenate([RULES.chances([text]) for text in texts])
    np.testing.assert_array_equal(RULES.chances([other, *texts])[1:], alone)
    np.testing.assert_array_equal(
        RULES.judge([other, *texts])[1:], np.concatenate([RULES.judge([t]) for t in texts])
    )


@given(
    st.lists(st.sampled_from(("war", "Murder", "death", "KILLER", "app", "film", "quiz", "the")))
)
def test_case_changes_nothing(parts):
    text = " ".join(parts)
    variants = [text, text.upper(), text.lower(), text.title()]
    assert len({tuple(row) for row in RULES.chances(variants).tolist()}) == 1


@given(TEXTS)
def test_what_the_words_add_is_the_verdict(text):
    opinion = RULES.explain(text)
    grave = opinion.bias[0] + sum(word.grave for word in opinion.words)
    light = opinion.bias[1] + sum(word.light for word in opinion.words)
    np.testing.assert_allclose(expit([grave, light]), opinion.chances, rtol=1e-4, atol=1e-6)
    said = np.array([opinion.chances]) >= np.array(opinion.thresholds)
    if opinion.tone != Tone.UNKNOWN:
        assert (opinion.tone == Tone.GRAVE) == said[0, 0]


def test_the_reasons_are_words_of_the_text_the_weightiest_first():
    opinion = RULES.explain(lead_of(WAR))
    assert {"kill", "killed", "missiles"} <= {word.term for word in opinion.words}
    weight = [abs(word.grave) + abs(word.light) for word in opinion.words]
    assert weight == sorted(weight, reverse=True)


def test_every_rule_says_why_and_takes_back_only_what_others_say():
    said = {term for rule in weak_rules() if not rule.cancels for term in rule.terms}
    for rule in weak_rules():
        assert rule.why
        assert rule.terms
        assert rule.cancels == (rule.grave == rule.light == 0)
        if rule.cancels:
            assert said.isdisjoint(rule.terms)
    names = [rule.name for rule in weak_rules()]
    assert len(set(names)) == len(names)


def test_a_figure_of_speech_alone_is_never_grave():
    phrases = [term for rule in weak_rules() if rule.cancels for term in rule.terms]
    spaced = [phrase for phrase in phrases if phrase.isascii()]
    assert len(spaced) > 200
    for phrase in spaced:
        assert sum(word.grave for word in RULES.explain(phrase).words) < 1e-3, phrase


def test_a_saved_model_judges_alike(tmp_path):
    RULES.save(tmp_path)
    loaded = ToneModel.load(tmp_path)
    texts = [lead_of(article) for article in (WAR, MAKE_UP, CAR_LOAN)]
    assert loaded.terms == RULES.terms
    np.testing.assert_array_equal(loaded.chances(texts), RULES.chances(texts))
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".npy", ".npy", ".npy"]


@pytest.mark.parametrize("name", ["terms.json", "weights.npy", "bias.npy"])
def test_a_damaged_model_is_named(tmp_path, name):
    RULES.save(tmp_path)
    (tmp_path / name).write_bytes(b"[]")
    with pytest.raises(BundleCorrupt, match="model of tones"):
        ToneModel.load(tmp_path)


def test_a_lead_holds_section_tags_title_and_the_beginning_of_the_body():
    article = dataclasses.replace(WAR, tags=("Front  line",), title="A\ntitle", body="x " * 5_000)
    head, body = lead_of(article).split("\n")
    assert head == "World Front line A title"
    assert len(body) == 1_500


def test_pairs_are_the_words_of_japanese():
    assert words("三人死亡 PR") == ["三人", "人死", "死亡", "pr"]


def test_new_and_corrected_articles_are_judged_at_once():
    live = Live(Bundle.empty())
    live.add([WAR, MAKE_UP])
    assert [TONES[code] for code in live.view.judged] == [Tone.GRAVE, Tone.LIGHT]
    calm = dataclasses.replace(WAR, title="Parliament passes budget", body="It was a long debate.")
    live.add([calm, CAR_LOAN])
    assert [TONES[code] for code in live.view.judged] == [Tone.NEUTRAL, Tone.LIGHT, Tone.LIGHT]
    assert len(live.view.catalogue) == len(live.view.judged) == 3
