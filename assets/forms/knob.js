// One knob, by its kind: a menu, a tick, a text, or a number with a slider.

import {make, menu} from "../dom.js";
import {NOTCHES, fromNotch, problem, toNotch} from "./scale.js";

function tick(value, id, put) {
  const box = make("input");
  Object.assign(box, {type: "checkbox", id, checked: value});
  box.addEventListener("change", () => put(box.checked, true));
  return [box];
}

function text(value, id, put) {
  const box = make("input", "wb-input");
  Object.assign(box, {id, value});
  box.addEventListener("change", () => put(box.value, true));
  return [box];
}

function number(knob, value, id, put) {
  const box = make("input", "wb-input wb-number");
  Object.assign(box, {id, type: "number", min: knob.lo, max: knob.hi, step: "any", value});
  const slider = make("input");
  Object.assign(slider, {type: "range", min: 0, max: NOTCHES, value: toNotch(knob, value)});
  slider.setAttribute("aria-label", `${knob.name}, slider`);
  slider.addEventListener("input", () => {
    box.value = fromNotch(knob, Number(slider.value));
    box.setCustomValidity("");
    put(Number(box.value), false);
  });
  box.addEventListener("change", () => {
    const wrong = problem(knob, box.value);
    box.setCustomValidity(wrong);
    if (wrong) {
      box.reportValidity();
      put(box.value === "" ? null : Number(box.value), true); // what the field shows is what Run is refused for
      return;
    }
    slider.value = toNotch(knob, Number(box.value));
    put(Number(box.value), true);
  });
  return [box, slider];
}

function controls(knob, value, id, put) {
  if (knob.choices)
    return [
      Object.assign(
        menu(Object.entries(knob.choices), value, key => put(key, true)),
        {id},
      ),
    ];
  if (knob.kind === "bool") return tick(value, id, put);
  if (knob.kind === "str") return text(value, id, put);
  return number(knob, value, id, put);
}

export function dot(title) {
  return Object.assign(make("i", "wb-dot"), {title});
}

/**
 * Makes a row with its label, controls and help.
 *
 * knob: {name, kind, lo, hi, log, choices, live, help, unit}; put: called with (value, settled), where a slider that
 * is still being drawn has not settled.
 */
export function knobRow(knob, value, id, put) {
  const label = make("label", "wb-label", knob.name.replaceAll("_", " "));
  label.htmlFor = id;
  if (knob.live) label.append(dot("Can be turned while the run goes"));
  const row = make("div", "wb-knob");
  row.dataset.knob = knob.name;
  row.dataset.live = knob.live;
  row.title = knob.help;
  row.append(label, ...controls(knob, value, id, put), make("small", "wb-hint", knob.help));
  return row;
}
