import assert from "node:assert/strict";
import {test} from "node:test";

import {extent, path, short} from "../../assets/report/chart.js";
import {lineAt} from "../../assets/report/report.js";

test("a curve has a gap wherever a value is not known", () => {
  const same = x => x;
  assert.equal(path([0, 1, 2, 3], [5, null, 7, 8], same, same), "M0.0 5.0M2.0 7.0L3.0 8.0");
  assert.equal(path([0], [null], same, same), "");
});

test("an axis has room even where all values are one, and none where nothing is known", () => {
  assert.deepEqual(extent([3, null, 3]), [2.5, 3.5]);
  assert.deepEqual(extent([2, -1, 4]), [-1, 4]);
  assert.equal(extent([null, NaN]), null);
  assert.deepEqual([0.000123456, 12345, 2].map(short), ["0.000123", "12300", "2"]);
});

test("a frame is told by the newest line that isn't after it", () => {
  assert.deepEqual(
    [0, 4, 5, 99].map(frame => lineAt([0, 2, 5], frame)),
    [0, 1, 2, 2],
  );
  assert.equal(lineAt([3], 1), -1);
});
