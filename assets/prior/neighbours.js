// What a sample resembles most among public and private images.

import {make} from "../dom.js";
import {count, figure} from "../format.js";
import {note} from "./common.js";

function pictured(title, source, said) {
  const caption = make("figcaption");
  caption.append(make("b", null, title), make("span", null, said));
  const image = source ? Object.assign(make("img"), {src: source, alt: title}) : make("span", "wb-blank");
  const element = make("figure");
  element.append(image, caption);
  return element;
}

/** What is said of one side, which may still be looked for. */
function told(side) {
  if (side.state === "finished") return `${figure(side.distance)} away, of ${count(side.of)}`;
  if (side.state === "failed") return side.problem;
  return `${side.text || "Waiting"}${side.share ? ` ${Math.round(100 * side.share)} %` : ""} …`;
}

function toldPrivate(side) {
  if (side.state !== "finished") return told(side);
  return `${told(side)}: ${side.name}, ${side.part === "training" ? "a training image" : side.part}`;
}

export const stillLooking = found =>
  [found.public, found.private].some(side => ["waiting", "running"].includes(side.state));

export class Neighbours {
  constructor() {
    this.box = make("div", "wb-near");
    this.box.dataset.testid = "nearest";
    this.box.hidden = true;
    this.measure = note("Click a sample above. The first time, the images are read, which takes up to a minute.");
    const words =
      "A prior may resemble the public images it learnt from. " +
      "The private ones it has never seen; they are shown to compare.";
    this.section = make("section", "wb-card-text");
    this.section.append(make("h2", null, "Has it seen this one?"), make("p", null, words), this.box, this.measure);
  }

  /** found: as the server says it; name: "A" or "B". */
  show(found, name) {
    this.box.hidden = false;
    this.box.replaceChildren(
      pictured(`Sample ${name}`, found.sample, ""),
      pictured("Nearest public image", found.public.image, told(found.public)),
      pictured("Nearest private image", found.private.image, toldPrivate(found.private)),
    );
    this.box.dataset.ready = `${found.public.state} ${found.private.state}`;
    const scale =
      found.usual == null
        ? ""
        : ` For scale: a held-out image of a private ${found.noun} is usually ${figure(found.usual)} ` +
          `from the nearest training image of the same ${found.noun}.`;
    this.measure.textContent = `Distance: ${found.measure}.${scale}`;
  }
}
