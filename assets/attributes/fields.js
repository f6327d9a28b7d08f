// What the tab's forms are made of.

import {make} from "../dom.js";

export function field(text, control) {
  const label = make("label", "wb-attr-field", text);
  label.append(control);
  return label;
}

export function input(value, kind = "text") {
  const element = make("input", "wb-input");
  element.type = kind;
  element.value = value;
  return element;
}
