import { convert } from "./convert.ts";
import type { Group } from "./group.ts";
import { idle } from "./idle.ts";
import { jsonTensors } from "./json-tensors.ts";
import { growth, image, inFlight, protocol, tls, workers } from "./load-groups.ts";
import { start } from "./start.ts";

/** Everything that is measured, in this order. */
export const groups: readonly Group[] = [
  image,
  protocol,
  tls,
  inFlight,
  growth,
  workers,
  idle,
  start,
  jsonTensors,
  convert,
];
