"""Draws a small picture for every article, so that the sample network needs no image files."""

import hashlib
import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from data.sample.sites import SITES
from recsys.types import Article, Tone

WIDE, HIGH = 640, 360
LAMPS = ("#d9472b", "#e8863a", "#c8553d", "#f2b134", "#d96b73")


@dataclass(frozen=True, slots=True)
class Light:
    """The colours of one picture."""

    top: str
    low: str
    far: str
    mid: str
    near: str
    lamp: str
    pale: str
    night: bool


def svg(article: Article) -> str:
    """Return a picture as an SVG document of 16:9, below 2.5 kB and without script.

    It depends on the article's site (colours), section and tone (scenes), and its id.
    """
    rng = random.Random(hashlib.blake2b(str(article.id).encode(), digest_size=8).digest())
    light = _light(article, rng)
    scenes = QUIET if article.tone == Tone.GRAVE else SCENES.get(article.section, ANY)
    scene = rng.choice(scenes)
    flip = "" if rng.random() < 0.5 else f' transform="matrix(-1 0 0 1 {WIDE} 0)"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {HIGH}" '
        f'preserveAspectRatio="xMidYMid slice" role="img" aria-label="">'
        f'<linearGradient id="s" x2="0" y2="1"><stop stop-color="{light.top}"/>'
        f'<stop offset="1" stop-color="{light.low}"/></linearGradient>'
        f"{_box(0, 0, WIDE, HIGH, 'url(#s)')}<g{flip}>{scene(light, rng)}</g></svg>"
    )


def _light(article: Article, rng: random.Random) -> Light:
    known = [site for site in SITES if site.id == article.site]
    sky, haze, far, near = (known[0] if known else rng.choice(SITES)).palette
    lamp, middle = rng.choice(LAMPS), _mix(far, near, 0.5)
    if article.tone == Tone.GRAVE:
        grey = [_mix(c, "#7b8288", 0.6) for c in (haze, sky, far, middle, near)]
        return Light(*grey, lamp="#e9e4d8", pale="#e9e6df", night=False)
    kind = rng.random()
    if kind < 0.25:
        dark = _mix(near, "#0d1326", 0.45)
        shapes = (_mix(dark, far, 0.45), _mix(dark, far, 0.22), _mix(dark, "#05070f", 0.45))
        return Light(dark, _mix(dark, far, 0.75), *shapes, lamp="#ffd27a", pale=sky, night=True)
    if kind < 0.5:
        warm = rng.choice(("#f4a56b", "#f0907e", "#f6c177"))
        return Light(
            haze, _mix(warm, haze, 0.35), _mix(far, warm, 0.3), middle, near, lamp, sky, False
        )
    return Light(
        _mix(haze, far, rng.uniform(0, 0.35)), sky, far, middle, near, lamp, "#fffaf2", False
    )


def _mountains(c: Light, rng: random.Random) -> str:
    peak = rng.randint(220, 420)
    top, foot = rng.randint(60, 110), 265
    cap = (foot - top) * 0.28
    half = rng.randint(200, 260)
    w = half * cap / (foot - top)
    snow = (
        f"M{peak} {top}L{peak + w:.0f} {top + cap:.0f}l{-w / 2:.0f} -9 {-w / 2:.0f} 14 "
        f"{-w / 2:.0f} -12 {-w / 2:.0f} 7z"
    )
    return (
        _sun(c, rng)
        + _path(f"M{peak - half} {foot}L{peak} {top}L{peak + half} {foot}z", c.far)
        + _path(snow, c.pale)
        + _hills(rng, 235, 22, c.mid)
        + _hills(rng, 285, 18, c.near)
    )


def _waves(c: Light, rng: random.Random) -> str:
    shift, rows = rng.randint(0, 60), []
    for i in range(5):
        y = 190 + i * 36
        colour = _mix(c.far, c.near, i / 4)
        x = -shift - (i % 2) * 45
        rows.append(_path(f"M{x} {y}" + "q45 -34 90 0" * 9 + f"V{HIGH}H{x}z", colour))
        rows.append(_line(f"M{x} {y + 11}" + "q45 -34 90 0" * 9, c.pale, 2, 0.45))
    return _sun(c, rng) + "".join(rows)


