/** Bounds of the temperature: outside of them, scores would say nothing, or everything. */
const minTemperature = 0.05;
const maxTemperature = 20;

/** Golden section, by which the search interval shrinks with every step. */
const section = (Math.sqrt(5) - 1) / 2;

/**
 * Finds the temperature that makes logits say how often they are right: the one with the lowest mean of `-log p(class)`
 * on predictions of pictures that were not learned from.
 *
 * @param logits - shape `[classes.length, classCount]`
 * @see Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2
 */
export function temperatureOf(logits: Float64Array, classes: Int32Array): number {
  if (classes.length === 0) return 1;
  let low = Math.log(minTemperature);
  let high = Math.log(maxTemperature);
  const lossAt = (log: number) => meanLoss(logits, classes, Math.exp(log));
  let a = high - section * (high - low);
  let b = low + section * (high - low);
  let atA = lossAt(a);
  let atB = lossAt(b);
  while (high - low > 1e-3) {
    if (atA <= atB) {
      high = b;
      [b, atB] = [a, atA];
      a = high - section * (high - low);
      atA = lossAt(a);
    } else {
      low = a;
      [a, atA] = [b, atB];
      b = low + section * (high - low);
      atB = lossAt(b);
    }
  }
  return Math.exp((low + high) / 2);
}

/** Returns the mean of `-log p(class)` of logits divided by a temperature. */
export function meanLoss(logits: Float64Array, classes: Int32Array, temperature = 1): number {
  const classCount = logits.length / classes.length;
  let sum = 0;
  for (const [row, own] of classes.entries()) {
    const scores = logits.subarray(row * classCount, (row + 1) * classCount);
    const most = scores.reduce((max, each) => Math.max(max, each), -Infinity);
    let powers = 0;
    for (const each of scores) powers += Math.exp((each - most) / temperature);
    sum += Math.log(powers) - ((scores[own] as number) - most) / temperature;
  }
  return sum / classes.length;
}
