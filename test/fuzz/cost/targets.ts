import type { CostTarget } from "./cost-target.ts";
import { inferenceTargets } from "./inference-targets.ts";
import { replyTargets } from "./reply-targets.ts";
import { restTargets } from "./rest-targets.ts";
import { otherRpcTargets, rpcTargets } from "./rpc-targets.ts";

/** Every entry point by every content type, and what replicas answer. */
export const costTargets: readonly CostTarget[] = [
  ...restTargets,
  ...rpcTargets(),
  ...otherRpcTargets,
  ...inferenceTargets,
  ...replyTargets,
];