def _torii(c: Light, rng: random.Random) -> str:
    x, s = rng.randint(230, 400), rng.uniform(0.8, 1.15)
    red = "#c8412b" if not c.night else "#a63a2c"
    gate = (
        _path("M-120 -150q120 24 240 0l-8 24q-112 18-224 0z", c.near)
        + _box(-104, -124, 208, 14, red)
        + _box(-92, -84, 184, 13, red)
        + _box(-8, -112, 16, 30, red)
        + _path("M-80 -112h18l-6 192h-18zM62 -112h18l6 192h-18z", red)
    )
    ground = _hills(rng, 290, 8, c.near)
    back = _hills(rng, 220, 40, c.far) + _hills(rng, 255, 22, c.mid)
    return (
        f'{_sun(c, rng)}{back}<g transform="translate({x} 235) scale({s:.2f})">{gate}</g>{ground}'
    )


def _skyline(c: Light, rng: random.Random) -> str:
    parts = [_sun(c, rng)]
    for colour, low, high in ((c.far, 110, 200), (c.near, 60, 150)):
        x, d = -10, f"M-10 {HIGH}"
        while x < WIDE:
            w, h = rng.randint(34, 78), rng.randint(low, high)
            d += f"V{HIGH - h}h{w}"
            x += w
        parts.append(_path(d + f"V{HIGH}z", colour))
    for _ in range(16):
        parts.append(_box(rng.randint(0, 63) * 10, rng.randint(25, 34) * 10, 6, 9, c.lamp, 0.8))
    return "".join(parts)


def _bowl(c: Light, rng: random.Random) -> str:
    x = rng.randint(280, 360)
    steam = "".join(
        _line(f"M{x - 60 + i * 60} 150q-16 -24 0 -46t0 -46", c.pale, 5, 0.6) for i in range(3)
    )
    ring = f"M{x - 150} 190h300a150 140 0 0 1 -300 0z"
    toppings = "".join(
        _dot(x + dx, 188 - rng.randint(2, 12), rng.randint(14, 30), colour)
        for dx, colour in ((-80, c.lamp), (-20, c.pale), (36, c.mid), (86, "#e9b44c"))
    )
    chopsticks = _line(f"M{x + 30} 176L{x + 220} 60M{x + 56} 180L{x + 240} 78", c.mid, 7)
    table = _box(0, 300, WIDE, 60, c.near, 0.9)
    wall = _dot(x, 175, 150, c.far, 0.35)
    glaze = _line(f"M{x - 139} 222q20 18 40 0" + "t40 0" * 6, c.pale, 4, 0.8)
    foot = _box(x - 55, 316, 110, 18, _mix(c.near, "#000000", 0.3))
    return wall + steam + table + foot + chopsticks + toppings + _path(ring, c.lamp) + glaze


def _tea(c: Light, rng: random.Random) -> str:
    x, window = rng.randint(250, 390), rng.randint(60, 420)
    panes = _box(window, 30, 170, 200, c.pale, 0.75) + _line(
        f"M{window + 57} 30v200M{window + 114} 30v200M{window} 96h170M{window} 163h170", c.mid, 4
    )
    cup = _path(f"M{x - 52} 216h104l-9 78q-4 16-20 16h-46q-16 0-20-16z", c.lamp)
    band = _box(x - 49, 238, 98, 9, c.pale, 0.8)
    steam = _line(
        f"M{x - 14} 200q-12 -20 0 -40t0 -40M{x + 16} 200q-12 -16 0 -32t0 -32", c.pale, 4, 0.8
    )
    pot = _path(f"M{x + 84} 306a58 52 0 1 1 96 0z", c.near) + _dot(x + 132, 222, 9, c.near)
    return panes + _box(0, 302, WIDE, 58, c.mid) + steam + cup + band + pot


