import { listedNames } from "@tensorgate/core";

/** Longest part of a path that a message repeats. */
const maxPathChars = 200;

/**
 * Creates the text for a path that is no method: with the methods of its service, or else the services there are.
 *
 * @param paths - of the methods, such as `/tensorgate.v1.ScoringService/Classify`
 */
export function unknownMethodText(paths: Iterable<string>): (path: string) => string {
  const services = Map.groupBy([...paths].toSorted(), (path) => path.split("/")[1] ?? "");
  return (path) => {
    const text = `unknown method ${path.slice(0, maxPathChars)}`;
    const [, service = ""] = path.split("/");
    const methods = services.get(service)?.map((each) => each.split("/")[2] ?? "");
    return methods
      ? `${text}; ${service} has ${listedNames(methods)}`
      : `${text}; there are the services ${listedNames(services.keys())}`;
  };
}
