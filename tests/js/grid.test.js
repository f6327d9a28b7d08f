import assert from "node:assert/strict";
import {test} from "node:test";

import {fit, heightFor} from "../../assets/live/grid.js";

const faces = {width: 1040, height: 380, ratio: 1, pair: 2};

test("all pairs fit, in width and in height", () => {
  for (const count of [1, 2, 8, 10, 16]) {
    const {size, columns, gap} = fit({...faces, count});
    const rows = Math.ceil(count / columns);
    assert.ok(columns * (2 * size + 10) + gap * (columns - 1) <= faces.width, `${count} are too wide`);
    assert.ok(rows * (size + gap) <= faces.height, `${count} are too high`);
  }
});

test("one picture is not larger than it is good for", () => {
  assert.equal(fit({...faces, width: 4000, height: 4000, count: 1}).size, 300);
});

test("small pictures lose their captions, and those that cannot shrink further scroll", () => {
  assert.equal(fit({...faces, count: 8}).dense, false);
  assert.equal(fit({...faces, count: 40}).dense, true);
  const many = fit({...faces, count: 400});
  assert.equal(many.scrolls, true);
  assert.equal(many.size, 34);
});

test("pictures without a private image beside them are larger", () => {
  assert.ok(fit({...faces, count: 12, pair: 1}).size > fit({...faces, count: 12}).size);
});

test("the gallery leaves room for the plots in a low window", () => {
  assert.equal(heightFor(8, 500), 230);
  assert.equal(heightFor(8, 2000), 400);
  assert.ok(heightFor(40, 900) > heightFor(8, 900));
});

test("on a phone faces are large enough to be told apart", () => {
  const phone = {width: 362, ratio: 1, pair: 2};
  const {size, columns} = fit({...phone, count: 8, height: heightFor(8, 844, phone.width)});
  assert.ok(size >= 72, `${size} pixels`);
  assert.ok(columns * (2 * size + 10) <= phone.width);
});