def _train(c: Light, rng: random.Random) -> str:
    y, body = 232, rng.choice((c.lamp, c.pale, c.near))
    stripe = c.lamp if body != c.lamp else c.pale
    nose = rng.randint(400, 470)
    glass = c.lamp if c.night and body != c.lamp else _mix(c.top, c.near, 0.55)
    windows = "".join(_box(x, y + 16, 44, 26, glass) for x in range(nose - 88, -40, -64))
    poles = _line("M120 90V300M430 90V300M0 104H640M0 116H640", c.near, 3, 0.6)
    return (
        _sun(c, rng)
        + _hills(rng, 190, 44, c.far)
        + _hills(rng, 240, 22, c.mid)
        + poles
        + _path(f"M-10 {y}H{nose}q62 2 88 58l6 20H-10z", body)
        + windows
        + _path(f"M{nose - 14} {y + 16}h22q24 4 38 26h-60z", glass)
        + _box(-10, y + 54, nose + 82, 8, stripe)
        + _box(0, 310, WIDE, 50, c.near)
        + _line("M0 316H640", c.pale, 3, 0.5)
    )


def _branch(c: Light, rng: random.Random) -> str:
    y = rng.randint(60, 120)
    petal = rng.choice(("#f6c6cf", "#fbe3e6", "#e9a3b0")) if not c.night else "#f6c6cf"
    if rng.random() < 0.3:
        petal = rng.choice(("#d9472b", "#e2711d"))
    twigs = f"M190 {y + 34}q80 -30 120 -70M400 {y + 92}q60 30 90 90"
    wood = _line(f"M-10 {y}q180 10 300 70t360 40{twigs}", c.near, 9)
    flowers = []
    for _ in range(7):
        x = rng.randint(40, 600)
        fy = y + x * 0.2 + rng.randint(-34, 34)
        ring = ((x + 13 * math.cos(k * 1.257), fy + 13 * math.sin(k * 1.257)) for k in range(5))
        d = "".join(f"M{px:.0f} {py:.0f}h.1" for px, py in ring)
        flowers.append(_line(d, petal, 17) + _dot(x, round(fy), 5, c.lamp))
    return _sun(c, rng) + _hills(rng, 300, 24, c.far) + wood + "".join(flowers)


def _lanterns(c: Light, rng: random.Random) -> str:
    rope, parts = rng.randint(40, 80), []
    for x in range(70, WIDE, 124):
        y = rope + round(0.0011 * x * (WIDE - x) / 1.6) + rng.randint(18, 32)
        colour = rng.choice((c.lamp, c.lamp, c.pale))
        parts.append(
            _dot(x, y + 44, 62, c.lamp, 0.16)
            + f'<rect x="{x - 32}" y="{y}" width="64" height="88" rx="30" fill="{colour}"/>'
            + _line(
                f"M{x - 30} {y + 30}h60M{x - 32} {y + 45}h64M{x - 30} {y + 60}h60", c.near, 2, 0.4
            )
            + _box(x - 17, y - 5, 34, 9, c.near)
            + _box(x - 17, y + 84, 34, 9, c.near)
        )
    string = _line(f"M0 {rope}Q320 {rope + 150} 640 {rope}", c.near, 3)
    roof = _path("M0 360V318h60l24-26h120l24 26h110l40-44h140l40 44h82v42z", c.near)
    return string + "".join(parts) + _hills(rng, 300, 10, c.far) + roof


