import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import type { ClusterSecurityArgs } from "../../sdk/index";
import {
  CiliumCni,
  ClusterSecurity,
  DeclarationError,
  Dialect,
  EgressPolicy,
  MeshIdentity,
  ServiceFlows,
  Tenant,
  TieredPolicies,
  cidr,
  flow,
  fqdn,
  namespace,
  tcp,
} from "../../sdk/index";
import type { Leaf } from "../plan/places";
import { base, literally, places } from "../plan/places";
import { deploy, isPolicy, policiesOf, unknown } from "./late-programs";
import type { Registration } from "./monitor";
import { formatPath } from "../../sdk/property-path";

/**
 * Runs what ends with an error that nobody waits for, and returns it. Pulumi's host reports it and ends the update; mocha
 * would end the test.
 */
async function unheard(run: () => Promise<unknown>, isFinished: boolean): Promise<unknown> {
  const listeners = process.listeners("unhandledRejection");
  const errors: unknown[] = [];
  const listen = (error: unknown): number => errors.push(error);
  process.removeAllListeners("unhandledRejection").on("unhandledRejection", listen);
  try {
    // the mock engine may wait for ever for what was refused; the real one ends with the program
    const ends = run();
    while (errors.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    if (isFinished) await ends;
    else await new Promise((resolve) => setTimeout(resolve, 20));
  } finally {
    process.removeListener("unhandledRejection", listen);
    for (const listener of listeners) process.on("unhandledRejection", listener);
  }
  assert.equal(new Set(errors).size, 1, "one error, whatever it stops");
  return errors[0];
}

describe("outputs as values of a declaration", function () {
  this.timeout(60_000);
  const component = (declare: (leaf: Leaf) => ClusterSecurityArgs, dialect: Dialect) => (leaf: Leaf) =>
    new ClusterSecurity("late", { ...declare(leaf), dialect });

  for (const { name, declare } of places) {
    // the planner's own tests try every place under every policy API
    for (const dialect of /pods|except|port of a flow/.test(name)
      ? [Dialect.Cilium, Dialect.Kubernetes]
      : [Dialect.Cilium]) {
      it(`${name}: an update registers what the values say (${dialect})`, async () => {
        const program = component(declare, dialect);
        const [late, literal] = [await deploy(program), await deploy(() => program(literally))];
        const [found, wanted] = [policiesOf(late), policiesOf(literal)];
        assert.equal(found.size, wanted.size);
        const renamed = [...found.keys()].filter((key) => !wanted.has(key));
        // a name has no part of a range that is an output
        assert.ok(
          renamed.every((key) => /allow-cidr-to-/.test(key)),
          renamed.join(),
        );
        for (const [key, inputs] of found) {
          if (wanted.has(key)) assert.deepEqual(inputs, wanted.get(key), key);
        }
        const again = await deploy(program);
        assert.deepEqual(policiesOf(again), found, "a second update");
        const preview = await deploy(program, { preview: true, known: true });
        assert.deepEqual(policiesOf(preview), found, "a second preview, in which the values are known");
      });

      it(`${name}: a preview knows names, kinds and order, and everything that no value decides (${dialect})`, async () => {
        const program = component(declare, dialect);
        const [preview, update] = [await deploy(program, { preview: true }), await deploy(program)];
        const names = (all: readonly Registration[]): string[] => all.map((one) => one.urn).sort();
        assert.deepEqual(names(preview), names(update));
        const [early, late] = [policiesOf(preview), policiesOf(update)];
        let unknowns = 0;
        for (const [key, inputs] of early) unknowns += agreeing(inputs, late.get(key), key);
        assert.ok(unknowns > 0 || hasNoPart(name, dialect), "nothing is unknown");
      });
    }
  }

  it("keeps secret what a secret decides, and nothing else", async () => {
    const sign = "4dabf18193072939515e22adb298388d";
    const isSecret = (value: unknown): boolean =>
      JSON.stringify(value ?? null).includes("1b47061264138c4ac30d75fd1eb44270");
    for (const preview of [true, false]) {
      const all = await deploy(
        (leaf) =>
          new ClusterSecurity("late", {
            ...base,
            flows: [
              flow("web").to(fqdn("pay.example.com")).on(tcp(443)).because(leaf("the vault's path")).ownedBy("shop"),
              flow("web").to("db").on(tcp(5432)).because("orders").ownedBy("shop"),
            ],
          }),
        { preview, known: true, leaf: (value) => pulumi.secret(value) },
      );
      const secret = all.filter(isPolicy).filter(({ inputs }) => isSecret(inputs));
      assert.deepEqual(
        secret.map(({ name }) => name),
        ["late-shop/allow-web-egress"],
      );
      const open = all
        .filter(({ type }) => type !== "cloud:index:Thing")
        .map(({ inputs, outputs }) => [inputs, outputs]);
      const plainly = JSON.stringify(open, (_key, value: unknown) =>
        typeof value === "object" && value !== null && sign in value ? "[secret]" : value,
      );
      assert.ok(plainly.includes("orders"));
      assert.ok(!plainly.includes("the vault's path"), "the value is not written anywhere but as a secret");
    }
  });

  it("takes outputs in every component", async () => {
    const one = (leaf: Leaf) => ({
      ...base,
      flows: [
        flow("web")
          .to(cidr(leaf("10.1.0.0/16")))
          .on(tcp(leaf(443)))
          .because("x")
          .ownedBy("shop"),
      ],
    });
    const programs: readonly [name: string, program: (leaf: Leaf) => unknown, written: RegExp][] = [
      ["ServiceFlows", (leaf) => new ServiceFlows("c", one(leaf)), /10\.1\.0\.0\/16/],
      ["MeshIdentity", (leaf) => new MeshIdentity("c", { ...one(leaf), mesh: {} }), /./],
      [
        "TieredPolicies",
        (leaf) => new TieredPolicies("c", { namespaces: [namespace("shop")], cluster: { dns: { port: leaf(1053) } } }),
        /1053/,
      ],
      [
        "Tenant",
        (leaf) => new Tenant("c", { ...one(leaf), tenant: { name: "shop", namespaces: ["shop"] } }),
        /10\.1\.0\.0\/16/,
      ],
      [
        "EgressPolicy",
        (leaf) =>
          new EgressPolicy("c", {
            namespace: "shop",
            hosts: [{ host: leaf("db.example.com"), reason: "orders", owner: leaf("shop") }],
            ranges: [{ cidr: leaf("10.1.0.0/16"), ports: [tcp(443)], reason: "x", owner: "y" }],
          }),
        /db\.example\.com.*10\.1\.0\.0\/16/,
      ],
    ];
    for (const [name, program, written] of programs) {
      const [late, literal] = [await deploy(program), await deploy(() => program(literally))];
      assert.deepEqual(policiesOf(late), policiesOf(literal), name);
      assert.match(JSON.stringify([...policiesOf(late).values()]), written, name);
      const preview = await deploy(program, { preview: true });
      assert.deepEqual([...policiesOf(preview).keys()].sort(), [...policiesOf(late).keys()].sort(), name);
    }
  });

  it("depends on the resources that its values come from, and on no others", async () => {
    const all = await deploy(
      (leaf) =>
        new ClusterSecurity("late", {
          ...base,
          flows: [
            flow("web")
              .to(cidr(leaf("10.1.0.0/16")))
              .on(tcp(443))
              .because("x")
              .ownedBy("shop"),
            flow("db")
              .to(fqdn(leaf("backup.example.com")))
              .on(tcp(443))
              .because("x")
              .ownedBy("data"),
          ],
        }),
    );
    const things = (name: string): string[] =>
      all
        .filter((one) => one.name === name)
        .flatMap(({ dependencies }) => dependencies.filter((urn) => urn.includes("Thing")).map((urn) => urn.slice(-1)));
    assert.deepEqual([things("late-shop/allow-web-egress"), things("late-data/allow-db-egress")], [["1"], ["2"]]);
    assert.deepEqual(things("late-deny-cloud-metadata"), []);
  });

  for (const { name, declare, wrong } of places) {
    if (wrong === undefined) continue;
    const [value, path, message] = wrong;
    it(`${name}: a wrong value stops the update before anything opens, and the preview that knows it`, async () => {
      for (const options of [{}, { preview: true, known: true }]) {
        let all: readonly Registration[] = [];
        const error = await unheard(async () => {
          all = await deploy((leaf) => component(declare, Dialect.Cilium)(() => leaf(value) as never), options);
        }, options.preview !== true);
        if (options.preview !== true) {
          const names = all.filter(isPolicy).map((one) => one.name);
          assert.deepEqual(names, ["late-deny-cloud-metadata"], "nothing but the deny of metadata endpoints");
        }
        assert.ok(error instanceof DeclarationError, String(error));
        assert.equal(formatPath(error.problems[0]?.path ?? []), path);
        assert.match(error.message, message);
        assert.match(error.message, /no policy was registered/);
        assert.ok(pulumi.RunError.isInstance(error));
      }
    });
  }
});

/** Places of which nothing is written: a namespace's labels are no policy's, and policy APIs leave out what they lack. */
function hasNoPart(place: string, dialect: Dialect): boolean {
  if (/label value of a namespace|limits of a tenant/.test(place)) return true;
  if (dialect === Dialect.Cilium) return /^(API server|nodes|pods|address of the DNS cache)$/.test(place);
  if (place === "service account") return true;
  return /^(fqdn|reason|hosts of a preset|names that a tenant may ask for)$/.test(place);
}

/** Counts what is unknown; everything else is equal. */
function agreeing(early: unknown, late: unknown, path: string): number {
  if (early === unknown) return 1;
  if (Array.isArray(early)) {
    assert.ok(Array.isArray(late) && late.length === early.length, path);
    return early.reduce<number>((sum, item, index) => sum + agreeing(item, late[index], `${path}[${index}]`), 0);
  }
  if (typeof early === "object" && early !== null) {
    const other = late as Readonly<Record<string, unknown>>;
    assert.deepEqual(Object.keys(early), Object.keys(other), path);
    return Object.entries(early).reduce((sum, [key, item]) => sum + agreeing(item, other[key], `${path}.${key}`), 0);
  }
  assert.deepEqual(early, late, path);
  return 0;
}

describe("outputs among the values of a chart", () => {
  const strictModeOf = (all: readonly Registration[]): unknown => {
    const release = all.find(({ type }) => type === "kubernetes:helm.sh/v3:Release");
    const { encryption } = release?.inputs["values"] as { encryption: { strictMode: { egress: object } } };
    return encryption.strictMode.egress;
  };
  const cni = (leaf: Leaf): CiliumCni => new CiliumCni("cni", { strictEncryptionCidr: leaf("10.4.0.0/16") });

  it("a range that a cloud gives is in the release, and unknown in a preview that does not know it", async () => {
    assert.deepEqual(strictModeOf(await deploy(cni)), { enabled: true, cidr: "10.4.0.0/16" });
    assert.deepEqual(strictModeOf(await deploy(cni, { preview: true })), { enabled: true, cidr: unknown });
    assert.deepEqual(strictModeOf(await deploy(cni, { preview: true, known: true })), {
      enabled: true,
      cidr: "10.4.0.0/16",
    });
  });

  it("an output anywhere among further values is handed on as it is", async () => {
    const program = (leaf: Leaf): CiliumCni =>
      new CiliumCni("cni", {
        values: { k8sServiceHost: leaf("10.0.0.1"), ipam: { operator: { pools: [leaf("a")] } } },
      });
    const valuesOf = (all: readonly Registration[]): Record<string, unknown> =>
      all.find(({ type }) => type === "kubernetes:helm.sh/v3:Release")?.inputs["values"] as Record<string, unknown>;
    const { k8sServiceHost, ipam } = valuesOf(await deploy(program));
    assert.deepEqual({ k8sServiceHost, ipam }, { k8sServiceHost: "10.0.0.1", ipam: { operator: { pools: ["a"] } } });
    assert.equal(valuesOf(await deploy(program, { preview: true }))["k8sServiceHost"], unknown);
  });

  it("a range that is none is refused with its path, as a literal and as an output", async () => {
    const wrong = { strictEncryptionCidr: "fd00::/8" };
    assert.throws(() => new CiliumCni("cni", wrong), /strictEncryptionCidr: is no IPv4 range/);
    const late = (leaf: Leaf): CiliumCni => new CiliumCni("cni", { strictEncryptionCidr: leaf("fd00::/8") });
    assert.match(String(await unheard(() => deploy(late), false)), /strictEncryptionCidr: is no IPv4 range/);
  });

  it("what else is wrong with the options is said at once, whatever the range will be", () => {
    const args = { strictEncryptionCidr: pulumi.output("10.4.0.0/16"), version: "1.15.0" };
    assert.throws(() => new CiliumCni("cni", args), /strictEncryptionCidr: needs WireGuard and Cilium 1.16/);
  });
});
