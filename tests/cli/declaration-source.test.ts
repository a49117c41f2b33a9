/** What is taken for a declaration among the texts that a command is given, wherever the command asks. */
import assert from "node:assert/strict";
import { declarationFrom } from "../../sdk/cli/sources/declaration";

const declarations = {
  "with namespaces": "namespaces:\n  - name: shop\n",
  "as JSON": '{"workloads": [{"name": "web", "namespace": "shop"}], "flows": []}',
  "with a document's mark": "---\nnamespaces:\n  - name: shop\nflows: []\n",
  "of tenants alone": "tenants:\n  - name: red\n",
  "with a misspelt field, which the planner names": "namespaces:\n  - name: shop\nflow: []\n",
  "with a workload that lacks its name, which the planner names": "workloads:\n  - namespace: shop\nflows: []\n",
};

const others = {
  "a manifest": "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n",
  "a List": "kind: List\napiVersion: v1\nitems: []\nnamespaces: []\n",
  "several documents": "namespaces:\n  - name: shop\n---\nworkloads: []\n",
  "a Pulumi state": '{"version": 3, "deployment": {"resources": []}, "namespaces": []}',
  "values of a chart": "image: web\nreplicas: 2\nservice:\n  port: 80\nnamespaces:\n  - shop\n",
  "values that only share a word": "namespaces:\n  watch: true\n",
  "a list": "- name: shop\n",
  "a text that is no YAML": "namespaces: [\n",
  "no text": "",
};

describe("which texts are declarations", () => {
  for (const [name, text] of Object.entries(declarations)) {
    it(`takes one ${name}`, () => assert.notEqual(declarationFrom(text), undefined));
  }
  for (const [name, text] of Object.entries(others)) {
    it(`does not take ${name}`, () => assert.equal(declarationFrom(text), undefined));
  }
});
