// What a page does beside being read: contents that follow, optimizers on and off, tables that sort and filter, links
// that open the folds they lead into, and folds that are open on paper. Without it everything is there to be read.
(() => {
  "use strict";
  const root = document.documentElement, all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // Paper is white, also of a page that is dark, and nothing on it is folded.
  let folded = [];
  addEventListener("beforeprint", () => {
    root.classList.add("printing");
    folded = all("main details:not([open])");
    for (const part of folded) part.open = true;
  });
  addEventListener("afterprint", () => {
    root.classList.remove("printing");
    for (const part of folded) part.open = false;
  });

  // Contents: open where they are a rail, closed after a step where they are a bar.
  const rail = document.querySelector(".rail"), fold = rail?.querySelector("details");
  if (fold) {
    const wide = matchMedia("(min-width: 80rem)"), settle = () => { fold.open = wide.matches; };
    settle();
    wide.addEventListener("change", settle);
    rail.addEventListener("click", (event) => { if (event.target.closest("a") && !wide.matches) fold.open = false; });
    rail.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || wide.matches || !fold.open) return;
      fold.open = false;
      fold.querySelector("summary").focus();
    });
    const links = new Map(all("a[href^='#']", rail).map((link) => [link.hash.slice(1), link]));
    const seen = new Set(), sections = all("main section[id]");
    const watch = new IntersectionObserver((entries) => {
      for (const entry of entries) seen[entry.isIntersecting ? "add" : "delete"](entry.target);
      const now = sections.find((section) => seen.has(section));
      for (const [id, link] of links) id === now?.id ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current");
    }, { rootMargin: "-10% 0px -60% 0px" });
    for (const section of sections) watch.observe(section);
  }

  // The address holds where the reader is and which optimizers are off: #ellipse&off=adam,sgd
  const off = new Set(), buttons = all(".toggles button");
  function read() {
    const [place, ...rest] = location.hash.slice(1).split("&"), named = rest.find((part) => part.startsWith("off="));
    return { place: decodeURIComponent(place), off: named ? named.slice(4).split(",").map(decodeURIComponent) : null };
  }
  function written(place) {
    const named = off.size ? `&off=${[...off].map(encodeURIComponent).join()}` : "";
    return place || named ? `#${encodeURIComponent(place)}${named}` : location.pathname + location.search;
  }
  const keep = (place) => history.replaceState(null, "", written(place));

  function show() {
    for (const part of all("[data-label]")) part.classList.toggle("off", off.has(part.dataset.label));
    for (const button of buttons) button.setAttribute("aria-pressed", String(!off.has(button.dataset.label)));
    // a colour is an optimizer's: its lines and marks in all figures vanish with it
    const colors = new Map();
    for (const { dataset } of buttons) colors.set(dataset.color, (colors.get(dataset.color) ?? true) && off.has(dataset.label));
    for (const [name, gone] of colors) gone ? root.style.setProperty(name, "transparent") : root.style.removeProperty(name);
    dispatchEvent(new Event("repaint"));
  }
  for (const button of buttons) {
    button.addEventListener("click", () => {
      if (!off.delete(button.dataset.label)) off.add(button.dataset.label);
      keep(read().place);
      show();
    });
  }

  function go() {
    const asked = read(), target = asked.place && document.getElementById(asked.place);
    if (asked.off) {
      off.clear();
      for (const label of asked.off) if (buttons.some((button) => button.dataset.label === label)) off.add(label);
      show();
    }
    keep(asked.place);
    if (!target) return;
    for (let part = target; part; part = part.parentElement) if (part.localName === "details") part.open = true;
    if (target.localName === "details") target.open = true;
    // twice: sections on the way are laid out, and found to be taller or lower, when they come near the screen
    target.scrollIntoView({ behavior: "instant" });
    requestAnimationFrame(() => requestAnimationFrame(() => target.scrollIntoView({ behavior: "instant" })));
  }
  addEventListener("hashchange", go);

  // Tables: a press on a heading sorts up, down, then in the suite's order.
  const UNITS = { "µs": 1e-6, ms: 1e-3, s: 1, min: 60, h: 3600, kB: 1e3, MB: 1e6, GB: 1e9, "%": 1e-2 };
  const WORST = /diverged|not reached|^–/;
  function valueOf(cell) {
    if (cell.dataset.value !== undefined) return Number(cell.dataset.value);
    const text = cell.textContent.trim(), found = text.match(/^([<>≤]?)\s*(-?[\d,]*\.?\d+(?:e[+-]?\d+)?)\s*([µa-zA-Z%]*)/);
    if (!found) return WORST.test(text) || !text ? Infinity : text.toLowerCase();
    return Number(found[2].replaceAll(",", "")) * (UNITS[found[3]] ?? 1);
  }
  function compared(a, b) {
    if (typeof a === typeof b && typeof a === "string") return a.localeCompare(b);
    return typeof a === "string" ? 1 : typeof b === "string" ? -1 : a === b ? 0 : a < b ? -1 : 1;
  }
  function sortable(table) {
    const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
    const rows = [...body.rows].sort((a, b) => Number(a.dataset.place) - Number(b.dataset.place));
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const way = { ascending: "descending", descending: "none" }[head.getAttribute("aria-sort")] ?? "ascending";
        for (const each of heads) each.removeAttribute("aria-sort");
        if (way !== "none") head.setAttribute("aria-sort", way);
        const values = new Map(rows.map((row) => [row, valueOf(row.cells[column])]));
        const sign = { ascending: 1, descending: -1, none: 0 }[way];
        body.append(...[...rows].sort((a, b) => sign * compared(values.get(a), values.get(b))));
      });
    });
  }
  for (const table of all("table.sortable")) sortable(table);

  // Rows of the optimizers that hold what is typed; a table that holds it nowhere stays whole.
  const field = document.querySelector(".controls input");
  field?.addEventListener("input", () => {
    const sought = field.value.trim().toLowerCase();
    for (const body of all("table.sortable tbody")) {
      const found = [...body.rows].map((row) => row.textContent.toLowerCase().includes(sought));
      [...body.rows].forEach((row, i) => row.classList.toggle("unmatched", found.includes(true) && !found[i]));
    }
  });

  for (const part of all(".controls[hidden]")) part.hidden = false;
  if (location.hash) go();
})();
