import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { works } from "../support/python.ts";

// Connect's own conformance suite, from Go's registry, against a gateway's listener and RPCs.

const version = "v1.0.7";
const runner = join(process.env["GOBIN"] ?? join(homedir(), "go/bin"), "connectconformance");
const folder = fileURLToPath(new URL("connect-conformance/", import.meta.url));
const install = `go install connectrpc.com/conformance/cmd/connectconformance@${version}`;
const reason = !works("go", ["version"])
  ? "there is no Go"
  : existsSync(runner)
    ? undefined
    : `${runner} is not there: ${install}`;

let made: string;
beforeAll(() => {
  made = mkdtempSync(join(tmpdir(), "tensorgate-connect-"));
});
afterAll(() => rmSync(made, { recursive: true }));

test.skipIf(reason)(
  `Connect, gRPC and gRPC-Web keep to their protocols (${reason ?? version})`,
  () => {
    const module = JSON.parse(
      execFileSync("go", ["mod", "download", "-json", `connectrpc.com/conformance@${version}`], {
        cwd: made,
        encoding: "utf8",
      }),
    ) as { readonly Dir: string };
    const image = join(made, "suite.binpb");
    const buf = `${fileURLToPath(new URL("../../node_modules", import.meta.url))}/.bin/buf`;
    execFileSync(buf, ["build", "--output", image], { cwd: join(module.Dir, "proto") });
    const server = [
      process.execPath,
      "--conditions=@tensorgate/source",
      join(folder, "server.ts"),
      image,
    ];

    const { status, stdout, stderr } = spawnSync(
      runner,
      [
        ...["--mode", "server"],
        ...["--conf", join(folder, "features.yaml")],
        ...["--known-failing", `@${join(folder, "known-failing.txt")}`],
        "--",
        ...server,
      ],
      { encoding: "utf8", timeout: 300_000, maxBuffer: 1 << 26 },
    );

    const failed = stdout.split("\n").filter((line) => line.startsWith("FAILED"));
    expect(failed).toEqual([]);
    expect(status, stderr).toBe(0);
    const [, passed] = /(\d+) passed, 0 failed/.exec(stdout) ?? [];
    expect(Number(passed)).toBeGreaterThan(1_700);
  },
  330_000,
);
