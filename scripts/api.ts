/** The public surface as text: what each entry of the package exports, declarations without their bodies. */
import { readFileSync } from "node:fs";
import path from "node:path";
import ts from "typescript";

const root = path.resolve(__dirname, "..");

/** The sources of the entries, by the name under which a program imports them. */
export const entries: Readonly<Record<string, string>> = {
  ".": "sdk/index.ts",
  "./policy": "policypack/guard.ts",
  "./policy-testing": "policypack/testing.ts",
  "./reachability": "sdk/reachability/public.ts",
  "./findings": "sdk/findings/public.ts",
};

/** An exported name with its declaration. */
export interface ApiSymbol {
  readonly name: string;
  readonly declaration: string;
  /** It, or what it is another name of, has a docstring. */
  readonly isDocumented: boolean;
}

/** What every entry exports, sorted by name. */
export function publicApi(): ReadonlyMap<string, readonly ApiSymbol[]> {
  const config = ts.readConfigFile(path.join(root, "tsconfig.json"), (file) => readFileSync(file, "utf8"));
  const { options } = ts.parseJsonConfigFileContent(config.config, ts.sys, root);
  const files = Object.values(entries).map((file) => path.join(root, file));
  const program = ts.createProgram(files, { ...options, noEmit: true });
  const checker = program.getTypeChecker();
  return new Map(
    Object.entries(entries).map(([entry, file]) => {
      const source = program.getSourceFile(path.join(root, file));
      const module = source && checker.getSymbolAtLocation(source);
      if (module === undefined) throw new Error(`${file} exports nothing`);
      const symbols = checker.getExportsOfModule(module).map((symbol): ApiSymbol => {
        const original = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
        const [declaration] = original.getDeclarations() ?? [];
        if (declaration === undefined) throw new Error(`${symbol.name} has no declaration`);
        const isDocumented = original.getDocumentationComment(checker).length > 0;
        return { name: symbol.name, declaration: textOf(checker, original, declaration), isDocumented };
      });
      return [entry, symbols.sort((a, b) => (a.name < b.name ? -1 : 1))] as const;
    }),
  );
}

/** The API of one entry as a document. */
export function apiDocument(entry: string, symbols: readonly ApiSymbol[]): string {
  const name = `pulumi-cluster-security${entry.slice(1)}`;
  const head = `# API of \`${name}\`\n\nWritten by \`npm run docs\`. A change here is a change of the public surface: review it as one.\n`;
  const sections = symbols.map((symbol) => `\n## ${symbol.name}\n\n\`\`\`ts\n${symbol.declaration}\n\`\`\`\n`);
  return head + sections.join("");
}

/** Where the document of an entry is. */
export function apiFile(entry: string): string {
  return path.join(root, "docs", "api", `${entry === "." ? "index" : entry.slice(2)}.md`);
}

const printer = ts.createPrinter({ removeComments: true });

function textOf(checker: ts.TypeChecker, symbol: ts.Symbol, declaration: ts.Declaration): string {
  const source = declaration.getSourceFile();
  const print = (node: ts.Node): string => printer.printNode(ts.EmitHint.Unspecified, node, source);
  if (ts.isFunctionDeclaration(declaration)) {
    return (symbol.getDeclarations() ?? []).filter(ts.isFunctionDeclaration).map(signatureOf).map(print).join("\n");
  }
  if (ts.isClassDeclaration(declaration)) return print(classOf(declaration));
  if (ts.isVariableDeclaration(declaration)) {
    const type = declaration.type
      ? print(declaration.type)
      : checker.typeToString(checker.getTypeOfSymbol(symbol), declaration, ts.TypeFormatFlags.NoTruncation);
    return `const ${symbol.name}: ${type};`;
  }
  return print(declaration);
}

function signatureOf(node: ts.FunctionDeclaration): ts.Node {
  const { modifiers, asteriskToken, name, typeParameters, parameters, type } = node;
  return ts.factory.updateFunctionDeclaration(
    node,
    modifiers,
    asteriskToken,
    name,
    typeParameters,
    parameters,
    type,
    undefined,
  );
}

/** Without what is private, and without bodies and values. */
function classOf(node: ts.ClassDeclaration): ts.Node {
  const members = node.members.flatMap((member): readonly ts.ClassElement[] => {
    const modifiers = ts.canHaveModifiers(member) ? (ts.getModifiers(member) ?? []) : [];
    const isHidden = modifiers.some(({ kind }) => kind === ts.SyntaxKind.PrivateKeyword);
    if (isHidden || (member.name !== undefined && ts.isPrivateIdentifier(member.name))) return [];
    if (ts.isMethodDeclaration(member)) {
      const { asteriskToken, name, questionToken, typeParameters, parameters, type } = member;
      return [
        ts.factory.updateMethodDeclaration(
          member,
          modifiers,
          asteriskToken,
          name,
          questionToken,
          typeParameters,
          parameters,
          type,
          undefined,
        ),
      ];
    }
    if (ts.isConstructorDeclaration(member)) {
      return [ts.factory.updateConstructorDeclaration(member, modifiers, member.parameters, undefined)];
    }
    if (ts.isGetAccessorDeclaration(member)) {
      const { name, parameters, type } = member;
      return [ts.factory.updateGetAccessorDeclaration(member, modifiers, name, parameters, type, undefined)];
    }
    if (ts.isPropertyDeclaration(member)) {
      const { name, questionToken, type } = member;
      return [ts.factory.updatePropertyDeclaration(member, modifiers, name, questionToken, type, undefined)];
    }
    return [member];
  });
  const { modifiers, name, typeParameters, heritageClauses } = node;
  return ts.factory.updateClassDeclaration(node, modifiers, name, typeParameters, heritageClauses, members);
}
