// What is said of a run's state. Pure; draws nothing.

import {capitalise, span} from "../format.js";

const ENDED = {finished: "Finished", stopped: "Stopped", failed: "Failed"};
const NAME = "Model Inversion Workbench";

export const ended = state => state in ENDED;
export const active = state => state === "running" || state === "paused";

/** A paused run with a reason waits for its target, which is away; a person's pause has none. */
export const awaitsTarget = status => status.state === "paused" && Boolean(status.reason);

/** A run that goes has a reason once its steps are over before their time: it was stopped, or its budget is spent. */
export const judging = status =>
  status.state === "running" && (Boolean(status.reason) || (status.total > 0 && status.step >= status.total));

/** How much of the run is done, 0 to 100. */
export const done = status => (status.total ? Math.min(100, (100 * (status.step || 0)) / status.total) : 0);

export function words(status) {
  if (status.state === "queued") return waiting(status);
  if (status.state === "running") return judging(status) ? "Judging" : "Running";
  if (status.state === "paused") return awaitsTarget(status) ? "Waiting for its target" : "Paused";
  return ENDED[status.state] ?? capitalise(status.state);
}

function waiting({position, wait}) {
  if (!(position > 0)) return "Starting";
  const place = position === 1 ? "next" : `number ${position}`;
  return `Waiting, ${place} in the queue${wait == null ? "" : about(wait)}`;
}

const about = wait => (wait < 1 ? ", any moment" : `, about ${span(wait)}`);

/** The status as it is some seconds after it was said: what is left and what is waited for have become less. */
export function later(status, seconds) {
  const less = value => (value == null ? value : Math.max(0, value - seconds));
  return {...status, wait: less(status.wait), left: status.state === "running" ? less(status.left) : status.left};
}

/** Whether the line above the faces says why a run ended as it did. */
const tellsWhy = status => status.state === "stopped" || judging(status);

/** The line above the faces. */
export function statusLine(status, scene) {
  const why = status.reason && tellsWhy(status) ? ` · ${status.reason}` : "";
  const whose = status.mine === false ? " · somebody else's, to watch" : "";
  return `${words(status)} · ${scene.attack_title} on ${scene.scenario_title}${why}${whose}`;
}

const sentence = text => (/^[a-z]+:/.test(text) ? text : capitalise(text)); // what begins with a name keeps it

/** Why a run waits, failed, or ended as it did; "" where its line says all. */
export const notice = status => (status.reason && !tellsWhy(status) ? sentence(status.reason) : "");

export function pageTitle(status, scene) {
  if (!status) return NAME;
  const moving = active(status.state) && !awaitsTarget(status);
  const begin = moving ? `${Math.round(done(status))} %` : words(status).split(",")[0];
  return `${begin} · ${scene.attack_title} · ${NAME}`;
}

const percent = share => `${Math.round(100 * share)} %`;

/**
 * What the judges found, "" before they were asked. Those who can say "nobody I know" speak first; the evaluator has to
 * choose a class, so its figure is an accuracy beside it, or alone where nobody else knows such pictures.
 */
export function verdict({metrics, baseline, verdict: said}, candidates) {
  const share = metrics?.["acc@1"];
  if (share == null) return "";
  const accuracy = `${Math.round(share * candidates)} of ${candidates}`;
  const floor = baseline?.["acc@1"];
  const chance = floor == null ? "" : ` (random samples: ${Math.round(floor * candidates)})`;
  if (!said) return `The evaluator, which has to choose, is right for ${accuracy}${chance}`;
  const beside = [
    said.baseline == null ? "" : `random samples ${percent(said.baseline)}`,
    said.ceiling == null ? "" : `real photographs ${percent(said.ceiling)}`,
    said.reach == null ? "" : `closest this prior can come ${percent(said.reach)}`,
    `evaluator's accuracy ${accuracy}`,
  ].filter(Boolean);
  const both = said.judges.length === 2 ? "both face judges" : "all judges";
  const who = said.judges.length > 1 ? both : said.judges[0];
  const rest = said.unclear ? `, not ${said.other}, too blurred to tell ${said.unclear}` : "";
  return `Recognised by ${who}: ${said.recognised} of ${said.n}${rest} (${beside.join(", ")})`;
}

/** Who they are, for a tooltip. */
export const judges = ({verdict: said}) =>
  said ? `Judges that may say nobody they know, or cannot tell: ${said.judges.join(", ")}` : "";

/** What the evaluator and the judges found, "x of n" each, null where nobody was asked. */
export function facts({metrics, verdict: said}, candidates) {
  const share = metrics?.["acc@1"];
  return {
    evaluator: share == null ? null : `${Math.round(share * candidates)} of ${candidates}`,
    judges: said ? `${said.recognised} of ${said.n}` : null,
  };
}
