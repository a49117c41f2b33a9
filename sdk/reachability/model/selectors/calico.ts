/**
 * Calico's selector language.
 * Source: libcalico-go lib/selector/parser and tokenizer, and the API documentation on selectors.
 */
import { all, always, any, never, not, test, type Condition, type Field } from "./conditions";

/** Where a key of a selector looks. */
export type CalicoKey = (
  key: string,
) => { readonly field: Field; readonly key: string } | { readonly constant: string };

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

type Token =
  | { readonly kind: "symbol" | "word" | "text"; readonly value: string; readonly at: number }
  | { readonly kind: "end"; readonly value: ""; readonly at: number };

const pattern = /\s*(?:(&&|\|\||==|!=|[!(){},])|"([^"]*)"|'([^']*)'|([a-zA-Z0-9_./-]+))/y;

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (text.slice(at).trim() !== "") {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match === null) throw new SelectorError("not a part of a selector", at);
    const [whole, symbol, double, single, word] = match;
    if (symbol !== undefined) tokens.push({ kind: "symbol", value: symbol, at });
    else if (word !== undefined) tokens.push({ kind: "word", value: word, at });
    else tokens.push({ kind: "text", value: double ?? single ?? "", at });
    at += whole.length;
  }
  tokens.push({ kind: "end", value: "", at: text.length });
  return tokens;
}

/** How deep parentheses and negations may be nested. */
const deepest = 100;

/**
 * Parses a selector. The empty text selects everything.
 *
 * @throws SelectorError where the text is not a selector.
 */
export function parseCalicoSelector(text: string, keyOf: CalicoKey): Condition {
  const parser = new Parser(tokenize(text), keyOf);
  return parser.parse();
}

class Parser {
  #next = 0;
  #depth = 0;

  constructor(
    private readonly tokens: readonly Token[],
    private readonly keyOf: CalicoKey,
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
    this.#next++;
    return token;
  }

  #isSymbol(value: string): boolean {
    const token = this.#peek();
    return token.kind === "symbol" && token.value === value;
  }

  #accept(value: string): boolean {
    if (!this.#isSymbol(value)) return false;
    this.#next++;
    return true;
  }

  #expect(value: string): void {
    if (!this.#accept(value)) this.#fail(`"${value}" expected`);
  }

  #fail(message: string): never {
    throw new SelectorError(message, this.#peek().at);
  }

  #or(): Condition {
    if (++this.#depth > deepest) this.#fail("nested too deep");
    const parts = [this.#and()];
    while (this.#accept("||")) parts.push(this.#and());
    this.#depth--;
    return any(...parts);
  }

  #and(): Condition {
    const parts = [this.#operation()];
    while (this.#accept("&&")) parts.push(this.#operation());
    return all(...parts);
  }

  #operation(): Condition {
    if (this.#accept("!")) {
      if (++this.#depth > deepest) this.#fail("nested too deep");
      const negated = not(this.#operation());
      this.#depth--;
      return negated;
    }
    if (this.#accept("(")) {
      const inner = this.#or();
      this.#expect(")");
      return inner;
    }
    const token = this.#take();
    if (token.kind !== "word") throw new SelectorError("a label, a function or a parenthesis expected", token.at);
    if (this.#isSymbol("(")) return this.#call(token.value);
    return this.#comparison(token.value);
  }

  #call(name: string): Condition {
    this.#expect("(");
    if (name === "all" || name === "global") {
      this.#expect(")");
      return name === "all" ? always : test("namespace", "", "doesNotExist");
    }
    if (name !== "has") this.#fail(`no function "${name}"`);
    const key = this.#take();
    if (key.kind !== "word") throw new SelectorError("a label expected", key.at);
    this.#expect(")");
    const place = this.keyOf(key.value);
    return "constant" in place ? always : test(place.field, place.key, "exists");
  }

  #comparison(key: string): Condition {
    const place = this.keyOf(key);
    const compare = (operator: "in" | "notIn", values: readonly string[]): Condition => {
      if ("constant" in place) return values.includes(place.constant) === (operator === "in") ? always : never;
      return test(place.field, place.key, operator, ...values);
    };
    if (this.#accept("==")) return compare("in", [this.#text()]);
    if (this.#accept("!=")) return compare("notIn", [this.#text()]);
    const word = this.#take();
    if (word.kind !== "word") throw new SelectorError("an operator expected", word.at);
    switch (word.value) {
      case "in":
        return compare("in", this.#set());
      case "not":
        this.#word("in");
        return compare("notIn", this.#set());
      case "contains":
        return this.#textTest(place, "contains");
      case "starts":
        this.#word("with");
        return this.#textTest(place, "startsWith");
      case "ends":
        this.#word("with");
        return this.#textTest(place, "endsWith");
      default:
        throw new SelectorError(`no operator "${word.value}"`, word.at);
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
    return holds ? always : never;
  }

  #word(value: string): void {
    const token = this.#take();
    if (token.kind !== "word" || token.value !== value) throw new SelectorError(`"${value}" expected`, token.at);
  }

  #text(): string {
    const token = this.#take();
    if (token.kind !== "text") throw new SelectorError("a text in quotes expected", token.at);
    return token.value;
  }

  #set(): string[] {
    this.#expect("{");
    const values: string[] = [];
    while (!this.#accept("}")) {
      values.push(this.#text());
      if (!this.#isSymbol("}")) this.#expect(",");
    }
    return values;
  }
}
