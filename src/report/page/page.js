"use strict";
// Sorts tables and hides series. Without it the page shows the same.
(() => {
  const units = { "µs": 1e-6, ms: 1e-3, s: 1, k: 1e3, M: 1e6, G: 1e9 };
  const value = (cell) => {
    const text = cell.textContent.trim();
    const match = /^([-+]?[\d.]+(?:e[-+]?\d+)?)(?:\s?(µs|ms|s|k|M|G)(?![A-Za-z]))?/.exec(text);
    return match ? Number(match[1]) * (units[match[2]] ?? 1) : null;
  };
  // Numbers, then words, then nothing; only numbers, or only words, change places with the direction.
  const compare = (a, b, sign) => {
    const rank = (cell) => (value(cell) !== null ? 0 : cell.textContent === "" ? 2 : 1);
    const [i, j] = [rank(a), rank(b)];
    if (i !== j) return i - j;
    return sign * (i === 0 ? value(a) - value(b) : a.textContent.localeCompare(b.textContent));
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
      rows.sort((a, b) => compare(a.cells[column], b.cells[column], up ? 1 : -1));
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
