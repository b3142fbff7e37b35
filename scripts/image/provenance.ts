import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface BuiltProduct {
  readonly root: string;
  readonly version: string;
  /** Of the image, such as `sha256:…`. */
  readonly digest: string;
  readonly architecture: string;
  /** The program of Node. */
  readonly node: string;
}

const repository = "https://github.com/tensorgate/tensorgate";

/**
 * Says how an image was built, as an in-toto statement with SLSA's predicate: of which commit, lock file and Node. It is
 * not signed, so it proves nothing by itself; who signs it (`cosign attest`) vouches for it.
 *
 * @see https://slsa.dev/spec/v1.0/provenance
 */
export function imageProvenance(product: BuiltProduct): string {
  const { root, version, digest, architecture, node } = product;
  const commit = git(root, "rev-parse", "HEAD");
  const isChanged = git(root, "status", "--porcelain") !== "";
  const source = commit ? [{ uri: `git+${repository}.git`, digest: { gitCommit: commit } }] : [];
  const statement = {
    _type: "https://in-toto.io/Statement/v1",
    subject: [{ name: `tensorgate:${version}`, digest: { sha256: digest.replace("sha256:", "") } }],
    predicateType: "https://slsa.dev/provenance/v1",
    predicate: {
      buildDefinition: {
        buildType: `${repository}/blob/main/scripts/build-image.ts`,
        externalParameters: { version, platform: `linux/${architecture}` },
        internalParameters: { hasUncommittedChanges: isChanged },
        resolvedDependencies: [
          ...source,
          { name: "package-lock.json", digest: sha256(join(root, "package-lock.json")) },
          { uri: `pkg:generic/node@${process.versions.node}`, digest: sha256(node) },
        ],
      },
      runDetails: { builder: { id: builderId() } },
    },
  };
  return `${JSON.stringify(statement, null, 2)}\n`;
}

const sha256 = (path: string) => ({
  sha256: createHash("sha256").update(readFileSync(path)).digest("hex"),
});

/** Returns the CI workflow or runner that builds the image, as the environment names it; `urn:local` outside CI. */
function builderId(): string {
  const { GITHUB_SERVER_URL: server, GITHUB_WORKFLOW_REF: workflow } = process.env;
  if (server && workflow) return `${server}/${workflow}`;
  return process.env["CI_RUNNER_ID"] ? `urn:ci-runner:${process.env["CI_RUNNER_ID"]}` : "urn:local";
}

function git(cwd: string, ...args: readonly string[]): string {
  try {
    return execFileSync("git", args, {
      cwd,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    // Sources without their history.
    return "";
  }
}
