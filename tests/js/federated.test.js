import assert from "node:assert/strict";
import test from "node:test";

import {sights} from "../../assets/federated/diagram.js";
import {nearness, standing} from "../../assets/federated/parts.js";
import {caption} from "../../assets/federated/rounds.js";
import {costs, pathOf, refusals, spent} from "../../assets/federated/training.js";

test("a path has a gap where there is no accuracy", () => {
  assert.equal(pathOf([0, 1, null, 0.5], 3).match(/M/g).length, 2);
  assert.equal(pathOf([null, null], 2), "");
});

test("who was refused is said with the round", () => {
  const cards = [{participants: []}, {participants: [{refused: ""}, {refused: "Participant 1 sends NaN."}]}];
  assert.deepEqual(refusals(cards), ["Round 1: Participant 1 sends NaN."]);
});

test("nearness counts each image, and a run says how far it is", () => {
  assert.equal(nearness(null), "");
  assert.match(nearness({psnr: [61.04], ssim: [1]}), /61\.0 dB \(SSIM 1\.00\)/);
  assert.equal(standing({state: "finished", step: 5, total: 5}), "Done, step 5 of 5.");
  assert.equal(standing({state: "queued", position: 3}), "Waits: 2 before it.");
  assert.equal(standing({state: "failed", reason: "no"}), "Failed: no");
});

test("a frame of the film says who knows it", () => {
  assert.equal(caption({round: 2, state: "finished", recognised: [3, 8]}), "Round 2: judges know 3 of 8");
  assert.equal(caption({round: 2, state: "finished", accuracy: 0.5}), "Round 2: evaluator 50 %");
  assert.equal(caption({round: 0, state: "missing"}), "Round 0: not attacked yet");
});

test("an outsider sees answers alone", () => {
  const seen = sights({updates: false, sum: false, models: false, answers: true, may_change: false});
  assert.deepEqual(
    seen.filter(([sees]) => sees).map(([, what]) => what),
    ["the finished model's answers"],
  );
});

test("a round says what privacy and the sum have cost", () => {
  const before = {participants: [], privacy: null, protocol: null};
  assert.equal(spent([before]) + costs([before]), "");
  const after = {
    privacy: {of: "client", epsilon: 3.456, delta: 0.001},
    protocol: {sent: 2.5e6, received: 1e6, seconds: 0.5},
  };
  assert.equal(spent([before, after]), "Privacy of a participant after round 1: ε 3.46 at δ 0.001.");
  assert.equal(costs([before, after]), "The last round's sum: 2.50 MB from each participant, 1.00 MB to each, 0.50 s.");
});
