import { pullVersion, pushVersion } from "@tensorgate/registry";
import { createByteProgress } from "../registry/byte-progress.ts";
import { byteText } from "../registry/byte-text.ts";
import { onRegistry, type RegistryOptions } from "../registry/registry-command.ts";

export interface TransferCommandOptions extends RegistryOptions {
  /** Speaks HTTP without TLS to a container registry. */
  readonly plainHttp?: boolean;
}

/** Copies a version to a remote store. */
export function runRegistryPush(
  reference: string,
  target: string,
  options: TransferCommandOptions,
): Promise<void> {
  return onRegistry(options, async (registry) => {
    using progress = createByteProgress(`pushing ${reference}`, process.stderr);
    const pushed = await pushVersion(
      registry,
      { reference, target },
      { options: { onProgress: progress.onProgress, oci: ociOptions(options) } },
    );
    const { digest, sentBytes, presentBytes } = pushed;
    const present = presentBytes > 0 ? `, ${byteText(presentBytes)} were there` : "";
    const lines = [
      `pushed ${reference} to ${pushed.reference}: ${byteText(sentBytes)} sent${present}`,
      ...(digest === undefined ? [] : [`  digest ${digest}`]),
    ];
    return { lines, values: [pushed] };
  });
}

export interface PullCommandOptions extends TransferCommandOptions {
  readonly name?: string;
}

/** Copies a version from a remote store into the registry. */
export function runRegistryPull(source: string, options: PullCommandOptions): Promise<void> {
  const { name } = options;
  return onRegistry(options, async (registry) => {
    using progress = createByteProgress(`pulling ${source}`, process.stderr);
    const { version, isPresent } = await pullVersion(registry, source, {
      options: {
        onProgress: progress.onProgress,
        oci: ociOptions(options),
        ...(name !== undefined && { name }),
      },
    });
    const which = `${version.name}@${version.version}`;
    const line = isPresent ? `${which} is here already, with the same files` : `pulled ${which}`;
    return { lines: [line], values: [version] };
  });
}

const ociOptions = ({ plainHttp }: TransferCommandOptions) =>
  plainHttp === undefined ? {} : { plainHttp };
