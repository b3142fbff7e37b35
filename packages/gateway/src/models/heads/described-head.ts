import {
  defaultSignatureName,
  type ModelMetadata,
  type ModelSpec,
  type ModelStatus,
} from "@tensorgate/core";
import type { RuntimeModelInfo } from "../catalog.ts";
import { describedSignature } from "../described-signature.ts";
import type { Release } from "../release.ts";
import { chosenRelease, type ReleaseVersions } from "./head-release.ts";

/** Returns the versions of a head, which the gateway itself has: available as long as it lists them. */
export function headModelStatus(versions: ReleaseVersions, modelSpec: ModelSpec): ModelStatus {
  const isOpen = modelSpec.version === undefined && modelSpec.versionLabel === undefined;
  const chosen = isOpen
    ? [...versions.byVersion.keys()]
    : [chosenRelease(versions, modelSpec).head?.version ?? 0n];
  return {
    versions: chosen.map((version) => ({
      version,
      state: "available",
      errorCode: 0,
      errorMessage: "",
    })),
  };
}

/** Returns the signature of a head: the picture of its backbone in, probabilities out. */
export function headMetadata(release: Release): ModelMetadata {
  const signature = describedSignature(release);
  return {
    model: { name: release.name, version: release.head?.version ?? 0n },
    signatures: new Map(signature ? [[defaultSignatureName, signature]] : []),
  };
}

/** Returns what the catalog says of a head: its own versions, in the regions of its backbone. */
export function headRuntimeInfo(
  { byVersion }: ReleaseVersions,
  regionsOf: (model: string) => readonly string[],
): RuntimeModelInfo {
  const [latest] = byVersion.values();
  return {
    versions: [...byVersion.keys()],
    regions: latest?.head ? regionsOf(latest.head.backbone.name) : [],
  };
}
