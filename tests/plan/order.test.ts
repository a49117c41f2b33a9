import assert from "node:assert/strict";
import fc from "fast-check";
import type {
  ClusterSecurityDeclaration,
  FlowDeclaration,
  PeerDeclaration,
  Plan,
  PolicyDocument,
} from "../../sdk/plan/index";
import {
  Dialect,
  Entity,
  MeshMode,
  PolicyLayout,
  PolicyMode,
  Tier,
  allOf,
  cidr,
  flow,
  namespace,
  plan,
  tcp,
  workload,
} from "../../sdk/plan/index";
import type { Peer } from "../../sdk/reachability/index";
import { metadataEndpoints } from "../../sdk/reachability/index";
import { commonDeclaration } from "./random-declarations";
import type { World } from "./world";
import { pod, worldOf } from "./world";
import { literal } from "./literal";

const dns = { name: "kube-dns", namespace: "kube-system", labels: { "k8s-app": "kube-dns" } };
const anyDialect = fc.constantFrom(...Object.values(Dialect));
/** The workloads run already, wherever they are. */
const running = commonDeclaration.map((declaration) => withNamespaces(declaration, { existing: true }));

function withNamespaces(
  declaration: ClusterSecurityDeclaration,
  details: { existing?: boolean; mode?: PolicyMode },
): ClusterSecurityDeclaration {
  return { ...declaration, namespaces: (declaration.namespaces ?? []).map((one) => ({ ...one, ...details })) };
}

function worldWith(
  declaration: ClusterSecurityDeclaration,
  standing?: (planned: Plan) => readonly PolicyDocument[],
): World {
  const workloads = [...(declaration.workloads ?? []), dns];
  return worldOf({ ...declaration, workloads }, standing === undefined ? {} : { standing });
}

/**
 * What an interrupted update or destroy leaves behind: any set of documents that holds, for each of them, whatever it
 * depends on. The engine registers in parallel what does not depend on each other, so prefixes of the list are not all.
 */
function interrupted(planned: Plan, picks: readonly number[]): readonly PolicyDocument[] {
  const byName = new Map(planned.documents.map((document) => [document.logicalName, document]));
  const standing = new Set<string>();
  const add = (name: string): void => {
    if (standing.has(name)) return;
    standing.add(name);
    (byName.get(name) ?? assert.fail(`${name} is no document of the plan`)).dependsOn.forEach(add);
  };
  for (const pick of picks) {
    const document = planned.documents[pick % planned.documents.length];
    if (document !== undefined) add(document.logicalName);
  }
  return planned.documents.filter(({ logicalName }) => standing.has(logicalName));
}

function endsOf(declaration: ClusterSecurityDeclaration, declared: PeerDeclaration): readonly Peer[] {
  const peer = literal(declared);
  const pods = (declaration.workloads ?? []).map(({ namespace, name }) => `${namespace}/${name}`);
  if (peer.workload !== undefined) return [pod(peer.workload)];
  if (peer.namespace !== undefined) return pods.filter((id) => id.startsWith(`${peer.namespace}/`)).map(pod);
  if (peer.entity === Entity.Internet) return [{ kind: "address", address: "8.8.8.8" }];
  const address = peer.cidr?.includes(":") === true ? "2001:db8::7" : insideOf(peer.cidr ?? "");
  return [{ kind: "address", address }];
}

function insideOf(range: string): string {
  const inside: Readonly<Record<string, string>> = {
    "10.0.0.0/8": "10.9.5.5",
    "10.1.0.0/16": "10.1.5.5",
    "203.0.113.0/24": "203.0.113.77",
    "0.0.0.0/0": "203.0.113.77",
    "169.254.0.0/16": "169.254.20.10",
  };
  return inside[range] ?? assert.fail(range);
}

/** Every declared flow passes, and every declared pod may ask DNS. */
function nothingIsCut(
  world: World,
  declaration: ClusterSecurityDeclaration,
  isChecked: (flow: FlowDeclaration) => boolean,
): void {
  const text = world.plan.documents.length;
  for (const flow of (declaration.flows ?? []).filter(isChecked)) {
    for (const source of endsOf(declaration, flow.from)) {
      for (const destination of endsOf(declaration, flow.to)) {
        for (const { port = 0, protocol = "TCP" } of literal(flow.ports ?? [])) {
          const verdict = world.reachability.verdict({ source, destination, protocol, port });
          const where = JSON.stringify([source, destination, protocol, port]);
          assert.equal(verdict, "allowed", `${declaration.dialect} of ${text} documents: ${where}`);
        }
      }
    }
  }
  for (const { namespace, name } of declaration.workloads ?? []) {
    const ask = { source: pod(`${namespace}/${name}`), destination: pod("kube-system/kube-dns"), port: 53 } as const;
    for (const protocol of ["UDP", "TCP"] as const) {
      assert.equal(world.reachability.verdict({ ...ask, protocol }), "allowed", `DNS of ${namespace}/${name}`);
    }
  }
}

