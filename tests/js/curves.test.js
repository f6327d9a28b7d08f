import assert from "node:assert/strict";
import {test} from "node:test";

import {Curves} from "../../assets/live/curves.js";
import {fitsLog, lines, losses, staysAbove, strips, tickFormat} from "../../assets/live/strips.js";

const columns = (...named) => ["frame", "step", "seconds", "queries", "confidence", ...named];
const titles = shown => shown.map(strip => strip.title);

test("what an attack measures is what is there beside the columns of all attacks, wherever it stands", () => {
  assert.deepEqual(losses(["identity", "frame", "step", "seconds", "prior", "queries", "confidence"]), [
    "identity",
    "prior",
  ]);
});

test("the first loss is on top, confidence in the middle, the rest below", () => {
  assert.deepEqual(titles(strips(columns("identity", "prior", "size"), true, "step")), [
    "identity",
    "confidence",
    "prior, size",
  ]);
});

test("where confidence is never known its strip goes to another loss", () => {
  assert.deepEqual(titles(strips(columns("a", "b", "c"), false, "step")), ["a", "b", "c"]);
  assert.deepEqual(titles(strips(columns("a"), false, "step")), ["a", "confidence", "queries"]);
});

test("an empty strip shows what the axis does not", () => {
  assert.equal(strips(columns("a"), true, "step")[2].title, "queries");
  assert.equal(strips(columns("a"), true, "queries")[2].title, "step");
});

test("lines of one strip are told apart by their dashes", () => {
  const drawn = lines(strips(columns("a", "b", "c"), true, "step"));
  assert.deepEqual(
    drawn.map(line => [line.column, line.strip, line.dash]),
    [
      ["a", 0, "solid"],
      ["confidence", 1, "solid"],
      ["b", 2, "solid"],
      ["c", 2, "dash"],
    ],
  );
});

test("only a loss that stays above zero stands on a log axis", () => {
  const rows = values => values.map(a => ({a}));
  assert.equal(fitsLog(rows([3, 2, 1]), "a"), true);
  assert.equal(fitsLog(rows([3, 2]), "a"), false, "two points are too few");
  assert.equal(fitsLog(rows([3, 0, 1]), "a"), false);
  assert.equal(staysAbove(rows([-1]), "a"), false);
  assert.equal(staysAbove(rows([]), "a"), true);
});

test("numbers beside a strip are written as what they are", () => {
  assert.equal(tickFormat("confidence"), ".0%");
  assert.equal(tickFormat("queries"), "~s");
  assert.equal(tickFormat("identity"), ".3~g");
});

test("a first confidence makes a plot of several losses stale, and rows that ask nothing are counted", () => {
  const curves = new Curves(null);
  curves.add(columns("a", "b", "c").join(","));
  curves.stale = false;
  curves.add("0,0,0,10,,1,1,1");
  assert.equal(curves.stale, false);
  curves.add("1,1,0,10,0.5,1,1,1");
  assert.equal(curves.stale, true);
  assert.equal(curves.quiet, 1);
});

test("a knob's mark stands at the queries that were spent then", () => {
  const curves = new Curves(null);
  [columns("a").join(","), "0,0,0,10,,1", "1,5,0,60,,1"].forEach(line => curves.add(line));
  assert.equal(curves.placeOf({step: 3}), 3);
  curves.turn("queries");
  assert.equal(curves.placeOf({step: 3}), 10);
  assert.equal(curves.placeOf({step: 5}), 60);
});
