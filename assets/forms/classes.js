// The classes that are attacked, each as a picture that is pressed in or not.

import {$, button, make} from "../dom.js";
import {moved} from "./roving.js";

const FEW = 8;

/** Where picture `i` of a sheet lies, as percentages of CSS's `background-position` and `-size`. */
export function placeOf(i, columns, rows) {
  const share = (at, of) => (of > 1 ? (at * 100) / (of - 1) : 0);
  return {
    size: `${columns * 100}% ${rows * 100}%`,
    position: `${share(i % columns, columns)}% ${share(Math.floor(i / columns), rows)}%`,
  };
}

class Classes {
  constructor(box, put) {
    this.box = box;
    this.put = put; // called with the classes that are chosen
    this.at = 0; // the picture that the Tab key comes to
  }

  draw(value) {
    const {names} = value;
    if (!names) return;
    this.value = value;
    this.picked = new Set(value.picked);
    const head = make("div", "wb-field-head");
    const every = names.map((_, i) => i);
    head.append(
      make("span", "wb-label", `Classes: ${this.picked.size} of ${names.length}`),
      button(`First ${FEW}`, () => this.put(every.slice(0, FEW)), "wb-plain"),
      button("All", () => this.put(every), "wb-plain"),
    );
    const grid = make("div", "wb-class-grid");
    grid.setAttribute("role", "group");
    grid.setAttribute("aria-label", "Classes attacked");
    grid.classList.toggle("wb-class-names", !value.image);
    grid.append(...names.map((name, i) => this.picture(name, i)));
    grid.addEventListener("keydown", event => this.walk(event, grid));
    const before = $(this.box, ".wb-class-grid");
    const scrolled = before?.scrollTop || 0;
    const held = before?.contains(document.activeElement);
    this.at = Math.min(this.at, names.length - 1);
    this.box.replaceChildren(head, grid);
    grid.children[this.at].tabIndex = 0;
    grid.scrollTop = scrolled;
    if (held) grid.children[this.at].focus({preventScroll: true});
  }

  /** Goes from picture to picture with the arrow keys: all of them together are one stop of the Tab key. */
  walk(event, grid) {
    const columns = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
    const next = moved(event.key, this.at, columns, grid.children.length);
    if (next === null) return;
    event.preventDefault();
    event.stopPropagation(); // arrows also go through the frames of a run
    grid.children[this.at].tabIndex = -1;
    this.at = next;
    grid.children[next].tabIndex = 0;
    grid.children[next].focus();
  }

  picture(name, i) {
    const {image, columns, names} = this.value;
    const element = button("", () => this.turn(i), "wb-class");
    element.title = name;
    element.tabIndex = -1;
    element.setAttribute("aria-label", name);
    element.setAttribute("aria-pressed", this.picked.has(i));
    if (image) {
      const {size, position} = placeOf(i, columns, Math.ceil(names.length / columns));
      Object.assign(element.style, {
        backgroundImage: `url(${image})`,
        backgroundSize: size,
        backgroundPosition: position,
      });
    } else element.textContent = name;
    return element;
  }

  turn(i) {
    this.at = i;
    if (!this.picked.delete(i)) this.picked.add(i);
    this.put([...this.picked]);
  }
}

/** value: {scenario, names, picked, image, columns, tile, noun} */
export function classes(element, props, trigger, watch) {
  const put = picked => {
    props.value = {...props.value, picked: [...picked].sort((a, b) => a - b)};
    part.draw(props.value);
    trigger("submit");
  };
  const part = new Classes($(element, ".wb-classes"), put);
  const draw = () => part.draw(props.value);
  watch("value", draw);
  draw();
}
