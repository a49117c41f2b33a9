/** What tests replace in the examples' programs, so that they find what a test is about. */
import type { Language } from "../../lab/languages";
import type { Replacement } from "./language-programs";

export interface Texts {
  /** A service is in a namespace that nothing protects. */
  readonly unprotected: Replacement;
}

/** What is replaced in programs whose updates are tested. */
export interface UpdateTexts extends Texts {
  /** The range of the payments is unknown in a preview. */
  readonly undetermined: Replacement;
  /** A flow to a workload that is not declared, and a port that is none. */
  readonly wrong: readonly Replacement[];
}

export const texts: Readonly<Record<Exclude<Language, "java">, UpdateTexts>> & { readonly java: Texts } = {
  yaml: {
    unprotected: ["name: backend, namespace: bookshop, labels", "name: backend, namespace: default, labels"],
    undetermined: [
      '"${partners.data.payments}"',
      '{ "fn::select": [0, ["${partners.data.payments}", "${partners.id}"]] }',
    ],
    wrong: [
      ["to: { workload: backend }", "to: { workload: backnd }"],
      ["ports: [{ port: 443 }]", "ports: [{ port: 70000 }]"],
    ],
  },
  python: {
    unprotected: ['metadata={"name": name, "namespace": "bookshop"', 'metadata={"name": name, "namespace": "default"'],
    undetermined: [
      'partners.data["payments"]}',
      'pulumi.Output.all(partners.data["payments"], partners.id).apply(lambda known: known[0])}',
    ],
    wrong: [
      ['"to": {"workload": "backend"}', '"to": {"workload": "backnd"}'],
      ['{"port": 443}', '{"port": 70000}'],
    ],
  },
  go: {
    unprotected: ['Namespace: pulumi.String("bookshop")', 'Namespace: pulumi.String("default")'],
    undetermined: [
      'partners.Data.MapIndex(pulumi.String("payments"))',
      'pulumi.All(partners.Data.MapIndex(pulumi.String("payments")), partners.ID()).ApplyT(\n' +
        "func(known []any) string { return known[0].(string) }).(pulumi.StringOutput)",
    ],
    wrong: [
      ['To:     workload("backend")', 'To:     workload("backnd")'],
      ["port(443)", "port(70000)"],
    ],
  },
  java: {
    unprotected: [
      '.name(name).namespace("bookshop").labels(labels)',
      '.name(name).namespace("default").labels(labels)',
    ],
  },
};
