// The Split tab: what came out of every layer beside the true pictures, a slider over the layers, and figures by depth.

import {$, ask, button, make, newest, visible} from "../dom.js";
import {tile} from "../judge/tiles.js";
import {chart} from "./chart.js";
import {figures, going, recognised, unrun} from "./words.js";

const LOOK_MS = 1200;
const WORDS =
  "A client computes the first layers on its own device and sends what the last of them answers; a server computes the " +
  "rest. Move the cut: what the server is sent is all that this attack has of the picture. The pictures are ones that " +
  "the target was not trained on.";
const FIRST =
  "Invert this layer: each true picture then stands here beside what came out of what was sent, with how near they are.";
const LAYERS =
  "Every layer becomes a column of pictures, from the image down to the answer, with a curve of how near they come. " +
  "Nothing has been inverted yet with these settings: begin with one layer, or with all of them.";

class Split {
  constructor(box, trigger) {
    this.box = box;
    this.trigger = trigger;
    this.value = {};
    this.at = null; // the name of the layer that is looked at
    this.look = newest(() => this.fetch());
    document.addEventListener("visibilitychange", () => visible(this.box) && this.look());
  }

  open(value) {
    if (!value?.scenario) return;
    if (value.attack !== this.value.attack || value.scenario !== this.value.scenario) this.at = null;
    this.value = value;
    this.look();
  }

  async fetch() {
    clearTimeout(this.later);
    const {value} = this;
    const {scenario, target, attack, defense} = value;
    if (!scenario) return;
    try {
      const query = new URLSearchParams({scenario, target, attack, defense});
      const found = await (await ask(`/wb/split/layers.json?${query}`)).json();
      if (value !== this.value) return;
      this.layers = found.layers;
      if (!this.layers.some(layer => layer.name === this.at)) this.at = found.first;
      if (!this.layers.some(layer => layer.name === this.at)) this.at = this.layers[0].name;
      this.draw();
      if (this.layers.some(going)) this.later = setTimeout(() => this.look(), LOOK_MS);
    } catch (error) {
      if (value === this.value) this.box.replaceChildren(problem(error.message));
    }
  }

  get layer() {
    return this.layers.find(layer => layer.name === this.at);
  }

  start(layers) {
    this.trigger("select", {layers: layers.map(layer => layer.name)});
    for (const wait of [400, 1200, 2500]) setTimeout(this.look, wait);
  }

  draw() {
    const focused = document.activeElement?.dataset?.testid === "split-slider";
    const section = make("section", "wb-card-text");
    section.append(make("h2", null, "Where to cut"), make("p", "wb-note", WORDS), this.slider(), this.closer());
    const strip = make("section", "wb-card-text");
    strip.append(make("h2", null, "Every layer"), this.strip(), chart(this.layers, this.at));
    this.box.replaceChildren(section, strip);
    if (focused) $(this.box, "input").focus();
  }

  slider() {
    const row = make("div", "wb-split-slider");
    const slider = make("input");
    const place = this.layers.findIndex(layer => layer.name === this.at);
    Object.assign(slider, {type: "range", min: 0, max: this.layers.length - 1, step: 1, value: place});
    slider.dataset.testid = "split-slider";
    slider.setAttribute("aria-label", "Layer after which the network is cut");
    slider.setAttribute("aria-valuetext", this.at);
    slider.addEventListener("input", () => {
      this.at = this.layers[Number(slider.value)].name;
      this.draw();
    });
    row.append(make("span", "wb-hint", "image"), slider, make("span", "wb-hint", "answer"));
    return row;
  }

  /** The layer that is looked at: what was sent, what came out, and what to do. */
  closer() {
    const {layer} = this;
    const box = make("div", "wb-split-closer");
    const head = make("div", "wb-split-head");
    head.append(
      make("b", "wb-split-name", layer.name),
      make("span", "wb-hint", `sends ${layer.shape.join(" × ")} numbers`),
    );
    const busy = this.layers.some(going);
    const here = button(
      going(layer) ? "Inverting …" : "Invert this layer",
      () => this.start([layer]),
      "wb-button wb-primary",
    );
    here.disabled = going(layer);
    here.dataset.testid = "split-run";
    const rest = this.layers.filter(unrun);
    const all = button(`Invert every layer (${rest.length} to go)`, () => this.start(rest));
    all.disabled = busy || !rest.length;
    all.dataset.testid = "split-all";
    head.append(here, all);
    box.append(head, make("p", layer.state === "failed" ? "wb-no" : "wb-split-figures", figures(layer)));
    if (layer.frame != null) box.append(this.pairs(layer));
    else if (layer.state === "missing") box.append(make("p", "wb-note", FIRST));
    return box;
  }

  pairs({run, frame, sheet, name, n}) {
    const row = make("div", "wb-split-pairs");
    for (let i = 0; i < n; i++) {
      const pair = make("figure", "wb-split-pair");
      pair.append(
        tile(`/wb/runs/${run}/truth.webp`, i, sheet, `True picture ${i + 1}`),
        tile(`/wb/runs/${run}/frames/${frame}.webp`, i, sheet, `Picture ${i + 1} from ${name}`),
      );
      row.append(pair);
    }
    const legend = make("p", "wb-hint", "Left of each pair: the true picture. Right: what came out of the layer.");
    const both = make("div");
    both.append(row, legend);
    return both;
  }

  strip() {
    const shown = this.layers.find(layer => layer.frame != null);
    const scroll = make("div", "wb-split-scroll");
    scroll.tabIndex = 0;
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", "Reconstructions from every layer");
    scroll.dataset.testid = "split-layers";
    if (!shown) scroll.append(make("p", "wb-note", LAYERS));
    const grid = make("div", "wb-split-grid");
    const count = shown?.n ?? 1;
    const column = (head, foot, cells, cls = "") => {
      const found = make("div", `wb-split-column ${cls}`);
      found.append(head, ...cells, ...foot);
      return found;
    };
    const pictures = (run, of, sheet, what) =>
      Array.from({length: count}, (_, i) => tile(`/wb/runs/${run}/${of}`, i, sheet, `${what}, picture ${i + 1}`));
    if (shown) {
      const truth = pictures(shown.run, "truth.webp", shown.sheet, "True");
      grid.append(column(make("b", null, "true"), [], truth, "wb-split-true"));
    }
    grid.append(
      ...this.layers.map(layer => {
        const head = button(layer.name, () => this.turn(layer.name), "wb-split-turn");
        head.setAttribute("aria-pressed", String(layer.name === this.at));
        const cells =
          layer.frame == null
            ? Array.from({length: count}, () => make("span", "wb-split-empty"))
            : pictures(layer.run, `frames/${layer.frame}.webp`, layer.sheet, layer.name);
        const foot = [
          make("small", null, layer.psnr == null ? (going(layer) ? layer.state : "–") : `${layer.psnr.toFixed(1)} dB`),
          make("small", null, layer.ssim == null ? "" : `SSIM ${layer.ssim.toFixed(2)}`),
          make("small", null, recognised(layer)),
        ];
        return column(head, foot, cells, layer.name === this.at ? "wb-split-here" : "");
      }),
    );
    scroll.append(grid);
    return scroll;
  }

  turn(name) {
    this.at = name;
    this.draw();
  }
}

function problem(text) {
  const box = make("div", "wb-problem");
  box.append(make("p", null, text));
  return box;
}

/** value: {scenario, target, attack, defense} */
export function split(element, props, trigger, watch) {
  const part = new Split($(element, ".wb-split"), trigger);
  const draw = () => part.open(props.value);
  watch("value", draw);
  draw();
}
