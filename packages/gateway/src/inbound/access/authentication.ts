import { createHash, timingSafeEqual } from "node:crypto";
import { type Caller, ForbiddenError, UnauthenticatedError } from "@tensorgate/core";
import { isLoopbackName, type KeyOptions } from "../options.ts";
import type { AccessLayer, AccessRequest, ReadHeader } from "./access.ts";

export interface AuthenticationOptions {
  /** Who may call; every client if there are none. */
  readonly keys: readonly KeyOptions[];
  readonly allowPlaintextKeys: boolean;
}

/** A key reads `tg_<id>_<secret>`: the id finds the digest without trying them all. */
const keyForm = /^tg_([A-Za-z0-9-]{1,64})_[A-Za-z0-9_-]{16,256}$/;

/** Compared with where the id is unknown, so that an unknown id takes as long as a wrong secret. */
const unknownKey = {
  digest: createHash("sha256").update("").digest(),
  models: new Set<string>(),
  seesAddresses: false,
  residency: undefined,
};

/**
 * Identifies the caller by the API key in the headers.
 *
 * A missing, unknown or wrong key is an UnauthenticatedError, in the same words for all of them. What is public passes
 * without a key.
 *
 * @returns undefined if there are no keys, so that every call passes
 */
export function createAuthentication({
  keys,
  allowPlaintextKeys,
}: AuthenticationOptions): AccessLayer | undefined {
  if (keys.length === 0) return undefined;
  const known = new Map(
    keys.map(({ id, sha256, models, seesAddresses = false, residency }) => [
      id,
      { digest: Buffer.from(sha256, "hex"), models: new Set(models), seesAddresses, residency },
    ]),
  );

  function callerOf({ header, isEncrypted, remoteAddress = "" }: AccessRequest): Caller {
    const key = keyFrom(header);
    if (key === undefined) {
      throw new UnauthenticatedError("missing API key", {
        hint: "send it as authorization: Bearer <key>, or as x-api-key",
      });
    }
    // Loopback never leaves the machine.
    const isPrivate = isEncrypted || isLoopbackName(remoteAddress.replace(/^::ffff:/, ""));
    if (!allowPlaintextKeys && !isPrivate) {
      throw new UnauthenticatedError(
        "API keys are not accepted over plaintext from other machines",
        {
          hint: "use TLS, or set allowPlaintextKeys: true if something else encrypts the connection",
        },
      );
    }
    const id = keyForm.exec(key)?.[1] ?? "";
    const { digest, models, seesAddresses, residency } = known.get(id) ?? unknownKey;
    const isRight = timingSafeEqual(createHash("sha256").update(key).digest(), digest);
    if (!isRight || !known.has(id)) throw new UnauthenticatedError("invalid API key");
    const mayUse = (model: string) => models.has("*") || models.has(model);
    return {
      id,
      mayUse,
      assertMayUse: (model) => {
        if (mayUse(model)) return;
        throw new ForbiddenError(`the key "${id}" may not use model "${model.slice(0, 200)}"`);
      },
      maySeeAddresses: seesAddresses,
      ...(residency && { residency }),
    };
  }

  return (request, admission) => {
    if (request.isPublic) return admission;
    return { ...admission, caller: callerOf(request) };
  };
}

function keyFrom(header: ReadHeader): string | undefined {
  const bearer = /^bearer +(\S+)$/i.exec(header("authorization") ?? "")?.[1];
  return bearer ?? header("x-api-key");
}
