/**
 * Calico's selector language, to the letter: what the API server's parser refuses is refused here.
 * Source: libcalico-go lib/selector/parser and tokenizer, and the API documentation on selectors.
 */
import { all, always, any, never, not, test, type Condition, type Field } from "./conditions";

/** Where a key of a selector looks; `constant` for a label that every pod has with this value, and nothing else has. */
export type CalicoKey = (
  key: string,
) => { readonly field: Field; readonly key: string } | { readonly constant: string };

/** What is a pod: network sets and host endpoints run under no service account. */
const isPod = test("serviceAccount", "", "exists");

/** Keys of a pod's or network set's own labels, and the labels Calico adds. */
export const endpointKey: CalicoKey = (key) => {
  if (key === "projectcalico.org/namespace") return { field: "namespace", key: "" };
  if (key === "projectcalico.org/serviceaccount") return { field: "serviceAccount", key: "" };
  if (key === "projectcalico.org/orchestrator") return { constant: "k8s" };
  if (key.startsWith("pcns.")) return namespaceKey(key.slice("pcns.".length));
  if (key.startsWith("pcsa.")) return { field: "serviceAccountLabel", key: key.slice("pcsa.".length) };
  return { field: "label", key };
};

export const namespaceKey: CalicoKey = (key) =>
  key === "projectcalico.org/name" ? { field: "namespace", key: "" } : { field: "namespaceLabel", key };

export const accountKey: CalicoKey = (key) =>
  key === "projectcalico.org/name" ? { field: "serviceAccount", key: "" } : { field: "serviceAccountLabel", key };

/** A text that is not a selector; `position` counts from 0. */
export class SelectorError extends Error {
  constructor(
    message: string,
    readonly position: number,
  ) {
    super(`${message} at character ${position + 1}`);
  }
}

type TokenKind =
  | "label"
  | "text"
  | "has"
  | "all"
  | "global"
  | "in"
  | "not in"
  | "contains"
  | "starts with"
  | "ends with"
  | "=="
  | "!="
  | "!"
  | "&&"
  | "||"
  | "("
  | ")"
  | "{"
  | "}"
  | ","
  | "end";

interface Token {
  readonly kind: TokenKind;
  /** The label, of `has()` too, or the text without its quotes. */
  readonly value: string;
  readonly at: number;
}

/** As long as a label may be (MaxLabelLength of the tokenizer). */
const longestLabel = 512;

const symbols = ["&&", "||", "==", "!=", "!", "(", ")", "{", "}", ","] as const;

/**
 * The operators that are words. Between two words there may be blanks, or nothing: `notin`. Each ends at the end of a word.
 * They are operators only after a label; elsewhere the same word is a label.
 */
const wordOperators: readonly (readonly [TokenKind, RegExp])[] = (
  [
    ["contains", /contains/],
    ["starts with", /starts[ \t]*with/],
    ["ends with", /ends[ \t]*with/],
    ["not in", /not[ \t]*in/],
    ["in", /in/],
  ] as const
).map(([kind, words]) => [kind, new RegExp(`${words.source}(?![a-zA-Z0-9_./-])`, "y")]);

/** `all()` and its siblings: no blank before the parenthesis, any number inside. */
const functions: readonly (readonly [TokenKind, RegExp])[] = [
  ["has", /has\([ \t]*([a-zA-Z0-9_./-]*)[ \t]*(\)?)/y],
  ["all", /all\([ \t]*()(\)?)/y],
  ["global", /global\([ \t]*()(\)?)/y],
];

const blanks = /[ \t]*/y;
const label = /[a-zA-Z0-9_./-]+/y;

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

/** Only blanks and tabs separate tokens: line breaks and other white space are refused, at the end of a selector too. */
function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  for (;;) {
    at += (matchAt(blanks, text, at)?.[0] ?? "").length;
    if (at >= text.length) {
      tokens.push({ kind: "end", value: "", at });
      return tokens;
    }
    const { token, length } = tokenAt(text, at, tokens.at(-1)?.kind === "label");
    tokens.push(token);
    at += length;
  }
}

function tokenAt(text: string, at: number, afterLabel: boolean): { token: Token; length: number } {
  const symbol = symbols.find((each) => text.startsWith(each, at));
  if (symbol !== undefined) return { token: { kind: symbol, value: "", at }, length: symbol.length };
  const quote = text[at];
  if (quote === '"' || quote === "'") {
    const close = text.indexOf(quote, at + 1);
    if (close < 0) throw new SelectorError("a quote without its end", at);
    return { token: { kind: "text", value: text.slice(at + 1, close), at }, length: close + 1 - at };
  }
  if (afterLabel) {
    for (const [kind, pattern] of wordOperators) {
      const match = matchAt(pattern, text, at);
      if (match !== null) return { token: { kind, value: "", at }, length: match[0].length };
    }
    throw new SelectorError("an operator expected", at);
  }
  for (const [kind, pattern] of functions) {
    const match = matchAt(pattern, text, at);
    if (match === null) continue;
    const [whole, key = "", close] = match;
    if (kind === "has") checkLabel(key, at);
    if (close !== ")") throw new SelectorError(`")" expected after ${kind}(`, at + whole.length);
    return { token: { kind, value: key, at }, length: whole.length };
  }
  const word = matchAt(label, text, at)?.[0];
  if (word === undefined) throw new SelectorError("not a part of a selector", at);
  checkLabel(word, at);
  return { token: { kind: "label", value: word, at }, length: word.length };
}