describe("the order of a plan", function () {
  it("S3-16 cuts no declared flow of pods that run already, wherever it stops, on the way up and on the way down", () => {
    fc.assert(
      fc.property(running, anyDialect, fc.array(fc.nat(), { maxLength: 4 }), (base, dialect, picks) => {
        const declaration = { ...base, dialect };
        const world = worldWith(declaration, (planned) => interrupted(planned, picks));
        nothingIsCut(world, declaration, () => true);
      }),
      { numRuns: 1000 },
    );
  });

  /** Whatever isolates: whole namespaces, denied outsiders, a shared service, a mesh, and every kind of peer. */
  const rich: ClusterSecurityDeclaration = {
    cluster: { apiServer: { cidrs: ["10.96.0.1/32"] }, nodeCidrs: ["192.168.77.0/24"], podCidrs: ["10.244.0.0/16"] },
    namespaces: ["in", "out"].map((name) => namespace(name, { existing: true })),
    workloads: [
      ...["in/web", "in/api", "in/queue", "out/job"].map((id) =>
        workload(id, { serviceAccount: id.slice(id.indexOf("/") + 1), denyExternal: id === "in/api" }),
      ),
    ],
    platform: { services: [{ name: "gate", workloads: [workload("out/gate", { serviceAccount: "gate" })] }] },
    flows: [
      ["in/web", "in/api"],
      ["in/api", "in/web"],
      ["in/api", "in/queue"],
      ["out/job", "in/api"],
      ["out/job", "in/web"],
      ["in/web", "out/gate"],
      ["out/gate", "in/queue"],
    ].map(([from = "", to = ""], index) =>
      flow(from)
        .to(to)
        .on(tcp(8000 + index))
        .because("calls")
        .ownedBy("team"),
    ),
  };
  const wide = [
    flow(allOf("in")).to(allOf("in")).on(tcp(9000)).because("gossip").ownedBy("team"),
    flow(allOf("out")).to(allOf("in")).on(tcp(9001)).because("gossip").ownedBy("team"),
    flow("in/web").to(cidr("203.0.113.0/24")).on(tcp(443)).because("calls").ownedBy("team"),
    flow(cidr("203.0.113.0/24")).to("in/web").on(tcp(443)).because("visits").ownedBy("team"),
  ];

  for (const dialect of Object.values(Dialect)) {
    for (const mesh of [undefined, ...Object.values(MeshMode)]) {
      it(`S3-16 cuts nothing with any one policy and what it waits for (${dialect}, ${mesh ?? "no"} mesh)`, () => {
        const meshed = mesh === undefined ? {} : { mesh: { mode: mesh, namespaces: ["in"] } };
        const flows = [...(rich.flows ?? []), ...wide];
        const declaration: ClusterSecurityDeclaration = { ...rich, dialect, flows, ...meshed };
        const gate = { namespace: "out", name: "gate", serviceAccount: "gate" };
        const running = { ...declaration, workloads: [...(rich.workloads ?? []), gate] };
        // the mesh cannot name strangers who may reach a whole namespace, and warns of it
        const isChecked = ({ from, to }: FlowDeclaration): boolean =>
          mesh === undefined || !(from.namespace === "out" && to.namespace === "in");
        const { documents } = plan(declaration);
        documents.forEach((_, index) => {
          const world = worldOf(declaration, {
            workloads: [...running.workloads, dns],
            standing: (planned) => interrupted(planned, [index]),
          });
          nothingIsCut(world, running, isChecked);
        });
      });
    }
  }

  it("says which pods are cut for a while where the layout cannot avoid it, and that warning is true", () => {
    let cut = 0;
    fc.assert(
      fc.property(running, fc.array(fc.nat(), { maxLength: 4 }), (base, picks) => {
        const declaration = { ...base, dialect: Dialect.Kubernetes, layout: PolicyLayout.PerFlow };
        const { warnings } = plan(declaration);
        const held = (base.namespaces ?? []).filter(({ tier }) => tier !== Tier.Platform).map(({ name }) => name);
        const named = warnings.find(({ code }) => code === "first-allow-isolates")?.paths ?? [];
        assert.deepEqual([...named].sort(), held.map((name) => `namespaces.${name}`).sort());
        try {
          nothingIsCut(
            worldWith(declaration, (planned) => interrupted(planned, picks)),
            declaration,
            () => true,
          );
        } catch {
          cut += 1;
        }
      }),
      { numRuns: 100 },
    );
    assert.ok(cut > 0, "no order of the layout per-flow cuts anything: the warning and the other layout are needless");
  });

  it("cuts no declared call in a mesh either", () => {
    const meshed = running.filter(({ namespaces }) => (namespaces ?? []).some(({ tier }) => tier !== Tier.Platform));
    const mode = fc.constantFrom(...Object.values(MeshMode));
    fc.assert(
      fc.property(meshed, mode, fc.array(fc.nat(), { maxLength: 5 }), (base, meshMode, picks) => {
        const held = (base.namespaces ?? []).filter(({ tier }) => tier !== Tier.Platform).map(({ name }) => name);
        const declaration: ClusterSecurityDeclaration = {
          ...base,
          dialect: Dialect.Cilium,
          mesh: { mode: meshMode, namespaces: held.slice(0, 2) },
        };
        // what the mesh cannot say is in the plan's warnings: wide ranges, and strangers who may reach a whole namespace
        const isChecked = ({ from, to, ports }: FlowDeclaration): boolean =>
          to.namespace === undefined &&
          (from.workload !== undefined || from.namespace !== undefined) &&
          (ports ?? []).every(({ endPort }) => endPort === undefined);
        nothingIsCut(
          worldWith(declaration, (planned) => interrupted(planned, picks)),
          declaration,
          isChecked,
        );
      }),
      { numRuns: 200 },
    );
  });
});

