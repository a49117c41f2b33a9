/** HTML in which every value is text, unless it was made here. */

/** Markup that was made by {@link markup}. */
export class Markup {
  constructor(readonly text: string) {}
}

type Value = string | number | Markup | undefined | false | readonly Value[];

/** A template whose values are escaped; lists are joined, nothing stands for undefined and false. */
export function markup(strings: TemplateStringsArray, ...values: readonly Value[]): Markup {
  return new Markup(compact(strings).reduce((sum, part, index) => sum + part + write(values[index]), ""));
}

const block =
  "address|article|body|caption|dd|details|div|dl|dt|footer|h[1-6]|head|header|html|li|link|main|meta|nav|ol|p|section|style|summary|table|tbody|td|th|thead|title|tr|ul";
const beforeBlock = new RegExp(String.raw`\s*\n\s*(?=</?(?:${block})\b)`, "g");
const afterBlock = new RegExp(String.raw`(</?(?:${block})\b[^<>]*>)\s*\n\s*`, "g");

const compacted = new WeakMap<TemplateStringsArray, readonly string[]>();

/**
 * The parts of a template without the line breaks that only lay out its source: next to a block they show nothing, and each of
 * them would be a node of the page. Between words and inline elements they stay, as the space that they are.
 */
function compact(strings: TemplateStringsArray): readonly string[] {
  const known = compacted.get(strings);
  if (known !== undefined) return known;
  const parts = strings.map((part) => part.replace(beforeBlock, "").replace(afterBlock, "$1"));
  compacted.set(strings, parts);
  return parts;
}

/** Markup that is not escaped: styles, scripts, pictures. */
export function raw(text: string): Markup {
  return new Markup(text);
}

function write(value: Value): string {
  if (value === undefined || value === false) return "";
  if (value instanceof Markup) return value.text;
  if (typeof value === "object") return value.map(write).join("");
  return escapeHtml(String(value));
}

/** What HTML cannot hold as text is replaced. */
function escapeHtml(text: string): string {
  return text
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\ufffe\uffff]/g, "\ufffd")
    .replace(/[&<>"'`]/g, (mark) => `&#${mark.charCodeAt(0)};`);
}

/** JSON inside a script element: it cannot end there, nor begin a comment. */
export function dataScript(id: string, value: unknown): Markup {
  const text = JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (mark) => {
    return `\\u${mark.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
  return raw(`<script type="application/json" id="${id}">${text}</script>`);
}
