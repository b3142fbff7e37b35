import { type OciDeps, type OciOptions, systemOciDeps } from "@tensorgate/oci-image";
import { openAzurePlace } from "../objects/azure-container.ts";
import { createObjectStore } from "../objects/object-store.ts";
import { createOciStore } from "../oci/oci-store.ts";
import { RegistryError } from "../registry-error.ts";
import type { RemoteStore } from "./remote-store.ts";

/** Settings of stores, by their schemes. */
export interface RemoteOptions {
  readonly oci?: Pick<OciOptions, "plainHttp" | "chunkBytes" | "idleTimeoutMs">;
}

export interface RemoteDeps extends OciDeps {
  /** Environment with the credentials of stores. */
  readonly env: NodeJS.ProcessEnv;
}

const stores: Readonly<Record<string, (options: RemoteOptions, deps: RemoteDeps) => RemoteStore>> =
  {
    oci: ({ oci = {} }, deps) => createOciStore(oci, deps),
    azblob: (_, { env }) => createObjectStore((target) => openAzurePlace(target, env)),
  };

/** Whether a text names a version in a remote store. */
export function isRemote(text: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//.test(text);
}

/** @throws RegistryError `invalid` for a scheme without a store */
export function openRemoteStore(
  text: string,
  options: RemoteOptions,
  deps: Partial<RemoteDeps> = {},
): RemoteStore {
  const [scheme = ""] = text.split("://", 1);
  const create = isRemote(text) && Object.hasOwn(stores, scheme) ? stores[scheme] : undefined;
  if (create) return create(options, { ...systemRemoteDeps(), ...deps });
  const schemes = Object.keys(stores).map((each) => `${each}://`);
  throw new RegistryError(
    "invalid",
    `"${text}" names no store; expected ${schemes.join(" or ")}, such as oci://registry.example/resnet50:1`,
  );
}

function systemRemoteDeps(): RemoteDeps {
  return { ...systemOciDeps(), env: process.env };
}
