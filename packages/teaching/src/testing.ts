import { seededRandom } from "@tensorgate/core";
import type { Example } from "./feature-rows.ts";

/** Draws pictures' features around a centre for each class, which is far from others compared to `spread`. */
export function drawnExamples({
  classCount = 3,
  perClass = 20,
  featureCount = 40,
  spread = 1,
  seed = 1,
}: {
  readonly classCount?: number;
  readonly perClass?: number | readonly number[];
  readonly featureCount?: number;
  readonly spread?: number;
  readonly seed?: number;
} = {}): readonly Example[] {
  const random = seededRandom(seed);
  const normal = () => {
    let sum = -6;
    for (let draw = 0; draw < 12; draw += 1) sum += random.next();
    return sum;
  };
  const examples: Example[] = [];
  const centres = Array.from({ length: classCount }, () =>
    Array.from({ length: featureCount }, normal),
  );
  for (const [classIndex, centre] of centres.entries()) {
    const count = typeof perClass === "number" ? perClass : (perClass[classIndex] ?? 0);
    for (let at = 0; at < count; at += 1) {
      const features = Float32Array.from(centre, (each) => 5 + each + spread * normal());
      examples.push({ id: `${classIndex}/${at}`, classIndex, features });
    }
  }
  return examples;
}
