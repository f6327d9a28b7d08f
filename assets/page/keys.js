// What a key does. `decide` is pure; `listenToKeys` hands keys to it and does what it says.

import {visible} from "../dom.js";
import {page} from "../state.js";

const TICKED = ["range", "checkbox", "radio", "button"]; // inputs that nothing is typed into

/** Whether what is pressed is text for the element. */
function types({tag, type, editable}) {
  return editable || tag === "TEXTAREA" || tag === "SELECT" || (tag === "INPUT" && !TICKED.includes(type));
}

const movesItself = ({type, role}) => type === "range" || type === "radio" || role === "tab";

/**
 * What a key asks for, or null where it is left to the browser.
 *
 * key: {key, ctrl, alt}, ctrl meaning Command as well; on: the element it is pressed on, {tag, type, role, editable};
 * where: {dialog, view}, whether a dialog is open and whether the live view is seen.
 */
export function decide(key, on, {dialog, view}) {
  if (dialog) return key.key === "?" ? "help" : null;
  if (key.key === "Enter" && key.ctrl) return "run";
  if (types(on) || key.ctrl || key.alt) return null;
  if (key.key === "?") return "help";
  if (!view) return null;
  if (key.key === " ") return on.tag === "BUTTON" ? null : "pause";
  if (movesItself(on) && key.key.startsWith("Arrow")) return null;
  return {Escape: "stop", ".": "step", End: "newest", ArrowLeft: "back", ArrowRight: "forth"}[key.key] ?? null;
}

/** Presses a button; false where it is not there to be pressed. */
function press(id) {
  const button = document.getElementById(id);
  if (!button || !visible(button) || button.disabled) return false;
  button.click();
  return true;
}

const ACTS = {
  run: () => press("run-button"),
  pause: () => press("wb-pause"),
  step: () => press("wb-step"),
  stop: () => press("wb-stop"),
  newest: () => page.view.look(null),
  back: () => page.view.player.by(-1),
  forth: () => page.view.player.by(1),
};

/** help: opens or closes the help. */
export function listenToKeys(help) {
  const acts = {...ACTS, help};
  document.addEventListener("keydown", event => {
    const {target} = event;
    const key = {key: event.key, ctrl: event.ctrlKey || event.metaKey, alt: event.altKey};
    const on = {
      tag: target.tagName,
      type: target.type,
      role: target.getAttribute("role"),
      editable: target.isContentEditable,
    };
    const dialog = document.querySelector("dialog[open]") !== null;
    const view = page.view !== null && visible(page.view.root);
    const what = decide(key, on, {dialog, view});
    if (what && acts[what]() !== false && what !== "stop") event.preventDefault();
  });
}
