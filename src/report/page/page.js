"use strict";
// Sorts tables and hides series. Without it the page shows the same.
(() => {
  const units = { "µs": 1e-6, ms: 1e-3, s: 1, k: 1e3, M: 1e6, G: 1e9 };
  const value = (cell) => {
    const text = cell.textContent.trim();
    const match = /^([-+]?[\d.]+(?:e[-+]?\d+)?)(?:\s?(µs|ms|s|k|M|G)(?![A-Za-z]))?/.exec(text);
    return match ? Number(match[1]) * (units[match[2]] ?? 1) : null;
  };
  const compare = (a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x !== null && y !== null) return x - y;
    // Numbers first, then words, then nothing.
    if (x !== null) return -1;
    if (y !== null) return 1;
    const [s, t] = [a.textContent, b.textContent];
    return (s === "") - (t === "") || s.localeCompare(t);
  };
  const act = (element, what, run) => {
    element.tabIndex = 0;
    element.setAttribute("role", "button");
    element.classList.add("act");
    element.addEventListener("click", run);
    element.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); run(); }
    });
    if (what) element.setAttribute("aria-label", what);
  };
  for (const table of document.querySelectorAll("table.sorts")) {
    const heads = [...table.rows[0].cells];
    heads.forEach((head, column) => act(head, "", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...table.rows].slice(1);
      rows.sort((a, b) => (up ? 1 : -1) * compare(a.cells[column], b.cells[column]));
      rows.forEach((row) => row.parentNode.appendChild(row));
    }));
  }
  for (const chart of document.querySelectorAll("svg.chart")) {
    for (const key of chart.querySelectorAll("g.k")) {
      const name = key.dataset.s;
      act(key, `show or hide ${name}`, () => {
        const off = key.classList.toggle("off");
        for (const series of chart.querySelectorAll("g.s")) {
          if (series.dataset.s === name) series.classList.toggle("off", off);
        }
      });
    }
  }
})();
