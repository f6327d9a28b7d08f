// What is said of a layer. Pure.

const WAITS = ["queued", "running", "paused"];

export const going = layer => WAITS.includes(layer.state);
/** Whether there is nothing yet to show of a layer, and nobody at work on it. */
export const unrun = layer => layer.psnr == null && !going(layer);

/** The judges' word in few letters; "" where no judge can say no. */
export function recognised({recognised: yes, n}) {
  return yes == null ? "" : `judged ${yes}/${n}`;
}

/** A layer's figures in a sentence. */
export function figures(layer) {
  if (layer.state === "missing") return "Not inverted yet.";
  if (layer.state === "failed") return layer.reason || "It failed.";
  if (layer.psnr == null) return layer.state === "queued" ? "Waits for the runs before it." : "Being inverted …";
  const parts = [`PSNR ${layer.psnr.toFixed(1)} dB`];
  if (layer.floor != null) parts[0] += ` (a random sample of the prior: ${layer.floor.toFixed(1)})`;
  if (layer.ssim != null) parts.push(`SSIM ${layer.ssim.toFixed(2)}`);
  if (layer.recognised != null) {
    parts.push(`${layer.judges.join(" and ")}: ${layer.recognised} of ${layer.n} recognised`);
  }
  if (layer.accuracy != null)
    parts.push(`the server still knows ${Math.round(100 * layer.accuracy)} % of unseen pictures`);
  return `${parts.join("; ")}.`;
}
