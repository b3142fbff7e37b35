import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { peers, pythonOfPeers, runPeer, setUpPeer } from "./peers.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));

type Environment = Readonly<Record<string, string>>;

/** A release of Azure's client for models on FPGAs, `azureml-accel-models`. */
export interface OldClient {
  readonly name: string;
  /** Makes its environment. @returns why it cannot be, if so */
  readonly setUp: () => Promise<string | undefined>;
  /** Runs its calls. @returns a line of JSON for each, and how many passed */
  readonly run: (args: readonly string[], more?: Environment) => Promise<string>;
  /** Calls that are not as the script wants them, and need not be. */
  readonly exceptions: readonly string[];
}

const setUpScript = "tensorflow/setup.sh";

/** The last release, on Python 3.11. */
const newest: OldClient = {
  name: "azureml-accel-models 1.62.0",
  setUp: async () =>
    (await setUpPeer(setUpScript, ["backend"])) ?? (await setUpPeer(setUpScript, ["old-client"])),
  run: async (args, more) => (await runPeer("tensorflow/client.sh", ["old", ...args], more)).output,
  exceptions: [],
};

const release = "azureml-accel-models==1.0.85";
const folder = join(root, ".tensorgate", release);
const python = pythonOfPeers("old-client-python37");

/** A release of 2020, on the Python and TensorFlow of its time. */
const oldest: OldClient = {
  name: `${release} on Python 3.7`,
  setUp: async () => {
    // For installations by pyenv, which otherwise does not say where this version is.
    const pyenv = { PYENV_VERSION: "3.7" };
    const missing = await setUpPeer(setUpScript, ["old-client-python37"], pyenv);
    if (missing || existsSync(folder)) return missing;
    const options = ["--quiet", "--no-deps", "--target", folder, release];
    try {
      await run(python, ["-m", "pip", "install", ...options]);
      return undefined;
    } catch (thrown) {
      return `${release}: ${String(thrown).slice(-300)}`;
    }
  },
  run: async ([address = "", picture = snowLeopard], more) => {
    const script = `${peers}tensorflow/clients/old.py`;
    const env = {
      ...process.env,
      PYTHONPATH: `${folder}:${peers}common`,
      PYTHONDONTWRITEBYTECODE: "1",
      ...more,
    };
    const outcome = await run(python, ["-W", "ignore", script, address, picture], { env }).catch(
      (thrown: { readonly stdout: string }) => thrown,
    );
    return outcome.stdout;
  },
  // A list of outputs broke only in later releases.
  exceptions: ["score_file outputs=[str]"],
};

const snowLeopard = fileURLToPath(
  new URL("../../../shared/data/images/snowleopardgaze.jpg", import.meta.url),
);

export const oldClients: readonly OldClient[] = [newest, oldest];
