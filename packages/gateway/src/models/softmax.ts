/** Returns the probabilities of `logits`. The maximum is subtracted first, so that large logits do not overflow. */
export function softmax(logits: Float32Array): Float32Array {
  const highest = logits.reduce((max, logit) => Math.max(max, logit), -Infinity);
  const powers = logits.map((logit) => Math.exp(logit - highest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}
