// Every page is complete without this.
"use strict";

// Times show in the zone of whoever reads them; what the page said, in UTC, is a hover away.
(() => {
  const form = /(\d{4}-\d\d-\d\d )?(\d\d:\d\d)(:\d\d)?( UTC)?/;
  const two = (number) => String(number).padStart(2, "0");
  const zone = (at) => new Intl.DateTimeFormat([], { timeZoneName: "short" }).formatToParts(at)
    .find((part) => part.type === "timeZoneName").value;
  const written = (at, date, seconds, named) => [
    date && `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} `,
    `${two(at.getHours())}:${two(at.getMinutes())}`,
    seconds && `:${two(at.getSeconds())}`,
    named && ` ${zone(at)}`,
  ].filter(Boolean).join("");
  const tell = (place) => {
    const at = new Date(place.dateTime || place.dataset.at);
    if ("countdown" in place.dataset || place.dataset.utc || Number.isNaN(at.getTime())) return;
    const utc = at.toISOString().replace("T", " ").replace(/\..*/, " UTC");
    place.dataset.utc = utc;
    const found = form.exec(place.textContent);
    if (found) place.textContent = place.textContent.replace(form, written(at, found[1], found[3], found[4]));
    if (place instanceof HTMLElement) place.title = found ? utc : `${written(at, true, true, true)} · ${utc}`;
  };
  const tellAll = (root) => {
    if (Intl.DateTimeFormat().resolvedOptions().timeZone === "UTC") return;
    root.querySelectorAll("time[datetime], [data-at]").forEach(tell);
    root.querySelectorAll("[data-zone]").forEach((name) => { name.textContent = `(${zone(new Date())})`; });
  };
  const content = document.getElementById("content");
  tellAll(content);
  new MutationObserver((changes) => {
    for (const change of changes) for (const node of change.addedNodes) if (node instanceof Element) tellAll(node);
  }).observe(content, { childList: true, subtree: true });
})();

// A run's page follows the run: the part that changes is fetched anew when something happened.
(() => {
  const place = document.getElementById("run");
  if (!place) return;
  const { run, view } = place.dataset;
  const live = document.getElementById("live");
  const state = () => place.querySelector("[data-status]").dataset;
  let source = null;
  let timer = 0;
  let busy = false;

  const show = (html) => {
    const fresh = new DOMParser().parseFromString(html, "text/html").querySelector("[data-status]");
    if (!fresh) return;
    const before = state().status;
    if (fresh.dataset.seq === state().seq && fresh.dataset.status === before) return;
    const focused = place.contains(document.activeElement) && document.activeElement.getAttribute("href");
    place.replaceChildren(document.adoptNode(fresh));
    if (focused) place.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    if (fresh.dataset.status !== before) live.textContent = `The run is ${fresh.dataset.status}.`;
    count();
  };
  const refresh = async () => {
    if (busy) return;
    busy = true;
    try {
      const answer = await fetch(`/runs/${encodeURIComponent(run)}/fragment?view=${view}`);
      if (answer.ok) show(await answer.text());
    } catch { /* the next one may come through */ }
    busy = false;
    if (state().over === "yes") stop();
  };
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(refresh, 250);
  };
  const poll = () => {
    timer = setTimeout(async () => {
      if (!document.hidden) await refresh();
      if (state().over !== "yes") poll();
    }, 2000);
  };
  const stop = () => {
    clearTimeout(timer);
    source?.close();
  };
  const count = () => {
    for (const time of document.querySelectorAll("time[data-countdown]")) {
      const left = Math.max(0, Math.round((new Date(time.dateTime) - Date.now()) / 1000));
      time.textContent = left ? `${left} s` : "a moment";
    }
  };
  if (state().over === "yes") return;
  setInterval(count, 1000);
  source = new EventSource(`/v1/runs/${encodeURIComponent(run)}/events`);
  let heard = false;
  source.onopen = () => { heard = true; };
  source.onmessage = soon;
  source.addEventListener("end", soon);
  source.onerror = () => {
    if (heard) return; // it comes back by itself
    source.close();
    poll();
  };
})();
