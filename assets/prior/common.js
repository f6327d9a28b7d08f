// What the parts of the Prior and the Target tab share: addresses, strips of pictures, and boxes of words.

import {make} from "../dom.js";

const WATCHED = ["scenario", "prior", "target", "defense", "problem"];

/** Whether two values are of the same prior or target; one that has new weights is the same. */
export const sameModel = (a, b, names = WATCHED) => names.every(name => a[name] === b[name]);

/** Where the server keeps `what` of the prior in `value` or, where that is "", of the target. */
export function address(value, what, more) {
  const {scenario, prior, target, defense} = value;
  const path = (...names) => names.map(encodeURIComponent).join("/");
  if (prior === "") return `/wb/targets/${path(scenario, target)}/${what}?${new URLSearchParams({defense})}`;
  const of = target ? {target, defense} : {};
  return `/wb/priors/${path(scenario, prior)}/${what}?${new URLSearchParams({...of, ...more})}`;
}

export const bitmap = async answer => createImageBitmap(await answer.blob());

/** Returns the picture at an address once it can be drawn. */
export async function picture(uri) {
  const image = new Image();
  image.src = uri;
  await image.decode();
  return image;
}

/** Draws picture `i` of a strip of `n` onto a canvas. */
export function paint(element, strip, i, n) {
  const width = strip.width / n;
  const context = element.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(strip, i * width, 0, width, strip.height, 0, 0, element.width, element.height);
}

export function card(title, ...parts) {
  const section = make("section", "wb-card-text");
  section.append(make("h2", null, title), ...parts);
  return section;
}

export const note = text => make("p", "wb-note", text);

/** A box that says what is wrong; a command line in it can be selected by itself. */
export function problemBox(text) {
  const box = make("div", "wb-problem");
  const at = text.search(/python -m /);
  box.append(make("p", null, at < 0 ? text : text.slice(0, at).trim()));
  if (at >= 0) box.append(make("code", "wb-command", text.slice(at)));
  return box;
}

/** A bar that is so far along, 0 to 1. */
export function progressBar(share) {
  const bar = make("div", "wb-progress");
  bar.append(make("i"));
  setProgress(bar, share);
  return bar;
}

export function setProgress(bar, share) {
  bar.firstChild.style.transform = `scaleX(${share || 0})`;
}
