// The page itself: keys, help, theme, messages, and the line that says what the machine is doing.
//
// The only script that the page's own head names. All others are modules that a component imports when it is first
// shown (`drawn_by` in workbench/ui/shell.py). Nothing of ours is a global: what parts know of one another is in
// state.js, and what tests read besides the page is there and in counters.js.

import {listenToErrors} from "./page/gradio-errors.js";
import {listenToKeys} from "./page/keys.js";
import {listenToTabs, showChosenTab} from "./page/tabs.js";
import {watchMachine} from "./page/machine.js";
import {listenToSize} from "./page/size.js";
import {restoreTheme, turnTheme} from "./page/theme.js";
import {tell} from "./page/toasts.js";
import {page} from "./state.js";

const SETTLE_MS = 100;
const LONGEST_MS = 4000; // after which the page is shown as far as it is there

function help() {
  const box = document.getElementById("wb-help-box");
  if (box.open) box.close();
  else box.showModal();
}

listenToErrors((title, text) => {
  tell(title, text);
  page.view?.giveUp(); // a run that was asked for was refused
});
listenToKeys(help);
listenToTabs();

document.addEventListener("click", event => {
  const id = event.target.closest("button")?.id;
  if (id === "wb-help") help();
  if (id === "wb-theme") turnTheme();
  if (id === "wb-lesson") page.lesson?.toggle();
});

/** Calls `act` once all of these are on the page, or when it has been waited for long enough. */
function when(selectors, act, most = Infinity) {
  const begun = performance.now();
  const look = setInterval(() => {
    if (!selectors.every(selector => document.querySelector(selector)) && performance.now() - begun < most) return;
    clearInterval(look);
    act();
  }, SETTLE_MS);
}

when(["#wb-device"], () => {
  watchMachine();
  restoreTheme();
  listenToSize(document.querySelectorAll("#header [data-size]"));
});
when(["#tabs [role=tablist] [role=tab]"], showChosenTab);
when([".wb-live[data-ready]", ".wb-class", ".wb-knob"], () => document.body.classList.add("wb-there"), LONGEST_MS);
