export interface DrawingOptions {
  readonly canvas: HTMLCanvasElement;
  readonly pen: HTMLInputElement;
  /** Button that empties the canvas. */
  readonly clear: HTMLElement;
  /** Called for every piece of a stroke, so that the response follows the pen. */
  readonly onStroke: (canvas: HTMLCanvasElement) => void;
  readonly onClear: () => void;
}

/** Lets the user draw on the canvas. */
export function drawingSource(options: DrawingOptions): void {
  const { canvas, pen, onStroke, onClear } = options;
  const context = canvas.getContext("2d");
  if (!context) return;
  clear();

  function clear(): void {
    if (!context) return;
    context.fillStyle = "white";
    context.fillRect(0, 0, canvas.width, canvas.height);
  }

  /** Converts a position from pixels of the page to pixels of the canvas. */
  function positionOf({ offsetX, offsetY }: PointerEvent): readonly [number, number] {
    return [
      (offsetX * canvas.width) / canvas.clientWidth,
      (offsetY * canvas.height) / canvas.clientHeight,
    ];
  }

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    context.lineWidth = Number(pen.value);
    context.lineCap = "round";
    context.lineJoin = "round";
    context.strokeStyle = "black";
    context.beginPath();
    context.moveTo(...positionOf(event));
    context.lineTo(...positionOf(event));
    context.stroke();
    onStroke(canvas);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!canvas.hasPointerCapture(event.pointerId)) return;
    context.lineTo(...positionOf(event));
    context.stroke();
    onStroke(canvas);
  });
  options.clear.addEventListener("click", () => {
    clear();
    onClear();
  });
}
