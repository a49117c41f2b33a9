import assert from "node:assert/strict";
import { folderWith, run } from "./command";
import { backendIngress, defaultDeny, deployment, join, namespace } from "./fixtures";

const service = `apiVersion: v1
kind: Service
metadata: { name: front, namespace: open }
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  selector: { app: tool }
  ports: [{ port: 80, targetPort: http }]
`;

describe("cluster-security exposure", () => {
  let folder: string;
  let remove: () => void;
  before(
    () =>
      ({ folder, remove } = folderWith({
        "all.yaml": join(
          namespace("shop"),
          deployment("shop", "backend", 8080),
          defaultDeny,
          backendIngress.replace("app: frontend", ""),
          namespace("open"),
          deployment("open", "tool", 9000),
          service,
        ),
      })),
  );
  after(() => remove());

  const rows = async (...args: string[]): Promise<Record<string, string>[]> => {
    const { code, stdout, stderr } = await run(["exposure", "all.yaml", "--format", "json", ...args], { cwd: folder });
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout) as Record<string, string>[];
  };

  it("a workload that is closed to everything has no row", async () => {
    // the backend lets in any pod of its own namespace, and a new one there is closed by the default deny
    assert.deepEqual(await rows("-w", "shop/backend"), []);
    const open = {
      ...(await run(["exposure", "-q", "-", "--format", "csv"], {
        stdin: join(deployment("shop", "backend", 8080), backendIngress.replace("app: frontend", "")),
      })),
    };
    assert.match(open.stdout, /^shop\/backend\[Deployment\],ingress,new pod,new@shop,TCP 8080$/m);
  });

  it("an open workload shows the world, the ways in and new pods of every namespace", async () => {
    const found = await rows("-n", "open");
    const has = (kind: string, direction: string, peer: RegExp, conn: string): void => {
      const row = found.find(
        (each) => each["kind"] === kind && each["direction"] === direction && peer.test(each["peer"] ?? ""),
      );
      assert.equal(row?.["conn"], conn, `${kind} ${direction} ${String(peer)}`);
    };
    has("entrance", "ingress", /^Service open\/front \(from the client\)$/, "TCP 9000");
    has("world", "ingress", /^0\.0\.0\.0-255\.255\.255\.255\[External\]$/, "All Connections");
    has("world", "egress", /^::-ffff:.*\[External\]$/, "All Connections");
    has("new pod", "ingress", /^new@open$/, "All Connections");
    // default-deny-all of shop closes what leaves its pods
    assert.ok(!found.some((each) => each["direction"] === "ingress" && each["peer"] === "new@shop"));
  });

  it("prints all formats", async () => {
    for (const [format, pattern] of [
      ["table", /^WORKLOAD +DIRECTION +KIND +PEER +CONNECTIONS\nopen\/tool/],
      ["csv", /^workload,direction,kind,peer,connections\nopen\/tool/],
      ["md", /^\| workload \| direction .*\n\| --- .*\n\| open\/tool/],
      ["dot", /^digraph \{/],
      ["mermaid", /^flowchart LR/],
    ] as const) {
      const { code, stdout } = await run(["exposure", "all.yaml", "-q", "--format", format], { cwd: folder });
      assert.equal(code, 0);
      assert.match(stdout, pattern);
    }
  });
});
