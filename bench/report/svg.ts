/** Text of an element of an SVG file: attributes with numbers or texts, then what it holds. */
export function element(
  name: string,
  attributes: Readonly<Record<string, number | string>>,
  ...content: readonly string[]
): string {
  const written = Object.entries(attributes).map(([key, value]) => {
    const text = typeof value === "number" ? String(Number(value.toFixed(1))) : escaped(value);
    return ` ${key}="${text}"`;
  });
  const opening = `<${name}${written.join("")}`;
  return content.length === 0 ? `${opening}/>` : `${opening}>${content.join("")}</${name}>`;
}

export type Anchor = "start" | "middle" | "end";

export interface Label {
  readonly x: number;
  readonly y: number;
  readonly text: string;
  readonly anchor?: Anchor;
  readonly isBold?: boolean;
}

export function label({ x, y, text, anchor = "start", isBold = false }: Label): string {
  const weight = isBold ? { "font-weight": "bold" } : {};
  return element("text", { x, y, "text-anchor": anchor, ...weight }, escaped(text));
}

/** @returns a file with a white ground, so that its dark text is read on dark pages as well */
export function svgFile(width: number, height: number, parts: readonly string[]): string {
  const svg = element(
    "svg",
    {
      xmlns: "http://www.w3.org/2000/svg",
      viewBox: `0 0 ${width} ${height}`,
      width,
      height,
      "font-family": "sans-serif",
      "font-size": 12,
    },
    "\n",
    [element("rect", { width, height, fill: "white" }), ...parts].join("\n"),
    "\n",
  );
  return `${svg}\n`;
}

/** Colors that differ in lightness, too, for readers who cannot tell some hues apart. */
const palette: Readonly<Record<string, string>> = {
  tensorgate: "#c2410c",
  "tensorgate serve": "#f97316",
  nginx: "#15803d",
  go: "#0e7490",
  fastify: "#7c3aed",
  python: "#a16207",
};

export function colorOf(subject: string): string {
  return palette[subject] ?? "#6b7280";
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
