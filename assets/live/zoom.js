// One candidate enlarged: private image, reconstruction and, once known, the nearest private image.

import {$, canvas, make} from "../dom.js";
import {cut} from "./gallery.js";

const SCALE = 6;

export class Zoom {
  constructor(root) {
    this.box = $(root, ".wb-zoom");
    this.body = $(this.box, ".wb-zoom-body");
    this.box.addEventListener("click", () => this.box.close());
    this.reset();
  }

  reset() {
    this.nearest = null;
    this.shown = null;
    if (this.box.open) this.box.close();
  }

  loadNearest(run) {
    if (this.nearest) return;
    this.nearest = new Image();
    this.nearest.src = `/wb/runs/${run}/nearest.webp`;
  }

  open(gallery, i) {
    this.shown = i;
    this.fill(gallery);
    this.box.showModal();
  }

  /** Draws what is shown anew, where something is. */
  refresh(gallery) {
    if (this.box.open) this.fill(gallery);
  }

  fill(gallery) {
    const card = gallery.cards[this.shown];
    const nearest = this.nearest?.complete && this.nearest.naturalWidth ? this.nearest : null;
    const pictures = [
      ["Private image", gallery.truth],
      ["Reconstruction", gallery.sheet],
      ["Nearest private image", nearest],
    ];
    const figures = pictures
      .filter(([, sheet]) => sheet)
      .map(([title, sheet]) => this.figure(title, sheet, card, gallery.scene.sheet));
    const sure = card.percent == null ? "" : `, target's confidence ${card.percent} %`;
    this.body.replaceChildren(...figures, make("p", null, card.name + sure));
  }

  figure(title, sheet, card, layout) {
    const [w, h] = layout.tile;
    const picture = canvas([w * SCALE, h * SCALE], `${title} of ${card.name}`);
    const context = picture.getContext("2d");
    context.imageSmoothingQuality = "high";
    cut(context, sheet, this.shown, layout);
    const figure = make("figure");
    figure.append(picture, make("figcaption", null, title));
    return figure;
  }
}
