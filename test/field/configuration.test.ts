import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError, type GatewayOptions, parseConfig } from "@tensorgate/gateway";
import { describe, expect, onTestFinished, test } from "vitest";
import { readConfig } from "../../packages/cli/src/commands/config.ts";

/** A folder with a configuration whose model has these labels, and the file of them. */
function writeConfig(labels: Uint8Array, config = yaml): string {
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-labels-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "labels.txt"), labels);
  const file = join(folder, "gateway.yaml");
  writeFileSync(file, config);
  return file;
}

const yaml = `models:
  - name: shapes
    labels: labels.txt
    input: { tensor: images, kind: encoded-image }
    output: { scores: { holds: probabilities } }
pools:
  - { model: shapes, region: local, replicas: ["127.0.0.1:8500"] }
`;
const utf8 = (text: string) => Buffer.from(text, "utf8");
const utf16 = (text: string) => Buffer.from(text, "utf16le");

describe("files of labels", () => {
  // https://github.com/microsoft/CsWin32/issues/148, https://github.com/vilcans/screenplain/issues/5 and
  // https://github.com/subosito/gotenv/issues/25: what editors of Windows write begins with a byte order mark, which
  // becomes part of the first line.
  test.each([
    { name: "a byte order mark and LF", bytes: utf8("\ufeffarrow\nbolt\n") },
    { name: "a byte order mark and CRLF", bytes: utf8("\ufeffarrow\r\nbolt\r\n") },
    { name: "blanks at the end of lines", bytes: utf8("arrow \nbolt\t\r\n\r\n") },
    { name: "neither", bytes: utf8("arrow\nbolt") },
  ])("with $name are their lines", ({ bytes }) => {
    const [model] = readConfig(writeConfig(bytes)).models ?? [];

    expect(model?.labels).toEqual(["arrow", "bolt"]);
  });

  // The same reports: text in UTF-16 is taken, and every label has NULs in it.
  test.each([
    {
      name: "little-endian UTF-16 with a mark",
      bytes: utf16("\ufeffarrow\nbolt\n"),
      what: "UTF-16",
    },
    {
      name: "big-endian UTF-16 with a mark",
      bytes: utf16("\ufeffarrow\n").swap16(),
      what: "UTF-16",
    },
    { name: "little-endian UTF-16", bytes: utf16("arrow\nbolt\n"), what: "UTF-16" },
    { name: "big-endian UTF-16", bytes: utf16("arrow\nbolt\n").swap16(), what: "UTF-16" },
    {
      name: "Latin-1",
      bytes: Buffer.from("arrow\nflèche\n", "latin1"),
      what: "line 2 is not UTF-8",
    },
    { name: "bytes", bytes: Buffer.of(0x61, 0x0a, 0xc0, 0xaf, 0x0a), what: "line 2 is not UTF-8" },
  ])("in $name are a fault that names the file and its line", ({ bytes, what }) => {
    const file = writeConfig(bytes);

    expect(() => readConfig(file)).toThrow("models[0].labels");
    expect(() => readConfig(file)).toThrow("labels.txt");
    expect(() => readConfig(file)).toThrow(what);
    expect(() => readConfig(file)).toThrow("line 3");
  });

  test("a configuration with a byte order mark is read, and one in UTF-16 is a fault", () => {
    const labels = utf8("arrow");
    expect(readConfig(writeConfig(labels, `\ufeff${yaml}`)).pools).toHaveLength(1);

    const file = writeConfig(labels);
    writeFileSync(file, utf16(`\ufeff${yaml}`));
    expect(() => readConfig(file)).toThrow("UTF-16");
  });
});

describe("origins of pages", () => {
  function check(origin: string): GatewayOptions["crossSite"] {
    const text = JSON.stringify({
      crossSite: { origins: ["https://app.example", origin] },
      pools: [{ model: "m", region: "local", replicas: ["127.0.0.1:1"] }],
    });
    return parseConfig(text, "gateway.json").crossSite;
  }

  // https://github.com/ory/x/issues/675 and https://github.com/micronaut-projects/micronaut-core/issues/1448: an origin
  // with a star in it passes the check, and no page matches it.
  test.each([
    "https://a.*.example.com",
    "https://*example.com",
    "https://example.*",
    "https://app.example:443:*",
    "https://app.example:8*",
    "https://*",
    "https://*:8443",
    "http://*.*.example.com",
    "*://app.example",
    "*.example.com",
    "capacitor://*",
    "https://app.example/",
    "https://app.example/page",
    "https://user@app.example",
    "https://*.127.0.0.1",
    "https://app.example:99999",
    "app.example",
    "https://",
    "",
  ])("%j is a fault that names it", (origin) => {
    expect(() => check(origin)).toThrow(ConfigError);
    expect(() => check(origin)).toThrow(`line 1, crossSite.origins[1]: "${origin}"`);
  });

  test.each([
    "*",
    "null",
    "https://*.example.com",
    "http://*.example.com:8080",
    "http://localhost:5173",
    "https://[::1]:8443",
    "http://localhost:*",
    "https://*.example.com:*",
    "capacitor://localhost",
    "tauri://localhost",
    "file://",
  ])("%j is an origin", (origin) => {
    expect(check(origin)).toEqual({ origins: ["https://app.example", origin] });
  });
});
