// How fast recorded frames follow each other. Pure; draws nothing.

const FRAME_MS = 90;
const CALM_MS = 240; // of an example, which plays while somebody reads
const SOONEST_MS = 45; // between two drawings; what is faster leaves frames out
const STILL_MS = 1000; // where less motion is asked for

/** The speed at a slider's place: 0 is as recorded, each step doubles it. */
export const speedOf = place => 2 ** place;

const PARTS = {0.25: "¼×", 0.5: "½×"};
export const speedName = speed => PARTS[speed] ?? `${speed}×`;

/** Returns {ms, stride}: the time between two drawings, and how many frames further the next one is. */
export function pace(speed, {calm, still}) {
  const ms = (calm ? CALM_MS : FRAME_MS) / speed;
  if (still) return {ms: STILL_MS, stride: Math.max(1, Math.round(speed))};
  const stride = Math.max(1, Math.ceil(SOONEST_MS / ms));
  return {ms: ms * stride, stride};
}
