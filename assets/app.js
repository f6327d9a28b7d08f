// The page itself: keys, help, theme, messages, and the line that says what the machine is doing.
//
// The only script that the page's own head names. All others are modules that a component imports when it is first
// shown (`drawn_by` in workbench/ui/shell.py). Nothing of ours is a global: what parts know of one another is in
// state.js, and what tests read besides the page is there and in counters.js.

import {listenToErrors} from "./page/gradio-errors.js";
import {listenToKeys} from "./page/keys.js";
import {listenToTabs} from "./page/tabs.js";
import {watchMachine} from "./page/machine.js";
import {restoreTheme, turnTheme} from "./page/theme.js";
import {tell} from "./page/toasts.js";
import {page, setState} from "./state.js";

const SETTLE_MS = 100;

function help() {
  const box = document.getElementById("wb-help-box");
  if (box.open) box.close();
  else box.showModal();
}

listenToErrors(tell);
listenToKeys(help);
listenToTabs();

document.addEventListener("click", event => {
  const id = event.target.closest("button")?.id;
  if (id === "wb-help") help();
  if (id === "wb-theme") turnTheme();
});

// The header is Gradio's to make; once it is there, so is the rest of the page's frame.
const settle = setInterval(() => {
  if (!document.getElementById("wb-device")) return;
  clearInterval(settle);
  watchMachine();
  restoreTheme();
}, SETTLE_MS);

setState(page.state, page.attack); // a component may have been drawn before this
