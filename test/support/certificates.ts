import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Files of an authority and of what it signed; disposing of them deletes them. */
export interface TestCertificates extends Disposable {
  readonly folder: string;
  readonly caFile: string;
  readonly serverCertFile: string;
  readonly serverKeyFile: string;
  readonly clientCertFile: string;
  readonly clientKeyFile: string;
  /** Signs another certificate in place of the server's. */
  renewServer(commonName: string): void;
}

/** Whether certificates can be made on this machine. */
export const hasOpenssl = (() => {
  try {
    execFileSync("openssl", ["version"]);
    return true;
  } catch {
    return false;
  }
})();

/** An authority, a certificate for localhost and one for a caller, all short-lived and on P-256. */
export function testCertificates(): TestCertificates {
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-certificates-"));
  const file = (name: string) => join(folder, name);
  const openssl = (...args: readonly string[]) =>
    execFileSync("openssl", args, { cwd: folder, stdio: "ignore" });
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

  function signed(name: string, commonName: string): void {
    openssl(
      "req",
      ...newKey,
      "-keyout",
      `${name}.key`,
      "-out",
      `${name}.csr`,
      "-subj",
      `/CN=${commonName}`,
    );
    const by = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"];
    openssl(
      "x509",
      "-req",
      "-in",
      `${name}.csr`,
      ...by,
      "-extfile",
      "names.txt",
      "-out",
      `${name}.pem`,
    );
  }

  writeFileSync(file("names.txt"), "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1\n");
  openssl(
    "req",
    "-x509",
    ...newKey,
    "-keyout",
    "ca.key",
    "-out",
    "ca.pem",
    "-days",
    "2",
    "-subj",
    "/CN=Test authority",
  );
  signed("server", "first");
  signed("client", "caller");

  return {
    folder,
    caFile: file("ca.pem"),
    serverCertFile: file("server.pem"),
    serverKeyFile: file("server.key"),
    clientCertFile: file("client.pem"),
    clientKeyFile: file("client.key"),
    renewServer: (commonName) => signed("server", commonName),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}
