// Two runs that a person has pinned to compare, A and B, wherever they saw them; kept as long as this browser tab.

import {session} from "../dom.js";
import {tell} from "../page/toasts.js";

const KEY = "wb-pins";
const listeners = new Set();

/** Which letter a run gets that is pinned next to these: the free one, else B's place. Pure. */
export function placed({a = "", b = ""}, run) {
  if (run === a) return {a, b, letter: "A"};
  if (run === b) return {a, b, letter: "B"};
  return a ? {a, b: run, letter: "B"} : {a: run, b, letter: "A"};
}

export function pins() {
  try {
    const {a = "", b = ""} = JSON.parse(session(KEY) || "{}");
    return {a, b};
  } catch {
    return {a: "", b: ""};
  }
}

export function setPins({a = "", b = ""}) {
  session(KEY, JSON.stringify({a, b}));
  listeners.forEach(act => act(pins()));
}

/** Calls `act` with {a, b} each time something is pinned. */
export function onPins(act) {
  listeners.add(act);
}

/** Pins a run and says as what. */
export function pin(run) {
  const {letter, ...both} = placed(pins(), run);
  setPins(both);
  tell(
    `Pinned as ${letter}`,
    both.b ? "Compare shows both side by side." : "Pin another run, then look at both in Compare.",
  );
}
