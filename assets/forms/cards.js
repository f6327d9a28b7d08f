// The preset cards: one click starts a run.

import {$, button, make} from "../dom.js";

function card({key, title, text, note, problem}, choose) {
  const element = button("", () => choose(key), "wb-preset");
  element.append(make("strong", null, title), make("span", null, problem || text), make("em", null, note));
  element.dataset.testid = `preset-${key}`;
  element.title = text;
  element.disabled = Boolean(problem);
  return element;
}

/** value: {cards: [{key, title, text, note, problem}]} */
export function cards(element, props, trigger, watch) {
  const box = $(element, ".wb-cards");
  const choose = key => trigger("select", {key});
  const draw = () => box.replaceChildren(...(props.value.cards || []).map(each => card(each, choose)));
  watch("value", draw);
  draw();
}
