import type { Tasks } from "@tensorgate/core";
import type { AccessLayer, Admission } from "../access/access.ts";

/** What a reload swaps, whole: who may call, and what models mean. A call keeps what it began with. */
export interface InForce {
  readonly authenticate: AccessLayer;
  readonly tasks: Tasks;
}

/** A call that was admitted. */
export interface AdmittedCall extends Admission {
  readonly tasks: Tasks;
}
