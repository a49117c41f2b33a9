/**
 * Calico's selector expressions, read off the comment of api/v3 NetworkPolicySpec.Selector: comparisons that are true where
 * the label is absent (`!=`, `not in`), `has()`, `contains`, `starts with`, `ends with`, `!`, `&&` before `||`, parentheses,
 * `all()` and the empty selector.
 */

/** What an expression is asked about; `all` and `global` are the answers to `all()` and `global()`. */
export interface SelectorSubject {
  readonly labels: Readonly<Record<string, string>>;
  readonly all: boolean;
  readonly global: boolean;
}

type Expression = (subject: SelectorSubject) => boolean;

const tokenPattern = /\s*(&&|\|\||==|!=|[!(){},]|"[^"]*"|'[^']*'|[A-Za-z0-9_./-]+)/y;

export function calicoSelectorMatches(text: string, subject: SelectorSubject): boolean {
  if (text.trim() === "") return true;
  return parse(tokensOf(text))(subject);
}

function tokensOf(text: string): string[] {
  const tokens: string[] = [];
  let at = 0;
  const end = text.trimEnd().length;
  while (at < end) {
    tokenPattern.lastIndex = at;
    const match = tokenPattern.exec(text);
    if (!match?.[1]) throw new Error(`the oracle cannot read the selector ${text} at ${at}`);
    tokens.push(match[1]);
    at = tokenPattern.lastIndex;
  }
  return tokens;
}

function parse(tokens: string[]): Expression {
  const expression = parseOr(tokens);
  if (tokens.length > 0) throw new Error(`unexpected ${tokens.join(" ")}`);
  return expression;
}

function parseOr(tokens: string[]): Expression {
  const parts = [parseAnd(tokens)];
  while (tokens[0] === "||") {
    tokens.shift();
    parts.push(parseAnd(tokens));
  }
  return (subject) => parts.some((part) => part(subject));
}

function parseAnd(tokens: string[]): Expression {
  const parts = [parseNot(tokens)];
  while (tokens[0] === "&&") {
    tokens.shift();
    parts.push(parseNot(tokens));
  }
  return (subject) => parts.every((part) => part(subject));
}

function parseNot(tokens: string[]): Expression {
  if (tokens[0] !== "!") return parseTerm(tokens);
  tokens.shift();
  const inner = parseNot(tokens);
  return (subject) => !inner(subject);
}

function parseTerm(tokens: string[]): Expression {
  const first = take(tokens);
  if (first === "(") {
    const inner = parseOr(tokens);
    expect(tokens, ")");
    return inner;
  }
  if (["has", "all", "global"].includes(first) && peek(tokens) === "(") {
    tokens.shift();
    const label = peek(tokens) === ")" ? "" : take(tokens);
    expect(tokens, ")");
    if (first === "all") return (subject) => subject.all;
    if (first === "global") return (subject) => subject.global;
    return (subject) => subject.labels[label] !== undefined;
  }
  return parseComparison(first, tokens);
}

function parseComparison(label: string, tokens: string[]): Expression {
  const operator = take(tokens);
  switch (operator) {
    case "==": {
      const value = unquote(take(tokens));
      return ({ labels }) => labels[label] === value;
    }
    case "!=": {
      const value = unquote(take(tokens));
      return ({ labels }) => labels[label] !== value;
    }
    case "contains": {
      const value = unquote(take(tokens));
      return ({ labels }) => labels[label]?.includes(value) ?? false;
    }
    case "startswith":
    case "endswith":
    case "starts":
    case "ends": {
      if (!operator.endsWith("with")) expect(tokens, "with");
      const value = unquote(take(tokens));
      return ({ labels }) =>
        (operator.startsWith("starts") ? labels[label]?.startsWith(value) : labels[label]?.endsWith(value)) ?? false;
    }
    case "in": {
      const values = parseSet(tokens);
      return ({ labels }) => values.includes(labels[label] ?? "\0");
    }
    case "notin":
    case "not": {
      if (operator === "not") expect(tokens, "in");
      const values = parseSet(tokens);
      return ({ labels }) => !values.includes(labels[label] ?? "\0");
    }
    default:
      throw new Error(`the oracle knows no operator ${operator}`);
  }
}

function parseSet(tokens: string[]): string[] {
  const values: string[] = [];
  expect(tokens, "{");
  while (peek(tokens) !== "}") {
    if (peek(tokens) === ",") tokens.shift();
    else values.push(unquote(take(tokens)));
  }
  tokens.shift();
  return values;
}

function peek(tokens: readonly string[]): string | undefined {
  return tokens[0];
}

function take(tokens: string[]): string {
  const token = tokens.shift();
  if (token === undefined) throw new Error("the selector ends too early");
  return token;
}

function expect(tokens: string[], wanted: string): void {
  const token = take(tokens);
  if (token !== wanted) throw new Error(`expected ${wanted}, found ${token}`);
}

function unquote(token: string): string {
  return /^(["']).*\1$/.test(token) ? token.slice(1, -1) : token;
}
