// Pictures of the Judge tab: one tile of a sheet, and the photographs of a person.

import {describe, make} from "../dom.js";

/** One tile of a contact sheet, as large as its place. */
export function tile(sheet, i, {columns, rows, tile: [w, h]}, label) {
  const picture = make("span", "wb-judging-tile");
  describe(picture, label);
  const across = (100 * (i % columns)) / Math.max(1, columns - 1);
  const down = (100 * Math.floor(i / columns)) / Math.max(1, rows - 1);
  Object.assign(picture.style, {
    backgroundImage: `url("${sheet}")`,
    backgroundSize: `${100 * columns}% ${100 * rows}%`,
    backgroundPosition: `${across}% ${down}%`,
    aspectRatio: `${w} / ${h}`,
  });
  return picture;
}

/** The photographs of who was attacked, as many as fit; nothing where they are not on this machine. */
export function photographs(scenario, {class: c, label}) {
  const strip = make("span", "wb-judging-strip");
  const image = make("img");
  Object.assign(image, {
    src: `/wb/scenarios/${scenario}/private/${c}.webp`,
    alt: `Photographs of ${label}`,
    loading: "lazy",
  });
  image.addEventListener("error", () => strip.remove());
  strip.append(image);
  return strip;
}
