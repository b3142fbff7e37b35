export interface DecoderOptions {
  /**
   * Processes that decode at the same time; started when they are needed.
   * @default 2
   */
  readonly processes?: number;
  /**
   * Pictures that may wait for one; what the caller with the most of them sends beyond that is refused as overload.
   * @default 256
   */
  readonly maxWaiting?: number;
  /**
   * Pictures of one caller that may wait for one; further ones are refused as overload.
   * @default 128
   */
  readonly maxWaitingPerCaller?: number;
  /**
   * How long one picture may take, in milliseconds; its decoder is ended then.
   * @default 5_000
   */
  readonly timeoutMs?: number;
  /**
   * Memory after which a decoder is replaced when it has answered, in bytes.
   * @default 1_073_741_824
   */
  readonly maxMemoryBytes?: number;
}

export const decoderDefaults: Required<DecoderOptions> = {
  processes: 2,
  maxWaiting: 256,
  maxWaitingPerCaller: 128,
  timeoutMs: 5_000,
  maxMemoryBytes: 1_073_741_824,
};
