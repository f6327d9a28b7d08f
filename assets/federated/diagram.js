// Who sees what: participants, server, the finished model; what the chosen onlooker sees is drawn in full.

import {make} from "../dom.js";

const NS = "http://www.w3.org/2000/svg";

function draw(tag, attributes, text) {
  const element = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text) element.textContent = text;
  return element;
}

/** What an onlooker sees, a word each. Pure. */
export function sights({updates, sum, models, answers, may_change: change}) {
  return [
    [updates, "each update"],
    [sum, "the sum of updates"],
    [models, "every round's model"],
    [answers, "the finished model's answers"],
    [change, "may send another model"],
  ];
}

const tip = sees => `url(#wb-fed-tip-${sees ? "seen" : "unseen"})`;

/** Returns the diagram for one onlooker, {key, title, ...}. */
export function diagram(key, actor) {
  const svg = draw("svg", {viewBox: "0 0 640 236", class: "wb-fed-diagram", role: "img"});
  const seen = sights(actor).filter(([sees]) => sees);
  svg.append(draw("title", {}, `${actor.title} sees: ${seen.map(([, what]) => what).join(", ")}`));
  const line = (x1, y1, x2, y2, sees) =>
    svg.append(draw("line", {x1, y1, x2, y2, class: sees ? "seen" : "unseen", "marker-end": tip(sees)}));
  const box = (x, y, width, words, who) => {
    svg.append(draw("rect", {x, y, width, height: 40, rx: 3, class: who ? "curious" : "other"}));
    svg.append(draw("text", {x: x + width / 2, y: y + 25, "text-anchor": "middle"}, words));
  };
  const label = (x, y, words, sees, anchor = "middle") =>
    svg.append(draw("text", {x, y, "text-anchor": anchor, class: sees ? "label" : "label faint"}, words));
  for (const kind of ["seen", "unseen"]) {
    const marker = draw("marker", {
      id: `wb-fed-tip-${kind}`,
      class: kind,
      viewBox: "0 0 8 8",
      refX: 7,
      refY: 4,
      markerWidth: 14,
      markerHeight: 14,
      markerUnits: "userSpaceOnUse",
      orient: "auto",
    });
    marker.append(draw("path", {d: "M0 0 L8 4 L0 8 z"}));
    svg.append(marker);
  }
  const server = ["server", "secure", "malicious"].includes(key);
  const hidden = key === "secure" || key === "malicious";
  [16, 96, 176].forEach((y, i) => {
    line(146, y + 20, hidden ? 214 : 318, hidden ? 116 : 96 + i * 10 + 10, actor.updates);
    box(4, y, 140, `Participant ${i + 1}`, key === "participant" && i === 0);
  });
  if (hidden) {
    svg.append(draw("circle", {cx: 232, cy: 116, r: 17, class: "lock"}));
    svg.append(draw("text", {x: 232, y: 122, "text-anchor": "middle"}, "Σ"));
    line(250, 116, 318, 116, actor.sum);
    label(284, 104, "sum", actor.sum);
    label(232, 160, "masks cancel", false);
  } else label(232, 108, "updates", actor.updates);
  box(320, 96, 100, "Server", server);
  line(422, 116, 506, 116, actor.answers);
  label(464, 106, "finished", actor.answers);
  box(508, 96, 128, "Model, API", key === "outsider");
  svg.append(
    draw("path", {
      d: "M370 96 C370 10 260 0 146 28",
      class: actor.models ? "seen" : "unseen",
      fill: "none",
      "marker-end": tip(actor.models),
    }),
  );
  label(352, 28, actor.may_change ? "a model of its own making" : "model of the round", actor.models, "start");
  const figure = make("figure", "wb-fed-who");
  const list = make("ul", "wb-fed-sights");
  for (const [sees, what] of sights(actor))
    list.append(make("li", sees ? "sees" : "blind", `${sees ? "✓" : "–"} ${what}`));
  figure.append(svg, list);
  return figure;
}
