// Numbers as a person reads them.

export const NOTHING = "–";

export const count = n => (n == null ? NOTHING : Math.round(n).toLocaleString("en"));
export const percent = share => (share == null ? NOTHING : `${Math.round(100 * share)} %`);
export const capitalise = text => text.charAt(0).toUpperCase() + text.slice(1);

/** A time that is left, in seconds; rounded up, so that it never says 0 before the end. */
export function span(seconds) {
  if (seconds == null) return NOTHING;
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** About how long something takes or took, in seconds. */
export function roughly(seconds) {
  if (seconds == null) return "";
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

export function rate(stepsPerSecond) {
  if (stepsPerSecond == null) return NOTHING;
  return stepsPerSecond < 10 ? stepsPerSecond.toFixed(1) : count(stepsPerSecond);
}

/** A distance or a loss, with about three digits. */
export function figure(x) {
  if (x >= 100) return x.toFixed(0);
  if (x >= 10) return x.toFixed(1);
  return x >= 0.1 ? x.toFixed(2) : x.toFixed(4);
}
