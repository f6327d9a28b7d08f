import assert from "node:assert/strict";
import {test} from "node:test";

import {height, places} from "../../assets/split/chart.js";
import {figures, going, recognised, unrun} from "../../assets/split/words.js";

const done = {name: "conv1", state: "finished", psnr: 31.26, ssim: 0.9, floor: 9.9, recognised: 4, n: 5, judges: ["A"]};

test("a layer's figures are told with the floor and the judges' word", () => {
  assert.match(
    figures(done),
    /^PSNR 31\.3 dB \(a random sample of the prior: 9\.9\); SSIM 0\.90; A: 4 of 5 recognised/,
  );
  assert.equal(recognised(done), "judged 4/5");
  assert.equal(recognised({...done, recognised: null}), "");
  assert.match(figures({...done, accuracy: 0.83}), /still knows 83 %/);
  assert.equal(figures({state: "failed", reason: "No."}), "No.");
});

test("a layer is to be run where nothing is known and nobody works on it", () => {
  assert.deepEqual([done, {state: "missing"}, {state: "failed"}, {state: "queued"}].map(unrun), [
    false,
    true,
    true,
    false,
  ]);
  assert.deepEqual([done, {state: "running"}].map(going), [false, true]);
});

test("points lie in the order of the layers, higher for more decibels, and 50 at most", () => {
  const points = places([done, {name: "relu1", psnr: null}, {name: "pool1", psnr: 20}]);
  assert.deepEqual(
    points.map(p => p.name),
    ["conv1", "pool1"],
  );
  assert.ok(points[0].x < points[1].x && points[0].y < points[1].y);
  assert.equal(height(80), height(50));
});
