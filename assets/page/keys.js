// What a key does. `decide` is pure; `listenToKeys` hands keys to it and does what it says.

import {visible} from "../dom.js";
import {page} from "../state.js";

const TICKED = ["range", "checkbox", "radio", "button"]; // inputs that nothing is typed into

/** Whether what is pressed is text for the element. */
function types({tag, type, editable}) {
  return editable || tag === "TEXTAREA" || tag === "SELECT" || (tag === "INPUT" && !TICKED.includes(type));
}

/** Whether Space does on the element what the element is for: it ticks, opens a list, or works in an open menu. */
const usesSpace = ({tag, type, role, menu}) =>
  menu || tag === "SUMMARY" || ["checkbox", "radio"].includes(type) || ["option", "combobox", "tab"].includes(role);

const movesItself = ({type, role}) => type === "range" || type === "radio" || role === "tab";

const TAUGHT = {Escape: "leave", ArrowLeft: "before", ArrowRight: "next"};

/**
 * What a key asks for, or null where it is left to the browser.
 *
 * key: {key, ctrl, alt}, ctrl meaning Command as well; on: the element it is pressed on, {tag, type, role, editable, menu},
 * menu meaning that it is in an open menu; where: {dialog, view, active, lesson}, whether a dialog is open, whether the
 * live view is seen, whether the run that it shows goes or is paused, and whether the guided lesson is seen.
 *
 * While a run goes, Space pauses it from any button: who has just pressed Run must not press it again.
 */
export function decide(key, on, {dialog, view, active, lesson = false}) {
  if (dialog) return key.key === "?" ? "help" : null;
  if (key.key === "Enter" && key.ctrl) return "run";
  if (types(on) || key.ctrl || key.alt) return null;
  if (key.key === "?") return "help";
  const moved = movesItself(on) && key.key.startsWith("Arrow");
  if (lesson && key.key in TAUGHT && !moved) return TAUGHT[key.key];
  if (!view || moved) return null;
  if (key.key === " ") return active && !usesSpace(on) ? "pause" : null;
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
  leave: () => page.lesson.leave(),
  before: () => page.lesson.by(-1),
  next: () => page.lesson.by(1),
};

/** help: opens or closes the help. */
export function listenToKeys(help) {
  const acts = {...ACTS, help};
  let space = false; // whether the Space that is held down was ours
  document.addEventListener("keydown", event => {
    const {target} = event;
    const key = {key: event.key, ctrl: event.ctrlKey || event.metaKey, alt: event.altKey};
    const on = {
      tag: target.tagName,
      type: target.type,
      role: target.getAttribute("role"),
      editable: target.isContentEditable,
    };
    on.menu = target.closest("details[open], [role=menu], [role=listbox]") !== null;
    const dialog = document.querySelector("dialog[open]") !== null;
    const view = page.view !== null && visible(page.view.root);
    const active = page.state === "running" || page.state === "paused";
    const lesson = page.lesson !== null && page.lesson.open && visible(page.lesson.box);
    const what = decide(key, on, {dialog, view, active, lesson});
    if (!what) return;
    const held = event.repeat && !["back", "forth"].includes(what); // a key that is held down is pressed once
    const done = held || acts[what]() !== false;
    if (done && what !== "stop") event.preventDefault();
    space = key.key === " " && done;
  });
  // Some browsers press a button when Space is let go, whatever became of its pressing.
  document.addEventListener("keyup", event => {
    if (event.key === " " && space) event.preventDefault();
    space = false;
  });
}
