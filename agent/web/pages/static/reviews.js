// Keys and news of the inbox; every page is complete without this.
"use strict";
(() => {
  const say = (text) => { document.getElementById("live").textContent = text; };
  const links = () => [...document.querySelectorAll("#inbox [data-item] .asked > a")];
  const move = (step) => {
    const all = links();
    if (!all.length) return;
    const at = all.indexOf(document.activeElement);
    const next = at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + step, 0), all.length - 1);
    all[next].focus();
  };
  const go = (id) => {
    const place = document.getElementById(id) || (id === "approve" && document.getElementById("respond"));
    if (!place) { say("This item does not take that."); return; }
    const fold = place.closest("details");
    if (fold) fold.open = true;
    place.querySelector("textarea, input:not([type=hidden]), a")?.focus();
  };
  const keys = { j: () => move(1), k: () => move(-1), a: () => go("approve"), r: () => go("reject"),
    e: () => go(document.getElementById("edit-query") ? "edit-query" : "edit"),
    "?": () => { const help = document.getElementById("keys"); help.open = !help.open; help.querySelector("summary").focus(); } };
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && event.target.closest("textarea, aside input")) {
      event.target.blur();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
    const act = keys[event.key];
    if (act) { event.preventDefault(); act(); }
  });
  document.getElementById("problem")?.focus();

  // A figure's link opens the fold that it leads to.
  const unfold = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target && target.tagName === "DETAILS") target.open = true;
  };
  addEventListener("hashchange", unfold);
  unfold();

  // The decision stays in sight: a card that is taller than the window sticks once its end is seen.
  const aside = document.querySelector(".case > aside");
  if (aside) {
    const stick = () => { aside.style.top = `${Math.min(16, innerHeight - aside.offsetHeight - 16)}px`; };
    new ResizeObserver(stick).observe(aside);
    addEventListener("resize", stick);
    aside.classList.add("sticks");
    stick();
  }

  // The inbox is told what changed. Rows stay where they are, and so does the person: what is new is
  // only counted, until they ask for it.
  const list = () => document.getElementById("inbox");
  const news = document.getElementById("news");
  if (!list() || !news) return;
  const ids = () => [...list().querySelectorAll("[data-item]")].map((row) => row.dataset.item);
  let latest = null;
  const put = (place, text) => { if (place && place.textContent !== text) place.textContent = text; };
  const update = (id, row) => {
    const shown = list().querySelector(`[data-item="${CSS.escape(id)}"]`);
    if (!shown) return;
    for (const name of ["age", "state", "who", "votes"]) put(shown.querySelector(`[data-live="${name}"]`), row[name]);
    shown.querySelector('[data-live="state"]').className = `status ${row.look}`;
  };
  const tell = ({ items, more }) => {
    const known = ids();
    const added = items.filter((id) => !known.includes(id)).length;
    const gone = more ? 0 : known.filter((id) => !items.includes(id)).length;
    const text = [added && `${added} new`, gone && `${gone} no longer here`].filter(Boolean).join(", ");
    news.hidden = !text;
    if (text && news.dataset.text !== text) say(`${text}.`);
    news.dataset.text = text;
    put(news.firstElementChild, text && `${text}. Show`);
  };
  const take = (event) => {
    latest = JSON.parse(event.data);
    for (const [tab, count] of Object.entries(latest.counts)) put(document.querySelector(`[data-tab="${tab}"] .count`), String(count));
    for (const [id, row] of Object.entries(latest.rows)) update(id, row);
    tell(latest);
  };
  news.addEventListener("click", async (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const before = new Set(ids());
    try {
      const answer = await fetch(news.firstElementChild.href, { headers: { Accept: "text/html" } });
      const fresh = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("inbox");
      if (!fresh) throw new Error("no inbox");
      list().replaceWith(document.adoptNode(fresh));
    } catch { location.assign(news.firstElementChild.href); return; }
    if (latest) tell(latest);
    const first = [...list().querySelectorAll("[data-item]")].find((row) => !before.has(row.dataset.item));
    (first?.querySelector(".asked > a") || document.getElementById("content")).focus();
  });
  const follow = () => {
    const source = new EventSource(list().dataset.events);
    source.onmessage = take;
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) setTimeout(follow, 30000); // else it comes back by itself
    };
  };
  follow();
})();
