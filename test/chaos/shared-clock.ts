/**
 * Milliseconds on the machine's monotonic clock. All processes of one machine read the same one, so that times from
 * different processes can be compared; wall clocks may be set while a run goes on.
 */
export function sharedNowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
