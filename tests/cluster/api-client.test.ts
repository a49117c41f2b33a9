import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { stringify } from "yaml";
import { folderWith } from "../cli/command";
import { change } from "../../sdk/cluster/api-client";
import type { Connection } from "../../sdk/cluster/index";
import { ApiClient, ApiError, ClusterError, connect, readLiveObjects } from "../../sdk/cluster/index";
import { ProbeJobs } from "../../sdk/cluster/prober/jobs";

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** A server of this test's own, on a free port. */
async function serve(handler: Handler): Promise<{ server: Server; url: string }> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

function json(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}

describe("API client", () => {
  const servers: Server[] = [];
  const retries: string[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
    retries.length = 0;
  });

  async function clientOf(handler: Handler): Promise<ApiClient> {
    const { server, url } = await serve(handler);
    servers.push(server);
    return new ApiClient(
      { server: url, requestOptions: () => Promise.resolve({ headers: { authorization: "Bearer secret-token" } }) },
      { backoff: 1, attempts: 4, onRetry: (message) => retries.push(message) },
    );
  }

  for (const status of [429, 500, 502, 503, 504]) {
    it(`tries again after ${status}`, async () => {
      let asked = 0;
      const client = await clientOf((_, response) => {
        asked += 1;
        if (asked < 3) json(response, status, { message: "later" });
        else json(response, 200, { fine: true });
      });
      assert.deepEqual(await client.get("/x"), { fine: true });
      assert.equal(asked, 3);
      assert.equal(retries.length, 2);
    });
  }

  it("gives up after the last attempt with the server's own words", async () => {
    let asked = 0;
    const client = await clientOf((_, response) => {
      asked += 1;
      json(response, 503, { reason: "ServiceUnavailable", message: "etcd is not ready" });
    });
    await assert.rejects(client.get("/x"), (error: Error) => {
      assert.ok(error instanceof ApiError);
      assert.match(error.message, /503 etcd is not ready/);
      return true;
    });
    assert.equal(asked, 4);
  });

  for (const status of [400, 401, 403, 404, 410]) {
    it(`does not try again after ${status}`, async () => {
      let asked = 0;
      const client = await clientOf((_, response) => {
        asked += 1;
        json(response, status, { message: "no" });
      });
      await assert.rejects(client.get("/x"), (error: unknown) => error instanceof ApiError && error.status === status);
      assert.equal(asked, 1);
    });
  }

  it("tries again after a connection that breaks", async () => {
    let asked = 0;
    const client = await clientOf((request, response) => {
      asked += 1;
      if (asked === 1) request.socket.destroy();
      else json(response, 200, {});
    });
    await client.get("/x");
    assert.equal(asked, 2);
  });

  describe("requests that change something", () => {
    /** A server that fails twice with a status, or by hanging up, and then does as it is asked. */
    async function failingTwice(status: number | "hangs up"): Promise<{ connection: Connection; asked: () => number }> {
      let asked = 0;
      const { server, url } = await serve((request, response) => {
        asked += 1;
        if (asked > 2) json(response, 200, { fine: true });
        else if (status === "hangs up") request.socket.destroy();
        else json(response, status, { message: "later" }, { "retry-after": "0.01" });
      });
      servers.push(server);
      return { connection: { server: url, requestOptions: () => Promise.resolve({}) }, asked: () => asked };
    }

    for (const status of [429, 500, 503, "hangs up"] as const) {
      it(`a deletion is tried again after ${status}: nothing must stay behind for that`, async function () {
        this.timeout(10_000);
        const { connection, asked } = await failingTwice(status);
        assert.deepEqual(await change(connection, "DELETE", "/x", undefined), { fine: true });
        assert.equal(asked(), 3);
      });
    }

    for (const status of [500, 503, "hangs up"] as const) {
      it(`a creation is not tried again after ${status}: it may have been carried out`, async () => {
        const { connection, asked } = await failingTwice(status);
        await assert.rejects(change(connection, "POST", "/x", {}), ClusterError);
        assert.equal(asked(), 1);
      });
    }

    it("a run that is ended waits for what it is creating, and deletes it then", async () => {
      const happened: string[] = [];
      const { server, url } = await serve((request, response) => {
        const { method = "" } = request;
        // the object comes about long after it was asked for
        setTimeout(
          () => {
            happened.push(method);
            json(response, 200, {});
          },
          method === "POST" ? 200 : 0,
        );
      });
      servers.push(server);
      const jobs = new ProbeJobs({ server: url, requestOptions: () => Promise.resolve({}) }, 1000);
      const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: "canary" } };
      const creating = jobs.create(namespace);
      assert.deepEqual(await jobs.close(), []);
      await creating;
      assert.deepEqual(happened, ["POST", "DELETE"]);
      await assert.rejects(jobs.create(namespace), /is being ended/);
    });
  });

  it("says which server cannot be reached, without any credential", async () => {
    const { server, url } = await serve(() => undefined);
    await new Promise((resolve) => server.close(resolve));
    const client = new ApiClient(
      { server: url, requestOptions: () => Promise.resolve({ headers: { authorization: "Bearer secret-token" } }) },
      { backoff: 1, attempts: 2 },
    );
    await assert.rejects(client.get("/x"), (error: Error) => {
      assert.ok(error instanceof ClusterError);
      assert.ok(error.message.includes(url), error.message);
      assert.ok(!error.message.includes("secret-token"));
      return true;
    });
  });

  it("names what answers with something else than JSON", async () => {
    const client = await clientOf((_, response) => response.end("<html>login</html>"));
    await assert.rejects(client.get("/x"), /not JSON: is http:\S+ a Kubernetes API server\?/);
  });

  it("begins a list again when its token expires on the way (410)", async () => {
    let expired = false;
    const client = await clientOf((request, response) => {
      const url = new URL(request.url ?? "", "http://server");
      if (url.pathname === "/apis") return json(response, 200, { groups: [] });
      if (/\/(pods|networkpolicies)$/.test(url.pathname)) return json(response, 200, { items: [] });
      if (url.pathname !== "/api/v1/namespaces") return json(response, 404, {});
      const token = url.searchParams.get("continue");
      const item = (name: string): unknown => ({ metadata: { name } });
      if (token === null) return json(response, 200, { items: [item("a")], metadata: { continue: "next" } });
      if (!expired) {
        expired = true;
        return json(response, 410, { reason: "Expired", message: "the token is too old" });
      }
      json(response, 200, { items: [item("b")], metadata: {} });
    });
    const { objects, problems } = await readLiveObjects(client, { cluster: "test" });
    assert.deepEqual(problems, []);
    assert.deepEqual(
      objects.map(({ object }) => object.metadata?.name),
      ["a", "b"],
    );
  });

  it("a forbidden kind of policy is a problem that affects verdicts, a kind that is absent is none", async () => {
    const client = await clientOf((request, response) => {
      const { pathname } = new URL(request.url ?? "", "http://server");
      if (pathname === "/apis") {
        return json(response, 200, { groups: [{ name: "networking.k8s.io", versions: [{ version: "v1" }] }] });
      }
      if (pathname.endsWith("/networkpolicies") || pathname.endsWith("/nodes")) return json(response, 403, {});
      if (pathname.endsWith("/namespaces") || pathname.endsWith("/pods")) return json(response, 200, { items: [] });
      json(response, 404, {});
    });
    const { objects, problems } = await readLiveObjects(client, { cluster: "test" });
    assert.deepEqual(objects, []);
    assert.deepEqual(
      problems.map(({ message, affectsVerdicts }) => [message.split(":")[0], affectsVerdicts]),
      [
        ["the role may not list nodes", false],
        ["the role may not list networkpolicies.networking.k8s.io", true],
      ],
    );
  });

  it("asks for every kind where the role may not ask what there is", async () => {
    const asked: string[] = [];
    const client = await clientOf((request, response) => {
      const { pathname } = new URL(request.url ?? "", "http://server");
      asked.push(pathname);
      json(response, pathname === "/apis" ? 403 : 404, {});
    });
    await readLiveObjects(client, { cluster: "test" });
    assert.ok(asked.includes("/apis/cilium.io/v2/ciliumclusterwidenetworkpolicies"));
    assert.ok(asked.includes("/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies"));
  });

  it("asks for no Secret and writes nothing", async () => {
    const asked: string[] = [];
    const client = await clientOf((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      json(response, request.url === "/apis" ? 403 : 404, {});
    });
    await readLiveObjects(client, { cluster: "test" });
    assert.ok(asked.length > 30);
    for (const each of asked) {
      assert.match(each, /^GET /);
      assert.doesNotMatch(each, /secrets/);
    }
  });

  it("a kind that every Kubernetes has and this server has not is a problem, not a cluster without policies", async () => {
    for (const groups of [[{ name: "networking.k8s.io", versions: [{ version: "v1" }] }], []]) {
      const client = await clientOf((request, response) => {
        const { pathname } = new URL(request.url ?? "", "http://server");
        if (pathname === "/apis") return json(response, 200, { groups });
        json(response, pathname.endsWith("/networkpolicies") ? 404 : 200, { items: [] });
      });
      const { problems, unlisted } = await readLiveObjects(client, { cluster: "test" });
      assert.match(problems.map(({ message }) => message).join(), /^the API server has no networkpolicies\.networking/);
      assert.ok(problems.every(({ affectsVerdicts }) => affectsVerdicts));
      assert.deepEqual(unlisted, [{ apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy" }]);
    }
  });

  it("a kind is read in the version that has it, whatever versions its group has besides", async () => {
    const client = await clientOf((request, response) => {
      const { pathname } = new URL(request.url ?? "", "http://server");
      const versions = [{ version: "v2" }, { version: "v2alpha1" }];
      if (pathname === "/apis") return json(response, 200, { groups: [{ name: "cilium.io", versions }] });
      if (pathname === "/apis/cilium.io/v2/ciliumcidrgroups") return json(response, 404, {});
      const items = pathname.endsWith("/ciliumcidrgroups") ? [{ metadata: { name: "offices" } }] : [];
      json(response, 200, { items });
    });
    const { objects } = await readLiveObjects(client, { cluster: "test" });
    const found = objects.filter(({ object }) => object.kind === "CiliumCIDRGroup");
    assert.deepEqual(
      found.map(({ object }) => [object.apiVersion, object.metadata?.name]),
      [["cilium.io/v2alpha1", "offices"]],
    );
  });

  for (const [what, body] of [
    ["null", null],
    ["an array", []],
    ["an object without items", {}],
    ["items that are no objects", { items: [null, 1] }],
    ["a Status", { kind: "Status", status: "Success" }],
  ] as const) {
    it(`${what} in place of a list is refused: it is no list without items`, async () => {
      const client = await clientOf((request, response) => {
        if (request.url === "/apis") return json(response, 200, { groups: [] });
        json(response, 200, body);
      });
      await assert.rejects(readLiveObjects(client, { cluster: "test" }), (error: Error) => {
        assert.ok(error instanceof ClusterError, error.stack);
        assert.match(error.message, /\/api\/v1\/namespaces: the answer is .+: is http:\S+ a Kubernetes API server\?/);
        return true;
      });
    });
  }

  it("a list without items, as Go writes it, is a list", async () => {
    const client = await clientOf((request, response) =>
      json(response, 200, request.url === "/apis" ? { groups: [] } : { kind: "PodList", items: null }),
    );
    assert.deepEqual((await readLiveObjects(client, { cluster: "test" })).problems, []);
  });

  it("a page that leads to itself does not go on for ever", async () => {
    const client = await clientOf((request, response) =>
      json(response, 200, request.url === "/apis" ? { groups: [] } : { items: [], metadata: { continue: "again" } }),
    );
    await assert.rejects(readLiveObjects(client, { cluster: "test" }), /the same page again/);
  });

  it("an answer that is longer than a string may be is refused in a sentence", async () => {
    const client = await clientOf((_, response) => {
      const piece = Buffer.alloc(4 * 1024 * 1024, "x");
      const more = (): void => {
        while (!response.destroyed && response.write(piece));
        if (!response.destroyed) response.once("drain", more);
      };
      more();
    });
    await assert.rejects(client.get("/x"), /GET \/x: the answer is longer than 256 MB/);
  });

  it("waits as long as the server asks, and does not ask again where that is too long", async () => {
    let asked = 0;
    const client = await clientOf((_, response) => {
      asked += 1;
      json(response, 429, { message: "too many" }, { "retry-after": "300" });
    });
    await assert.rejects(client.get("/x"), /429 too many: .*repeat the command in 300 s/);
    assert.equal(asked, 1);
  });

  for (const [status, says] of [
    [302, /leads elsewhere/],
    [401, /credentials of the context.*sign in again/],
    [403, /an admission check of the cluster forbids it/],
    [404, /has nothing there: is its address/],
    [409, /somebody else changes the same object; repeat/],
    [410, /the list changed while it was read/],
    [422, /does not take the request/],
    [500, /a fault of the API server.*4 attempts.*repeat the command later/],
  ] as const) {
    it(`${status}: the context, the request, what it means, and no query`, async () => {
      const { server, url } = await serve((_, response) => json(response, status, { message: "no\n  way" }));
      servers.push(server);
      const connection = { server: url, context: "prod", requestOptions: () => Promise.resolve({}) };
      const client = new ApiClient(connection, { backoff: 1, attempts: 4 });
      await assert.rejects(client.get("/api/v1/pods?continue=token-of-a-page"), (error: Error) => {
        assert.ok(error.message.startsWith(`context "prod": GET /api/v1/pods: ${status} no way: `), error.message);
        assert.match(error.message, says);
        return true;
      });
    });
  }

  it("says that nobody knows whether a creation was carried out whose answer did not come", async () => {
    const { server, url } = await serve((request) => request.socket.destroy());
    servers.push(server);
    const connection = { server: url.replace("//", "//name:password@"), requestOptions: () => Promise.resolve({}) };
    await assert.rejects(change(connection, "POST", "/x", {}), (error: Error) => {
      assert.match(error.message, /POST \/x: cannot reach .*whether the request was carried out is not known/);
      assert.doesNotMatch(error.message, /password/);
      return true;
    });
  });

  describe("signing in", () => {
    async function signingIn(user: object, server = "https://127.0.0.1:1"): Promise<string> {
      const { folder, remove } = folderWith({
        config: stringify({
          apiVersion: "v1",
          kind: "Config",
          clusters: [{ name: "lab", cluster: { server } }],
          users: [{ name: "me", user }],
          contexts: [{ name: "prod", context: { cluster: "lab", user: "me" } }],
        }),
      });
      try {
        const connection = await connect({ context: "prod", kubeconfig: path.join(folder, "config") });
        await connection.requestOptions();
      } catch (error) {
        assert.ok(error instanceof ClusterError, String(error));
        return error.message;
      } finally {
        remove();
      }
      return assert.fail("it was accepted");
    }

    const exec = (command: string, ...args: string[]): object => ({
      exec: { apiVersion: "client.authentication.k8s.io/v1", command, args, interactiveMode: "Never" },
    });

    it("what a program prints in place of a credential is not told: it may be one", async () => {
      for (const printed of ["eyJhbGciOiJSUzI1NiJ9.secret", "{}", "[]"]) {
        const said = await signingIn(exec("printf", "%s", printed));
        assert.match(said, /^cannot sign in to context "prod": the program .* prints no ExecCredential/);
        assert.doesNotMatch(said, /eyJ/);
      }
    });

    it("a program that is not there or fails, and a server without TLS, are told in words", async () => {
      assert.match(await signingIn(exec("no-such-plugin")), /there is no no-such-plugin$/);
      assert.match(await signingIn(exec("sh", "-c", "echo no such profile >&2; exit 1")), /: no such profile$/);
      assert.match(await signingIn(exec("false")), /fails without a word$/);
      const plain = await signingIn({ token: "secret-token" }, "http://127.0.0.1:1");
      assert.match(plain, /http:\/\/127\.0\.0\.1:1 has no TLS: .* insecure-skip-tls-verify/);
      assert.doesNotMatch(plain, /secret-token/);
    });
  });
});
