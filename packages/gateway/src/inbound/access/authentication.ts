import { createHash, timingSafeEqual } from "node:crypto";
import {
  type CallContext,
  type Caller,
  ForbiddenError,
  UnauthenticatedError,
} from "@tensorgate/core";
import { isLoopbackName, type KeyOptions } from "../options.ts";
import type { NodeRequest } from "../server/node-http.ts";

export interface AuthenticationParts {
  /** Who may call; everybody where there are none. */
  readonly keys: readonly KeyOptions[];
  readonly allowPlaintextKeys: boolean;
}

/** What a request's headers and its connection say of who sent it. */
export interface Credentials {
  readonly key: string | undefined;
  /** Whether the key came encrypted, or from this very machine. */
  readonly isPrivate: boolean;
}

/**
 * Tells who sent a request, from its headers alone: no body is read for a stranger.
 * A stream asks again for each message, since a reload may have removed or narrowed the key.
 *
 * @returns undefined where no keys are asked for
 * @throws UnauthenticatedError if the key is missing, unknown or wrong, all in the same words
 */
export type Authenticate = (credentials: Credentials) => Caller | undefined;

/** A key reads `tg_<id>_<secret>`: the id finds the digest without trying them all. */
const keyForm = /^tg_([A-Za-z0-9-]{1,64})_[A-Za-z0-9_-]{16,256}$/;

/** Compared with where the id is unknown, so that an unknown id takes as long as a wrong secret. */
const nobody = {
  digest: createHash("sha256").update("").digest(),
  models: new Set<string>(),
  seesAddresses: false,
  residency: undefined,
};

export function authentication({ keys, allowPlaintextKeys }: AuthenticationParts): Authenticate {
  const known = new Map(
    keys.map(({ id, sha256, models, seesAddresses = false, residency }) => [
      id,
      { digest: Buffer.from(sha256, "hex"), models: new Set(models), seesAddresses, residency },
    ]),
  );
  if (known.size === 0) return () => undefined;

  return ({ key, isPrivate }) => {
    if (key === undefined) {
      throw new UnauthenticatedError("missing API key", {
        hint: "send it as authorization: Bearer <key>, or as x-api-key",
      });
    }
    if (!allowPlaintextKeys && !isPrivate) {
      throw new UnauthenticatedError(
        "API keys are not accepted over plaintext from other machines",
        {
          hint: "use TLS, or set allowPlaintextKeys: true if something else encrypts the connection",
        },
      );
    }
    const id = keyForm.exec(key)?.[1] ?? "";
    const { digest, models, seesAddresses, residency } = known.get(id) ?? nobody;
    const isRight = timingSafeEqual(createHash("sha256").update(key).digest(), digest);
    if (!isRight || !known.has(id)) throw new UnauthenticatedError("invalid API key");
    return {
      id,
      mayUse: (model) => models.has("*") || models.has(model),
      maySeeAddresses: seesAddresses,
      ...(residency && { residency }),
    };
  };
}

/** Read once, while the connection is there. */
export function credentialsOf(request: NodeRequest): Credentials {
  return { key: keyFrom(request), isPrivate: isPrivate(request) };
}

function keyFrom({ headers }: NodeRequest): string | undefined {
  const bearer = /^bearer +(\S+)$/i.exec(headers.authorization ?? "")?.[1];
  const own = headers["x-api-key"];
  return bearer ?? (Array.isArray(own) ? own[0] : own);
}

/** Encrypted, or from this very machine. */
function isPrivate({ socket }: NodeRequest): boolean {
  const isEncrypted = "encrypted" in socket && socket.encrypted === true;
  return isEncrypted || isLoopbackName((socket.remoteAddress ?? "").replace(/^::ffff:/, ""));
}

/** @throws ForbiddenError if the caller's key is not for this model */
export function assertMayUse({ caller }: CallContext, modelName: string): void {
  if (caller === undefined || caller.mayUse(modelName)) return;
  throw new ForbiddenError(`the key "${caller.id}" may not use model "${modelName.slice(0, 200)}"`);
}
