// Shows what trends as it changes: asks every two seconds while somebody looks.
"use strict";
(() => {
  const box = document.getElementById("trends");
  if (!box) return;
  const list = box.querySelector("ol");
  const spoken = box.querySelector("[role=status]");
  const reader = new URLSearchParams(location.search).get("as");
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const EVERY = 2000;
  const QUIET = 20000; // ms between two things said aloud
  const RISES = 1.2; // share now over share in the last hours
  let first = "";
  let saidAt = 0;

  async function look() {
    // Nothing moves away from under a pointer or the keyboard.
    if (document.hidden || list.matches(":hover, :focus-within")) return;
    try {
      const response = await fetch(box.dataset.source, { cache: "no-store" });
      if (!response.ok) throw new Error(response.statusText);
      show((await response.json()).items);
      box.dataset.state = "";
    } catch {
      box.dataset.state = "away";
    }
  }

  function show(items) {
    const old = new Map([...list.children].map((row) => [row.dataset.name, row]));
    const was = new Map([...old].map(([name, row]) => [name, row.offsetTop]));
    const known = (item) => old.get(`${item.site}/${item.key}`) || row(item);
    list.replaceChildren(...items.map((item) => fill(known(item), item)));
    box.querySelector(".none").hidden = items.length > 0;
    if (!still.matches) for (const row of list.children) move(row, was.get(row.dataset.name));
    say(items[0]);
  }

  function row(item) {
    const made = document.createElement("li");
    made.dataset.name = `${item.site}/${item.key}`;
    const link = document.createElement("a");
    const [who, rises, aloud] = ["when", "rises", "unseen"].map(span);
    rises.append(aloud);
    aloud.textContent = "rising";
    made.append(link, who, rises);
    const url = new URL(item.url, location.href);
    if (reader && url.origin === location.origin) url.searchParams.set("as", reader);
    if (/^https?:$/.test(url.protocol)) link.href = url.href;
    link.textContent = item.title;
    link.dir = "auto";
    link.lang = item.language;
    return made;
  }

  function fill(row, { site_name, voices, rising }) {
    const count = Math.round(voices);
    const [, who, rises] = row.children;
    who.textContent = site_name + (count ? ` · ${count} ${count === 1 ? "reader" : "readers"}` : "");
    rises.hidden = rising < RISES;
    return row;
  }

  function span(name) {
    const made = document.createElement("span");
    made.className = name;
    return made;
  }

  function move(row, from) {
    const how = { duration: 600, easing: "ease" };
    if (from === undefined) row.animate({ opacity: [0, 1] }, how);
    else if (from !== row.offsetTop)
      row.animate({ transform: [`translateY(${from - row.offsetTop}px)`, "none"] }, how);
  }

  function say(item) {
    if (!item || item.title === first || Date.now() < saidAt + QUIET) return;
    // What stands there when the page opens is read with the page.
    if (first) spoken.textContent = `Now first: ${item.title}`;
    [first, saidAt] = [item.title, Date.now()];
  }

  const turn = () => look().finally(() => setTimeout(turn, EVERY));
  turn();
})();
