/* The box under an article: one file, no dependencies, pasted in with one tag:

     <script async src="https://…/widget.js" data-site="daily" data-key="a-1"></script>

   data-site      id of your site
   data-key       key of the article; without it the page's canonical address names the article
   data-url       that address, where the page does not say it itself
   data-visitor   pseudonymous id of a reader who has consented
   data-n         how many cards (6)
   data-heading, data-line   the words above the cards
   data-target    selector of the element to fill; the box follows the tag without it
   data-theme     light, dark or auto; by default the box follows your page's `color-scheme`

   Restyle it from your own style sheet: recsys-box { --recsys-accent: #a00; … } with the
   properties named in STYLE, or by ::part(heading | line | card | kicker | title | site).

   Text is only ever set as text, addresses must be http(s), and styles are a constructed sheet in
   a shadow root, so the box keeps to a strict policy (style-src 'self', no inline anything).
   When anything fails it shows nothing and throws nothing. */
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
  direction: inherit; color-scheme: inherit; text-align: start;
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
:host([data-theme=light]) { color-scheme: light }
:host([data-theme=dark]) { color-scheme: dark }
:host([data-theme=auto]) { color-scheme: light dark }
* { box-sizing: border-box; margin: 0; padding: 0 }
section { border-block-start: 1px solid var(--_ink); padding-block-start: 1.25rem }
h2 { font: 600 1.375rem/1.25 var(--_serif); letter-spacing: -.005em; text-wrap: balance }
.line { margin-block: .3rem 1.6rem; color: var(--_quiet); font-size: .875rem }
ul { display: grid; gap: 1.15rem 2rem; list-style: none }
li { position: relative; display: grid; grid-template-columns: 7rem minmax(0, 1fr); gap: 0 1rem; align-content: start; align-items: start }
li + li { border-block-start: 1px solid var(--_line); padding-block-start: 1.15rem }
.picture { display: grid; place-items: center; aspect-ratio: 3 / 2; overflow: hidden; background: var(--_wash); color: var(--_quiet); font: italic 2rem/1 var(--_serif) }
img { display: block; width: 100%; height: 100%; object-fit: cover; transition: opacity .2s }
li:hover img { opacity: .88 }
.kicker { margin-block-end: .25rem; color: var(--_accent); font-size: .6875rem; font-weight: 600; letter-spacing: .09em; line-height: 1.4; text-transform: uppercase }
.title { font: 500 1.0625rem/1.32 var(--_serif); overflow-wrap: anywhere }
a { color: inherit; text-decoration: none }
a::after { content: ""; position: absolute; inset: 0 }
li + li a::after { inset-block-start: 1.15rem }
li:hover a { text-decoration: underline; text-decoration-thickness: 1px; text-underline-offset: .18em }
a:focus-visible { outline: none }
a:focus-visible::after { outline: 2px solid var(--_accent); outline-offset: 4px; border-radius: 2px }
.site { margin-block-start: .35rem; color: var(--_quiet); font-size: .8125rem }
.paid { border: 1px solid var(--_line); border-radius: 2px; padding: .05em .4em; margin-inline-end: .5em; font-size: .6875rem; letter-spacing: .04em }
@container (min-width: 33rem) {
  ul { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 2rem }
  li { grid-template-columns: minmax(0, 1fr); gap: .8rem }
  li + li { border: 0; padding: 0 }
  li + li a::after { inset-block-start: 0 }
}
@container (min-width: 46rem) { ul { grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 2.25rem 2rem } }
@media (prefers-reduced-motion: reduce) { img { transition: none } }
@media (forced-colors: active) { .picture { border: 1px solid } }
@media print { :host { display: none } }
`;

  const tag = document.currentScript;
  if (!tag) return;
  const told = tag.dataset;

  function question() {
    const url = new URL("v1/recommendations", tag.src);
    const set = (name, value) => value && url.searchParams.set(name, value);
    set("site", told.site);
    set("visitor", told.visitor);
    set("n", told.n);
    if (told.site && told.key) set("key", told.key);
    else set("url", (told.url || canonical()).slice(0, 2048));
    return url;
  }

  function canonical() {
    const link = document.querySelector("link[rel=canonical]");
    return (link && link.href) || location.origin + location.pathname + location.search;
  }

  // Only http(s), and relative to the service: its own paths may be short.
  function address(text) {
    try {
      const url = new URL(text, tag.src);
      return /^https?:$/.test(url.protocol) ? url.href : "";
    } catch {
      return "";
    }
  }

  function element(name, part, text) {
    const made = document.createElement(name);
    if (part) made.className = part;
    if (part) made.part = part;
    if (text) made.textContent = text;
    return made;
  }

  function picture(item) {
    const frame = element("div", "picture");
    const initial = () => frame.replaceChildren([...item.site_name][0] || "");
    frame.ariaHidden = "true";
    const src = item.image && address(item.image);
    if (!src) return initial(), frame;
    const image = element("img");
    Object.assign(image, { alt: "", loading: "lazy", decoding: "async", width: 480, height: 320 });
    image.onerror = initial;
    image.src = src;
    frame.append(image);
    return frame;
  }

  function card(item) {
    const href = address(item.url);
    if (!href || !item.title) return null;
    const made = element("li", "card");
    const words = element("div");
    const title = element("h3", "title");
    const link = element("a", "", item.title);
    link.href = href;
    link.dir = "auto";
    if (item.language) link.lang = item.language;
    if (item.sponsored) link.rel = "sponsored";
    title.append(link);
    if (item.section) words.append(element("p", "kicker", item.section));
    words.append(title);
    const site = element("p", "site");
    if (item.sponsored) site.append(element("span", "paid", "Sponsored"));
    site.append(item.site_name || item.site);
    words.append(site);
    made.append(picture(item), words);
    return made;
  }

  function show(answer) {
    const cards = answer.items.map(card).filter(Boolean);
    if (!cards.length) return;
    const box = document.createElement("recsys-box");
    if (told.theme) box.dataset.theme = told.theme;
    const root = box.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    const section = element("section");
    const heading = element("h2", "heading", told.heading || "Articles, Offers & Useful Resources");
    heading.id = "heading";
    section.setAttribute("aria-labelledby", heading.id);
    const line = element("p", "line", told.line || "A mix of what’s trending on our other sites");
    const list = element("ul");
    list.setAttribute("role", "list"); // Safari drops the role of a list without bullets
    list.append(...cards);
    section.append(heading, line, list);
    root.append(section);
    const target = told.target && document.querySelector(told.target);
    if (target) target.replaceChildren(box);
    else tag.after(box);
  }

  const late = new AbortController();
  setTimeout(() => late.abort(), 8000);
  Promise.resolve()
    .then(() => fetch(question(), { credentials: "omit", signal: late.signal }))
    .then((response) => (response.ok ? response.json() : { items: [] }))
    .then(show)
    .catch(() => {});
})();
