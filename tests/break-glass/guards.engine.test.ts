import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type { ClusterSecurityDeclaration, Grant } from "../../sdk/plan/index";
import {
  DenyScope,
  Dialect,
  bypassAnnotations,
  bypassPolicy,
  flow,
  namespace,
  plan,
  readGrants,
  tcp,
  timerJob,
  timerLabel,
  timerName,
  workload,
} from "../../sdk/plan/index";
import type { KubeObject } from "../../sdk/reachability/index";
import type { Person } from "./plane";
import { Plane, placeOf } from "./plane";

const eve: Person = { user: "eve", groups: ["system:authenticated", "sre"] };
const stranger: Person = { user: "bob", groups: ["system:authenticated", "developers"] };
const admin: Person = { user: "root", groups: ["system:authenticated", "sre", "system:masters"] };

function declarationOf(dialect: Dialect, home: string): ClusterSecurityDeclaration {
  return {
    dialect,
    cluster: { apiServer: { cidrs: ["10.96.0.1/32"] }, nodeCidrs: ["192.168.77.0/24"] },
    namespaces: [namespace(home)],
    workloads: [workload(`${home}/web`, { ports: [tcp(80)] }), workload(`${home}/api`, { ports: [tcp(80)] })],
    flows: [flow("web").to("api").on(tcp(80)).because("pages").ownedBy("web")],
    denyScope: DenyScope.DeclaredNamespaces,
    breakGlass: [
      {
        name: "oncall",
        grantedTo: ["sre"],
        workloads: [`${home}/api`],
        maxDuration: "2h",
        reason: "nights",
        owner: "ops",
      },
      {
        name: "oncall-long",
        grantedTo: ["leads"],
        namespaces: [home],
        maxDuration: "8h",
        reason: "nights",
        owner: "ops",
      },
    ],
  };
}

let count = 0;
const random = (): string => `${Date.now().toString(36)}${(count += 1).toString(36)}`.slice(-10).padStart(8, "0");

const inTime = (seconds: number): string => new Date(Date.now() + seconds * 1000).toISOString().replace(/\.\d+Z$/, "Z");

/** A copy with a change. */
function changed(object: KubeObject, change: (copy: Loose) => void): KubeObject {
  const copy = structuredClone(object);
  change(copy as unknown as Loose);
  return copy;
}

function ownerOf({ ownerReferences }: Loose["metadata"]): Owner {
  return ownerReferences?.[0] ?? assert.fail("no owner");
}

interface Owner {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
}

/** An object that is to be spoilt. */
interface Loose {
  metadata: {
    name?: string;
    generateName?: string;
    labels: Record<string, string>;
    annotations: Record<string, string>;
    ownerReferences?: Owner[];
    finalizers?: string[];
  };
  spec: Record<string, unknown>;
}

