import assert from "node:assert/strict";
import {test} from "node:test";

import {placeOf} from "../../assets/forms/classes.js";
import {offers} from "../../assets/forms/queue.js";
import {settingsIn} from "../../assets/forms/restore.js";
import {moved} from "../../assets/forms/roving.js";
import {NOTCHES, fromNotch, problem, toNotch} from "../../assets/forms/scale.js";

const RATE = {kind: "float", lo: 0.0001, hi: 2, log: true};
const STEPS = {kind: "int", lo: 1, hi: 5000, log: true};
const SHARE = {kind: "float", lo: 0, hi: 1, log: false};

test("a value survives the way to the slider and back", () => {
  for (const value of [0.0001, 0.00123, 0.03, 0.5, 2]) {
    const back = fromNotch(RATE, toNotch(RATE, value));
    assert.ok(Math.abs(back / value - 1) < 0.01, `${value} became ${back}`);
  }
  for (const notch of [0, 1, 250, 500, 999, NOTCHES]) assert.equal(toNotch(SHARE, fromNotch(SHARE, notch)), notch);
});

test("the slider's ends are the knob's, exactly", () => {
  for (const knob of [RATE, STEPS, SHARE]) {
    assert.equal(fromNotch(knob, 0), knob.lo);
    assert.equal(fromNotch(knob, NOTCHES), knob.hi);
    assert.equal(toNotch(knob, knob.hi), NOTCHES);
  }
});

test("half way along a log slider is the geometric mean, and whole numbers stay whole", () => {
  assert.equal(fromNotch({kind: "float", lo: 0.01, hi: 100, log: true}, NOTCHES / 2), 1);
  assert.equal(fromNotch(STEPS, 500), Math.round(Math.sqrt(5000)));
});

test("a typed value outside of its range is refused with what is allowed", () => {
  assert.equal(problem(RATE, "0.5"), "");
  assert.equal(problem(RATE, "3"), "Allowed: 0.0001 to 2");
  assert.equal(problem(RATE, ""), "Allowed: 0.0001 to 2");
  assert.equal(problem(RATE, "x"), "Allowed: 0.0001 to 2");
  assert.equal(problem(STEPS, "1.5"), "Allowed: 1 to 5000, whole numbers");
});

test("a picture of the class sheet is found by its column and row", () => {
  assert.deepEqual(placeOf(0, 8, 5), {size: "800% 500%", position: "0% 0%"});
  assert.deepEqual(placeOf(39, 8, 5), {size: "800% 500%", position: "100% 100%"});
  assert.deepEqual(placeOf(3, 4, 1), {size: "400% 100%", position: "100% 0%"});
});

test("arrow keys go through a grid and stop at its edges", () => {
  const columns = 6;
  assert.equal(moved("ArrowRight", 0, columns, 40), 1);
  assert.equal(moved("ArrowDown", 1, columns, 40), 7);
  assert.equal(moved("ArrowUp", 1, columns, 40), 1);
  assert.equal(moved("ArrowDown", 38, columns, 40), 38);
  assert.equal(moved("Home", 20, columns, 40), 0);
  assert.equal(moved("End", 20, columns, 40), 39);
  assert.equal(moved("a", 20, columns, 40), null);
});

test("a file that is too large is not sent", async () => {
  const send = () => assert.fail("it was sent");
  await assert.rejects(settingsIn({name: "big.png", size: 9 * 2 ** 20}, send), /larger than 8 MB/);
});

test("the server's own words are said where a file holds no settings", async () => {
  const refuse = async () => ({ok: false, status: 400, json: async () => ({error: "This picture holds no settings."})});
  await assert.rejects(settingsIn({name: "x.png", size: 3}, refuse), /This picture holds no settings\./);
  const lost = async () => ({ok: false, status: 502, json: () => Promise.reject(new Error("no JSON"))});
  await assert.rejects(settingsIn({name: "x.png", size: 3}, lost), /answered 502/);
  const take = async (url, {method, body}) => ({
    ok: true,
    json: async () => ({config: {url, method, seed: body.seed}}),
  });
  assert.deepEqual(await settingsIn({name: "x.png", size: 3, seed: 4}, take), {
    url: "/wb/restore",
    method: "POST",
    seed: 4,
  });
});

test("only who may stop what is running is offered its place", () => {
  assert.deepEqual(offers({running: "a", queued: [], mine: true}), {instead: true, clear: false});
  assert.deepEqual(offers({running: "a", queued: ["b"], mine: false}), {instead: false, clear: true});
  assert.deepEqual(offers({running: null, queued: [], mine: false}), {instead: false, clear: false});
});
