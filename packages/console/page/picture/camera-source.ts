export interface CameraOptions {
  readonly video: HTMLVideoElement;
  /** Starts and stops it. */
  readonly button: HTMLButtonElement;
  /** Scores the frames of the video until `signal` aborts. */
  readonly watch: (video: HTMLVideoElement, signal: AbortSignal) => Promise<void>;
  readonly onError: (error: unknown) => void;
}

export interface CameraSource {
  stop(): void;
}

/** Connects the camera to its button, which starts and stops it. */
export function createCameraSource(options: CameraOptions): CameraSource {
  const { video, button, watch, onError } = options;
  let running: AbortController | undefined;

  function stop(): void {
    running?.abort();
    running = undefined;
    const { srcObject } = video;
    if (srcObject instanceof MediaStream) release(srcObject);
    video.srcObject = null;
    button.textContent = "Start the camera";
  }

  async function start(): Promise<void> {
    const controller = new AbortController();
    running = controller;
    button.textContent = "Stop the camera";
    try {
      const stream = await cameraStream();
      // The user may have stopped before permission was granted.
      if (controller.signal.aborted) return release(stream);
      video.srcObject = stream;
      await video.play();
      if (!controller.signal.aborted) await watch(video, controller.signal);
    } catch (thrown) {
      if (!controller.signal.aborted) onError(thrown);
    }
    if (running === controller) stop();
  }

  button.addEventListener("click", () => {
    if (running) stop();
    else void start();
  });
  return { stop };
}

function release(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}

function cameraStream(): Promise<MediaStream> {
  // Absent unless the page was loaded over https or from this machine.
  const { mediaDevices } = navigator as { readonly mediaDevices?: MediaDevices };
  if (!mediaDevices) {
    throw new Error("The camera needs https: this page was loaded over http from another machine.");
  }
  return mediaDevices.getUserMedia({ video: { facingMode: "environment" }, audio: false });
}
