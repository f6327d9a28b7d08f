// The live view: true faces beside reconstructions, latent paths, curves, scrubber.
// A message's texts only grow: each is read from where reading ended, and plots are only ever extended.
(() => {
const WB = window.WB = window.WB || {};
const COUNT = window.__wb = {newPlot: 0, extend: 0, react: 0, drawn: 0};

// Ten colours that stay apart for colour-blind readers, on white and on black (after Okabe-Ito and Tol).
const PALETTE = ["#0077bb", "#e07b00", "#009e73", "#cc3366", "#8a6fd1", "#a6761d", "#33a8c7", "#d95f5f", "#7a9a01", "#8c8c8c"];
const MOST_SEGMENTS = 2500, PLOT_MS = 250, SAY_MS = 2000, TELL_MS = 250;
const still = matchMedia("(prefers-reduced-motion: reduce)");

const $ = (root, selector) => root.querySelector(selector);
const make = (tag, cls, text) => { const e = document.createElement(tag); if (cls) e.className = cls; if (text != null) e.textContent = text; return e; };
const count = n => n == null ? "–" : Math.round(n).toLocaleString("en");
const span = s => s == null ? "–" : s < 60 ? `${Math.ceil(s)} s` : s < 3600 ? `${Math.floor(s / 60)} min ${Math.round(s % 60)} s` : `${(s / 3600).toFixed(1)} h`;
const session = (key, value) => { try { if (value != null) sessionStorage.setItem(key, value); return sessionStorage.getItem(key); } catch { return value; } };
const percent = v => v == null ? "–" : `${Math.round(100 * v)} %`;
Object.assign(WB, {$, make, count, span, percent});

let plotly = null;
WB.plotly = () => plotly ||= new Promise((resolve, reject) => {
  if (window.Plotly) return resolve(window.Plotly);
  const script = document.createElement("script");
  script.src = "/wb/plotly.min.js"; script.onload = () => resolve(window.Plotly); script.onerror = reject;
  document.head.appendChild(script);
});

function canDraw3d() {
  try { const c = document.createElement("canvas"); return !!(c.getContext("webgl2") || c.getContext("webgl")); } catch { return false; }
}

// ---- plots ----------------------------------------------------------------------------------

function ink() {
  const css = getComputedStyle(document.body), v = name => css.getPropertyValue(name).trim();
  return {text: v("--wb-ink"), quiet: v("--wb-quiet"), grid: v("--wb-line"), paper: v("--wb-paper"), cloud: v("--wb-cloud"), accent: v("--wb-accent")};
}
const CONFIG = {displayModeBar: false, displaylogo: false, responsive: false, doubleClick: "reset"};

class Curves {
  constructor(box) { this.box = box; this.rows = []; this.head = null; this.sent = 0; this.marks = []; this.cursor = null; this.P = null; this.ready = false; this.axis = "step"; }
  reset() { this.rows = []; this.head = null; this.sent = 0; this.marks = []; this.cursor = null; this.fresh = true; this.sure = false; this.quiet = 0; }
  add(line) {
    const cells = line.split(",");
    if (!this.head) { this.head = cells; this.fresh = true; return; }
    const row = cells.map(c => c === "" ? null : +c);
    if (row[4] != null && !this.sure) { this.sure = true; this.fresh ||= this.head.length > 7; }
    if (this.rows.length && row[3] === this.rows[this.rows.length - 1][3]) this.quiet++;
    this.rows.push(row);
  }
  x(row) { return row[this.axis === "queries" ? 3 : 1]; }
  // Which columns the three strips show; an attack that sees labels alone knows no confidence.
  strips() {
    const losses = this.head.slice(5), at = name => this.head.indexOf(name), rest = losses.slice(1);
    const strips = [{title: losses[0] || "loss", columns: losses.slice(0, 1)}];
    if (this.sure || rest.length < 2) strips.push({title: "confidence", columns: ["confidence"], range: [-0.03, 1.03]});
    else strips.push({title: rest[0], columns: rest.splice(0, 1)});
    const other = this.axis === "queries" ? "step" : "queries";
    strips.push(rest.length ? {title: rest.join(", "), columns: rest} : {title: other, columns: [other]});
    return strips.map(s => ({...s, columns: s.columns.map(at)}));
  }
  positive(rows) { const c = this.strips()[0].columns[0]; return rows.every(r => r[c] > 0); }
  traces() {
    if (!this.head) return [];
    const dash = ["solid", "dash", "dot"], traces = [];
    this.strips().forEach((s, i) => s.columns.forEach((c, k) => traces.push({
      x: this.rows.map(r => this.x(r)), y: this.rows.map(r => r[c]), name: this.head[c], xaxis: "x", yaxis: i ? `y${i + 1}` : "y",
      mode: "lines", line: {width: 2.5, color: i === 1 ? PALETTE[0] : i === 0 ? PALETTE[1] : PALETTE[2], dash: dash[k % 3]}, column: c,
      hovertemplate: "%{y:.4g}<extra>%{fullData.name}</extra>"})));
    return traces;
  }
  layout() {
    const k = ink(), strips = this.head ? this.strips() : [];
    const domain = [[0.72, 0.93], [0.36, 0.57], [0, 0.21]];
    const layout = {margin: {l: 58, r: 10, t: 4, b: 34}, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false, hovermode: "x unified",
      font: {size: 14, color: k.quiet, family: getComputedStyle(document.body).fontFamily}, shapes: this.shapes(), uirevision: "keep", annotations: [],
      hoverlabel: {bgcolor: k.paper, font: {color: k.text}},
      xaxis: {gridcolor: k.grid, zeroline: false, nticks: 6, anchor: "y3", title: {text: this.axis, standoff: 4, font: {size: 14}}, tickformat: this.axis === "queries" ? "~s" : "", hoverformat: ",d"}};
    strips.forEach((s, i) => {
      layout[i ? `yaxis${i + 1}` : "yaxis"] = {domain: domain[i], gridcolor: k.grid, zeroline: false, nticks: 3, range: s.range, tickformat: s.title === "confidence" ? ".0%" : s.title === "queries" || s.title === "step" ? "~s" : ".3~g", type: i === 0 && (this.log = this.rows.length > 2 && this.positive(this.rows)) ? "log" : "linear", fixedrange: !!s.range, automargin: false};
      layout.annotations.push({text: s.title, xref: "paper", yref: "paper", x: 0, y: domain[i][1], xanchor: "left", yanchor: "bottom", showarrow: false, font: {size: 14, color: k.text}});
    });
    return layout;
  }
  shapes() {
    const k = ink();
    const at = (x, line) => ({type: "line", x0: x, x1: x, yref: "paper", y0: 0, y1: 1, line});
    const shapes = this.marks.map(m => at(this.axis === "queries" ? this.queriesAt(m.step) : m.step, {color: k.quiet, width: 1.5, dash: "dash"}));
    const held = this.cursor == null ? null : this.rowOf(this.cursor);
    if (held) shapes.push(at(this.x(held), {color: k.accent, width: 2}));
    return shapes;
  }
  queriesAt(step) { let found = 0; for (const r of this.rows) { if (r[1] > step) break; found = r[3]; } return found; }
  turn(axis) { if (axis !== this.axis) { this.axis = axis; this.fresh = true; } }
  async draw() {
    if ((!this.head && !(this.ready && this.fresh)) || this.busy || !this.box.clientWidth) return;
    this.busy = true;
    try {
      const P = await WB.plotly();
      if (this.log && this.ready && !this.fresh && !this.positive(this.rows.slice(this.sent))) { // a loss below zero has no place on a log axis
        this.log = false;
        await P.relayout(this.box, {"yaxis.type": "linear", "yaxis.autorange": true});
      }
      if (!this.ready || this.fresh) {
        this.sent = this.rows.length; this.fresh = false;
        if (!this.ready) { COUNT.newPlot++; await P.newPlot(this.box, this.traces(), this.layout(), CONFIG); this.ready = true; }
        else { COUNT.react++; await P.react(this.box, this.traces(), this.layout(), CONFIG); }
      } else if (this.rows.length > this.sent) {
        const fresh = this.rows.slice(this.sent), columns = this.box.data.map(t => t.column);
        this.sent = this.rows.length; COUNT.extend++;
        await P.extendTraces(this.box, {x: columns.map(() => fresh.map(r => this.x(r))), y: columns.map(c => fresh.map(r => r[c]))}, columns.map((_, i) => i));
      }
    } finally { this.busy = false; }
  }
  relayout() { if (this.ready && window.Plotly) window.Plotly.relayout(this.box, {shapes: this.shapes()}); }
  restyle() { if (this.ready && this.head && window.Plotly) { window.Plotly.relayout(this.box, this.layout()); } }
  stepOf(frame) { const r = this.rowOf(frame); return r ? r[1] : null; }
  rowOf(frame) { let found = null; for (const r of this.rows) { if (r[0] > frame) break; found = r; } return found; }
}

class Latent {
  constructor(box) { this.box = box; this.three = false; this.ready = false; this.reset([], ""); }
  reset(candidates, cloud) {
    this.candidates = candidates; this.n = candidates.length; this.rows = []; this.sent = 0; this.stride = 1; this.tick = 0; this.last = null; this.held = null; this.fresh = true; this.around = null; this.field = null;
    this.cloud = cloud ? cloud.split("\n").map(l => l.split(",").map(Number)) : [];
    this.order = [...new Set(candidates.map(c => c.class))];
    this.colour = candidates.map(c => this.order.indexOf(c.class) % PALETTE.length);
  }
  add(line) { const cells = line.split(","); this.rows.push({frame: +cells[0], at: Float32Array.from(cells.slice(1), Number)}); }
  // Segments of rows from..to, gathered by colour: x, y, z with a gap after each.
  segments(from) {
    const out = PALETTE.map(() => ({x: [], y: [], z: []}));
    for (let i = from; i < this.rows.length; i++) {
      if (i % this.stride && i) continue;
      const now = this.rows[i].at, before = this.last;
      if (before) for (let k = 0; k < this.n; k++) {
        const o = out[this.colour[k]], a = 3 * k;
        if (before[a] === now[a] && before[a + 1] === now[a + 1] && before[a + 2] === now[a + 2]) continue;
        o.x.push(before[a], now[a], null); o.y.push(before[a + 1], now[a + 1], null); o.z.push(before[a + 2], now[a + 2], null);
        this.tick++;
      }
      this.last = now;
    }
    return out;
  }
  heads(row) {
    const at = (row || this.held || this.rows[this.rows.length - 1] || {at: []}).at, h = {x: [], y: [], z: []};
    for (let k = 0; 3 * k < at.length; k++) { h.x.push(at[3 * k]); h.y.push(at[3 * k + 1]); h.z.push(at[3 * k + 2]); }
    return h;
  }
  pick(o) { return this.three ? o : {x: o.x, y: o.y}; }
  traces() {
    const k = ink(), type = this.three ? "scatter3d" : "scatter", c = this.cloud, size = this.three ? 2 : 4;
    this.last = null; this.tick = 0;
    const lines = this.segments(0), names = this.candidates.map(d => d.label);
    return [
      {type, mode: "markers", ...this.pick({x: c.map(p => p[0]), y: c.map(p => p[1]), z: c.map(p => p[2])}), marker: {size, color: k.cloud}, hoverinfo: "skip"},
      ...lines.map((o, i) => ({type, mode: "lines", ...this.pick(o), line: {width: this.three ? 3 : 1.8, color: PALETTE[i]}, opacity: 0.75, hoverinfo: "skip", connectgaps: false})),
      {type, mode: "markers", ...this.pick(this.heads()), text: names, hovertemplate: "%{text}<extra></extra>",
       marker: {size: this.three ? 5 : this.n > 16 ? 8 : 11, color: this.colour.map(i => PALETTE[i]), line: {width: 1.5, color: k.paper}}},
      {type, mode: "markers", hoverinfo: "skip", opacity: 0.45, ...this.tried(), },
      {type, mode: "lines", hoverinfo: "skip", line: {width: 1.2, color: k.quiet}, connectgaps: false, ...this.ellipses()},
      ...(this.three ? [] : [this.map()]),
    ];
  }
  layout() {
    const k = ink(), axis = {gridcolor: k.grid, zeroline: false, showticklabels: false, title: {text: ""}, showspikes: false};
    const base = {margin: {l: 4, r: 4, t: 4, b: 4}, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false, hovermode: "closest", uirevision: "keep",
      font: {size: 14, color: k.quiet}, hoverlabel: {bgcolor: k.paper, font: {color: k.text}}};
    return this.three ? {...base, scene: {xaxis: axis, yaxis: axis, zaxis: axis, bgcolor: "rgba(0,0,0,0)"}} : {...base, xaxis: axis, yaxis: axis};
  }
  async draw() {
    if (this.busy || !this.box.clientWidth || (!(this.n && (this.rows.length || this.cloud.length)) && !(this.ready && this.fresh))) return;
    this.busy = true;
    try {
      const P = await WB.plotly();
      if (!this.ready || this.fresh || this.tick > MOST_SEGMENTS) {
        while (this.rows.length * this.n / this.stride > MOST_SEGMENTS / 2) this.stride *= 2;
        const traces = this.traces();
        this.sent = this.rows.length; this.fresh = false;
        if (!this.ready) { COUNT.newPlot++; await P.newPlot(this.box, traces, this.layout(), CONFIG); this.ready = true; }
        else { COUNT.react++; await P.react(this.box, traces, this.layout(), CONFIG); }
      } else if (this.rows.length > this.sent) {
        const lines = this.segments(this.sent), heads = this.heads();
        this.sent = this.rows.length;
        const used = lines.map((o, i) => i).filter(i => lines[i].x.length);
        const parts = [...used.map(i => lines[i]), heads], where = [...used.map(i => i + 1), PALETTE.length + 1];
        const update = {x: parts.map(o => o.x), y: parts.map(o => o.y)}, keep = parts.map((_, i) => i === parts.length - 1 ? this.n : -1), most = {x: keep, y: keep};
        if (this.three) { update.z = parts.map(o => o.z); most.z = keep; }
        COUNT.extend++;
        await P.extendTraces(this.box, update, where, most);
      }
    } finally { this.busy = false; }
  }
  // What was tried around the candidates: a population, or samples of a distribution.
  tried() {
    const a = this.around, points = a ? a.points : [];
    return {...this.pick({x: points.map(p => p[0]), y: points.map(p => p[1]), z: points.map(p => p[2])}),
      marker: {size: this.three ? 2 : 4, color: a ? a.of.map(i => PALETTE[this.colour[i]]) : []}};
  }
  // Two standard deviations of each candidate's cloud, where there are few enough candidates to tell apart.
  ellipses() {
    const x = [], y = [], z = [], a = this.around;
    if (a && !this.three && this.n <= 16) for (let c = 0; c < this.n; c++) {
      const own = a.points.filter((_, i) => a.of[i] === c), m = own.length;
      if (m < 4) continue;
      const mean = k => own.reduce((s, p) => s + p[k], 0) / m, mx = mean(0), my = mean(1);
      const cov = (i, j, u, v) => own.reduce((s, p) => s + (p[i] - u) * (p[j] - v), 0) / (m - 1);
      const xx = cov(0, 0, mx, mx), yy = cov(1, 1, my, my), xy = cov(0, 1, mx, my), gap = Math.hypot((xx - yy) / 2, xy);
      const long = 2 * Math.sqrt(Math.max(0, (xx + yy) / 2 + gap)), short = 2 * Math.sqrt(Math.max(0, (xx + yy) / 2 - gap)), turn = Math.atan2(2 * xy, xx - yy) / 2;
      for (let t = 0; t <= 24; t++) { const u = long * Math.cos(t * Math.PI / 12), v = short * Math.sin(t * Math.PI / 12); x.push(mx + u * Math.cos(turn) - v * Math.sin(turn)); y.push(my + u * Math.sin(turn) + v * Math.cos(turn)); }
      x.push(null); y.push(null);
    }
    if (this.three) z.push(...x);
    return this.three ? {x, y, z} : {x, y};
  }
  map() {
    const f = this.field, paper = ink().paper;
    const base = {type: "heatmap", zmin: 0, zmax: 1, opacity: 0.75, showscale: !!f, colorscale: [[0, paper], [0.5, "#8fb8de"], [1, "#123c69"]], hovertemplate: "confidence %{z:.2f}<extra></extra>",
      colorbar: {thickness: 8, len: 0.5, y: 0.75, tickvals: [0, 0.5, 1], tickformat: ".0%", outlinewidth: 0}};
    if (!f) return {...base, x: [], y: [], z: []};
    const n = f.confidence.length, at = (a, b) => Array.from({length: n}, (_, i) => a + (b - a) * i / (n - 1));
    return {...base, x: at(f.extent[0], f.extent[1]), y: at(f.extent[2], f.extent[3]), z: f.confidence};
  }
  extra() {
    if (!this.ready || this.fresh || !window.Plotly) return;
    const first = PALETTE.length + 2, t = this.tried(), e = this.ellipses(), both = (k, u, v) => ({[k]: [u, v]});
    window.Plotly.restyle(this.box, {...both("x", t.x, e.x), ...both("y", t.y, e.y), ...(this.three ? both("z", t.z, e.z) : {})}, [first, first + 1]);
    window.Plotly.restyle(this.box, {"marker.color": [t.marker.color]}, [first]);
  }
  landscape(field) {
    this.field = field;
    if (!this.ready || this.three || !window.Plotly) return;
    const m = this.map();
    window.Plotly.restyle(this.box, {x: [m.x], y: [m.y], z: [m.z], showscale: m.showscale}, [PALETTE.length + 4]);
  }
  hold(frame) {
    this.held = null;
    if (frame != null) for (const r of this.rows) { if (r.frame > frame) break; this.held = r; }
    if (!this.ready || !window.Plotly) return;
    const h = this.pick(this.heads());
    window.Plotly.restyle(this.box, Object.fromEntries(Object.entries(h).map(([k, v]) => [k, [v]])), [PALETTE.length + 1]);
  }
  restyle() { if (this.ready) { this.fresh = true; this.draw(); } }
  turn(three) { this.three = three; this.fresh = true; return this.draw(); }
}

// ---- the view -------------------------------------------------------------------------------

class Reader {  // one growing text, a whole line at a time
  constructor() { this.at = 0; }
  take(text, each) {
    if (!text || text.length <= this.at) return 0;
    const lines = text.slice(this.at).split("\n"); lines.pop();
    lines.forEach(each); this.at = text.length;
    return lines.length;
  }
}

class View {
  constructor(root, ask) {
    this.root = root; this.ask = ask; this.run = null; this.next = null; this.frame = 0; this.scrub = null; this.cards = []; this.said = 0;
    this.gallery = $(root, ".wb-gallery"); this.range = $(root, "input[type=range]"); this.output = $(root, "output");
    this.curves = new Curves($(root, ".wb-curves .wb-plot")); this.latent = new Latent($(root, ".wb-latent .wb-plot"));
    const press = (selector, act) => $(root, selector).addEventListener("click", act);
    press("#wb-pause", () => this.ask({do: this.state === "paused" ? "resume" : "pause", run: this.run}));
    press("#wb-step", () => this.ask({do: "step", run: this.run}));
    press("#wb-stop", () => this.ask({do: "stop", run: this.run}));
    press("[data-act=play]", () => this.play());
    press("[data-act=live]", () => this.show_frame(null));
    press("[data-act=fork]", () => this.ask({do: "fork", run: this.run, frame: this.shown}));
    press("[data-act=dims]", () => this.dims());
    for (const b of root.querySelectorAll("[data-axis]")) b.addEventListener("click", () => { session("wb-axis", b.dataset.axis); this.axis(); });
    this.choice = $(root, "[data-act=landscape]"); this.choice.addEventListener("change", () => this.landscape(this.choice.value));
    this.range.addEventListener("input", () => { this.halt(); this.show_frame(+this.range.value); });
    this.zoom = $(root, ".wb-zoom");
    this.zoom.addEventListener("click", () => this.zoom.close());
    new ResizeObserver(() => this.fit()).observe(root);
    new MutationObserver(() => { this.curves.restyle(); this.latent.restyle(); }).observe(document.body, {attributes: true, attributeFilter: ["class"]});
    if (!canDraw3d()) { const b = $(root, "[data-act=dims]"); b.disabled = true; b.title = "3-D needs WebGL, which this browser does not offer"; }
  }

  show(value) {
    this.next = value;
    if (!this.due) this.due = requestAnimationFrame(() => { this.due = 0; this.draw(this.next); });
  }

  reset(v) {
    const before = this.run;
    this.run = v.run; this.cards = []; this.gallery.replaceChildren(); this.scrub = null; this.frame = 0; this.truth = null; this.scene = null; this.halt();
    this.readers = {curves: new Reader(), path: new Reader(), conf: new Reader(), marks: new Reader()};
    this.conf = []; this.sheet = null; this.curves.reset(); this.latent.reset([], ""); this.shown = null; this.loaded = null; this.nearest = null; this.state = null; this.said = this.told = 0; clearTimeout(this.later); this.alone = this.clouds = false; this.misses = 0; if (this.mapping) this.mapping.abort(); $(this.root, "[data-cap=landscape]").textContent = "";
    const url = new URL(location.href);
    if (v.run) url.searchParams.set("run", v.run); else if (before) url.searchParams.delete("run");  // the first message is empty, and the link not yet read
    history.replaceState(null, "", url);
    $(this.root, ".wb-verdict").textContent = ""; this.note("", false);
    this.plots({state: ""});  // what the run before drew goes
    // Its settings are asked for here: what listens to the run's change itself would wait until the run has ended.
    if (v.run) this.ask({do: "opened", run: v.run});
  }

  // Against what the curves stand: an attack that can only ask is told by its queries, unless the person wants steps.
  axis() {
    const asks = !!(this.scene && this.scene.black_box), axis = asks ? session("wb-axis") || "queries" : "step";
    $(this.root, ".wb-axis").hidden = !asks;
    for (const b of this.root.querySelectorAll("[data-axis]")) b.setAttribute("aria-pressed", b.dataset.axis === axis);
    this.curves.turn(axis); this.frame_label(); this.hint();
    this.curves.draw(); this.plots({state: ""});
  }

  // What lines in the curves mean, where there are such.
  hint() {
    const c = this.curves, hints = [...(c.marks.length ? ["dashed: a knob was turned"] : []), ...(c.axis === "queries" && 3 * c.quiet > c.rows.length ? ["upright: steps that ask nothing"] : [])];
    const span = $(this.root, "[data-cap=curves]"), text = hints.join(", ");
    if (span.textContent !== text) { span.textContent = text; span.hidden = !text; }
  }

  note(text, waits) {
    const p = $(this.root, ".wb-notice");
    p.hidden = !text; if (p.textContent !== text) p.textContent = text;
    this.root.classList.toggle("wb-waits", waits);
  }

  draw(v) {
    if (!v) return;
    if (v.run !== this.run) this.reset(v);
    this.root.dataset.run = v.run || "";
    if (!v.run) { this.root.dataset.state = "none"; document.title = "Model Inversion Workbench"; $(this.root, ".wb-status").textContent = v.problem || ""; WB.state("none", null); return; }
    if (v.pending || !v.scene) { this.root.dataset.state = "queued"; return; }
    COUNT.drawn++;
    this.scene = v.scene;
    if (!this.cards.length && v.scene.candidates) { this.build(v.scene); this.curves.sure = !v.scene.black_box; this.axis(); }
    if (!this.truth && v.scene.truth && this.cards.length) { this.load_truth(); this.root.classList.remove("wb-no-truth"); this.fit(); }
    this.readers.curves.take(v.curves, l => this.curves.add(l));
    this.readers.path.take(v.path, l => this.latent.add(l));
    this.readers.conf.take(v.conf, l => { const c = l.split(","); this.conf.push([+c[0], c.slice(1).map(x => x === "" ? null : +x)]); });
    const marked = this.readers.marks.take(v.marks, l => { const m = JSON.parse(l); if (m.kind === "knob") this.curves.marks.push(m); });
    if (marked) this.curves.relayout();
    this.hint();
    if (v.frame != null) this.frame = v.frame;
    this.range.max = this.frame;
    if (this.scrub == null && v.sheet) { this.shown = this.frame; this.load(v.sheet, v.frame); }
    // Faces come with every message; words and bars four times a second, which is what an eye can read.
    clearTimeout(this.later);
    const wait = v.status.state === this.state ? TELL_MS - (performance.now() - this.told) : 0;
    if (wait <= 0) this.tell(v.status); else this.later = setTimeout(() => this.tell(v.status), wait);
    this.plots(v.status);
  }

  tell(status) {
    this.told = performance.now();
    if (this.scrub == null) this.look_around(this.frame, ["finished", "stopped", "failed"].includes(status.state));
    if (this.scrub == null) { this.range.value = this.frame; this.shown = this.frame; this.frame_label(); this.meters(null); }
    this.status(status);
  }

  // Asks what was tried around the candidates; at most once a second, and not again where a run has none.
  async look_around(frame, must) {
    if (this.alone || frame == null || this.next.frame == null || (!must && performance.now() - (this.looked || 0) < 1000)) return;
    this.looked = performance.now();
    const run = this.run, answer = await fetch(`/wb/runs/${run}/clouds/${frame}.json`).catch(() => null);
    if (run !== this.run || !answer) return;
    if (answer.status === 200) { this.latent.around = await answer.json(); this.latent.extra(); this.clouds = true; }
    else if (answer.status === 204 && !this.clouds && (this.misses = (this.misses || 0) + 1) > 6) this.alone = true;
  }

  async landscape(candidate) {
    if (this.mapping) this.mapping.abort();
    const note = $(this.root, "[data-cap=landscape]"); note.textContent = "";
    if (candidate === "") { this.latent.landscape(null); return; }
    const stop = this.mapping = new AbortController(), run = this.run;
    try {
      const answer = await fetch(`/wb/runs/${run}/landscape/${candidate}.jsonl${this.shown == null ? "" : `?frame=${this.shown}`}`, {signal: stop.signal});
      if (!answer.ok) { note.textContent = (await answer.json()).error || "not possible"; return; }
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let text = "";;) {
        const {value, done} = await reader.read();
        if (done || run !== this.run) break;
        const lines = (text + value).split("\n"); text = lines.pop();
        if (!lines.length) continue;
        const found = JSON.parse(lines[lines.length - 1]);
        if (found.problem) { note.textContent = found.problem; break; }
        this.latent.landscape(found); note.textContent = found.asked < found.total ? `${found.asked} of ${found.total} points` : "the target's confidence";
      }
    } catch (error) { if (error.name !== "AbortError") note.textContent = "The landscape could not be fetched."; }
  }

  plots(s) {
    const ended = ["finished", "stopped", "failed"].includes(s.state);
    if (this.timer && !ended) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(async () => {
      const begun = performance.now();
      await Promise.all([this.curves.draw(), this.latent.draw()]);
      // Plots get a seventh of the page's time at most, so that faces keep coming where plots are dear.
      this.rest = 6 * (performance.now() - begun);
      this.timer = 0;
      if (this.curves.sent < this.curves.rows.length || this.latent.sent < this.latent.rows.length) this.plots({state: ""});
    }, ended ? 0 : still.matches ? 1000 : Math.max(PLOT_MS, Math.min(2000, this.rest || 0)));
  }

  // -- gallery --
  build(scene) {
    const [w, h] = scene.sheet.tile;
    const order = [...new Set(scene.candidates.map(c => c.class))];
    const several = scene.candidates.some(c => c.restart);
    const repeats = scene.candidates.map(c => c.label + (several ? ` · ${c.restart + 1}` : ""));
    this.cards = scene.candidates.map((c, i) => {
      const card = make("button", "wb-card"); card.type = "button"; card.dataset.testid = "card";
      card.style.setProperty("--c", PALETTE[order.indexOf(c.class) % PALETTE.length]);
      const pair = make("span", "wb-pair"), canvases = ["true", "made"].map(kind => { const e = make("canvas", `wb-${kind}`); e.width = w; e.height = h; pair.append(e); return e; });
      canvases[0].setAttribute("role", "img"); canvases[0].setAttribute("aria-label", `Private image of ${c.label}`);
      canvases[1].setAttribute("role", "img"); canvases[1].setAttribute("aria-label", `Reconstruction of ${c.label}`);
      const cap = make("span", "wb-cap"), pct = make("span", "wb-pct"), meter = make("span", "wb-meter"), bar = make("i");
      cap.append(make("span", "wb-name", repeats[i]), pct); meter.append(bar); meter.title = "The target's confidence in this class";
      card.append(pair, cap, meter); card.title = repeats[i];
      card.addEventListener("click", () => this.enlarge(i));
      const item = make("div", "wb-item"); item.setAttribute("role", "listitem"); item.append(card); this.gallery.append(item);
      return {card, truth: canvases[0], made: canvases[1], pct, bar, label: repeats[i]};
    });
    this.latent.reset(scene.candidates, scene.cloud);
    this.choice.replaceChildren(new Option("off", ""), ...repeats.map((label, i) => new Option(label, i))); this.choice.disabled = scene.space === "pixels";
    $(this.root, "[data-cap=latent]").textContent = scene.space === "pixels" ? "Image space" : `Latent space ${scene.space || ""}`;
    this.root.classList.toggle("wb-no-truth", !scene.truth);
    this.fit();
  }

  // Sets the largest picture size at which every pair fits the gallery.
  fit() {
    const n = this.cards.length, W = this.gallery.clientWidth;
    if (n && W) {
      const [tw, th] = this.scene.sheet.tile, ratio = th / tw, pair = this.scene.truth ? 2 : 1;
      const H = Math.max(230, Math.min(n > 16 ? 470 : 400, innerHeight * (n > 16 ? 0.5 : 0.42)));
      const gap = n > 20 ? 8 : 14, best = {size: 0};
      for (let columns = 1; columns <= n; columns++) {
        const rows = Math.ceil(n / columns);
        const wide = ((W - gap * (columns - 1)) / columns - 10) / pair;
        const caption = wide * pair > 96 ? 42 : 12;
        const size = Math.min(wide, (H / rows - gap - caption) / ratio, 300);
        if (size > best.size) Object.assign(best, {size, columns, caption});
      }
      const size = Math.max(34, Math.floor(best.size));
      this.gallery.style.setProperty("--s", size + "px"); this.gallery.style.setProperty("--r", ratio); this.gallery.style.setProperty("--g", gap + "px");
      this.gallery.style.gridTemplateColumns = `repeat(${best.columns || 1}, max-content)`;
      this.dense = size * pair <= 96; this.gallery.classList.toggle("wb-dense", this.dense);
      if (size < 35) this.gallery.style.gridTemplateColumns = `repeat(auto-fill, ${34 * pair + 10}px)`;
    }
    for (const p of [this.curves, this.latent]) if (p.ready && p.box.clientWidth && window.Plotly) window.Plotly.Plots.resize(p.box);
    if (this.cards.length && this.scene) this.plots({state: ""});
  }

  cut(context, image, i) {
    const {columns, tile: [w, h]} = this.scene.sheet;
    context.drawImage(image, i % columns * w, Math.floor(i / columns) * h, w, h, 0, 0, context.canvas.width, context.canvas.height);
  }

  load_truth() {
    this.truth = new Image();
    const run = this.run;
    this.truth.onload = () => { if (run === this.run) this.cards.forEach((c, i) => this.cut(c.truth.getContext("2d"), this.truth, i)); };
    this.truth.src = `/wb/runs/${run}/truth.webp`;
  }

  // Draws a sheet; while one is being decoded only the newest that came meanwhile is kept.
  load(src, frame) {
    if (src === this.loaded) return;
    if (this.loading) { this.pending = [src, frame]; return; }
    this.loading = true; this.loaded = src;
    const image = new Image(), run = this.run;
    const done = ok => {
      this.loading = false;
      if (ok && run === this.run) {
        this.sheet = image;
        this.cards.forEach((c, i) => this.cut(c.made.getContext("2d"), image, i));
        this.root.dataset.frame = frame;
        if (this.zoom.open) this.fill_zoom();
      }
      if (this.pending) { const [s, f] = this.pending; this.pending = null; this.load(s, f); }
    };
    image.onload = () => done(true); image.onerror = () => done(false);
    image.src = src;
  }

  meters(frame) {
    let row = null;
    for (const r of this.conf) { if (frame != null && r[0] > frame) break; row = r; }
    const step = frame == null ? null : this.curves.stepOf(frame);
    this.cards.forEach((c, i) => {
      const p = row ? row[1][i] : null, now = `${p} ${frame == null ? "" : step}`;
      if (c.told === now) return;
      c.told = now; c.share = p;
      if (!this.dense) c.pct.textContent = p == null ? "" : `${p} %`;
      c.bar.style.transform = `scaleX(${(p || 0) / 100})`;
      c.made.setAttribute("aria-label", `Reconstruction of ${c.label}${step == null ? "" : `, step ${step}`}${p == null ? "" : `, target's confidence ${p} percent`}`);
    });
  }

  enlarge(i) { this.zoomed = i; this.fill_zoom(); this.zoom.showModal(); }
  fill_zoom() {
    const body = $(this.zoom, ".wb-zoom-body"), c = this.cards[this.zoomed], [w, h] = this.scene.sheet.tile;
    const parts = [["Private image", this.truth], ["Reconstruction", this.sheet]];
    if (this.nearest && this.nearest.complete) parts.push(["Nearest private image", this.nearest]);
    body.replaceChildren(...parts.filter(([, image]) => image).map(([text, image]) => {
      const f = make("figure"), canvas = make("canvas"); canvas.width = w * 6; canvas.height = h * 6;
      canvas.setAttribute("role", "img"); canvas.setAttribute("aria-label", `${text} of ${c.label}`);
      const context = canvas.getContext("2d"); context.imageSmoothingQuality = "high"; this.cut(context, image, this.zoomed);
      f.append(canvas, make("figcaption", null, text)); return f;
    }), make("p", null, `${c.label}${c.share == null ? "" : `, target's confidence ${c.share} %`}`));
  }

  // -- state --
  status(s) {
    const active = s.state === "running" || s.state === "paused", fig = (name, text) => { const e = $(this.root, `[data-fig=${name}]`); if (e.textContent !== text) e.textContent = text; };
    const share = s.total ? Math.min(100, 100 * (s.step || 0) / s.total) : 0, judging = s.state === "running" && s.total && s.step >= s.total;
    this.root.dataset.state = s.state;
    fig("step", s.total ? `${count(s.step)} / ${count(s.total)}` : "–"); fig("rate", s.rate == null ? "–" : s.rate < 10 ? s.rate.toFixed(1) : count(s.rate));
    fig("left", s.state === "running" && !judging ? span(s.left) : "–"); fig("queries", count(s.queries));
    const bar = $(this.root, ".wb-progress"); bar.firstElementChild.style.transform = `scaleX(${share / 100})`; bar.setAttribute("aria-valuenow", Math.round(share));
    const pause = $(this.root, "#wb-pause"); pause.textContent = s.state === "paused" ? "Resume" : "Pause"; pause.disabled = !active;
    const waits = s.state === "paused" && !!s.reason;  // its target is away
    $(this.root, "#wb-step").disabled = s.state !== "paused" || waits; $(this.root, "#wb-stop").disabled = !active && s.state !== "queued";
    const what = `${this.scene.attack_title} on ${this.scene.scenario_title}`;
    const words = {queued: s.position > 0 ? `Waiting, ${s.position === 1 ? "next" : `number ${s.position}`} in the queue${s.wait ? `, about ${span(s.wait)}` : ""}` : "Starting", running: judging ? "Judging" : "Running", paused: waits ? "Waiting for its target" : "Paused", finished: "Finished", stopped: "Stopped", failed: "Failed"}[s.state];
    const ended = ["finished", "stopped", "failed"].includes(s.state);
    const text = `${words} · ${what}${s.reason && s.state === "stopped" ? ` · ${s.reason}` : ""}`;
    this.note(!s.reason || s.state === "stopped" ? "" : s.state === "finished" ? s.reason.replace(/^e/, "E") : s.reason, waits);
    this.root.classList.toggle("wb-void", ended && this.next.frame == null);
    if (s.state !== this.state || Date.now() - this.said > SAY_MS) {
      const p = $(this.root, ".wb-status"); if (p.textContent !== text) p.textContent = text;
      this.said = Date.now();
    }
    const title = active && !waits ? `${Math.round(share)} % · ${this.scene.attack_title} · Model Inversion Workbench` : `${words.split(",")[0]} · ${this.scene.attack_title} · Model Inversion Workbench`;
    if (document.title !== title) document.title = title;
    if (s.state !== this.state) { this.state = s.state; WB.state(s.state, this.scene.attack); }
    if (ended && s.metrics && s.metrics["acc@1"] != null) {
      const n = this.cards.length, hits = Math.round(s.metrics["acc@1"] * n), floor = s.baseline ? s.baseline["acc@1"] : null;
      $(this.root, ".wb-verdict").textContent = `An independent judge recognises ${hits} of ${n}${floor == null ? "" : ` (random samples: ${Math.round(floor * n)})`}`;
    }
    if (s.nearest && !this.nearest) { this.nearest = new Image(); this.nearest.src = `/wb/runs/${this.run}/nearest.webp`; }
  }

  // -- frames --
  frame_label() {
    const row = this.shown == null ? null : this.curves.rowOf(this.shown);
    this.output.textContent = `frame ${this.shown == null ? "–" : this.shown}${row == null ? "" : this.curves.axis === "queries" ? `, ${count(row[3])} queries` : `, step ${count(row[1])}`}`;
    this.root.dataset.shown = this.shown == null ? "" : this.shown;
    this.root.classList.toggle("wb-past", this.scrub != null);
  }
  show_frame(frame) {
    if (!this.scene || this.frame == null) return;
    if (frame == null) {
      this.halt(); this.scrub = null; this.curves.cursor = null; this.curves.relayout(); this.latent.hold(null); this.loaded = null; this.draw(this.next); return;
    }
    frame = Math.max(0, Math.min(this.frame, frame));
    this.scrub = this.shown = frame; this.range.value = frame;
    this.curves.cursor = frame; this.curves.relayout(); this.latent.hold(frame);
    this.look_around(frame, true);
    this.frame_label(); this.meters(frame); this.load(`/wb/runs/${this.run}/frames/${frame}.webp`, frame);
  }
  by(change) { if (this.scene) this.show_frame((this.scrub ?? this.frame) + change); }
  halt() { clearInterval(this.playing); this.playing = null; $(this.root, "[data-act=play]").textContent = "Play"; }
  async play() {
    if (this.playing) return this.halt();
    if (!this.scene) return;
    const frames = await (await fetch(`/wb/runs/${this.run}/frames.json`)).json();
    if (!frames.length) return;
    let i = this.scrub == null || this.scrub >= this.frame ? 0 : Math.max(0, frames.findIndex(f => f >= this.scrub));
    $(this.root, "[data-act=play]").textContent = "Halt";
    this.playing = setInterval(() => { if (i >= frames.length) return this.show_frame(null); this.show_frame(frames[i++]); }, still.matches ? 1000 : 90);
  }
  async dims() {
    const button = $(this.root, "[data-act=dims]"), three = !this.latent.three;
    button.setAttribute("aria-pressed", three); button.textContent = three ? "2-D" : "3-D";
    await this.latent.turn(three);
  }
}

WB.state = (state, attack) => {
  document.body.dataset.run = state; WB.running = ["running", "paused", "queued"].includes(state) ? attack : null;
  document.dispatchEvent(new CustomEvent("wb:state", {detail: {state, attack}}));
};

WB.live = (element, props, trigger, watch) => {
  const view = WB.view = new View($(element, ".wb-live"), what => trigger(what.do === "fork" ? "submit" : "select", what));
  watch("value", () => view.show(props.value));
  view.show(props.value);
  WB.plotly();
};
})();
