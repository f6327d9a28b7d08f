// What a key answers in a trial. Pure.

/** The answers that `s` or an arrow downwards and `u`, Backspace or an arrow upwards ask for, whatever the question is. */
const ALWAYS = {s: "skip", ArrowDown: "skip", u: "undo", Backspace: "undo", ArrowUp: "undo"};

/**
 * What a key asks for, or null: one of `choices`, "skip" or "undo".
 *
 * y and n, digits and the choice's own first letter answer; so do arrows left and right where two may be chosen.
 */
export function answerOf(key, choices) {
  const pressed = key.length === 1 ? key.toLowerCase() : key;
  if (ALWAYS[pressed]) return ALWAYS[pressed];
  if (choices.length === 2 && pressed === "ArrowLeft") return choices[0];
  if (choices.length === 2 && pressed === "ArrowRight") return choices[1];
  if (pressed.length !== 1) return null;
  return choices.find(choice => choice === pressed || (choices.length === 2 && choice[0] === pressed)) ?? null;
}
