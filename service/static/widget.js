/* The box under an article: one file, no dependencies, pasted in with one tag:

     <script async src="https://recs.example/widget.js" data-site="daily" data-key="a-1"></script>

   The tag puts a <recsys-box> with its attributes (without "data-") after itself. A page may just
   as well write the element where it wants it, and load the file once, without attributes:

     <recsys-box site="daily" key="a-1"></recsys-box>
     <script async src="https://recs.example/widget.js"></script>

   site       id of your site
   key        key of the article; without it the page's canonical address names the article
   url        that address, where the page does not say it itself
   n          how many cards (6)
   history    articles read before in this visit, oldest first: "daily/a-7,travel/x-2"
   context    coarse circumstances: "device:phone,region:kansai"
   consent    "yes" once the reader allows to be known again; "no" forgets the box's own id
   visitor    your pseudonymous id of that reader; without it the box keeps one of its own
   placement  where the box stands, as the policy names it: article, home, newsletter, ...
   heading, line, sponsored   the words above the cards, and on those that are paid for
   views      "no" where you tell the service yourself that the page was opened
   lazy       "no" asks at once; else it asks when it comes near the visible part of the page
   theme      light, dark or auto; by default the box follows your page's `color-scheme`
   target     (of the tag) selector of the element to fill

   One rule for pages that change without loading: a box asks anew when it is put into the page or
   one of its attributes changes, and what it watches ends when it is taken out. A box without key
   also asks anew when the page's canonical address changes (or its location, where it has none).

   Restyle it from your own style sheet: recsys-box { --recsys-accent: #a00; … } with the properties
   named in STYLE, or by ::part(heading | line | list | card | picture | kicker |
   title | site | paid).

   The box takes its room at once and gives it back only where nobody sees it, so nothing jumps.
   Where it stands in sight from the beginning, keep the room until this file has arrived:
   recsys-box:not(:defined) { display: block; min-height: 45rem; margin-block: 3.5rem }.

   It tells the service of the page (once it is visible), of cards (half visible for a second) and of
   clicks. Without consent nothing is kept on the device; a session's id ends with the page.

   Text is only ever set as text, addresses must be http(s), and styles are a constructed sheet in
   a shadow root, so the box keeps to a strict policy: script-src, connect-src and img-src of the
   service, no inline anything. When anything fails it shows nothing and throws nothing. */
