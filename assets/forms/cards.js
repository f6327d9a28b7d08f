// The preset cards: one click starts a run. The server has drawn them, so that nothing moves when this comes.

import {$} from "../dom.js";
import {onState, page} from "../state.js";

/** Each button has the key of its preset in `data-key`, and in `data-problem` why it cannot start, if it cannot. */
export function cards(element, props, trigger) {
  const buttons = [...$(element, ".wb-cards").children];
  for (const button of buttons) {
    button.disabled = Boolean(button.dataset.problem);
    button.addEventListener("click", () => trigger("select", {key: button.dataset.key}));
  }
  onState(() => buttons.forEach(button => button.setAttribute("aria-current", button.dataset.key === page.preset)));
}
