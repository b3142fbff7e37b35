/** Returns an element of the page by its id. */
export function element<Kind extends Element = HTMLElement>(id: string): Kind {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element "${id}"`);
  return found as unknown as Kind;
}

type Attributes = Readonly<Record<string, string | number | boolean>>;

/** Creates an HTML element; an attribute that is false is left out. */
export function createHtml<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  return fill(document.createElement(tag), attributes, children);
}

/** Width of drawings where there is room, in their own units, which are pixels where there is less. */
const maxDrawingWidth = 600;

/** Returns the width for a drawing in a container, such that its text is not made smaller on a phone. */
export function drawingWidth(container: Element | null): number {
  return Math.min(container?.clientWidth || maxDrawingWidth, maxDrawingWidth);
}

/** Creates an SVG element. */
export function createSvg<Tag extends keyof SVGElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): SVGElementTagNameMap[Tag] {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill<Created extends Element>(
  element: Created,
  attributes: Attributes,
  children: readonly (Node | string)[],
): Created {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children);
  return element;
}
