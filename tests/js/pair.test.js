import assert from "node:assert/strict";
import {test} from "node:test";

import {frameAt, markOf} from "../../assets/compare/pair.js";
import {placed} from "../../assets/compare/pins.js";

test("the first pin is A, the next ones B, and one that is pinned stays", () => {
  assert.deepEqual(placed({}, "one"), {a: "one", b: "", letter: "A"});
  assert.deepEqual(placed({a: "one"}, "two"), {a: "one", b: "two", letter: "B"});
  assert.deepEqual(placed({a: "one", b: "two"}, "three"), {a: "one", b: "three", letter: "B"});
  assert.deepEqual(placed({a: "one", b: "two"}, "one"), {a: "one", b: "two", letter: "A"});
});

test("runs of any length stand at the same share of their frames", () => {
  assert.deepEqual(
    [0, 0.5, 1].map(share => frameAt(9, share)),
    [0, 4, 8],
  );
  assert.deepEqual(
    [0, 0.5, 1].map(share => frameAt(1, share)),
    [0, 0, 0],
  );
});

test("a face that nobody was asked about has no mark", () => {
  const marks = ["yes", "no", "unclear", ""].map(said => markOf("A", {said}));
  assert.deepEqual(marks, ["A ✓", "A ✗", "A ?", ""]);
});
