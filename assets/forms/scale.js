// A slider's notches and the numbers they stand for. Pure; draws nothing.

export const NOTCHES = 1000;

/** knob: {kind, lo, hi, log}. Returns the notch, 0 to NOTCHES, that stands for a value. */
export function toNotch({lo, hi, log}, value) {
  const share = log ? Math.log(value / lo) / Math.log(hi / lo) : (value - lo) / (hi - lo);
  return Math.round(NOTCHES * share);
}

/** Returns the value of a notch: whole for whole numbers, else with three digits; the ends are exact. */
export function fromNotch({kind, lo, hi, log}, notch) {
  if (notch <= 0) return lo;
  if (notch >= NOTCHES) return hi;
  const share = notch / NOTCHES;
  const value = log ? lo * (hi / lo) ** share : lo + (hi - lo) * share;
  return kind === "int" ? Math.round(value) : Number(value.toPrecision(3));
}

/** Why a typed text is no value of a knob; "" where it is one. */
export function problem({kind, lo, hi}, text) {
  const value = Number(text);
  const whole = kind !== "int" || Number.isInteger(value);
  if (text !== "" && value >= lo && value <= hi && whole) return "";
  return `Allowed: ${lo} to ${hi}${kind === "int" ? ", whole numbers" : ""}`;
}
