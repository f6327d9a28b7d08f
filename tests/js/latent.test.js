import assert from "node:assert/strict";
import {test} from "node:test";

import {ellipse} from "../../assets/live/ellipses.js";
import {at, coloursOf} from "../../assets/live/latent.js";
import {Paths, places} from "../../assets/live/paths.js";
import {PALETTE} from "../../assets/plotting.js";

const frame = (number, ...values) => ({frame: number, values});

test("traces have the numbers in which they are drawn, and each its own", () => {
  const names = ["cloud", ...PALETTE.map((_, i) => `path ${i}`), "heads", "tried", "ellipses", "landscape"];
  assert.deepEqual(
    names.map(at),
    names.map((_, i) => i),
  );
});

test("candidates of one class share a colour", () => {
  const colours = coloursOf([{class: 30}, {class: 7}, {class: 30}]);
  assert.deepEqual(colours, [0, 1, 0]);
  const many = coloursOf(Array.from({length: PALETTE.length + 1}, (_, i) => ({class: i})));
  assert.equal(many.at(-1), 0, "colours begin again");
});

test("segments join frames, by colour, with a gap after each", () => {
  const paths = new Paths([0, 1], 2);
  paths.add(frame(0, 0, 0, 0, 5, 5, 5));
  paths.add(frame(1, 1, 2, 3, 6, 5, 5));
  const [first, second] = paths.segments(0);
  assert.deepEqual(first, {x: [0, 1, null], y: [0, 2, null], z: [0, 3, null]});
  assert.deepEqual(second.x, [5, 6, null]);
  assert.equal(paths.count, 2);
});

test("a candidate that stands still draws nothing", () => {
  const paths = new Paths([0], 1);
  paths.add(frame(0, 1, 1, 1));
  paths.add(frame(1, 1, 1, 1));
  assert.deepEqual(paths.segments(0), [{x: [], y: [], z: []}]);
});

test("segments read later go on from where those before ended", () => {
  const paths = new Paths([0], 1);
  paths.add(frame(0, 0, 0, 0));
  paths.add(frame(1, 1, 0, 0));
  paths.segments(0);
  paths.add(frame(2, 2, 0, 0));
  assert.deepEqual(paths.segments(2)[0].x, [1, 2, null]);
});

test("a path with too many frames is drawn with fewer", () => {
  const paths = new Paths([0], 1);
  for (let i = 0; i < 100; i++) paths.add(frame(i, i, 0, 0));
  paths.thin(30);
  assert.ok(paths.segments(0)[0].x.length / 3 <= 30);
  assert.deepEqual(paths.last.at[0], 99);
});

test("heads are where the candidates are; of no row nowhere", () => {
  assert.deepEqual(places({at: [1, 2, 3, 4, 5, 6]}), {x: [1, 4], y: [2, 5], z: [3, 6]});
  assert.deepEqual(places(null), {x: [], y: [], z: []});
});

test("an ellipse has the spread of its points, along their own direction", () => {
  const diagonal = Array.from({length: 41}, (_, i) => [i - 20, i - 20]);
  const {x, y} = ellipse(diagonal);
  const reach = Math.max(...x.map((value, i) => Math.hypot(value, y[i])));
  const variance = diagonal.reduce((sum, [a]) => sum + a * a, 0) / 40;
  assert.ok(Math.abs(reach - 2 * Math.sqrt(2 * variance)) < 1e-9);
  assert.ok(
    x.every((value, i) => Math.abs(value - y[i]) < 1e-6),
    "it has no width across",
  );
  assert.equal(ellipse(diagonal.slice(0, 3)), null);
});
