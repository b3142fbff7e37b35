/** `Sun, 06 Nov 1994 08:49:37 GMT` (IMF-fixdate) or `Sunday, 06-Nov-94 08:49:37 GMT` (RFC 850). */
const commaDate =
  /^\w+, (?<day>\d\d)[ -](?<month>\w{3})[ -](?<year>\d\d(?:\d\d)?) (?<time>[\d:]{8}) GMT$/;

/** `Sun Nov  6 08:49:37 1994` (asctime), in UTC. */
const asctimeDate = /^\w{3} (?<month>\w{3}) (?<day>[ \d]\d) (?<time>[\d:]{8}) (?<year>\d{4})$/;

/**
 * Reads `Retry-After`, seconds or a date in one of three forms, as a wait in milliseconds.
 *
 * @param nowMs - milliseconds since 1970
 * @returns 0 for a past date; undefined for any other text
 * @see RFC 9110, sections 5.6.7 and 10.2.3
 */
export function retryAfterMsFrom(text: string | null, nowMs: number): number | undefined {
  const value = text?.trim() ?? "";
  if (/^\d+$/.test(value)) return Number(value) * 1_000;
  const { groups } = commaDate.exec(value) ?? asctimeDate.exec(value) ?? {};
  if (!groups) return undefined;
  const { day, month, year = "", time } = groups;
  const atMs = Date.parse(`${day?.trim()} ${month} ${fullYear(year, nowMs)} ${time} GMT`);
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
}

/** Average of the Gregorian calendar. */
const msPerYear = 31_556_952_000;

/** Reads a year of two digits as the latest one that is at most 50 years ahead. */
function fullYear(year: string, nowMs: number): number {
  if (year.length > 2) return Number(year);
  const thisYear = 1970 + Math.floor(nowMs / msPerYear);
  const ofThisCentury = thisYear - (thisYear % 100) + Number(year);
  return ofThisCentury > thisYear + 50 ? ofThisCentury - 100 : ofThisCentury;
}
