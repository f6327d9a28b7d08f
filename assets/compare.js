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
    const {points = [], metric} = props.value || {};
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
    if (!swept.length) { window.Plotly && window.Plotly.purge(box("sweep")); note(box("sweep"), "This table sweeps no strength. Choose a table that does."); return; }
    const lines = unique(swept.map(p => p.row)), sorted = row => swept.filter(p => p.row === row).sort((a, b) => a.x - b.x);
    await set(box("sweep"), [...lines.map((row, i) => ({type: "scatter", mode: "lines+markers", name: row, x: sorted(row).map(p => p.x), y: sorted(row).map(p => p.leak), line: {color: PALETTE[i % PALETTE.length], width: 2.5}})),
      {type: "scatter", mode: "lines+markers", name: "target's accuracy", x: sorted(lines[0]).map(p => p.x), y: sorted(lines[0]).map(p => p.utility), line: {color: css("--wb-quiet"), dash: "dash", width: 2}}],
      layout("strength", metric));
  };
  watch("value", draw); draw();
  new ResizeObserver(() => draw()).observe(element);
  new MutationObserver(() => draw()).observe(document.body, {attributes: true, attributeFilter: ["class"]});
};
})();
