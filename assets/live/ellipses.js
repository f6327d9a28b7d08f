// How far a cloud of samples reaches: an ellipse of two standard deviations around its mean. Pure; draws nothing.

const CORNERS = 24;
const FEWEST = 4; // points, below which a spread says nothing

/** Returns {x, y} of the ellipse around points [[x, y], …], closed, or null for too few points. */
export function ellipse(points) {
  const n = points.length;
  if (n < FEWEST) return null;
  const mean = k => points.reduce((sum, p) => sum + p[k], 0) / n;
  const centre = [mean(0), mean(1)];
  const covariance = (i, j) => points.reduce((sum, p) => sum + (p[i] - centre[i]) * (p[j] - centre[j]), 0) / (n - 1);
  const [xx, yy, xy] = [covariance(0, 0), covariance(1, 1), covariance(0, 1)];
  const middle = (xx + yy) / 2;
  const gap = Math.hypot((xx - yy) / 2, xy);
  const long = 2 * Math.sqrt(Math.max(0, middle + gap));
  const short = 2 * Math.sqrt(Math.max(0, middle - gap));
  const turn = Math.atan2(2 * xy, xx - yy) / 2;
  const outline = {x: [], y: []};
  for (let i = 0; i <= CORNERS; i++) {
    const angle = (2 * Math.PI * i) / CORNERS;
    const [u, v] = [long * Math.cos(angle), short * Math.sin(angle)];
    outline.x.push(centre[0] + u * Math.cos(turn) - v * Math.sin(turn));
    outline.y.push(centre[1] + u * Math.sin(turn) + v * Math.cos(turn));
  }
  return outline;
}
