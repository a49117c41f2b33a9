import assert from "node:assert/strict";
import { AuditLogReader, compareRuns, readRun, recordOf } from "../../sdk/audit/index";
import { audited, cluster, without } from "./world";

const deny = {
  apiVersion: "cilium.io/v2",
  kind: "CiliumClusterwideNetworkPolicy",
  name: "default-deny-all",
};

function event(more: object): string {
  return JSON.stringify({
    kind: "Event",
    apiVersion: "audit.k8s.io/v1",
    stage: "ResponseComplete",
    verb: "delete",
    requestURI: "/apis/cilium.io/v2/ciliumclusterwidenetworkpolicies/default-deny-all",
    user: { username: "mallory", groups: ["system:authenticated"] },
    sourceIPs: ["198.51.100.7"],
    userAgent: "kubectl/v1.36",
    objectRef: { apiGroup: "cilium.io", resource: "ciliumclusterwidenetworkpolicies", name: "default-deny-all" },
    responseStatus: { code: 200 },
    requestReceivedTimestamp: "2026-11-28T09:00:00.000000Z",
    ...more,
  });
}

describe("audit: the API server's audit log", () => {
  it("names user, address and verb of what wrote an object, the latest first", () => {
    const log = new AuditLogReader();
    log.line(
      event({ verb: "create", user: { username: "deployer" }, requestReceivedTimestamp: "2026-11-20T10:00:00Z" }),
    );
    log.line(event({}));
    const [first, second] = log.of(deny);
    assert.deepEqual([first?.user, first?.verb, first?.addresses], ["mallory", "delete", ["198.51.100.7"]]);
    assert.equal(second?.user, "deployer");
  });

  it("passes over reads, refusals, dry runs, the status, and other objects", () => {
    const log = new AuditLogReader();
    log.line(event({ verb: "get" }));
    log.line(event({ responseStatus: { code: 403 } }));
    log.line(event({ stage: "RequestReceived" }));
    log.line(event({ requestURI: "/apis/x?dryRun=All" }));
    log.line(
      event({
        objectRef: {
          apiGroup: "cilium.io",
          resource: "ciliumclusterwidenetworkpolicies",
          name: "default-deny-all",
          subresource: "status",
        },
      }),
    );
    log.line(
      event({ objectRef: { apiGroup: "cilium.io", resource: "ciliumclusterwidenetworkpolicies", name: "other" } }),
    );
    assert.deepEqual(log.of(deny), []);
    assert.equal(log.events, 6);
  });

  it("a deletion of everything is about each object, and impersonation says who was played", () => {
    const log = new AuditLogReader();
    log.line(
      event({
        verb: "deletecollection",
        impersonatedUser: { username: "admin" },
        objectRef: { apiGroup: "networking.k8s.io", resource: "networkpolicies", namespace: "shop" },
      }),
    );
    const found = log.of({ apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", namespace: "shop", name: "a" });
    assert.deepEqual([found[0]?.user, found[0]?.as], ["mallory", "admin"]);
    assert.deepEqual(
      log.of({ apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", namespace: "ops", name: "a" }),
      [],
    );
  });

  it("counts what is no event, such as a line that is cut off", () => {
    const log = new AuditLogReader();
    log.line(event({}));
    log.line('{"kind":"Event","apiVersion":"audit.k8s.io/v1","verb":"de');
    log.line('{"verdict":"DROPPED"}');
    assert.deepEqual([log.events, log.unread], [1, 2]);
  });

  it("its requests stand beside the field managers of a drift", () => {
    const log = new AuditLogReader();
    log.line(event({}));
    const { drifts } = audited(without(cluster(), "CiliumClusterwideNetworkPolicy default-deny-all"), {
      requests: log,
    });
    assert.equal(drifts[0]?.requests[0]?.user, "mallory");
  });
});

describe("audit: history", () => {
  const run = (live: ReturnType<typeof cluster>) =>
    recordOf(audited(live), { time: "2026-11-29T10:00:00Z", cluster: "prod", baseline: ["stack.json"] });

  it("a line of it reads back as it was written", () => {
    const record = run(without(cluster(), "CiliumClusterwideNetworkPolicy default-deny-all"));
    assert.deepEqual(readRun(JSON.stringify(record)), record);
    assert.equal(readRun("{}"), undefined);
    assert.equal(readRun("no"), undefined);
  });

  it("two runs tell what is new, what is gone and what stayed", () => {
    const first = run(without(cluster(), "ValidatingAdmissionPolicy protect-bypass-label-in-shop"));
    const second = run(
      without(
        without(cluster(), "ValidatingAdmissionPolicy protect-bypass-label-in-shop"),
        "CiliumClusterwideNetworkPolicy default-deny-all",
      ),
    );
    const { appeared, gone, unchanged } = compareRuns(first, second);
    assert.deepEqual(
      appeared.map(({ object }) => object),
      ["CiliumClusterwideNetworkPolicy default-deny-all"],
    );
    assert.deepEqual([gone, unchanged], [[], 1]);
    assert.deepEqual(compareRuns(second, first).gone, appeared);
  });
});