describe("mode audit", function () {
  const outside: readonly Peer[] = [
    "8.8.8.8",
    "10.1.5.5",
    "2606:4700::1111",
    ...metadataEndpoints.map(({ address }) => address),
  ].map((address) => ({ kind: "address", address }));

  /** Cilium closes metadata endpoints while it audits. */
  const isClosed = (dialect: Dialect, destination: Peer): boolean =>
    dialect === Dialect.Cilium &&
    destination.kind === "address" &&
    metadataEndpoints.some(({ address }) => address === destination.address);

  it("S3-28 denies nothing but metadata endpoints on Cilium, in every dialect", () => {
    fc.assert(
      fc.property(commonDeclaration, anyDialect, (base, dialect) => {
        const declaration = { ...base, dialect, mode: PolicyMode.Audit };
        const { reachability, plan: planned } = worldWith(declaration);
        const all = (base.workloads ?? []).map(({ namespace, name }) => ({
          namespace,
          end: pod(`${namespace}/${name}`),
        }));
        for (const { namespace, end: source } of all) {
          const isExempt = planned.exemptNamespaces.includes(namespace);
          for (const destination of [...all.map(({ end }) => end), ...outside]) {
            if (source === destination) continue;
            const { allowed } = reachability.traffic(source, destination);
            const isAsMeant = !isExempt && isClosed(dialect, destination) ? allowed.isEmpty() : allowed.isAll();
            assert.ok(isAsMeant, `${dialect} ${JSON.stringify([source, destination])} ${allowed.toString()}`);
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  it("S3-28 goes namespace by namespace: what is enforced holds as before, and what is not is open", () => {
    const mixed = commonDeclaration.map((declaration) => ({
      ...declaration,
      namespaces: [
        { name: "alpha", mode: PolicyMode.Audit },
        { name: "beta", mode: PolicyMode.Enforce },
        { name: "gamma", mode: PolicyMode.Enforce },
      ],
    }));
    const modes = fc.constantFrom(...Object.values(PolicyMode));
    fc.assert(
      fc.property(mixed, anyDialect, modes, (base, dialect, mode) => {
        const staged = worldWith({ ...base, dialect, mode }).reachability;
        const whole = worldWith({ ...withNamespaces(base, { mode: PolicyMode.Enforce }), dialect }).reachability;
        const ids = (base.workloads ?? []).map(({ namespace, name }) => `${namespace}/${name}`);
        for (const from of ids) {
          const isAudited = from.startsWith("alpha/");
          for (const to of ids.filter((id) => id !== from)) {
            const found = staged.traffic(pod(from), pod(to)).allowed.toString();
            const bothAudited = isAudited && to.startsWith("alpha/");
            const bothEnforced = !isAudited && !to.startsWith("alpha/");
            if (bothEnforced)
              assert.equal(found, whole.traffic(pod(from), pod(to)).allowed.toString(), `${from} ${to}`);
            if (bothAudited) assert.equal(found, "All Connections", `${from} ${to}`);
          }
          for (const destination of outside) {
            const found = staged.traffic(pod(from), destination).allowed.toString();
            const isOpen = isAudited && !isClosed(dialect, destination);
            const wanted = isOpen ? "All Connections" : whole.traffic(pod(from), destination).allowed.toString();
            assert.equal(found, wanted, `${dialect} ${from} ${JSON.stringify(destination)}`);
          }
        }
      }),
      { numRuns: 100 },
    );
  });
});