(() => {
  "use strict";

  const STYLE = `
:host {
  --_ink: var(--recsys-ink, #1b1b19);
  --_quiet: var(--recsys-quiet, #66645f);
  --_line: var(--recsys-line, #dedbd4);
  --_wash: var(--recsys-wash, #f1efea);
  --_accent: var(--recsys-accent, #7a2b21);
  --_serif: var(--recsys-serif, "Iowan Old Style", Charter, "Palatino Linotype", Palatino, Georgia, "Noto Serif", "Hiragino Mincho ProN", "Noto Serif CJK JP", serif);
  --_sans: var(--recsys-sans, system-ui, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", "Hiragino Sans", "Noto Sans CJK JP", sans-serif);
  all: initial; display: block; container-type: inline-size; margin-block: var(--recsys-gap, 3.5rem);
  color: var(--_ink); font-family: var(--_sans); font-size: 1rem; line-height: 1.45;
  direction: inherit; color-scheme: inherit; text-align: start; overflow-wrap: anywhere;
}
@supports (color: light-dark(#000, #fff)) {
  :host {
    --_ink: var(--recsys-ink, light-dark(#1b1b19, #ecebe7));
    --_quiet: var(--recsys-quiet, light-dark(#66645f, #a3a19a));
    --_line: var(--recsys-line, light-dark(#dedbd4, #3a3935));
    --_wash: var(--recsys-wash, light-dark(#f1efea, #26251f));
    --_accent: var(--recsys-accent, light-dark(#7a2b21, #e2a08f));
  }
}
:host([theme=light]) { color-scheme: light }
:host([theme=dark]) { color-scheme: dark }
:host([theme=auto]) { color-scheme: light dark }
:host([hidden]) { display: none }
* { box-sizing: border-box; margin: 0; padding: 0 }
section { border-block-start: 1px solid var(--_ink); padding-block-start: 1.25rem }
h2 { font: 600 1.375rem/1.25 var(--_serif); letter-spacing: -.005em; text-wrap: balance }
.line { margin-block: .3rem 1.6rem; color: var(--_quiet); font-size: .875rem }
ul { display: grid; gap: 1.15rem 2rem; list-style: none }
li { position: relative; display: grid; grid-template-columns: min(7rem, 33%) minmax(0, 1fr); gap: 0 1rem; align-content: start; align-items: start }
li + li { border-block-start: 1px solid var(--_line); padding-block-start: 1.15rem }
.picture { display: grid; place-items: center; aspect-ratio: 3 / 2; overflow: hidden; background: var(--_wash); color: var(--_quiet); font: italic 2rem/1 var(--_serif) }
.words { min-block-size: 6.95rem }
img { display: block; width: 100%; height: 100%; object-fit: cover; transition: opacity .2s }
li:hover img { opacity: .88 }
.kicker { margin-block-end: .25rem; color: var(--_accent); font-size: .6875rem; font-weight: 600; letter-spacing: .09em; line-height: 1.4; text-transform: uppercase }
.title { font: 500 1.0625rem/1.32 var(--_serif) }
a { color: inherit; text-decoration: none }
a::after { content: ""; position: absolute; inset: 0 }
li + li a::after { inset-block-start: 1.15rem }
li:hover a { text-decoration: underline; text-decoration-thickness: 1px; text-underline-offset: .18em }
a:focus-visible { outline: none }
a:focus-visible::after { outline: 2px solid var(--_accent); outline-offset: 4px; border-radius: 2px }
.site { margin-block-start: .35rem; color: var(--_quiet); font-size: .8125rem }
.paid { border: 1px solid var(--_line); border-radius: 2px; padding: .05em .4em; margin-inline-end: .5em; font-size: .6875rem; letter-spacing: .04em }
.wait h2, .wait .line { visibility: hidden }
.wait ul { opacity: 0; animation: show .3s .4s forwards }
.wait .words::before, .wait .words::after { content: ""; display: block; block-size: .85rem; inline-size: 92%; margin-block: 1.3rem .55rem; background: var(--_wash) }
.wait .words::after { inline-size: 60%; margin-block: 0 }
@keyframes show { to { opacity: 1 } }
@container (min-width: 33rem) {
  ul { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 2rem }
  li { grid-template-columns: minmax(0, 1fr); gap: .8rem }
  li + li { border: 0; padding: 0 }
  li + li a::after { inset-block-start: 0 }
}
@container (min-width: 46rem) { ul { grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 2.25rem 2rem } }
@media (prefers-reduced-motion: reduce) { img { transition: none } .wait ul { animation-duration: 0s } }
@media (forced-colors: active) { .picture { border: 1px solid } }
@media print { :host { display: none } }
`;

  const HEADING = "Articles, Offers & Useful Resources";
  const LINE = "A mix of what’s trending on our other sites";
  const ATTRIBUTES = (
    "site key url n history context placement consent visitor views heading line sponsored lazy"
  ).split(" ");
  const NEAR = "600px";
  const PATIENCE = 8000; // ms for an answer
  const LOOK = 1000; // ms that a card must be half visible
  const WIDTHS = [320, 480, 640, 960];
  const SIZES = "auto, (min-width: 60rem) 20rem, (min-width: 36rem) 50vw, 7rem";
  const MOST = 50;
  const OWN = "recsys-visitor";

  const tag = document.currentScript;
  if (!tag || !("adoptedStyleSheets" in document)) return;
  const session = random();
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLE);
  let viewed = "";

  class Box extends HTMLElement {
    static observedAttributes = ATTRIBUTES;
    #life; // ends what goes on for the present article
    #place; // what the page was called when the box last asked
    #changed = false;
    #gone = false;

    connectedCallback() {
      safely(() => this.#begin());
    }

    disconnectedCallback() {
      this.#life?.abort();
      this.#life = null;
    }

    attributeChangedCallback() {
      if (!this.#life || this.#changed) return;
      this.#changed = true;
      queueMicrotask(() => {
        this.#changed = false;
        if (this.isConnected) safely(() => this.#begin());
      });
    }

    #begin() {
      this.#life?.abort();
      const life = (this.#life = new AbortController());
      if (!this.shadowRoot) this.attachShadow({ mode: "open" }).adoptedStyleSheets = [sheet];
      if (this.#gone) this.hidden = this.#gone = false;
      this.#place = place();
      const root = this.shadowRoot;
      if (!root.firstChild) root.append(this.#section(blanks(this.#n()), true));
      const who = this.#who();
      const site = this.getAttribute("site");
      const key = site && this.getAttribute("key");
      if (key) this.#view(site, key, who, life.signal);
      else if (!this.getAttribute("url")) this.#follow(life.signal);
      const ask = () => this.#ask(who, life).catch(() => {});
      if (this.getAttribute("lazy") === "no") ask();
      else {
        const near = new IntersectionObserver(
          (entries) => entries.some((entry) => entry.isIntersecting) && (near.disconnect(), ask()),
          { rootMargin: NEAR },
        );
        watch(near, [this], life.signal);
      }
    }

    async #ask(who, life) {
      const wait = new AbortController();
      const late = setTimeout(() => wait.abort(), PATIENCE);
      life.signal.addEventListener("abort", () => wait.abort());
      let answer, items, cards;
      try {
        const asked = { credentials: "omit", signal: wait.signal };
        const response = await fetch(this.#question(who), asked);
        answer = response.ok ? await response.json() : {};
        items = answer.items.slice(0, MOST).filter((one) => address(one?.url) && text(one.title));
        cards = items.map((item) => card(item, (this.getAttribute("sponsored") || "").trim() || "Sponsored"));
      } catch {
        cards = [];
      }
      clearTimeout(late);
      if (life.signal.aborted) return;
      const height = this.offsetHeight;
      const root = this.shadowRoot;
      if (!cards.length) {
        root.replaceChildren();
        this.#giveBack(height, life.signal, () => (this.hidden = this.#gone = true));
        return;
      }
      root.replaceChildren(this.#section(cards, false));
      // The frame that draws it lays it out anyway: to ask sooner would make one long task of two.
      requestAnimationFrame(() => {
        if (!life.signal.aborted && this.offsetHeight < height) this.#giveBack(height, life.signal);
      });
      safely(() => {
        // Where only an address was given, the service knows which article it is.
        const [, site, key] = /^([^/]+)\/(.+)$/s.exec(text(answer.article)) || [];
        if (key) this.#view(site, key, who, life.signal);
        if (text(answer.slate)) report(cards, items, answer.slate, who, life.signal);
      });
    }

    #question(who) {
      const url = service("v1/recommendations");
      const set = (name, value) => value && url.searchParams.set(name, value);
      const given = (name) => this.getAttribute(name);
      set("site", given("site"));
      set("n", this.#n());
      set("history", given("history"));
      set("context", given("context"));
      set("placement", given("placement"));
      set("visitor", who.visitor);
      set("session", who.session);
      set("consent", who.consent && "1");
      if (given("site") && given("key")) set("key", given("key"));
      else set("url", (given("url") || place()).slice(0, 2048));
      return url;
    }

    #n() {
      const n = parseInt(this.getAttribute("n"), 10);
      return n > 0 ? Math.min(n, MOST) : 6;
    }

    // What every event tells of the reader.
    #who() {
      const context = (this.getAttribute("context") || "").split(",").filter(Boolean);
      const consent = this.getAttribute("consent");
      if (consent === "no") safely(() => localStorage.removeItem(OWN));
      const visitor = consent === "yes" && (this.getAttribute("visitor") || ownId());
      // A known reader's visit goes on from page to page; a session's id would end it with this one.
      const who = visitor ? { consent: true, visitor } : { session };
      return context.length ? { ...who, context } : who;
    }

    // The page itself has been opened: told once, and not before somebody can see it.
    #view(site, key, who, signal) {
      const once = () => {
        if (viewed === `${site}/${key}`) return;
        viewed = `${site}/${key}`;
        tell({ kind: "read", id: random(), site, key, ...who });
      };
      if (this.getAttribute("views") === "no") return;
      if (!document.hidden) once();
      else document.addEventListener("visibilitychange", once, { once: true, signal });
    }

    #follow(signal) {
      const look = () => place() !== this.#place && safely(() => this.#begin());
      const head = new MutationObserver(look);
      head.observe(document.head, {
        subtree: true,
        childList: true,
        attributes: true,
        attributeFilter: ["href"],
      });
      signal.addEventListener("abort", () => head.disconnect());
      window.addEventListener("popstate", look, { signal });
      window.navigation?.addEventListener("currententrychange", look, { signal });
    }

    // Room is given back while the box is below what the reader sees: nothing in sight moves.
    #giveBack(height, signal, then) {
      this.style.minBlockSize = `${height}px`;
      signal.addEventListener("abort", () => (this.style.minBlockSize = ""));
      const sight = new IntersectionObserver(([entry]) => {
        if (entry.isIntersecting || entry.boundingClientRect.top < 0) return;
        sight.disconnect();
        this.style.minBlockSize = "";
        then?.();
      });
      watch(sight, [this], signal);
    }

    #section(cards, waiting) {
      const made = element("section", waiting ? "wait" : "");
      const words = (name, part, own) => {
        const given = this.getAttribute(part);
        const line = element(name, part, given || own);
        if (!given) line.lang = "en";
        return line;
      };
      const heading = words("h2", "heading", HEADING);
      heading.id = "heading";
      made.setAttribute(waiting ? "aria-hidden" : "aria-labelledby", waiting ? "true" : heading.id);
      const list = element("ul", "list");
      list.setAttribute("role", "list"); // Safari drops the role of a list without bullets
      list.append(...cards);
      made.append(heading, words("p", "line", LINE), list);
      return made;
    }
  }

  function blanks(n) {
    return Array.from({ length: n }, () => {
      const made = element("li", "card");
      made.append(element("div", "picture"), element("div", "words"));
      return made;
    });
  }

  function card(item, paid) {
    const made = element("li", "card");
    const words = element("div", "words");
    const title = element("h3", "title");
    const link = element("a", "", item.title);
    link.href = address(item.url);
    link.dir = "auto";
    if (text(item.language)) link.lang = item.language;
    if (item.sponsored) link.rel = "sponsored";
    title.append(link);
    if (text(item.section)) words.append(element("p", "kicker", item.section));
    words.append(title);
    const site = element("p", "site");
    if (item.sponsored) site.append(element("span", "paid", paid));
    site.append(text(item.site_name) || text(item.site));
    words.append(site);
    made.append(picture(item), words);
    return made;
  }

  function picture(item) {
    const frame = element("div", "picture");
    const initial = () => frame.replaceChildren([...text(item.site_name)][0] || "");
    frame.setAttribute("aria-hidden", "true");
    const at = (width) => address(text(item.image).replaceAll("{width}", width));
    if (!at(480)) return initial(), frame;
    const image = element("img", "");
    Object.assign(image, { alt: "", loading: "lazy", decoding: "async", width: 480, height: 320 });
    image.onerror = initial;
    if (item.image.includes("{width}")) {
      image.sizes = SIZES;
      image.srcset = WIDTHS.map((width) => `${at(width)} ${width}w`).join(", ");
    }
    image.src = at(480);
    frame.append(image);
    return frame;
  }

  // Tells once of each card that it was half visible for a second on a visible page, and of clicks.
  function report(cards, items, slate, who, signal) {
    const about = new Map(cards.map((card, place) => [card, items[place]]));
    const event = (kind, card) => {
      const { site, key, position } = about.get(card);
      return { kind, slate, position, site, key, ...who };
    };
    const timers = new Map();
    const stop = (card) => clearTimeout(timers.get(card));
    const start = (card) => {
      stop(card);
      const done = () => (seen.unobserve(card), timers.delete(card), tell(event("impression", card)));
      timers.set(card, document.hidden ? 0 : setTimeout(done, LOOK));
    };
    const seen = new IntersectionObserver(
      (entries) => {
        for (const { target, intersectionRatio } of entries) {
          if (intersectionRatio >= 0.5) start(target);
          else stop(target), timers.delete(target);
        }
      },
      { threshold: 0.5 },
    );
    watch(seen, cards, signal);
    signal.addEventListener("abort", () => cards.forEach(stop));
    const turn = () => [...timers.keys()].forEach(document.hidden ? stop : start);
    document.addEventListener("visibilitychange", turn, { signal });
    for (const card of cards) {
      const opened = (click) => {
        if (click.button > 1 || !click.target.closest("a")) return; // 1: the middle button
        tell(event("click", card));
        flush();
      };
      card.addEventListener("click", opened, { signal });
      card.addEventListener("auxclick", opened, { signal });
    }
  }

  let outbox = [];
  let soon = 0;
  addEventListener("pagehide", flush);
  document.addEventListener("visibilitychange", () => document.hidden && flush());

  function tell(event) {
    outbox.push(event);
    soon ||= setTimeout(flush, 100);
  }

  function flush() {
    clearTimeout(soon);
    soon = 0;
    if (!outbox.length) return;
    const body = JSON.stringify({ events: outbox.splice(0, 100) });
    const to = service("v1/events");
    safely(() => {
      // Unlike sendBeacon this sends no cookies, and names the page's origin whatever its
      // Referrer-Policy; the service needs the origin and wants no cookies.
      if ("keepalive" in Request.prototype) {
        const sent = { method: "POST", body, keepalive: true, credentials: "omit" };
        const read = (answer) => answer.text(); // unread answers keep their connections
        fetch(to, sent).then(read).catch(() => {});
      } else navigator.sendBeacon(to, body);
    });
  }

  function watch(observer, elements, signal) {
    elements.forEach((element) => observer.observe(element));
    signal.addEventListener("abort", () => observer.disconnect());
  }

  function place() {
    const link = document.querySelector("link[rel=canonical]");
    return (link && link.href) || location.origin + location.pathname + location.search;
  }

  function service(path) {
    return new URL(path, tag.src);
  }

  // Only http(s), and relative to the service: its own paths may be short.
  function address(given) {
    try {
      const url = text(given) && service(given);
      return url && /^https?:$/.test(url.protocol) ? url.href : "";
    } catch {
      return "";
    }
  }

  function text(given) {
    return typeof given === "string" ? given : "";
  }

  function element(name, part, words) {
    const made = document.createElement(name);
    if (part) made.className = part;
    if (part) made.setAttribute("part", part);
    if (words) made.textContent = words;
    return made;
  }

  function ownId() {
    try {
      const id = localStorage.getItem(OWN) || random();
      localStorage.setItem(OWN, id);
      return id;
    } catch {
      return ""; // the browser keeps nothing for this page
    }
  }

  function random() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  function safely(work) {
    try {
      work();
    } catch {
      // a page must never suffer from its box
    }
  }

  function put() {
    const { target } = tag.dataset;
    const found = target && document.querySelector(target);
    if (target && !found && document.readyState === "loading")
      return document.addEventListener("DOMContentLoaded", () => safely(put), { once: true });
    const box = document.createElement("recsys-box");
    for (const name of [...ATTRIBUTES, "theme"]) {
      const given = tag.dataset[name];
      if (given) box.setAttribute(name, given);
    }
    if (found) found.replaceChildren(box);
    else tag.after(box);
  }

  safely(() => {
    if (!customElements.get("recsys-box")) customElements.define("recsys-box", Box);
    if (tag.dataset.site || tag.dataset.url) put();
  });
})();
