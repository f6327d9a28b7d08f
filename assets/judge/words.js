// What a judge says of a picture, in words.

import {make} from "../dom.js";

const figure = x => x.toFixed(2).replace(/^(-?)0\./, "$1.");

/** A judge's word: {mark, text}, mark being "yes", "no" or "unclear". Pure. */
export function said({title, threshold}, {names, score, right, unclear}) {
  const mark = right ? "yes" : unclear ? "unclear" : "no";
  const against =
    threshold == null ? `${Math.round(100 * score)} %` : `similarity ${figure(score)}, needs ${figure(threshold)}`;
  return {
    mark,
    text: `${title}: ${unclear && !right ? "cannot tell" : (names ?? "nobody")}, ${against}`,
  };
}

/** How recognised a picture is, to sort by: judges that name the person, then how near the rest come. Pure. */
export function agreed({judges}) {
  return judges.reduce((sum, {right, score}) => sum + (right ? 10 : 0) + Math.max(-1, Math.min(1, score)), 0);
}

const SIGNS = {yes: "✓", no: "✗", unclear: "?"};

export function word(judge, answer) {
  const {mark, text} = said(judge, answer);
  return make("span", `wb-word wb-${mark}`, `${SIGNS[mark]} ${text}`);
}
