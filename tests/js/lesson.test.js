import assert from "node:assert/strict";
import {test} from "node:test";

import {cardFor, stepAsked} from "../../assets/lesson/lesson.js";
import {STEPS} from "../../assets/lesson/steps.js";
import {heightFor, fit} from "../../assets/live/grid.js";
import {pace, speedName, speedOf} from "../../assets/live/pace.js";
import {facts} from "../../assets/live/words.js";
import {decide} from "../../assets/page/keys.js";
import {SIZES, sizeOf} from "../../assets/page/size.js";

// -- the lesson --

test("an address names a step from 1; what makes no sense begins at the first", () => {
  assert.equal(stepAsked(null), null);
  assert.equal(stepAsked(""), null);
  assert.equal(stepAsked("1"), 0);
  assert.equal(stepAsked("4"), 3);
  assert.equal(stepAsked("99"), STEPS.length - 1);
  assert.equal(stepAsked("-3"), 0);
  assert.equal(stepAsked("x"), 0);
});

test("a step shows the card that names it, else the first", () => {
  const cards = [
    {key: "a", lesson: ["run"]},
    {key: "b", lesson: ["defense", "run"]},
  ];
  assert.equal(cardFor("defense", cards).key, "b");
  assert.equal(cardFor("run", cards).key, "a");
  assert.equal(cardFor("target", cards).key, "a");
  assert.equal(cardFor("target", []), null);
});

test("there are five steps; each says something, asks something, and compares only steps there are", () => {
  assert.equal(STEPS.length, 5);
  const ids = STEPS.map(({id}) => id);
  assert.equal(new Set(ids).size, 5);
  for (const {title, text, ask, table = []} of STEPS) {
    assert.ok(title && ask.endsWith("?") && text.length);
    for (const id of table) assert.ok(ids.includes(id));
  }
});

test("in the lesson arrows turn its steps and Esc leaves it, but for what moves by itself", () => {
  const where = {dialog: false, view: true, active: true, lesson: true};
  const press = (key, on = {tag: "BODY"}, at = where) => decide({key, ctrl: false, alt: false}, on, at);
  assert.equal(press("ArrowRight"), "next");
  assert.equal(press("ArrowLeft"), "before");
  assert.equal(press("Escape"), "leave");
  assert.equal(press(" "), "pause");
  assert.equal(press("ArrowRight", {tag: "INPUT", type: "range"}), null);
  assert.equal(press("Escape", {tag: "INPUT", type: "range"}), "leave");
  assert.equal(
    press("ArrowRight", {tag: "BODY"}, {...where, view: false}),
    "next",
    "before the stage is there as well",
  );
  assert.equal(press("Escape", {tag: "BODY"}, {...where, lesson: false}), "stop");
});

test("figures of who judges are told apart, and none is made up", () => {
  const status = {metrics: {"acc@1": 1}, verdict: {recognised: 0, n: 8}};
  assert.deepEqual(facts(status, 8), {evaluator: "8 of 8", judges: "0 of 8"});
  assert.deepEqual(facts({metrics: null, verdict: null}, 8), {evaluator: null, judges: null});
});

// -- how fast recordings are played --

test("a place on the slider doubles the speed, from a quarter to eight times", () => {
  assert.deepEqual([-2, -1, 0, 1, 2, 3].map(speedOf), [0.25, 0.5, 1, 2, 4, 8]);
  assert.equal(speedName(0.25), "¼×");
  assert.equal(speedName(8), "8×");
});

test("frames follow each other as fast as the speed says, whatever has to be left out", () => {
  const usual = pace(1, {calm: false, still: false});
  const rate = ({ms, stride}) => stride / ms;
  for (const speed of [0.25, 0.5, 2, 4, 8]) {
    const found = pace(speed, {calm: false, still: false});
    assert.ok(Math.abs(rate(found) / rate(usual) - speed) < 1e-9);
    assert.ok(found.ms >= 40, "no faster than is drawn");
  }
  assert.ok(pace(1, {calm: true, still: false}).ms > usual.ms);
  assert.ok(pace(8, {calm: true, still: true}).ms >= 1000, "less motion is asked for");
});

// -- sizes --

test("only sizes that there are can be asked for", () => {
  for (const size of SIZES) assert.equal(sizeOf(size), size);
  assert.equal(sizeOf("huge"), "normal");
  assert.equal(sizeOf(undefined), "normal");
});

test("pictures may be higher where no plots are, and leave room for larger captions", () => {
  assert.ok(heightFor(8, 900, 1000, true) > heightFor(8, 900, 1000));
  const room = {count: 8, width: 1000, height: 300, ratio: 1, pair: 2};
  assert.ok(fit({...room, type: 1.5}).size < fit(room).size);
});
