"use strict";
(() => {
  let opener = null;
  const panelOf = (hash) => {
    const target = hash.length > 1 && document.getElementById(decodeURIComponent(hash.slice(1)));
    return target ? target.closest(".panel") : null;
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#fig-"], a[href^="#ev-"]');
    if (link && !link.closest(".panel")) opener = link;
  });
  window.addEventListener("hashchange", () => {
    const panel = panelOf(location.hash);
    if (panel) {
      panel.scrollTop = 0;
      panel.querySelector(".close").focus({ preventScroll: true });
    } else if (location.hash === "#-" && opener) {
      opener.focus({ preventScroll: true });
      opener = null;
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && panelOf(location.hash)) location.hash = "#-";
  });

  const contents = document.querySelector(".contents");
  if (matchMedia("(max-width: 70rem)").matches) contents.open = false;
  const links = new Map([...contents.querySelectorAll("a")].map((a) => [a.hash.slice(1), a]));
  const follow = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        for (const link of links.values()) link.removeAttribute("aria-current");
        links.get(entry.target.id)?.setAttribute("aria-current", "true");
      }
    },
    { rootMargin: "-15% 0px -75% 0px" },
  );
  for (const id of links.keys()) {
    const section = document.getElementById(id);
    if (section) follow.observe(section);
  }
})();
