import { RegistryError } from "./registry-error.ts";

/** Versions are positive integers of 64 bits, as in TensorFlow Serving. */
const versionLimit = 2n ** 63n;

/** Whether a text can be the name of a model: it is a folder, a path of a URL and a repository of an image. */
export function isModelName(text: string): boolean {
  return /^[A-Za-z0-9][\w.-]{0,127}$/.test(text);
}

/** @throws RegistryError `invalid` if it is no name of a model */
export function assertModelName(name: string): void {
  if (isModelName(name)) return;
  throw new RegistryError(
    "invalid",
    `invalid model name "${name}"; expected up to 128 letters, digits, dots, dashes and underscores, a letter or digit first`,
  );
}

/**
 * Checks an alias. Words that mean a version already are reserved, as in MLflow: numbers, `v3` and `latest`.
 *
 * @throws RegistryError `invalid`
 */
export function assertAlias(alias: string): void {
  if (/^(v?\d+|latest)$/i.test(alias)) {
    throw new RegistryError(
      "invalid",
      `"${alias}" cannot be an alias, because it looks like a version; choose a word such as champion`,
    );
  }
  if (isModelName(alias)) return;
  throw new RegistryError(
    "invalid",
    `invalid alias "${alias}"; expected up to 128 letters, digits, dots, dashes and underscores, a letter or digit first`,
  );
}

/** @throws RegistryError `invalid` for a tag without a key, or with one of more than 128 characters */
export function assertTagKey(key: string): void {
  if (/^[\w./-][\w./ -]{0,127}$/.test(key)) return;
  throw new RegistryError(
    "invalid",
    `invalid tag "${key}"; expected up to 128 letters, digits, dots, slashes, dashes, underscores and spaces`,
  );
}

/**
 * Reads a version. Leading zeros are allowed, as in the folders of TensorFlow Serving.
 *
 * @returns undefined for a text that is no integer of 64 bits
 */
export function versionFrom(text: string): bigint | undefined {
  if (!/^\d{1,32}$/.test(text)) return undefined;
  const version = BigInt(text);
  return version < versionLimit ? version : undefined;
}
