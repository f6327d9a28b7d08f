// PSNR by depth, with the floor: how much of the picture is left, layer by layer.

import {make} from "../dom.js";

const NS = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT, LEFT, LOW] = [720, 190, 44, 150];
const MOST_DB = 50; // beyond that two pictures look the same, and the rest of the curve would be flat

/** Where each layer's point lies: {x, y, name, psnr}; layers without a figure are left out. Pure. */
export function places(layers) {
  const step = (WIDTH - LEFT - 20) / Math.max(1, layers.length - 1);
  return layers
    .map(({name, psnr}, i) => ({name, psnr, x: LEFT + i * step, y: height(psnr)}))
    .filter(place => place.psnr != null);
}

/** The height of a PSNR in the picture. Pure. */
export const height = psnr => LOW - (Math.min(MOST_DB, Math.max(0, psnr ?? 0)) / MOST_DB) * (LOW - 12);

function shape(kind, attributes, text) {
  const element = document.createElementNS(NS, kind);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text != null) element.textContent = text;
  return element;
}

export function chart(layers, at) {
  const points = places(layers);
  const figure = make("figure", "wb-split-chart");
  if (points.length < 2) return figure;
  const svg = shape("svg", {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img"});
  svg.setAttribute("aria-label", points.map(p => `${p.name} ${p.psnr.toFixed(1)} dB`).join(", "));
  for (const level of [0, 10, 20, 30, 40, 50]) {
    const y = height(level);
    svg.append(shape("line", {x1: LEFT, x2: WIDTH - 10, y1: y, y2: y, class: "wb-split-level"}));
    svg.append(shape("text", {x: LEFT - 8, y: y + 5, "text-anchor": "end"}, level === MOST_DB ? "50+" : level));
  }
  const floors = layers.map(layer => layer.floor).filter(floor => floor != null);
  if (floors.length) {
    const y = height(floors.reduce((sum, floor) => sum + floor, 0) / floors.length);
    svg.append(shape("line", {x1: LEFT, x2: WIDTH - 10, y1: y, y2: y, class: "wb-split-floor"}));
  }
  svg.append(shape("polyline", {points: points.map(p => `${p.x},${p.y}`).join(" "), class: "wb-split-line"}));
  for (const {x, y, name} of points) {
    svg.append(shape("circle", {cx: x, cy: y, r: name === at ? 7 : 4, class: "wb-split-dot"}));
    if (name === at) svg.append(shape("text", {x, y: HEIGHT - 12, "text-anchor": "middle"}, name));
  }
  const floor = floors.length ? " Dashed: a random sample of the prior." : "";
  figure.append(
    svg,
    make("figcaption", "wb-hint", `PSNR in dB against the true picture, from the image (left) down.${floor}`),
  );
  return figure;
}
