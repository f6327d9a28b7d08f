import assert from "node:assert/strict";
import {test} from "node:test";

import {lengths, sorted} from "../../assets/judge/bars.js";
import {lines, points} from "../../assets/judge/confidence.js";
import {onLine} from "../../assets/judge/enlarged.js";
import {ordered} from "../../assets/judge/judge.js";
import {said} from "../../assets/judge/words.js";

const FACE = {title: "Face judge", threshold: 0.44};
const of = (right, score) => ({judges: [{right, score}]});

test("a judge names whom it sees, with its score against the threshold", () => {
  assert.deepEqual(said(FACE, {names: "person 04", score: 0.523, right: true}), {
    mark: "yes",
    text: "Face judge: person 04, similarity .52, needs .44",
  });
  assert.deepEqual(said(FACE, {names: null, score: -0.1, right: false}), {
    mark: "no",
    text: "Face judge: nobody, similarity -.10, needs .44",
  });
  assert.equal(said(FACE, {names: null, score: 0.2, right: false, unclear: true}).mark, "unclear");
  assert.match(
    said({title: "Evaluator", threshold: null}, {names: "two", score: 0.981, right: false}).text,
    /two, 98 %$/,
  );
});

test("pictures stand as in the run, or by how many judges recognise them, then by score", () => {
  const candidates = [of(false, 0.3), of(true, 0.5), of(false, 0.4), of(true, 0.9)];
  assert.deepEqual(ordered(candidates, "run"), [0, 1, 2, 3]);
  assert.deepEqual(ordered(candidates, "best"), [3, 1, 2, 0]);
  assert.deepEqual(ordered(candidates, "worst"), [0, 2, 1, 3]);
});

test("classes sort by what leaks more, whichever way that is, the unknown last", () => {
  const classes = [0.2, null, 0.9].map((v, i) => ({label: String(i), values: {m: v}}));
  const names = (best, order) => sorted(classes, {key: "m", best}, order).map(each => each.label);
  assert.deepEqual(names("higher", "best"), ["2", "0", "1"]);
  assert.deepEqual(names("lower", "best"), ["0", "2", "1"]);
  assert.deepEqual(names("lower", "class"), ["0", "1", "2"]);
});

test("bars of shares are of a whole, others of the longest", () => {
  assert.deepEqual(lengths([0.5, null], "share"), [50, 0]);
  assert.deepEqual(lengths([2, 4], "distance"), [50, 100]);
});

test("confidence is read from every frame and drawn upwards", () => {
  const rows = lines("0,10,\n4,60,\n8,100,\n");
  assert.equal(points(rows, 0), "0.0,90.0 50.0,40.0 100.0,0.0");
  assert.equal(points(rows, 1), "", "what is unknown is not drawn");
});

test("a score lies on the line of scores with its threshold", () => {
  assert.deepEqual(onLine(0.5, 0.25), {score: 50, threshold: 25});
  assert.equal(onLine(0.9, null).threshold, null);
});
