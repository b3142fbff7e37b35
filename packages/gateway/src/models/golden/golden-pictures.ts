import { SettingError } from "@tensorgate/core";
import { readRegularFile } from "../../regular-file.ts";
import type { ModelOptions } from "../release-options.ts";
import { goldenDefaults } from "./golden-options.ts";

/** Reference pictures of a release, read. */
export interface Golden {
  readonly pictures: readonly {
    readonly file: string;
    readonly label: string;
    readonly bytes: Uint8Array;
  }[];
  readonly minShare: number;
  readonly everyMs: number;
}

/** Reads the reference pictures of a model; undefined if it has none. @throws SettingError for a file that cannot be read */
export function goldenFrom({ name, golden }: ModelOptions): Golden | undefined {
  if (!golden) return undefined;
  const { pictures, ...settings } = golden;
  return {
    ...goldenDefaults,
    ...settings,
    pictures: pictures.map(({ file, label }) => {
      try {
        return { file, label, bytes: readRegularFile(file) };
      } catch (thrown) {
        throw new SettingError(`models.${name}.golden`, thrown);
      }
    }),
  };
}