def _cloth(c: Light, rng: random.Random) -> str:
    size, kind = rng.choice((64, 80, 96)), rng.randrange(3)
    h = size // 2
    if kind == 0:
        tile = "".join(
            f'<circle cx="{h}" cy="{h}" r="{r}" fill="{f}"/>'
            for r, f in ((h, c.pale), (h * 0.82, c.mid), (h * 0.6, c.pale), (h * 0.38, c.lamp))
        )
        size_y = h
    elif kind == 1:
        tile = _line(f"M0 0L{size} {size}M{size} 0L0 {size}M{h} 0V{size}M0 {h}H{size}", c.pale, 3)
        tile += _dot(h, h, 7, c.lamp)
        size_y = size
    else:
        tile = (
            _box(0, 0, h, h, c.pale, 0.9)
            + _box(h, h, h, h, c.far)
            + _dot(h // 2, h // 2, 8, c.lamp)
        )
        size_y = size
    fold = "".join(
        _path(f"M{x} 0h{w}l-60 360h-{w}z", c.near, 0.16)
        for x, w in ((rng.randint(40, 160), 50), (rng.randint(260, 380), 80), (520, 40))
    )
    return (
        f'<pattern id="p" width="{size}" height="{size_y}" patternUnits="userSpaceOnUse">{tile}'
        f"</pattern>{_box(0, 0, WIDE, HIGH, c.mid)}{_box(0, 0, WIDE, HIGH, 'url(#p)')}{fold}"
        + (_box(0, 270, WIDE, 90, c.near) if rng.random() < 0.5 else "")
    )


def _vase(c: Light, rng: random.Random) -> str:
    x, w = rng.randint(230, 410), rng.randint(60, 84)
    jar = (
        f"M{x - 22} 160h44q-4 30 {w - 22} 62q{rng.randint(8, 24)} 66 -38 96"
        f"h-{2 * w - 76}q-52 -30 -38 -96q{w - 22} -32 {w - 26} -62z"
    )
    stems = "".join(
        _line(f"M{x} 162Q{x + d // 3} 110 {x + d} {t}", c.near, 3) + _dot(x + d, t, 10, c.lamp)
        for d, t in (
            (-70, rng.randint(50, 90)),
            (16, rng.randint(28, 60)),
            (84, rng.randint(60, 110)),
        )
    )
    glaze = _line(f"M{x - w + 20} 232q{w // 2} 26 {w} 0t{w - 24} 4", c.pale, 6, 0.6)
    shelf = _box(0, 316, WIDE, 44, c.near)
    return _dot(x, 170, 140, c.far, 0.35) + stems + _path(jar, c.mid) + glaze + shelf


def _door(c: Light, rng: random.Random) -> str:
    x = rng.randint(190, 300)
    panels = "".join(
        f'<path d="M{x + i * 62} 92h58v{rng.randint(84, 92)}q-29 8 -58 0z" fill="{c.lamp}"/>'
        for i in range(4)
    )
    seal = _dot(x + 122, 134, 22, c.pale, 0.9)
    frame = _box(x - 24, 70, 296, 18, c.near) + _box(x - 16, 84, 14, 236, c.near)
    lamp = _dot(x + 320, 130, 44, "#ffd27a", 0.3) + _box(x + 306, 104, 28, 52, c.pale)
    inside = _box(x, 84, 248, 236, "#ffe3ae" if c.night else c.pale, 0.85)
    bars = _line("".join(f"M{x + k} 190v130" for k in range(31, 248, 31)), c.mid, 3, 0.6)
    step = _box(x - 60, 316, 370, 14, c.mid)
    wall = _box(0, 40, WIDE, 290, c.far, 0.5)
    right = _box(x + 250, 84, 14, 236, c.near)
    return (
        wall
        + inside
        + bars
        + panels
        + seal
        + frame
        + right
        + lamp
        + step
        + _box(0, 328, WIDE, 32, c.near)
    )


def _brush(c: Light, rng: random.Random) -> str:
    x = rng.randint(200, 330)
    paper = _box(x - 90, 26, 320, 308, c.pale, 0.95)
    strokes = []
    for _ in range(3):
        px, py = x + rng.randint(-40, 60), rng.randint(70, 230)
        bend, rise = rng.randint(40, 70), rng.randint(-26, 4)
        stroke = f"M{px} {py}q{bend} {rise} {rng.randint(90, 130)} {rng.randint(-6, 30)}"
        strokes.append(_line(stroke, c.near, rng.randint(13, 22)))
    px = x + rng.randint(50, 90)
    strokes.append(
        _line(f"M{px} 60q{rng.randint(-16, 20)} 110 {rng.randint(-60, 30)} 210", c.near, 18)
    )
    seal = f'<rect x="{x + 170}" y="270" width="36" height="36" rx="5" fill="#c8412b"/>'
    return _box(0, 0, WIDE, HIGH, c.far, 0.45) + paper + "".join(strokes) + seal


def _facade(c: Light, rng: random.Random) -> str:
    n = rng.choice((6, 7, 8))
    step = 400 // n
    columns = "".join(_box(124 + i * step, 172, 20, 118, c.pale) for i in range(n))
    steps = "".join(_box(96 - i * 18, 290 + i * 16, 448 + i * 36, 14, c.far) for i in range(3))
    flag = (
        _line("M320 96V40", c.near, 4)
        + _box(320, 40, 54, 34, c.pale)
        + _dot(347, 57, 10, "#c8412b")
    )
    hall = _path("M96 168L320 96L544 168z", c.near) + _box(104, 168, 432, 124, c.mid)
    return (
        _hills(rng, 230, 30, c.far) + flag + hall + columns + steps + _box(0, 338, WIDE, 22, c.near)
    )


def _factory(c: Light, rng: random.Random) -> str:
    x, d = 60, "M60 320V210"
    for _ in range(5):
        d += "l64 -40v40"
        x += 64
    smoke = "".join(_dot(470 + i * 30, 120 - i * 22, 18 + 7 * i, c.pale, 0.5) for i in range(4))
    chart = "".join(
        _box(410 + i * 38, 320 - (h := 50 + i * 22 + rng.randint(-14, 20)), 24, h, c.lamp)
        for i in range(5)
    )
    windows = "".join(_box(84 + i * 60, 250, 34, 26, c.pale, 0.8) for i in range(5))
    return (
        _sun(c, rng) + smoke + _box(448, 130, 26, 190, c.mid) + _hills(rng, 270, 20, c.far)
        + _path(d + "V320z", c.near) + windows + chart + _box(0, 316, WIDE, 44, c.near)
    )  # fmt: skip


def _stadium(c: Light, rng: random.Random) -> str:
    arcs = "".join(
        _line(f"M-40 {y}Q320 {y + 130} 680 {y}", colour, 26)
        for y, colour in ((60, c.far), (96, c.mid), (132, c.far), (168, c.mid))
    )
    crowd = "".join(
        _dot(rng.randint(10, 630), rng.randint(100, 205), 5, rng.choice((c.pale, c.lamp)), 0.9)
        for _ in range(22)
    )
    pitch = _path("M-10 232Q320 352 650 232V360H-10z", c.near)
    ball = _dot(rng.randint(220, 420), rng.randint(120, 210), 26, c.pale)
    mark = _line("M320 288V360M200 360a120 46 0 0 1 240 0", c.pale, 4, 0.7)
    return arcs + crowd + pitch + mark + ball


def _orbits(c: Light, rng: random.Random) -> str:
    x, y = rng.randint(260, 380), rng.randint(160, 200)
    rings = "".join(
        f'<ellipse cx="{x}" cy="{y}" rx="{r}" ry="{r * 0.42:.0f}" fill="none" stroke="{c.far}" '
        f'stroke-width="3" transform="rotate({rng.randint(-30, 30)} {x} {y})"/>'
        for r in (110, 170, 235, 300)
    )
    dots = "".join(
        _dot(x + round(r * math.cos(a)), y + round(r * 0.42 * math.sin(a)), s, colour)
        for r, s, colour in (
            (110, 12, c.lamp),
            (170, 18, c.near),
            (235, 10, c.pale),
            (300, 15, c.mid),
        )
        for a in (rng.uniform(0, 6.28),)
    )
    return (
        _stars(rng, c) + rings + _dot(x, y, 52, c.mid) + _dot(x - 14, y - 14, 30, c.far, 0.6) + dots
    )


def _pagoda(c: Light, rng: random.Random) -> str:
    x, parts = rng.randint(220, 420), []
    for i in range(rng.choice((3, 5))):
        y, w = 262 - i * 40, 92 - i * 11
        parts.append(_box(x - w // 2, y, w, 34, c.mid if i % 2 else "#a8432f"))
        parts.append(
            _path(f"M{x - w} {y + 6}q{w // 2} -6 {w // 2} -20h{w}q0 14 {w // 2} 20z", c.near)
        )
        top = y
    mast = _line(f"M{x} {top - 12}v-52", c.near, 4)
    return (
        _sun(c, rng) + _hills(rng, 210, 40, c.far) + mast + "".join(parts)
        + _hills(rng, 296, 14, c.near) + _hills(rng, 330, 10, c.mid)
    )  # fmt: skip


def _bridge(c: Light, rng: random.Random) -> str:
    y = rng.randint(205, 235)
    arch = _line(
        f"M-20 {y + 40}Q320 {y - 110} 660 {y + 40}", "#b8412c" if not c.night else c.far, 14
    )
    rails = _line(f"M-20 {y + 6}Q320 {y - 146} 660 {y + 6}", c.near, 5)
    posts = "".join(
        f"M{x} {y + 40 - 0.00032 * (x + 20) * (660 - x) * 2:.0f}v-34" for x in range(20, WIDE, 60)
    )
    water = "".join(
        _line(f"M{rng.randint(0, 420)} {270 + i * 18}h{rng.randint(90, 220)}", c.pale, 3, 0.5)
        for i in range(5)
    )
    return (
        _sun(c, rng) + _hills(rng, 190, 50, c.far) + _hills(rng, 230, 20, c.mid)
        + _box(0, 254, WIDE, 106, _mix(c.mid, c.low, 0.4)) + water
        + _line(posts, c.near, 5) + arch + rails
    )  # fmt: skip


def _fields(c: Light, rng: random.Random) -> str:
    rows = "".join(
        _path(f"M-10 {y}Q{rng.randint(180, 460)} {y - rng.randint(8, 34)} 650 {y + 6}V360H-10z",
              _mix(c.pale if i % 2 else c.far, c.mid, i / 7))
        for i, y in enumerate(range(220, 350, 24))
    )  # fmt: skip
    x = rng.randint(80, 520)
    hut = _path(f"M{x - 46} 214l46 -40 46 40z", c.near) + _box(x - 32, 214, 64, 34, c.mid)
    light = _box(x - 8, 222, 16, 16, "#ffd27a")
    return _sun(c, rng) + _hills(rng, 180, 46, c.far) + rows + hut + light


def _rain(c: Light, rng: random.Random) -> str:
    drops = "".join(
        f"M{rng.randint(0, WIDE)} {rng.randint(0, 270)}l-7 {rng.randint(20, 40)}" for _ in range(26)
    )
    return (
        _hills(rng, 190, 50, c.far) + _hills(rng, 240, 30, c.mid) + _hills(rng, 300, 16, c.near)
        + _line(drops, c.pale, 2, 0.6)
    )  # fmt: skip


def _reeds(c: Light, rng: random.Random) -> str:
    x = rng.randint(180, 460)
    stalks = "".join(
        f"M{sx} 360q{rng.randint(-10, 10)} -70 {rng.randint(-34, 34)} -{rng.randint(90, 170)}"
        for sx in range(20, WIDE, 34)
    )
    return (
        _dot(x, 110, 54, c.pale, 0.9) + _hills(rng, 250, 18, c.far) + _box(0, 268, WIDE, 92, c.mid)
        + _line(f"M{x - 40} 288h80M{x - 24} 304h48M{x - 60} 322h70", c.pale, 4, 0.5)
        + _line(stalks, c.near, 4)
    )  # fmt: skip


Scene = Callable[[Light, random.Random], str]
ANY: tuple[Scene, ...] = (_mountains, _waves, _skyline, _fields, _bridge)
QUIET: tuple[Scene, ...] = (_rain, _reeds)
SCENES: dict[str, tuple[Scene, ...]] = {
    "Politics": (_facade, _skyline, _bridge),
    "Business": (_factory, _skyline),
    "Japan": (_fields, _mountains, _bridge, _skyline),
    "Sport": (_stadium,),
    "Science": (_orbits, _waves, _mountains),
    "Transport": (_train, _bridge),
    "日本語": (_brush, _torii, _facade),
    "Kitchen": (_bowl, _tea),
    "暮らし": (_bowl, _tea),
    "Hands": (_vase, _cloth, _tea),
    "手しごと": (_vase, _cloth),
    "Seasons": (_lanterns, _branch, _torii),
    "Home": (_tea, _door, _vase, _cloth),
    "Reading": (_fields, _orbits, _branch),
    "Style": (_cloth, _branch, _skyline),
    "Eat & Drink": (_bowl, _lanterns, _door),
    "Culture": (_lanterns, _cloth, _orbits),
    "City": (_skyline, _bridge, _door),
    "Places": (_pagoda, _torii, _waves, _bridge),
    "旅": (_pagoda, _torii, _mountains),
    "Outdoors": (_mountains, _waves, _fields, _branch),
    "By rail": (_train, _bridge, _mountains),
    "Food trips": (_bowl, _lanterns, _waves),
    "Alerts": (_train, _rain),
    "Offers": (_branch, _train, _pagoda),
    "Jobs": (_door, _skyline, _factory),
    "求人": (_door, _skyline),
    "Japanese": (_brush, _tea),
    "Advice": (_door, _brush, _facade),
    "News": (_facade, _skyline, _factory),
}


def _sun(c: Light, rng: random.Random) -> str:
    x, y, r = rng.randint(90, 550), rng.randint(60, 130), rng.randint(28, 52)
    if c.night:
        return _stars(rng, c) + _dot(x, y, r - 8, c.pale, 0.95)
    return _dot(x, y, r, c.lamp, 0.85) if rng.random() < 0.7 else _dot(x, y, r, c.pale, 0.9)


def _stars(rng: random.Random, c: Light) -> str:
    if not c.night:
        return ""
    dots = "".join(f"M{rng.randint(0, WIDE)} {rng.randint(0, 170)}h.1" for _ in range(14))
    return _line(dots, c.pale, 3, 0.7)


def _hills(rng: random.Random, y: int, rise: int, fill: str) -> str:
    a, b, m = rng.randint(-rise, rise), rng.randint(-rise, rise), rng.randint(250, 390)
    return _path(f"M-10 {y + a}Q{m // 2} {y - rise - b} {m} {y}T650 {y + b}V{HIGH}H-10z", fill)


def _path(d: str, fill: str, opacity: float = 1.0) -> str:
    return f'<path d="{d}" fill="{fill}"{_faint(opacity)}/>'


def _line(d: str, stroke: str, width: int, opacity: float = 1.0) -> str:
    return (
        f'<path d="{d}" fill="none" stroke="{stroke}" stroke-width="{width}" '
        f'stroke-linecap="round"{_faint(opacity)}/>'
    )


def _box(x: int, y: int, w: int, h: int, fill: str, opacity: float = 1.0) -> str:
    return f'<path d="M{x} {y}h{w}v{h}h-{w}z" fill="{fill}"{_faint(opacity)}/>'


def _dot(x: int, y: int, r: int, fill: str, opacity: float = 1.0) -> str:
    return f'<circle cx="{x}" cy="{y}" r="{r}" fill="{fill}"{_faint(opacity)}/>'


def _faint(opacity: float) -> str:
    return "" if opacity == 1.0 else f' opacity="{opacity}"'


def _mix(a: str, b: str, part: float) -> str:
    """Return the colour that lies ``part`` of the way from ``a`` to ``b``."""
    pairs = ((int(a[i : i + 2], 16), int(b[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(p + (q - p) * part):02x}" for p, q in pairs)
