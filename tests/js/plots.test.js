import assert from "node:assert/strict";
import {test} from "node:test";

import {rowLook, scatter, sweep} from "../../assets/compare/traces.js";
import {outline} from "../../assets/prior/losses.js";
import {told} from "../../assets/prior/training.js";
import {described, found} from "../../assets/runs/row.js";

const PALETTE = ["red", "blue"];
const INK = {text: "black", quiet: "grey"};
const point = (row, group, x, leak, utility = 0.9) => ({row, column: `${group} ${x}`, group, x, leak, utility});

test("rows share a colour between the plots, and columns have symbols of their own", () => {
  const points = [point("GMI", "MID", 1, 0.5), point("PPA", "MID", 1, 0.4), point("GMI", "MID", 2, 0.3)];
  const [gmi, ppa] = scatter(points, "acc@1", PALETTE);
  assert.deepEqual([gmi.marker.color, ppa.marker.color], PALETTE);
  assert.notEqual(gmi.marker.symbol[0], gmi.marker.symbol[1]);
  assert.equal(gmi.marker.symbol[0], ppa.marker.symbol[0]);
  assert.equal(scatter([{...points[0], utility: null}], "acc@1", PALETTE), null);
});

test("more rows than colours are told apart by their markers", () => {
  const looks = Array.from({length: 4 * PALETTE.length}, (_, i) => JSON.stringify(rowLook(i, PALETTE)));
  assert.equal(new Set(looks).size, looks.length);
  const points = ["GMI", "PPA", "VMI"].map(row => point(row, "MID", 1, 0.5));
  const dots = scatter(points, "acc@1", PALETTE).slice(0, 3);
  assert.deepEqual(
    dots.map(({marker}) => [marker.color, marker.symbol[0]]),
    [
      ["red", "circle"],
      ["blue", "circle"],
      ["red", "circle-open"],
    ],
  );
  const {traces} = sweep(points, "acc@1", PALETTE, INK);
  assert.equal(traces[2].marker.symbol, "circle-open");
});

test("the legend explains a symbol for each column, beside a colour for each row", () => {
  const points = [point("GMI", "MID", 1, 0.5), point("GMI", "MID", 2, 0.3)];
  const [dots, ...key] = scatter(points, "acc@1", PALETTE);
  assert.deepEqual(
    key.map(trace => [trace.name, trace.marker.symbol]),
    [
      ["MID 1", dots.marker.symbol[0]],
      ["MID 2", dots.marker.symbol[1]],
    ],
  );
  assert.equal(scatter(points.slice(0, 1), "acc@1", PALETTE).length, 1, "one symbol needs no explaining");
});

test("a sweep goes from weak to strong, and stands on a log axis where it is wide", () => {
  const points = [point("GMI", "MID", 100, 0.1, 0.5), point("GMI", "MID", 1, 0.9, 0.8)];
  const {traces, log} = sweep(points, "acc@1", PALETTE, INK);
  assert.deepEqual(traces[0].x, [1, 100]);
  assert.deepEqual(traces[0].y, [0.9, 0.1]);
  assert.equal(traces[1].name, "target's accuracy");
  assert.equal(log, true);
  assert.equal(sweep([point("GMI", "MID", null, 1)], "acc@1", PALETTE, INK), null);
});

test("a loss is drawn from one edge to the other, and a flat one in the middle", () => {
  assert.equal(
    outline([
      [0, 1],
      [10, 3],
    ]),
    "0,29 100,1",
  );
  assert.equal(
    outline([
      [5, 2],
      [5, 2],
    ]),
    "0,15 0,15",
  );
});

test("a training says how it goes", () => {
  const progress = {step: 1500, total: 3000, seconds: 61, left: 60};
  const say = (more, stopping) => told({unit: "step", progress, reason: "", ...more}, stopping);
  assert.equal(say({state: "running"}), "Step 1,500 of 3,000, 61 s so far; about 60 s left.");
  assert.equal(say({state: "running"}, true), "Stopping after the next report …");
  assert.equal(say({state: "queued", position: 2, wait: 100}), "Number 2 in the queue; starts in about 2 min.");
  assert.equal(say({state: "finished", ended: true}), "Finished after 61 s.");
  const stopped = {state: "stopped", ended: true, reason: "stopped at step 1500; it can be resumed"};
  assert.equal(say(stopped), "Stopped at step 1500; it can be resumed.");
  assert.equal(say({state: "failed", ended: true, reason: "Out of memory."}), "Failed: Out of memory.");
});

test("a run is described by its images, a training by its steps", () => {
  const run = {id: "1", kind: "run", name: "", what: "GMI on Faces", count: 8, seed: 0};
  assert.equal(described(run), "8 images, seed 0 · 1");
  assert.equal(described({...run, name: "mine"}), "GMI on Faces · 8 images, seed 0 · 1");
  assert.equal(described({...run, kind: "training", steps: 5400}), "5,400 steps, seed 0 · 1");
  assert.equal(described({...run, noun: "record", count: 1}), "1 record, seed 0 · 1");
});

test("judges who can say no lead, and the evaluator's choice is called its choice", () => {
  const run = {accuracy: 0.875, count: 8, noun: "image"};
  assert.deepEqual(found({...run, recognised: 0, judged: 8}), {lead: "0 of 8", beside: "evaluator 7 of 8"});
  assert.deepEqual(found(run), {lead: "7 of 8", beside: "by the evaluator alone"});
  assert.deepEqual(found({...run, accuracy: 0.714, noun: "record"}), {lead: "71 %", beside: "named right"});
  assert.deepEqual(found({...run, accuracy: null}), {lead: "–", beside: ""});
});
