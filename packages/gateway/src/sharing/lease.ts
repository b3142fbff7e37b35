import { randomUUID } from "node:crypto";
import { link, readFile, rename, unlink, writeFile } from "node:fs/promises";

/** Who owns the slots, as it is written down. */
export interface LeaseState {
  /** Address of the owner; empty if it has left. */
  readonly holder: string;
  /** Changes with every change of the lease. */
  readonly version: string;
}

/** The one place that names the owner of the slots. It says nothing about whether the owner lives. */
export interface Lease {
  /** @returns undefined if there is none */
  read(): Promise<LeaseState | undefined>;
  /** Writes a holder, if the lease is still as it was seen. @returns whether it was */
  take(holder: string, seen: LeaseState | undefined): Promise<boolean>;
  /** Removes the holder from the lease, if it is still this one. */
  release(holder: string): Promise<void>;
}

/**
 * Creates a lease in a file, for gateways on one machine. Of several that take it over as it was seen, one does. One that
 * comes too late puts the file back: a gateway that looks within that moment finds none, and may take it as well, which the
 * other sees at its next look.
 */
export function createFileLease(path: string): Lease {
  const read = async (file = path): Promise<LeaseState | undefined> => {
    try {
      const holder = (await readFile(file, "utf8")).trim();
      return { holder, version: holder };
    } catch (thrown) {
      if (isCode(thrown, "ENOENT")) return undefined;
      throw thrown;
    }
  };

  return {
    read: () => read(),
    take: async (holder, seen) => {
      const own = `${path}.${randomUUID()}`;
      try {
        if (seen) {
          if ((await read())?.holder !== seen.holder) return false;
          await rename(path, own);
          // Between the two another one may have taken it over: then it stays there.
          if ((await read(own))?.holder !== seen.holder) {
            await link(own, path).catch(() => {});
            return false;
          }
        }
        await writeFile(own, `${holder}\n`);
        await link(own, path);
        return true;
      } catch (thrown) {
        if (isCode(thrown, "EEXIST") || isCode(thrown, "ENOENT")) return false;
        throw thrown;
      } finally {
        await unlink(own).catch(() => {});
      }
    },
    release: async (holder) => {
      if ((await read())?.holder === holder) await unlink(path);
    },
  };
}

function isCode(thrown: unknown, code: string): boolean {
  return (thrown as NodeJS.ErrnoException | undefined)?.code === code;
}
