import type { Mutant } from "./mutant.ts";
import { answerMutants } from "./table/answers.ts";
import { bodyMutants } from "./table/bodies.ts";
import { callerMutants } from "./table/callers.ts";
import { connectionMutants } from "./table/connections.ts";
import { messageMutants } from "./table/messages.ts";
import { pictureMutants } from "./table/pictures.ts";
import { replyMutants } from "./table/replies.ts";
import { rolloutMutants } from "./table/rollouts.ts";
import { routingMutants } from "./table/routing.ts";
import { sharingMutants } from "./table/sharing.ts";

/** Changes to what keeps the gateway safe, each of which some test must notice. */
export const mutants: readonly Mutant[] = [
  ...callerMutants,
  ...bodyMutants,
  ...messageMutants,
  ...pictureMutants,
  ...connectionMutants,
  ...routingMutants,
  ...rolloutMutants,
  ...sharingMutants,
  ...answerMutants,
  ...replyMutants,
];
