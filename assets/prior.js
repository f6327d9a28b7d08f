// The Prior tab: samples, the way between two of them, what they resemble, how far the prior reaches, its training.
(() => {
const WB = window.WB = window.WB || {};
const make = (tag, cls, text) => { const e = document.createElement(tag); if (cls) e.className = cls; if (text != null) e.textContent = text; return e; };
const button = (text, act, cls) => { const b = make("button", cls || "wb-button", text); b.type = "button"; b.addEventListener("click", act); return b; };
const visible = e => e.isConnected && e.offsetParent !== null && !document.hidden;
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const SHOWN = 9;  // images of the strip; the slider goes through all of them

// Runs one request at a time; of those made meanwhile only the newest is kept.
const newest = work => {
  let busy = false, next = null;
  const go = async what => {
    if (busy) { next = {what}; return; }
    busy = true;
    try { await work(what); } finally { busy = false; if (next) { const {what: later} = next; next = null; go(later); } }
  };
  return go;
};

const ask = async url => {
  const answer = await fetch(url);
  if (answer.ok) return answer;
  let said = `The server answered ${answer.status}.`;
  try { said = (await answer.json()).error || said; } catch { /* no JSON */ }
  throw new Error(said);
};
const row = async answer => createImageBitmap(await answer.blob());
const picture = async uri => { const i = new Image(); i.src = uri; await i.decode(); return i; };
const address = (v, what, more) => v.prior === "" ? `/wb/targets/${encodeURIComponent(v.scenario)}/${encodeURIComponent(v.target)}/${what}?` + new URLSearchParams({defense: v.defense}) : `/wb/priors/${encodeURIComponent(v.scenario)}/${encodeURIComponent(v.prior)}/${what}?` + new URLSearchParams({...(v.target ? {target: v.target, defense: v.defense} : {}), ...more});
const canvas = ([w, h], label) => { const c = make("canvas"); c.width = w; c.height = h; if (label) { c.setAttribute("role", "img"); c.setAttribute("aria-label", label); } return c; };
const paint = (c, strip, i, n) => { const w = strip.width / n, g = c.getContext("2d"); g.imageSmoothingQuality = "high"; g.drawImage(strip, i * w, 0, w, strip.height, 0, 0, c.width, c.height); };
const long = s => s == null ? "" : s < 90 ? `${Math.max(1, Math.round(s))} s` : s < 5400 ? `${Math.round(s / 60)} min` : `${(s / 3600).toFixed(1)} h`;
const figure = x => x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x >= 0.1 ? x.toFixed(2) : x.toFixed(4);

const problemBox = text => {
  const box = make("div", "wb-problem"), at = text.search(/python -m /);
  box.append(make("p", null, at < 0 ? text : text.slice(0, at).trim()));
  if (at >= 0) box.append(make("code", "wb-command", text.slice(at)));
  return box;
};

// value: {scenario, prior, target, defense, title, problem, conditional, classes, noun, count, tile, space, spherical, stamp}
WB.prior = (element, props, trigger, watch) => {
  const box = element.querySelector(".wb-prior");
  let v = {}, seed = 0, share = 1, label = -1, ends = [], turn = 0, at = 0, strip = null, playing = 0, looked = 0, asked = false;
  const how = () => ({share: share.toFixed(2), label});
  const name = p => `${p.seed}.${p.index}`;
  const parts = {};

  const fail = error => { parts.error.textContent = error.message; parts.error.hidden = false; };
  const current = stamp => v.stamp === stamp && !v.problem;

  const sheet = newest(async () => {
    const stamp = v.stamp; if (!current(stamp)) return;
    try {
      const begun = performance.now(), image = await row(await ask(address(v, "samples.webp", {seed, ...how()})));
      if (!current(stamp)) return;
      parts.tiles.forEach((tile, i) => paint(tile.firstChild, image, i, v.count));
      parts.error.hidden = true; box.dataset.drawn = `${seed} ${share.toFixed(2)} ${label}`; box.dataset.took = Math.round(performance.now() - begun);
      marks();
    } catch (error) { fail(error); }
  });
  const walk = newest(async () => {
    const stamp = v.stamp; if (!current(stamp)) return;
    try {
      const image = await row(await ask(address(v, "between.webp", {a: name(ends[0]), b: name(ends[1]), ...how()})));
      if (!current(stamp)) return;
      strip = image; box.dataset.way = `${name(ends[0])} ${name(ends[1])} ${share.toFixed(2)}`;
      const last = frames() - 1;
      parts.strip.forEach((tile, i) => paint(tile.firstChild, strip, Math.round(i * last / (SHOWN - 1)), frames()));
      here();
    } catch (error) { fail(error); }
  });
  const frames = () => strip ? Math.round(strip.width / strip.height * v.tile[1] / v.tile[0]) : 25;
  const here = () => {
    if (strip) paint(parts.big, strip, at, frames());
    const percent = Math.round(100 * at / (frames() - 1));
    parts.where.textContent = percent === 0 ? "A" : percent === 100 ? "B" : `${percent} % of the way`;
    parts.slide.value = at;
    parts.strip.forEach((tile, i) => tile.setAttribute("aria-pressed", Math.round(i * (frames() - 1) / (SHOWN - 1)) === at));
  };
  const resemble = newest(async () => {
    const stamp = v.stamp, point = ends[1 - turn]; if (!current(stamp) || !asked) return;  // reading thousands of images is not begun unasked
    try {
      const found = await (await ask(address(v, "nearest.json", {point: name(point), ...how()}))).json();
      if (!current(stamp)) return;
      neighbours(found, 1 - turn);
      clearTimeout(looked);
      if ([found.public, found.private].some(p => ["waiting", "running"].includes(p.state))) looked = setTimeout(() => visible(box) ? resemble() : 0, 900);
    } catch (error) { fail(error); }
  });

  const neighbours = (found, which) => {
    const one = (title, image, said) => { const f = make("figure"), c = make("figcaption"); if (image) { const i = make("img"); i.src = image; i.alt = title; f.append(i); } else f.append(make("span", "wb-blank")); c.append(make("b", null, title), make("span", null, said)); f.append(c); return f; };
    const side = (kind, p, words) => one(`Nearest ${kind} image`, p.image, p.state === "finished" ? words(p) : p.state === "failed" ? p.problem : `${p.text || "Waiting"}${p.share ? ` ${Math.round(100 * p.share)} %` : ""} …`);
    parts.near.hidden = false;
    parts.near.replaceChildren(
      one(`Sample ${"AB"[which]}`, found.sample, ""),
      side("public", found.public, p => `${figure(p.distance)} away, of ${p.of.toLocaleString("en")}`),
      side("private", found.private, p => `${figure(p.distance)} away, of ${p.of.toLocaleString("en")}: ${p.name}, ${p.part === "training" ? "a training image" : p.part}`));
    parts.near.dataset.ready = found.public.state + " " + found.private.state;
    const scale = found.usual != null ? ` For scale: a held-out image of a private ${found.noun} is usually ${figure(found.usual)} from the nearest training image of the same ${found.noun}.` : "";
    parts.measure.textContent = `Distance: ${found.measure}.${scale}`;
  };

  const marks = () => parts.tiles.forEach((tile, i) => {
    const which = ends.map(e => e.seed === seed && e.index === i);
    tile.dataset.end = which[0] && which[1] ? "A B" : which[0] ? "A" : which[1] ? "B" : "";
    tile.setAttribute("aria-pressed", which[0] || which[1]);
    tile.setAttribute("aria-label", `Sample ${i + 1}${tile.dataset.end ? `, point ${tile.dataset.end}` : ""}`);
  });
  const pick = i => { ends[turn] = {seed, index: i}; turn = 1 - turn; at = 0; asked = true; marks(); walk(); resemble(); };
  const all = () => { sheet(); walk(); resemble(); };

  const play = on => {
    clearTimeout(playing); playing = 0; parts.play.textContent = on ? "Pause" : "Play"; if (!on) return;
    let step = 1;
    const go = () => { if (!visible(box)) { play(false); return; } if (at >= frames() - 1) step = -1; else if (at <= 0) step = 1; at += step; here(); playing = setTimeout(go, calm.matches ? 1000 : 90); };
    if (at >= frames() - 1) at = 0;
    playing = setTimeout(go, 0);
  };

  const build = () => {
    const head = make("div", "wb-prior-head"), seedBox = make("input", "wb-input wb-number"), seedLabel = make("label", "wb-field", "Seed ");
    seedBox.type = "number"; seedBox.min = 0; seedBox.max = 2 ** 31 - 1; seedBox.value = seed; seedLabel.append(seedBox);
    seedBox.addEventListener("change", () => { const n = +seedBox.value; if (seedBox.value === "" || !Number.isInteger(n) || n < 0 || n >= 2 ** 31) { seedBox.setCustomValidity("A whole number from 0 to 2147483647"); seedBox.reportValidity(); return; } seedBox.setCustomValidity(""); seed = n; sheet(); });
    const dice = button("New seed", () => { seed = Math.floor(Math.random() * 1e6); seedBox.value = seed; sheet(); }); dice.dataset.testid = "prior-dice";
    const cut = make("label", "wb-field wb-grow", "Truncation "), slider = make("input"), told = make("output", null, share.toFixed(2));
    slider.type = "range"; slider.min = 0; slider.max = 1; slider.step = 0.05; slider.value = share; slider.dataset.testid = "truncation"; slider.title = "1: every sample as it is. Towards 0 they are drawn to the most ordinary image.";
    slider.addEventListener("input", () => { share = +slider.value; told.textContent = share.toFixed(2); all(); }); cut.append(slider, told);
    head.append(seedLabel, dice, cut);
    if (v.conditional) {
      const field = make("label", "wb-field", `${v.noun[0].toUpperCase()}${v.noun.slice(1)} `), select = make("select", "wb-input"); select.dataset.testid = "prior-class";
      [["-1", "every one in turn"], ...v.classes.map((c, i) => [i, c])].forEach(([key, text]) => { const o = make("option", null, text); o.value = key; select.append(o); });
      select.value = label; select.addEventListener("change", () => { label = +select.value; all(); }); field.append(select); head.append(field);
    }
    const grid = make("div", "wb-samples-grid"); grid.setAttribute("role", "group"); grid.setAttribute("aria-label", "Random samples");
    parts.tiles = Array.from({length: v.count}, (_, i) => { const b = button("", () => pick(i), "wb-sample"); b.append(canvas(v.tile)); b.tabIndex = i ? -1 : 0; grid.append(b); return b; });
    grid.addEventListener("keydown", e => {  // one stop of the Tab key; arrows move within
      const i = parts.tiles.indexOf(document.activeElement), across = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
      const to = {ArrowLeft: i - 1, ArrowRight: i + 1, ArrowUp: i - across, ArrowDown: i + across, Home: 0, End: v.count - 1}[e.key];
      if (to == null || i < 0) return;
      e.preventDefault(); e.stopPropagation(); const tile = parts.tiles[Math.max(0, Math.min(v.count - 1, to))]; parts.tiles.forEach(t => { t.tabIndex = -1; }); tile.tabIndex = 0; tile.focus();
    });
    parts.error = make("p", "wb-problem"); parts.error.hidden = true; parts.error.setAttribute("role", "alert");
    const samples = make("section", "wb-card-text");
    samples.append(make("h2", null, "What it imagines"), head, grid, make("p", "wb-note", "Click a sample to make it A; the next click makes B, and so on in turn."), parts.error);

    const way = make("section", "wb-card-text"), line = make("div", "wb-way"), body = make("div", "wb-way-body"), controls = make("div", "wb-scrub"), row_ = make("div", "wb-way-strip");
    parts.big = canvas(v.tile, "The image at the slider"); parts.big.className = "wb-way-big";
    parts.strip = Array.from({length: SHOWN}, (_, i) => { const b = button("", () => { play(false); at = Math.round(i * (frames() - 1) / (SHOWN - 1)); here(); }, "wb-sample"); b.append(canvas(v.tile)); b.setAttribute("aria-label", i === 0 ? "A" : i === SHOWN - 1 ? "B" : `${Math.round(100 * i / (SHOWN - 1))} percent of the way`); b.dataset.end = i === 0 ? "A" : i === SHOWN - 1 ? "B" : ""; row_.append(b); return b; });
    parts.play = button("Play", () => play(!playing)); parts.play.dataset.testid = "way-play";
    parts.slide = make("input"); parts.slide.type = "range"; parts.slide.min = 0; parts.slide.max = 24; parts.slide.value = 0; parts.slide.setAttribute("aria-label", "Way from A to B"); parts.slide.dataset.testid = "way";
    parts.slide.addEventListener("input", () => { play(false); at = +parts.slide.value; here(); });
    parts.where = make("output", null, "A");
    controls.append(parts.play, parts.slide, parts.where); body.append(row_, controls); line.append(parts.big, body);
    way.append(make("h2", null, "From A to B"), line, make("p", "wb-note", `${v.spherical ? "Along the great circle" : "Along the straight line"} in ${v.space}. A prior that knows its subject has no gaps on the way.`));

    const near = make("section", "wb-card-text"); parts.near = make("div", "wb-near"); parts.near.dataset.testid = "nearest"; parts.measure = make("p", "wb-note");
    parts.near.hidden = true;
    near.append(make("h2", null, "Has it seen this one?"), make("p", null, "A prior may resemble the public images it learnt from. The private ones it has never seen; they are shown to compare."), parts.near, parts.measure);
    parts.measure.textContent = "Click a sample above. The first time, the images are read, which takes up to a minute.";
    box.replaceChildren(samples, way, near);
  };

  const draw = () => {
    const next = props.value || {};
    if (!next.scenario || next.stamp === v.stamp) return;
    const same = ["scenario", "prior", "target", "defense", "problem"].every(k => next[k] === v[k]);
    v = next; box.dataset.prior = `${v.scenario}/${v.prior}`;
    if (same && !v.problem) { all(); return; }  // new weights of the same prior
    if (playing) play(false);
    strip = null; at = 0; turn = 0; label = -1; asked = false; ends = [{seed, index: 0}, {seed, index: Math.min(5, v.count - 1)}]; delete box.dataset.drawn; delete box.dataset.way;
    if (v.problem) { const card = make("section", "wb-card-text"); card.append(make("h2", null, `${v.title} prior`), problemBox(v.problem)); box.replaceChildren(card); return; }
    build(); all();
  };
  watch("value", draw); draw();
};

// How far private images are from what the prior can draw.
WB.reach = (element, props, trigger, watch) => {
  const box = element.querySelector(".wb-reach");
  let v = {}, later = 0, classes = "", wide = false;
  const parts = {};
  const tell = doing => trigger("select", {do: doing, scenario: v.scenario, prior: v.prior, victim: v.target, defense: v.defense, classes, wide});

  const look = newest(async () => {
    clearTimeout(later);
    const stamp = v.stamp; if (v.problem || v.private || !v.scenario) return;
    try {
      const found = await (await ask(address(v, "reach.json", {classes, wide}))).json();
      if (stamp === v.stamp) show(found);
    } catch (error) { parts.status.textContent = error.message; }
  });
  const show = found => {
    const going = ["waiting", "running"].includes(found.state);
    box.dataset.state = found.state;
    parts.go.textContent = going ? "Stop" : found.state === "finished" ? "Search again for others" : "Search"; parts.go.hidden = found.state === "finished"; parts.go.dataset.doing = going ? "end-reach" : "reach";
    parts.bar.hidden = !going; parts.bar.firstChild.style.transform = `scaleX(${found.share || 0})`;
    parts.status.textContent = found.state === "waiting" ? "Waits for the computation before it." : going ? found.text : found.state === "failed" ? found.problem : found.state === "stopped" ? "Stopped; what was found so far:" : found.state === "finished" ? `Found in ${long(found.seconds)}.` : "Not searched yet; takes about half a minute.";
    if (found.count) pictures(found); else parts.result.replaceChildren();
    if (going) later = setTimeout(() => visible(box) ? look() : wake(), 700);
  };
  const wake = () => { later = setTimeout(() => visible(box) ? look() : wake(), 1500); };
  const pictures = async found => {
    const stamp = v.stamp, [wanted, images] = await Promise.all([found.wanted, found.images].map(picture));
    if (stamp !== v.stamp) return;
    const cards = Array.from({length: found.count}, (_, i) => {
      const card = make("figure", "wb-reached"), told = found.verdicts[i], cap = make("figcaption");
      const one = canvas(v.tile, "Private image, held out"), two = canvas(v.tile, "The nearest the prior can draw"); paint(one, wanted, i, found.count); paint(two, images, i, found.count);
      card.append(one, two);
      if (told) {
        const right = told.judged === told.label;
        cap.append(make("b", null, told.name), make("span", null, `${told.psnr.toFixed(1)} dB`), make("span", null, `SSIM ${told.ssim.toFixed(2)}`));
        if (told.said != null) { const s = make("span", right ? "wb-yes" : "wb-no", right ? "✓ recognised" : "✗ judge errs"); s.title = `The judge says ${told.said}, ${Math.round(100 * told.confidence)} %`; cap.append(s); }
      }
      card.append(cap); return card;
    });
    parts.result.replaceChildren(...cards);
    const said = found.verdicts.filter(t => t.judged != null), mean = k => found.verdicts.reduce((s, t) => s + t[k], 0) / found.verdicts.length;
    if (!found.verdicts.length) { parts.sum.textContent = ""; return; }
    const acc = said.length ? `, Acc@1 ${said.filter(t => t.judged === t.label).length} of ${said.length} (the photographs themselves: ${said.filter(t => t.photograph_judged === t.label).length})` : "";
    parts.sum.textContent = `Mean PSNR ${mean("psnr").toFixed(1)} dB, SSIM ${mean("ssim").toFixed(2)}${acc}.`;
  };

  const build = () => {
    const card = make("section", "wb-card-text"), head = make("div", "wb-prior-head"), field = make("label", "wb-field", `Classes, at most ${v.most} `), text = make("input", "wb-input");
    text.value = classes; text.size = 10; text.dataset.testid = "reach-classes"; text.addEventListener("change", () => { classes = text.value.trim() || `0-${Math.min(v.most, v.classes.length) - 1}`; text.value = classes; look(); }); field.append(text); head.append(field);
    if (v.wide) { const f = make("label", "wb-field"), c = make("input"); c.type = "checkbox"; c.checked = wide; c.addEventListener("change", () => { wide = c.checked; look(); }); f.append(c, " w+ (a latent for each layer)"); head.append(f); }
    parts.go = button("Search", async () => { tell(parts.go.dataset.doing); setTimeout(look, 250); setTimeout(look, 900); }); parts.go.dataset.testid = "reach-go"; parts.go.dataset.doing = "reach"; head.append(parts.go);
    parts.status = make("p", "wb-note"); parts.status.setAttribute("role", "status"); parts.bar = make("div", "wb-progress"); parts.bar.append(make("i")); parts.bar.hidden = true;
    parts.result = make("div", "wb-reached-grid"); parts.sum = make("p", "wb-strong"); parts.sum.dataset.testid = "reach-sum";
    card.append(make("h2", null, "How far does it reach?"),
      make("p", null, `The prior is shown a held-out private image and its latent is searched for the most similar picture. No attack is told that much: what this search cannot draw, no attack with this prior can. It bounds likeness; the judge's verdict alone can be pleased by less.`), head, parts.bar, parts.status, parts.result, parts.sum);
    box.replaceChildren(card);
  };
  const draw = () => {
    const next = props.value || {};
    if (!next.scenario || next.stamp === v.stamp) return;
    const other = next.scenario !== v.scenario, same = ["scenario", "prior", "target", "defense", "problem"].every(k => next[k] === v[k]);
    v = next; if (same && !v.problem && parts.go) { look(); return; }
    box.dataset.prior = `${v.scenario}/${v.prior}`; if (other) classes = `0-${Math.min(v.most, v.classes.length) - 1}`; wide = wide && v.wide;
    clearTimeout(later); delete box.dataset.state;
    if (v.problem) { box.replaceChildren(); return; }
    if (v.private || v.slow) { const card = make("section", "wb-card-text"); card.append(make("h2", null, "How far does it reach?"), make("p", "wb-note", v.slow ? "This prior draws too slowly for its latents to be searched." : v.private)); box.replaceChildren(card); return; }
    build(); look();
  };
  watch("value", draw); draw();
};

// The training of the chosen prior or, where that is "", target: whether it can be had, how long it takes, how it goes.
WB.training = (element, props, trigger, watch) => {
  const box = element.querySelector(".wb-training");
  let v = {}, later = 0, last = null, seen = null, shownStep = null, stopping = "", asked = 0, quality = "quick";
  const tell = (doing, more) => { trigger("select", {do: doing, scenario: v.scenario, prior: v.prior, victim: v.target, defense: v.defense, quality, ...more}); setTimeout(look, 300); setTimeout(look, 1200); };

  const look = newest(async () => {
    clearTimeout(later);
    const stamp = v.stamp; if (!v.scenario) return;
    let going = false;
    try {
      const found = await (await ask(address(v, "training.json", {}))).json();
      if (stamp !== v.stamp) return;
      const t = found.training;
      going = t && !t.ended;
      // Ended, or better weights published since the page last looked: let everything else look again.
      const news = JSON.stringify([found.trained, t && t.id, t && t.ended, t && t.sampled.length]);
      const changed = last === null ? found.trained && v.trained === false : news !== last && (found.trained || (t && t.ended)); last = news;
      show(found);
      if (changed) trigger("input");
    } catch (error) { box.replaceChildren(make("p", "wb-problem", error.message)); }
    again(going);
  });
  const again = going => { clearTimeout(later); later = setTimeout(() => visible(box) ? look() : again(going), going ? 1500 : 6000); };

  const curve = (columns, lines, k) => {
    const points = lines.map(l => l.split(",")).filter(p => p[k + 2] != null && p[k + 2] !== "").map(p => [+p[0], +p[k + 2]]).filter(p => Number.isFinite(p[1]));
    if (!points.length) return null;
    const item = make("div", "wb-loss"), ys = points.map(p => p[1]), lo = Math.min(...ys), hi = Math.max(...ys), x0 = points[0][0], x1 = points.at(-1)[0];
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg"), path = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
    svg.setAttribute("viewBox", "0 0 100 30"); svg.setAttribute("preserveAspectRatio", "none"); svg.setAttribute("role", "img"); svg.setAttribute("aria-label", `${columns[k + 2]}: from ${figure(Math.abs(ys[0]))} to ${figure(Math.abs(ys.at(-1)))}`);
    path.setAttribute("points", points.map(([x, y]) => `${(x1 > x0 ? (x - x0) / (x1 - x0) : 0) * 100},${29 - (hi > lo ? (y - lo) / (hi - lo) : 0.5) * 28}`).join(" ")); svg.append(path);
    const value = ys.at(-1); item.append(make("span", null, columns[k + 2].replaceAll("_", " ")), svg, make("b", null, `${value < 0 ? "−" : ""}${figure(Math.abs(value))}`));
    return item;
  };

  const status = t => {
    const p = t.progress;
    if (t.state === "queued") return `Number ${t.position ?? 1} in the queue${t.wait != null ? `; starts in about ${long(t.wait)}` : ""}${t.expected ? `, then takes about ${long(t.expected)}` : ""}.`;
    if (!t.ended) return stopping === t.id ? "Stopping after the next report …" : p.step ? `${t.unit === "epoch" ? "Epoch" : "Step"} ${p.step.toLocaleString("en")} of ${p.total.toLocaleString("en")}, ${long(p.seconds)} so far${p.left ? `; about ${long(p.left)} left` : ""}.` : t.unit === "epoch" ? "Preparing." : "Preparing: reading the public images.";
    if (t.state === "finished") return `Finished${p.seconds ? ` after ${long(p.seconds)}` : ""}.`;
    return `${t.state === "stopped" ? "Stopped" : "Failed"}: ${t.reason}.`.replace("..", ".").replace("Stopped: stopped", "Stopped");
  };

  const show = found => {
    const card = make("section", "wb-card-text"), t = found.training, open = box.querySelector("details")?.open;
    box.dataset.state = t ? t.state : "none";
    const going = t && !t.ended;
    card.append(make("h2", null, going ? "It is being trained" : found.trained ? "Train it again" : "Train it"));
    if (t) card.append(progress(t, going));
    const offer = make("div");
    if (found.problems.length) found.problems.forEach(p => offer.append(make("p", "wb-note", p)));
    else if (!going) {
      const acts = make("div", "wb-prior-head");
      if (found.device !== "cpu") { const f = make("label", "wb-field", "Quality "), s = make("select", "wb-input"); for (const [key, text] of [["quick", "quick"], ["full", "full"]]) { const o = make("option", null, text); o.value = key; s.append(o); } s.value = quality; s.addEventListener("change", () => { quality = s.value; }); f.append(s); acts.append(f); }
      const go = button(found.trained ? "Train anew" : "Train", () => tell("train", {resume: false}), found.trained || found.resumable ? "wb-button" : "wb-button wb-main"); go.dataset.testid = "train";
      if (found.resumable) { const r = button("Resume", () => tell("train", {resume: true}), "wb-button wb-main"); r.dataset.testid = "train-resume"; acts.append(r); }
      acts.append(go); offer.append(acts);
      offer.append(make("p", "wb-note", `${found.expected ? `Takes about ${long(found.expected)}. ` : ""}${found.basis} It waits in the same queue as runs; this page may be closed.${found.trained ? " The weights in use stay until the new ones are finished." : ""}${found.resumable ? " A training that was cut short can be resumed." : ""}`));
    }
    if (found.trained && !going && !(t && t.state !== "finished")) { const d = make("details"); d.open = !!open; d.append(make("summary", null, "Train it again"), offer); card.firstChild.remove(); card.append(d); if (t) card.prepend(make("h2", null, "Its newest training")); } else card.append(offer);
    const focus = box.contains(document.activeElement) ? document.activeElement.dataset.testid || document.activeElement.tagName : null;
    box.replaceChildren(card);
    if (focus) box.querySelector(`[data-testid="${focus}"]`)?.focus() ?? (focus === "SUMMARY" && box.querySelector("summary")?.focus());
  };

  const progress = (t, going) => {
    const part = make("div"), p = t.progress, line = make("p", null, status(t)); line.setAttribute("role", "status"); line.dataset.testid = "training-status";
    part.append(line);
    if (going) { const bar = make("div", "wb-progress"); bar.append(make("i")); bar.firstChild.style.transform = `scaleX(${p.total ? p.step / p.total : 0})`; part.append(bar); }
    if (t.sampled.length) {
      if (seen !== t.id) { seen = t.id; shownStep = null; }
      const steps = t.sampled, at = shownStep == null ? steps.length - 1 : Math.max(0, steps.indexOf(shownStep)), image = make("img", "wb-samples"), f = make("figure", "wb-growing"), cap = make("figcaption");
      image.src = `/wb/trainings/${t.id}/samples/${steps[at]}.webp`; image.alt = `Samples after ${steps[at]} steps`; image.dataset.testid = "training-samples";
      const told = make("span", null, `Samples after ${steps[at].toLocaleString("en")} steps`);
      cap.append(told);
      if (steps.length > 1) { const s = make("input"); s.type = "range"; s.min = 0; s.max = steps.length - 1; s.value = at; s.dataset.testid = "training-scrub"; s.setAttribute("aria-label", "Samples of which step"); s.addEventListener("input", () => { const n = steps[+s.value]; shownStep = +s.value === steps.length - 1 ? null : n; image.src = `/wb/trainings/${t.id}/samples/${n}.webp`; told.textContent = `Samples after ${n.toLocaleString("en")} steps`; }); cap.append(s); }
      f.append(image, cap); part.append(f);
    }
    if (t.columns.length > 2) { const curves = make("div", "wb-losses"); t.columns.slice(2).forEach((_, k) => { const c = curve(t.columns, t.losses, k); if (c) curves.append(c); }); part.append(curves); }
    if (going) { const stop = button(t.state === "queued" ? "Take it back" : "Stop", () => { stopping = t.id; stop.disabled = true; tell("stop", {run: t.id}); }, "wb-button wb-danger"); stop.dataset.testid = "train-stop"; stop.disabled = stopping === t.id; part.append(stop); }
    return part;
  };

  const draw = () => {
    const next = props.value || {};
    if (next.stamp === v.stamp) return;
    if (!next.scenario) { v = next; last = null; clearTimeout(later); box.replaceChildren(); return; }
    const other = ["scenario", "prior", "target", "defense"].some(k => next[k] !== v[k]);
    v = next; box.dataset.prior = `${v.scenario}/${v.prior}`; if (other) { last = null; box.replaceChildren(); }
    look();
  };
  watch("value", draw); draw();
};
})();
