// How large pictures can be so that every pair is seen at once. Pure; draws nothing.

const LARGEST = 300; // pixels
const SMALLEST = 34;
const FRAME = 10; // pixels beside a pair
const CAPTIONED = 96; // pixels across, from which a pair has its name and percentage under it
const MANY = 16;

const NARROW = 560; // of a phone, where the page is scrolled anyway and faces are to be seen

/** Returns how high a gallery so wide may be in a window so high, in pixels; alone, where no plots stand beneath it. */
export function heightFor(count, windowHeight, width = Infinity, alone = false) {
  if (width < NARROW) return count > MANY ? 900 : 720;
  const [most, share] = alone ? [620, 0.52] : count > MANY ? [470, 0.5] : [400, 0.42];
  return Math.max(230, Math.min(most, windowHeight * share));
}

/**
 * The largest picture size at which `count` pictures, or pairs of them, fit into `width` by `height` pixels.
 *
 * ratio: a picture's height over its width; pair: 2 where the private image stands beside each, else 1; type: how much
 * larger than usual the page's type is.
 * Returns {size, columns, gap, dense, scrolls}: dense pictures have no captions; where it scrolls, pictures are as
 * small as they may be and still don't all fit.
 */
export function fit({count, width, height, ratio, pair, type = 1}) {
  const gap = count > 20 ? 8 : 14;
  let best = {size: 0, columns: 1};
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const wide = ((width - gap * (columns - 1)) / columns - FRAME) / pair;
    const caption = wide * pair > CAPTIONED * type ? 12 + 30 * type : 12;
    const size = Math.min(wide, (height / rows - gap - caption) / ratio, LARGEST);
    if (size > best.size) best = {size, columns};
  }
  const size = Math.max(SMALLEST, Math.floor(best.size));
  return {size, columns: best.columns, gap, dense: size * pair <= CAPTIONED * type, scrolls: size <= SMALLEST};
}
