// Keys and a quiet look for news; every page is complete without this.
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

  // The inbox is read again now and then; nobody's focus or half-typed filter is taken away.
  const list = document.getElementById("inbox");
  if (!list || !document.querySelector(".tabs")) return;
  const ids = (root) => new Set([...root.querySelectorAll("[data-item]")].map((row) => row.dataset.item));
  setInterval(async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const old = document.getElementById("inbox");
      const now = fresh.getElementById("inbox");
      const known = ids(old);
      const added = [...ids(now)].filter((id) => !known.has(id)).length;
      document.querySelectorAll("[data-tab] .count").forEach((count) => {
        count.textContent = fresh.querySelector(`[data-tab="${count.parentElement.dataset.tab}"] .count`).textContent;
      });
      if (!old.contains(document.activeElement)) old.replaceWith(now);
      if (added) say(added === 1 ? "One new item." : `${added} new items.`);
    } catch { /* the server is away; the next look tells */ }
  }, 20000);
})();