function checkLabel(name: string, at: number): void {
  if (name === "") throw new SelectorError("a label expected", at);
  if (name.length > longestLabel) throw new SelectorError("the label is too long", at);
}

/** How deep parentheses may be nested; far more than anyone writes, and less than the stack holds. */
const deepest = 1000;

/** What `all()` and `global()` mean in the place of the selector. */
export interface SelectorFunctions {
  readonly all: Condition;
  readonly global: Condition;
}

/** In a selector of endpoints. */
const ofEndpoints: SelectorFunctions = { all: always, global: test("namespace", "", "doesNotExist") };

/** In the namespaceSelector of a rule: what is in a namespace, and what is in none (updateprocessors/rules.go). */
export const ofNamespaces: SelectorFunctions = { ...ofEndpoints, all: test("namespace", "", "exists") };

/**
 * Parses a selector. The empty text selects everything.
 *
 * @throws SelectorError where the text is not a selector.
 */
export function parseCalicoSelector(
  text: string,
  keyOf: CalicoKey,
  functions: SelectorFunctions = ofEndpoints,
): Condition {
  return new Parser(tokenize(text), keyOf, functions).parse();
}

class Parser {
  #next = 0;
  #depth = 0;

  constructor(
    private readonly tokens: readonly Token[],
    private readonly keyOf: CalicoKey,
    private readonly functions: SelectorFunctions,
  ) {}

  parse(): Condition {
    if (this.#peek().kind === "end") return always;
    const condition = this.#or();
    if (this.#peek().kind !== "end") this.#fail("unexpected text");
    return condition;
  }

  #peek(): Token {
    return this.tokens[this.#next] as Token;
  }

  #take(): Token {
    const token = this.#peek();
    if (token.kind !== "end") this.#next++;
    return token;
  }

  #accept(kind: TokenKind): boolean {
    if (this.#peek().kind !== kind) return false;
    this.#next++;
    return true;
  }

  #fail(message: string): never {
    throw new SelectorError(message, this.#peek().at);
  }

  #or(): Condition {
    const parts = [this.#and()];
    while (this.#accept("||")) parts.push(this.#and());
    return any(...parts);
  }

  #and(): Condition {
    const parts = [this.#operation()];
    while (this.#accept("&&")) parts.push(this.#operation());
    return all(...parts);
  }

  #operation(): Condition {
    let negated = false;
    while (this.#accept("!")) negated = !negated;
    const operation = this.#positive();
    return negated ? not(operation) : operation;
  }

  #positive(): Condition {
    const token = this.#take();
    switch (token.kind) {
      case "(": {
        if (++this.#depth > deepest) this.#fail("nested too deep");
        const inner = this.#or();
        if (!this.#accept(")")) this.#fail('")" expected');
        this.#depth--;
        return inner;
      }
      case "has": {
        const place = this.keyOf(token.value);
        return "constant" in place ? isPod : test(place.field, place.key, "exists");
      }
      case "all":
        return this.functions.all;
      case "global":
        return this.functions.global;
      case "label":
        return this.#comparison(token.value);
      default:
        throw new SelectorError("a label, a function or a parenthesis expected", token.at);
    }
  }

  #comparison(key: string): Condition {
    const place = this.keyOf(key);
    const compare = (operator: "in" | "notIn", values: readonly string[]): Condition => {
      if ("constant" in place) {
        const isValue = values.includes(place.constant) ? isPod : never;
        return operator === "in" ? isValue : not(isValue);
      }
      return test(place.field, place.key, operator, ...values);
    };
    const operator = this.#take();
    switch (operator.kind) {
      case "==":
        return compare("in", [this.#text()]);
      case "!=":
        return compare("notIn", [this.#text()]);
      case "in":
        return compare("in", this.#set());
      case "not in":
        return compare("notIn", this.#set());
      case "contains":
        return this.#textTest(place, "contains");
      case "starts with":
        return this.#textTest(place, "startsWith");
      case "ends with":
        return this.#textTest(place, "endsWith");
      default:
        throw new SelectorError("an operator expected", operator.at);
    }
  }

  #textTest(place: ReturnType<CalicoKey>, operator: "contains" | "startsWith" | "endsWith"): Condition {
    const value = this.#text();
    if (!("constant" in place)) return test(place.field, place.key, operator, value);
    const { constant } = place;
    const holds =
      operator === "contains"
        ? constant.includes(value)
        : operator === "startsWith"
          ? constant.startsWith(value)
          : constant.endsWith(value);
    return holds ? isPod : never;
  }

  #text(): string {
    const token = this.#take();
    if (token.kind !== "text") throw new SelectorError("a string in quotes expected", token.at);
    return token.value;
  }

  /** A comma may follow the last value. */
  #set(): string[] {
    if (!this.#accept("{")) this.#fail('"{" expected');
    const values: string[] = [];
    while (this.#peek().kind === "text") {
      values.push(this.#text());
      if (!this.#accept(",")) break;
    }
    if (!this.#accept("}")) this.#fail('"}" expected');
    return values;
  }
}