describe("break glass on a real API server: what is refused", () => {
  let plane: Plane;

  before(async function () {
    plane = await Plane.start();
    await plane.deploy(declarationOf(Dialect.Kubernetes, "shop"));
    await plane.deploy(declarationOf(Dialect.Cilium, "sea"));
    const apiGroup = "rbac.authorization.k8s.io";
    const everything = [{ apiGroups: ["*"], resources: ["*"], verbs: ["*"] }];
    for (const home of ["shop", "sea"]) {
      await plane.create({
        apiVersion: `${apiGroup}/v1`,
        kind: "Role",
        metadata: { name: "all", namespace: home },
        rules: everything,
      } as KubeObject);
      await plane.create({
        apiVersion: `${apiGroup}/v1`,
        kind: "RoleBinding",
        metadata: { name: "all", namespace: home },
        roleRef: { apiGroup, kind: "Role", name: "all" },
        subjects: [{ apiGroup, kind: "Group", name: "system:authenticated" }],
      } as KubeObject);
    }
  });

  after(() => plane?.stop());

  for (const [dialect, home] of [
    [Dialect.Kubernetes, "shop"],
    [Dialect.Cilium, "sea"],
  ] as const) {
    describe(dialect, () => {
      const grants = plan(declarationOf(dialect, home)).documents.flatMap(
        ({ object }) => readGrants(object.metadata.annotations ?? {})?.grants ?? [],
      );
      const grantOf = (name: string): Grant => grants.find((one) => one.name === name) ?? assert.fail(name);
      const statementOf = (timer: string, of = `${home}/api`): Parameters<typeof timerJob>[0] => {
        return { timer, namespace: home, of, owner: "shop", reason: "incident 7", requester: "eve" };
      };
      const jobOf = (grant = "oncall", seconds = 3600): KubeObject =>
        timerJob(statementOf(timerName(grant, random())), seconds);
      const policyOf = (
        timer: string,
        { uid = randomUUID() as string, until = inTime(3600), grant = "oncall" } = {},
      ): KubeObject => {
        const [policy] = grantOf(grant).subjects[0]?.policies ?? [];
        return bypassPolicy(statementOf(timer), policy ?? assert.fail(), uid, until);
      };
      const dry = (object: KubeObject, person: Person): Promise<{ status: number; body: string }> =>
        plane.call("POST", `${placeOf(object)}?dryRun=All`, object, person);

      it("S3-29: takes a timer and a bypass as the command line makes them", async () => {
        const job = jobOf();
        const made = await dry(job, eve);
        assert.equal(made.status, 201, made.body);
        const opened = await dry(policyOf(String(job.metadata?.name)), eve);
        assert.equal(opened.status, 201, opened.body);
        // another grant is longer, and of others
        const leads: Person = { user: "eve", groups: ["system:authenticated", "leads"] };
        const long = jobOf("oncall-long", 8 * 3600);
        assert.equal((await dry(long, leads)).status, 201);
        const wide = policyOf(String(long.metadata?.name), { grant: "oncall-long", until: inTime(7 * 3600) });
        const taken = await dry(wide, leads);
        assert.equal(taken.status, 201, taken.body);
      });

      /** Requests that are refused, by what they try; each is sent anew. */
      const forbidden = new Map<string, () => Promise<{ status: number; body: string }>>();

      const policies: Readonly<Record<string, readonly [(policy: Loose) => void, RegExp, Person?]>> = {
        "without a timer": [({ metadata }) => delete metadata.ownerReferences, /one owner of a bypass is its timer/],
        "with another owner, too": [
          ({ metadata }) =>
            metadata.ownerReferences?.push({
              apiVersion: "v1",
              kind: "ConfigMap",
              name: "x",
              uid: "y",
            }),
          /one owner of a bypass is its timer/,
        ],
        "owned by a Job that is no timer": [
          ({ metadata }) => void (ownerOf(metadata).name = "backup"),
          /one owner of a bypass is its timer/,
        ],
        "owned by anything but a Job": [
          ({ metadata }) => void (ownerOf(metadata).kind = "CronJob"),
          /one owner of a bypass is its timer/,
        ],
        "without an owner": [
          ({ metadata }) => delete metadata.annotations[bypassAnnotations.owner],
          /states its owner and its reason/,
        ],
        "with an empty reason": [
          ({ metadata }) => void (metadata.annotations[bypassAnnotations.reason] = " "),
          /states its owner and its reason/,
        ],
        "in another's name": [
          ({ metadata }) => void (metadata.annotations[bypassAnnotations.requester] = "bob"),
          /requester .* is who creates it/,
        ],
        "without a requester": [
          ({ metadata }) => delete metadata.annotations[bypassAnnotations.requester],
          /requester .* is who creates it/,
        ],
        "without an end": [({ metadata }) => delete metadata.annotations[bypassAnnotations.until], /states its end/],
        "with an end that is no time": [
          ({ metadata }) => void (metadata.annotations[bypassAnnotations.until] = "tomorrow"),
          /states its end/,
        ],
        "with an end that is a day": [
          ({ metadata }) => void (metadata.annotations[bypassAnnotations.until] = "2999-01-01"),
          /states its end/,
        ],
        "that ends after the grant": [
          ({ metadata }) => void (metadata.annotations[bypassAnnotations.until] = inTime(3 * 3600)),
          /within the time that is granted/,
        ],
        "whose end is over": [
          ({ metadata }) => void (metadata.annotations[bypassAnnotations.until] = inTime(-60)),
          /not over/,
        ],
        "of a longer grant of others": [
          ({ metadata }) => {
            const name = timerName("oncall-long", "abcdefgh");
            metadata.labels[timerLabel] = name;
            ownerOf(metadata).name = name;
          },
          /none of your groups/,
        ],
        "of a grant that is none": [
          ({ metadata }) => {
            metadata.labels[timerLabel] = "break-glass-other-abcdefgh";
            ownerOf(metadata).name = "break-glass-other-abcdefgh";
          },
          /of no grant/,
        ],
        "with a finalizer": [({ metadata }) => void (metadata.finalizers = ["example.com/stay"]), /no finalizer/],
        "that selects all pods": [
          ({ spec }) => void (spec[dialect === Dialect.Cilium ? "endpointSelector" : "podSelector"] = {}),
          /opens what its grant says/,
        ],
        "of another workload": [
          ({ spec }) => {
            const selector = spec[dialect === Dialect.Cilium ? "endpointSelector" : "podSelector"] as {
              matchLabels: Record<string, string>;
            };
            for (const key of Object.keys(selector.matchLabels))
              if (key.endsWith("app")) selector.matchLabels[key] = "web";
          },
          /opens what its grant says/,
        ],
        "that opens metadata endpoints": [({ spec }) => void (spec["egress"] = [{}, {}]), /opens what its grant says/],
        "by somebody who is in no group": [
          ({ metadata }) => void (metadata.annotations[bypassAnnotations.requester] = "bob"),
          /none of your groups/,
          stranger,
        ],
        "by a member, as a policy that is no bypass": [
          ({ metadata }) => delete metadata.labels[timerLabel],
          /write no other policies here/,
        ],
      };
      for (const [what, [change, message, person = eve]] of Object.entries(policies)) {
        const attempt = (): ReturnType<typeof dry> =>
          dry(changed(policyOf(timerName("oncall", random())), change), person);
        forbidden.set(`a bypass ${what}`, attempt);
        it(`S3-29: refuses a bypass ${what}`, async () => {
          const refused = await attempt();
          assert.equal(refused.status, 422, refused.body);
          assert.match(refused.body, message);
        });
      }

      const jobs: Readonly<Record<string, readonly [(job: Loose) => void, RegExp, Person?]>> = {
        "that is longer": [
          ({ spec }) => void (spec["activeDeadlineSeconds"] = 7201),
          /within the time that is granted/,
        ],
        "without an end": [({ spec }) => delete spec["activeDeadlineSeconds"], /within the time that is granted/],
        "that is suspended": [({ spec }) => void (spec["suspend"] = true), /is not suspended/],
        "managed by another": [({ spec }) => void (spec["managedBy"] = "example.com/x"), /cluster's own controller/],
        "that starts pods": [({ spec }) => void (spec["parallelism"] = 1), /runs no pod/],
        "that says nothing about pods": [({ spec }) => delete spec["parallelism"], /runs no pod/],
        "without a time to live": [
          ({ spec }) => delete spec["ttlSecondsAfterFinished"],
          /deleted as soon as it has ended/,
        ],
        "that stays for a while": [
          ({ spec }) => void (spec["ttlSecondsAfterFinished"] = 60),
          /deleted as soon as it has ended/,
        ],
        "with an owner": [
          ({ metadata }) =>
            void (metadata.ownerReferences = [{ apiVersion: "v1", kind: "ConfigMap", name: "x", uid: randomUUID() }]),
          /no owner and no finalizer/,
        ],
        "with a finalizer": [
          ({ metadata }) => void (metadata.finalizers = ["example.com/stay"]),
          /no owner and no finalizer/,
        ],
        "without the label": [({ metadata }) => delete metadata.labels[timerLabel], /is a timer of break glass/],
        "with another's label": [
          ({ metadata }) => void (metadata.labels[timerLabel] = timerName("oncall", "abcdefgh")),
          /is a timer of break glass/,
        ],
        "of another name": [({ metadata }) => void (metadata.name = "backup"), /is a timer of break glass/],
        "of a name that the server makes": [
          ({ metadata }) => {
            delete metadata.name;
            metadata.generateName = "break-glass-oncall-";
          },
          /is a timer of break glass/,
        ],
        "of a grant of others": [
          ({ metadata }) => {
            metadata.name = timerName("oncall-long", "abcdefgh");
            metadata.labels[timerLabel] = timerName("oncall-long", "abcdefgh");
          },
          /none of your groups/,
        ],
        "by somebody who is in no group": [() => undefined, /none of your groups/, stranger],
      };
      for (const [what, [change, message, person = eve]] of Object.entries(jobs)) {
        const attempt = (): ReturnType<typeof dry> => dry(changed(jobOf(), change), person);
        forbidden.set(`a timer ${what}`, attempt);
        it(`S3-29: refuses a timer ${what}`, async () => {
          const refused = await attempt();
          assert.equal(refused.status, 422, refused.body);
          assert.match(refused.body, message);
        });
      }

      describe("once it is open", () => {
        let job: KubeObject;
        let policy: KubeObject;
        const patch = (object: KubeObject, change: object, person = eve, part = ""): ReturnType<Plane["call"]> =>
          plane.call("PATCH", `${placeOf(object, object.metadata?.name)}${part}?dryRun=All`, change, person);

        before(async () => {
          job = await plane.create(jobOf(), eve);
          const uid = (job.metadata as { uid?: string }).uid ?? assert.fail();
          policy = await plane.create(policyOf(String(job.metadata?.name), { uid }), eve);
        });

        const later: Readonly<Record<string, readonly ["job" | "policy", object, RegExp]>> = {
          "a timer prolonged": ["job", { spec: { activeDeadlineSeconds: 7200 } }, /timer is not changed/],
          "a timer shortened": ["job", { spec: { activeDeadlineSeconds: 60 } }, /timer is not changed/],
          "a timer suspended": ["job", { spec: { suspend: true } }, /timer is not changed/],
          "a timer that is to stay": ["job", { spec: { ttlSecondsAfterFinished: 9999 } }, /timer is not changed/],
          "a timer without a time to live": [
            "job",
            { spec: { ttlSecondsAfterFinished: null } },
            /timer is not changed/,
          ],
          "a timer's label taken": ["job", { metadata: { labels: { [timerLabel]: null } } }, /timer is not changed/],
          "a timer with a finalizer": ["job", { metadata: { finalizers: ["orphan"] } }, /no owner and no finalizer/],
          "a bypass without its timer": ["policy", { metadata: { ownerReferences: null } }, /is not changed/],
          "a bypass without its label": ["policy", { metadata: { labels: { [timerLabel]: null } } }, /is not changed/],
          "a bypass with a later end": [
            "policy",
            { metadata: { annotations: { [bypassAnnotations.until]: "2999-01-01T00:00:00Z" } } },
            /is not changed/,
          ],
          "a bypass that opens more": [
            "policy",
            { spec: { egress: [dialect === Dialect.Cilium ? { toEntities: ["world"] } : {}] } },
            /is not changed/,
          ],
          "a bypass with a finalizer": ["policy", { metadata: { finalizers: ["example.com/stay"] } }, /no finalizer/],
        };
        for (const [what, [which, change, message]] of Object.entries(later)) {
          forbidden.set(what, () => patch(which === "job" ? job : policy, change, admin));
          it(`S3-29: refuses ${what}, of administrators, too`, async () => {
            for (const person of [eve, admin]) {
              const refused = await patch(which === "job" ? job : policy, change, person);
              assert.equal(refused.status, 422, refused.body);
              assert.match(refused.body, message);
            }
          });
        }

        it("S3-29: refuses to start a timer again by its status", async () => {
          await plane.until("the start", async () => {
            const { body } = await plane.call("GET", placeOf(job, job.metadata?.name));
            return (JSON.parse(body) as { status: { startTime?: string } }).status.startTime !== undefined;
          });
          for (const startTime of [null, "2999-01-01T00:00:00Z"]) {
            const attempt = (): ReturnType<Plane["call"]> => patch(job, { status: { startTime } }, admin, "/status");
            forbidden.set(`a timer started at ${startTime}`, attempt);
            const refused = await attempt();
            assert.equal(refused.status, 422, refused.body);
          }
        });

        it("S3-29: refuses to delete a timer and leave its bypass, which is what the API does unless it is told", async () => {
          const at = `${placeOf(job, job.metadata?.name)}?dryRun=All`;
          const deleteWith = (options: object | undefined): ReturnType<Plane["call"]> =>
            plane.call(
              "DELETE",
              at,
              options === undefined
                ? undefined
                : { apiVersion: "v1", kind: "DeleteOptions", dryRun: ["All"], ...options },
              eve,
            );
          for (const options of [undefined, {}, { propagationPolicy: "Orphan" }, { orphanDependents: true }]) {
            forbidden.set(`a timer deleted with ${JSON.stringify(options)}`, () => deleteWith(options));
            const refused = await deleteWith(options);
            assert.equal(refused.status, 422, `${JSON.stringify(options)}: ${refused.body}`);
            assert.match(refused.body, /deleted together with the bypass/);
          }
          assert.equal((await deleteWith({ propagationPolicy: "Background" })).status, 200);
        });

        it("S3-29: lets members write and delete no policy but bypasses, and leaves everybody else alone", async () => {
          const own = changed(policyOf("x"), (copy) => {
            copy.metadata = { ...copy.metadata, name: "own", labels: {}, annotations: {} };
            delete copy.metadata.ownerReferences;
          });
          await plane.create(own, stranger);
          assert.equal((await patch(own, { metadata: { labels: { a: "b" } } }, stranger)).status, 200);
          assert.equal((await patch(own, { metadata: { labels: { a: "b" } } }, admin)).status, 200);
          const refused = await patch(own, { metadata: { labels: { a: "b" } } });
          assert.equal(refused.status, 422, refused.body);
          // made a bypass later, it would have no moment of creation to be judged by
          assert.equal((await patch(own, { metadata: { labels: { [timerLabel]: "x" } } }, admin)).status, 422);
          const at = `${placeOf(own, "own")}?dryRun=All`;
          const attempt = (): ReturnType<Plane["call"]> => plane.call("DELETE", at, undefined, eve);
          forbidden.set("a policy that is no bypass deleted by a member", attempt);
          const kept = await attempt();
          assert.equal(kept.status, 422, kept.body);
          assert.equal((await plane.call("DELETE", at, undefined, stranger)).status, 200);
          const closed = await plane.call(
            "DELETE",
            `${placeOf(policy, policy.metadata?.name)}?dryRun=All`,
            undefined,
            eve,
          );
          assert.equal(closed.status, 200, closed.body);
        });

        it("S3-29: lets only members put the timer's label on a pod", async () => {
          const pod = (labels: Record<string, string>): KubeObject => ({
            apiVersion: "v1",
            kind: "Pod",
            metadata: { name: "api-1", namespace: home, labels },
            spec: { containers: [{ name: "main", image: "main" }] },
          });
          const label = { [timerLabel]: String(job.metadata?.name) };
          assert.equal((await dry(pod(label), stranger)).status, 422);
          assert.equal((await dry(pod(label), eve)).status, 201);
          await plane.create(pod({ app: "api" }), stranger);
          assert.equal((await patch(pod({}), { metadata: { labels: label } }, stranger)).status, 422);
          assert.equal((await patch(pod({}), { metadata: { labels: label } }, eve)).status, 200);
        });

        it("S3-29: needs each of its rules: without it something passes that is forbidden", async () => {
          const needless: string[] = [];
          const passes = async (): Promise<boolean> => {
            for (const attempt of forbidden.values()) if ((await attempt()).status < 300) return true;
            return false;
          };
          for (const [guard, allowed] of [
            ["bypasses", () => policyOf(timerName("oncall", random()))],
            ["timers", () => jobOf()],
          ] as const) {
            const at = `/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/protect-break-glass-${guard}-in-${home}`;
            const { body } = await plane.call("GET", at);
            const { validations } = (JSON.parse(body) as { spec: { validations: { message: string }[] } }).spec;
            /** Puts rules in force: one more refuses an object that would be taken, from when on the others hold as well. */
            const enforce = async (rules: readonly object[]): Promise<void> => {
              const probe = allowed();
              const expression = `object == null || object.metadata.name != '${probe.metadata?.name}'`;
              const { status } = await plane.call("PATCH", at, { spec: { validations: [...rules, { expression }] } });
              assert.equal(status, 200);
              await plane.until("the rules", async () => (await dry(probe, eve)).status === 422);
            };
            for (const rule of validations) {
              await enforce(validations.filter((one) => one !== rule));
              if (!(await passes())) needless.push(rule.message);
            }
            await enforce(validations);
            assert.equal(await passes(), false);
          }
          assert.deepEqual(needless, [
            // the next rule refuses that, too; this one says why
            "The timer of the bypass is of no grant of break glass in this namespace.",
            // the API server refuses that by itself; older ones do not
            "A timer does not start again.",
          ]);
        });
      });
    });
  }
});
