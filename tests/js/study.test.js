import assert from "node:assert/strict";
import {test} from "node:test";

import {tallied} from "../../assets/study/desk.js";
import {place} from "../../assets/study/findings.js";
import {taking} from "../../assets/study/form.js";
import {answerOf} from "../../assets/study/keys.js";
import {called} from "../../assets/study/trial.js";

const SAME = ["yes", "no"];
const LINE_UP = ["1", "2", "3", "4", "5", "0"];

test("y, n and the arrows answer whether it is the same person", () => {
  assert.deepEqual(
    ["y", "Y", "n", "ArrowLeft", "ArrowRight"].map(key => answerOf(key, SAME)),
    ["yes", "yes", "no", "yes", "no"],
  );
  assert.equal(answerOf("1", SAME), null);
  assert.equal(answerOf("Enter", SAME), null);
});

test("digits answer a line-up and nothing that is not offered", () => {
  assert.equal(answerOf("3", LINE_UP), "3");
  assert.equal(answerOf("0", LINE_UP), "0");
  assert.equal(answerOf("6", LINE_UP), null);
  assert.equal(answerOf("ArrowLeft", LINE_UP), null);
});

test("skipping and going back have keys in every question", () => {
  for (const choices of [SAME, LINE_UP, ["left", "right"]]) {
    assert.deepEqual(
      ["s", "ArrowDown", "u", "Backspace"].map(key => answerOf(key, choices)),
      ["skip", "skip", "undo", "undo"],
    );
  }
  assert.equal(answerOf("ArrowRight", ["left", "right"]), "right");
});

test("choices are called by what they mean", () => {
  assert.deepEqual(called("same", "yes", "person"), ["Same person", "y"]);
  assert.deepEqual(called("line-up", "0", "person"), ["None of these", "0"]);
  assert.deepEqual(called("real", "5", "person"), ["5 – a photograph", ""]);
});

test("a tally tells who came and nothing of what they said", () => {
  const said = tallied({raters: [{}, {}], finished: 1, answers: 30, ended: null});
  assert.equal(said, "Open · 2 raters, 1 finished · 30 answers");
  assert.match(tallied({raters: [{}], finished: 0, answers: 0, ended: 5}), /^Ended · 1 rater,/);
});

test("a value lies between its ends and never outside", () => {
  assert.deepEqual([place(0, -1, 1), place(2, 0, 1), place(-1, 0, 1)], [50, 100, 0]);
  assert.match(taking(49), /about 4 min/);
});
