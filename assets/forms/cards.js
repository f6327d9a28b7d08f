// The preset cards: one click starts a run. The server has drawn them, so that nothing moves when this comes.

import {$} from "../dom.js";
import {onState, page, setCards} from "../state.js";

const DWELL_MS = 180; // that a pointer stays on a card before its example is wanted, and not on its way elsewhere

/**
 * Each button has in its data: the key of its preset, why it cannot start, if it cannot, whether there is a recorded
 * example, and the steps of the lesson that show it.
 */
export function cards(element, props, trigger) {
  const buttons = [...$(element, ".wb-cards").children];
  for (const button of buttons) {
    const {key} = button.dataset;
    button.disabled = Boolean(button.dataset.problem);
    button.addEventListener("click", () => trigger("select", {key}));
    let dwelling = 0;
    const show = () => page.state === "none" && page.view?.example.want(key);
    button.addEventListener("pointerenter", () => (dwelling = setTimeout(show, DWELL_MS)));
    button.addEventListener("pointerleave", () => clearTimeout(dwelling));
    button.addEventListener("focus", show);
  }
  onState(() =>
    buttons.forEach(button => {
      button.setAttribute("aria-current", button.dataset.key === page.preset);
      button.toggleAttribute("data-shown", button.dataset.key === page.example);
    }),
  );
  setCards(
    buttons.map(button => ({
      key: button.dataset.key,
      title: $(button, "strong").textContent,
      problem: button.dataset.problem,
      example: Boolean(button.dataset.example),
      lesson: button.dataset.lesson.split(" "),
      start: () => button.click(),
    })),
  );
}
