import assert from "node:assert/strict";
import { labContext } from "../../lab/control-plane/index";
import { change, type Connection } from "../../sdk/cluster/api-client";
import { connect } from "../../sdk/cluster/index";
import type { PlannedObject } from "../../sdk/plan/index";
import { plan } from "../../sdk/plan/index";
import type { KubeObject } from "../../sdk/reachability/index";
import { defaultSettings, idOf, render } from "../../sdk/render";
import { Plane, placeOf } from "../break-glass/plane";
import { examples } from "../support/examples";
import type { Kube } from "./trees";
import { asServed, builtOf, hasKustomize, kustomizationsOf, unmarked } from "./trees";

const key = (object: Kube): string => idOf(object as unknown as PlannedObject);

describe("a rendering for Flux, as kustomize builds it, on a real API server", () => {
  let plane: Plane;
  let connection: Connection;

  before(async function () {
    if (!hasKustomize()) this.skip();
    plane = await Plane.start();
    connection = await connect({ context: labContext, kubeconfig: plane.controlPlane.kubeconfigPath });
  });
  after(() => plane?.stop());

  it("S3-15 is applied stage after stage: what the server keeps is what the component registers, the default deny last", async () => {
    const { declaration } = (await examples()).find(({ name }) => name === "zero-trust-tiers") ?? assert.fail();
    const planned = plan(declaration);
    for (const { name, existing } of planned.namespaces) {
      if (existing) await plane.create({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
    }
    const { files, steps } = render(planned, "flux", defaultSettings);
    const applied: string[] = [];
    const revisions: number[] = [];
    for (const { spec } of kustomizationsOf(files)) {
      const built = new Map(builtOf(files, spec).map((object) => [key(asServed(object)), object]));
      for (const { object } of steps.filter((step) => built.has(idOf(step.object)))) {
        const sent = built.get(idOf(object)) ?? assert.fail();
        // with the namespace that targetNamespace has written into it, at the place of a clusterwide object
        const place = placeOf(object as unknown as KubeObject, object.metadata.name);
        const kept = (await change(
          connection,
          "APPLY",
          `${place}?fieldManager=kustomize-controller&force=true`,
          sent,
        )) as Kube;
        assert.equal(kept.metadata.namespace, object.metadata.namespace, place);
        applied.push(key(kept));
        revisions.push(Number((kept.metadata as { resourceVersion?: string }).resourceVersion));
        if (object.kind === "Namespace") continue;
        assert.deepEqual(unmarked(kept).metadata.labels, object.metadata.labels, place);
        assert.deepEqual(kept.spec, object["spec"], place);
      }
    }
    assert.equal(applied.length, steps.length);
    assert.deepEqual(
      [...revisions].sort((a, b) => a - b),
      revisions,
      "in the order of the steps",
    );
    assert.match(applied.at(-1) ?? "", /default-deny-all$/);
    assert.match(applied[0] ?? "", /deny-cloud-metadata$/);
  });
});
