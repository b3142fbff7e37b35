import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseHead } from "@tensorgate/teaching";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runInProcess } from "../support/in-process-command.ts";
import { hasPeers, runPeer } from "../support/peers.ts";
import {
  type PhotoGateway,
  startPhotoGateway,
  whyNoPhotoNetwork,
} from "../support/photo-gateway.ts";

// Photographs and drawings of Debian's tuxpaint-stamps, on the features of EfficientNet-Lite0.

/** Folders of the stamps that are classes. */
const classes: Readonly<Record<string, string>> = {
  bird: "animals/birds",
  mammal: "animals/mammals",
  fruit: "food/fruit",
  vegetable: "food/vegetables",
  flower: "plants/flowers",
  vehicle: "vehicles",
  clothes: "clothes",
  household: "household",
};

/** Why it cannot be tried; the stamps' folder otherwise. */
async function prepared(): Promise<{ readonly missing?: string; readonly stamps: string }> {
  if (!hasPeers) return { missing: "../shared/peers is not there", stamps: "" };
  const weights = await whyNoPhotoNetwork();
  if (weights) return { missing: weights, stamps: "" };
  const { code, output } = await runPeer("tensorflow-graphs/real-weights/pictures.sh", []);
  if (code !== 0) return { missing: `no stamps: ${output.trim().slice(-200)}`, stamps: "" };
  return { stamps: output.trim().split("\n").at(-1) ?? "" };
}
const { missing, stamps } = await prepared();

test.skipIf(missing === undefined)(`teaching on real features is skipped: ${missing}`, () => {});

describe.runIf(missing === undefined)("classes of stamps on EfficientNet-Lite0", () => {
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-stamps-"));
  let gateway: PhotoGateway | undefined;

  beforeAll(async () => {
    for (const [name, path] of Object.entries(classes)) await writeClass(name, path);
    gateway = await startPhotoGateway();
  }, 300_000);
  afterAll(async () => {
    await gateway?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  /** Stamps are transparent: on white, as JPEGs; forty of a class at most, drawings left out. */
  async function writeClass(name: string, path: string): Promise<void> {
    mkdirSync(join(folder, "images", name), { recursive: true });
    const files = readdirSync(join(stamps, path), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".png") && !file.includes("cartoon"))
      .toSorted()
      .slice(0, 40);
    for (const [at, file] of files.entries()) {
      // The gateway in this process lets sharp read no files.
      const jpeg = await sharp(readFileSync(join(stamps, path, file)))
        .flatten({ background: "#fff" })
        .resize(384, 384, { fit: "contain", background: "#fff" })
        .jpeg()
        .toBuffer()
        .catch(() => undefined);
      if (jpeg) writeFileSync(join(folder, "images", name, `${at}.jpg`), jpeg);
    }
  }

  test("eight classes reach 80 % in 5-fold cross-validation", async () => {
    const registry = join(folder, "registry");
    const { code, stdout, stderr } = await runInProcess([
      ...["teach", "stamps", "--from", join(folder, "images"), "--features", "photo"],
      ...[
        "--url",
        gateway?.url ?? "",
        "--registry",
        registry,
        "--holdout",
        "0",
        "--concurrency",
        "4",
      ],
    ]);
    expect([code, stderr]).toEqual([0, ""]);
    process.stdout.write(stdout);
    const { report } = parseHead(readFileSync(join(registry, "stamps/1/head.json"), "utf8"));
    expect(report?.crossValidation.foldCount).toBe(5);
    expect(report?.crossValidation.count).toBeGreaterThan(150);
    expect(report?.crossValidation.share).toBeGreaterThanOrEqual(0.8);
  }, 300_000);
});
