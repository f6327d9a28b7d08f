// Privacy against utility, and a sweep over a defense's strength. Drawn once for each choice, never streamed.
(() => {
const WB = window.WB = window.WB || {};
const PALETTE = ["#0077bb", "#e07b00", "#009e73", "#cc3366", "#8a6fd1", "#a6761d", "#33a8c7", "#d95f5f", "#7a9a01", "#8c8c8c"];
const SYMBOLS = ["circle", "square", "diamond", "cross", "triangle-up", "star", "x", "pentagon", "hexagram", "triangle-down", "bowtie", "hourglass"];

WB.compare = (element, props, watch) => {
  const box = name => element.querySelector(`[data-plot=${name}]`);
  const css = name => getComputedStyle(document.body).getPropertyValue(name).trim();
  const layout = (x, y) => ({margin: {l: 62, r: 10, t: 8, b: 48}, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: {size: 14, color: css("--wb-quiet"), family: getComputedStyle(document.body).fontFamily}, hovermode: "closest", legend: {font: {size: 13}},
    hoverlabel: {bgcolor: css("--wb-paper"), font: {color: css("--wb-ink")}},
    xaxis: {gridcolor: css("--wb-line"), zeroline: false, title: {text: x}}, yaxis: {gridcolor: css("--wb-line"), zeroline: false, title: {text: y}}});
  const note = (where, text) => { const p = document.createElement("p"); p.className = "wb-note"; p.textContent = text; where.replaceChildren(p); };
  const unique = list => [...new Set(list)];
  const set = async (where, traces, look) => { const P = await WB.plotly(); if (!where.querySelector(".plot-container")) where.replaceChildren(); await P.react(where, traces, look, {displayModeBar: false, responsive: true}); };

  const draw = async () => {
    const {points = [], metric, axis: named = "strength"} = props.value || {};
    if (!element.offsetParent) return;
    const known = points.filter(p => p.utility != null), columns = unique(known.map(p => p.column)), rows = unique(known.map(p => p.row));
    if (!known.length) { window.Plotly && window.Plotly.purge(box("scatter")); note(box("scatter"), "No cell of this table has finished."); }
    else await set(box("scatter"), rows.map((row, i) => {
      const own = known.filter(p => p.row === row);
      return {type: "scatter", mode: "markers", name: row, x: own.map(p => p.utility), y: own.map(p => p.leak), text: own.map(p => p.column),
        marker: {size: 12, color: PALETTE[i % PALETTE.length], symbol: own.map(p => SYMBOLS[columns.indexOf(p.column) % SYMBOLS.length])},
        hovertemplate: `${row}, %{text}<br>target's accuracy %{x:.3f}, ${metric} %{y:.3g}<extra></extra>`};
    }), {...layout("target's held-out accuracy", `${metric} of the reconstructions`), showlegend: rows.length < 14});
    const swept = points.filter(p => p.x != null);
    if (!swept.length) { window.Plotly && window.Plotly.purge(box("sweep")); note(box("sweep"), "Nothing is turned from weak to strong in this table. Choose one where something is."); return; }
    const groups = unique(swept.map(p => p.group)), inside = g => swept.filter(p => p.group === g);
    const line = (points, key, name, style) => { const own = [...points].sort((a, b) => a.x - b.x); return {type: "scatter", mode: "lines+markers", name, x: own.map(p => p.x), y: own.map(p => p[key]), line: {width: 2.5, ...style}}; };
    // A colour for each row and a dash for each group, so that the legend stays as long as both together.
    const lines = unique(swept.map(p => p.row)), dash = g => ["solid", "dot", "dashdot", "longdash"][groups.indexOf(g) % 4], told = new Set();
    const traces = groups.flatMap(g => unique(inside(g).map(p => p.row)).map(row => {
      const first = !told.has(row); told.add(row);
      return {...line(inside(g).filter(p => p.row === row), "leak", row, {color: PALETTE[lines.indexOf(row) % PALETTE.length], dash: dash(g)}), showlegend: first, legendgroup: row, hovertemplate: `${row}, ${g}<br>%{x:,}: ${metric} %{y:.3g}<extra></extra>`};
    }));
    if (groups.length > 1) traces.push(...groups.map(g => ({type: "scatter", mode: "lines", name: g, x: [null], y: [null], line: {color: css("--wb-ink"), dash: dash(g), width: 2.5}})));
    // Where something else than a defense is turned, the target is the same all along.
    const turned = groups.filter(g => unique(inside(g).map(p => p.utility)).length > 1);
    traces.push(...turned.map((g, i) => line(inside(g).filter(p => p.row === inside(g)[0].row), "utility", "target's accuracy", {color: css("--wb-quiet"), dash: "dash", width: 2})));
    const xs = swept.map(p => p.x), wide = Math.min(...xs) > 0 && Math.max(...xs) / Math.min(...xs) > 30, look = layout(named, metric);
    look.legend = {...look.legend, tracegroupgap: 0}; look.xaxis.type = wide ? "log" : "linear";
    await set(box("sweep"), traces, look);
  };
  watch("value", draw); draw();
  new ResizeObserver(() => draw()).observe(element);
  new MutationObserver(() => draw()).observe(document.body, {attributes: true, attributeFilter: ["class"]});
};
})();
