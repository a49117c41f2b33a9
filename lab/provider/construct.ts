/**
 * The components that Pulumi's SDK leaves to the provider: yaml/v2 `ConfigGroup` and `ConfigFile`. The component and
 * its objects are registered with the engine; namespaces and definitions come before what needs them.
 */
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import * as grpc from "@grpc/grpc-js";
import { Struct, type JavaScriptValue } from "google-protobuf/google/protobuf/struct_pb";
import * as proto from "@pulumi/pulumi/proto/provider_pb";
import * as resource from "@pulumi/pulumi/proto/resource_pb";
import { ResourceMonitorClient } from "@pulumi/pulumi/proto/resource_grpc_pb";
import { annotations, isSecretObject, metadataOf, nameOf, namespaceOf } from "./objects";
import {
  hasUnknown,
  isPlainMap,
  mapFromWire,
  Secret,
  toWire,
  unwrapMap,
  type PlainMap,
  type PropertyMap,
} from "./properties";
import { decodeManifests, flattenLists } from "./yaml";

interface Child {
  name: string;
  token: string;
  object: PlainMap;
}

/** Registers a yaml/v2 component and its objects. */
export async function constructComponent(
  request: proto.ConstructRequest,
  version: string,
): Promise<proto.ConstructResponse> {
  const type = request.getType();
  if (type !== "kubernetes:yaml/v2:ConfigGroup" && type !== "kubernetes:yaml/v2:ConfigFile") {
    throw new Error(`the lab's Kubernetes provider does not offer the component ${type}`);
  }
  const monitor = new Monitor(request, version);
  try {
    const inputs = mapFromWire(request.getInputs()?.toJavaScript());
    const component = await monitor.registerComponent();
    const response = new proto.ConstructResponse();
    response.setUrn(component);
    if (hasUnknown(inputs)) {
      // what the files hold is only known in the update; the preview shows the component alone
      response.setState(new Struct());
      return response;
    }
    const plain = unwrapMap(inputs);
    const prefix = typeof plain["resourcePrefix"] === "string" ? plain["resourcePrefix"] : request.getName();
    const children = childrenOf(await collectObjects(plain), prefix, plain["skipAwait"] === true);
    const urns = await registerInOrder(children, (child, after) => monitor.registerChild(component, child, after));
    const resources = urns.map((urn) => ({
      "4dabf18193072939515e22adb298388d": "5cf8f73096256a8f31e491e813e4eb8e",
      urn,
    }));
    response.setState(Struct.fromJavaScript({ resources } as unknown as Record<string, JavaScriptValue>));
    await monitor.registerOutputs(component, response.getState());
    return response;
  } finally {
    monitor.close();
  }
}

/** The objects of `files` (paths, patterns, addresses), `file`, `yaml` and `objs`. */
async function collectObjects(inputs: PlainMap): Promise<PlainMap[]> {
  const listed = Array.isArray(inputs["files"])
    ? inputs["files"]
    : inputs["files"] === undefined
      ? []
      : [inputs["files"]];
  const files = [...listed, ...(inputs["file"] === undefined ? [] : [inputs["file"]])].map(String);
  const objects = Array.isArray(inputs["objs"]) ? inputs["objs"].filter(isPlainMap) : [];
  const texts = await Promise.all(files.map(readManifests));
  if (typeof inputs["yaml"] === "string") texts.push([inputs["yaml"]]);
  return flattenLists([...texts.flat().flatMap(decodeManifests), ...objects]);
}

async function readManifests(file: string): Promise<string[]> {
  if (/^https?:\/\//.test(file)) {
    const answer = await fetch(file);
    if (!answer.ok) throw new Error(`${file}: status ${answer.status}`);
    return [await answer.text()];
  }
  const paths = /[*?[]/.test(file) ? await expandPattern(file) : [file];
  return Promise.all(paths.map((each) => readFile(each, "utf8")));
}

/** Files that match a pattern with `*`, `?` and `[…]` in any part of the path, sorted. */
async function expandPattern(pattern: string): Promise<string[]> {
  let found = [path.isAbsolute(pattern) ? "/" : "."];
  for (const part of pattern.split("/").filter((each) => each !== "" && each !== ".")) {
    const matches = partMatcher(part);
    const below = await Promise.all(
      found.map(async (folder) => {
        const names = await readdir(folder).catch((): string[] => []);
        return names.filter(matches).map((name) => path.join(folder, name));
      }),
    );
    found = part === ".." ? found.map((folder) => path.join(folder, "..")) : below.flat();
  }
  return found.sort();
}

function partMatcher(part: string): (name: string) => boolean {
  if (!/[*?[]/.test(part)) return (name) => name === part;
  const source = part
    .replace(/[.+^${}()|\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  const pattern = new RegExp(`^${source}$`);
  return (name) => pattern.test(name);
}

export function childrenOf(objects: readonly PlainMap[], prefix: string, skipAwait: boolean): Child[] {
  return objects.map((object) => {
    const [apiVersion, kind] = [object["apiVersion"], object["kind"]];
    if (typeof apiVersion !== "string" || typeof kind !== "string" || apiVersion === "" || kind === "") {
      throw new Error("Kubernetes resources require a kind and apiVersion");
    }
    if (nameOf(object) === "") throw new Error(`${kind}: the object does not have a .metadata.name`);
    const place = namespaceOf(object) === "" ? nameOf(object) : `${namespaceOf(object)}/${nameOf(object)}`;
    const metadata = metadataOf(object);
    const all = isPlainMap(metadata["annotations"]) ? metadata["annotations"] : {};
    const marked = skipAwait ? { ...metadata, annotations: { ...all, [annotations.skipAwait]: "true" } } : metadata;
    const group = apiVersion.includes("/") ? apiVersion : `core/${apiVersion}`;
    return {
      name: prefix === "" ? place : `${prefix}:${place}`,
      token: `kubernetes:${group}:${kind}`,
      object: { ...object, metadata: marked },
    };
  });
}

/** What an object needs first: its namespace and the definition of its kind, where they are in the same group. */
export function needs(child: Child, all: readonly Child[]): Child[] {
  const group = String(child.object["apiVersion"]).split("/")[0];
  return all.filter((other) => {
    if (other === child) return false;
    const { object } = other;
    if (object["kind"] === "Namespace" && object["apiVersion"] === "v1")
      return nameOf(object) === namespaceOf(child.object);
    if (object["kind"] !== "CustomResourceDefinition") return false;
    const spec = object["spec"];
    if (!isPlainMap(spec) || !isPlainMap(spec["names"])) return false;
    return spec["group"] === group && spec["names"]["kind"] === child.object["kind"];
  });
}

/** Registers everything as early as its needs allow; the result is in the order of the children. */
async function registerInOrder(
  children: readonly Child[],
  register: (child: Child, after: string[]) => Promise<string>,
): Promise<string[]> {
  const started = new Map<Child, Promise<string>>();
  const start = (child: Child): Promise<string> => {
    const known = started.get(child);
    if (known) return known;
    const promise = Promise.all(needs(child, children).map(start)).then((after) => register(child, after));
    started.set(child, promise);
    return promise;
  };
  return Promise.all(children.map(start));
}

class Monitor {
  private readonly client: ResourceMonitorClient;

  constructor(
    private readonly request: proto.ConstructRequest,
    private readonly version: string,
  ) {
    this.client = new ResourceMonitorClient(request.getMonitorendpoint(), grpc.credentials.createInsecure(), {
      "grpc.max_receive_message_length": -1,
      "grpc.max_send_message_length": -1,
    });
  }

  close(): void {
    this.client.close();
  }

  /** Without its inputs: manifests may hold Secrets, which only their own resources mark as such. */
  registerComponent(): Promise<string> {
    const request = this.base(this.request.getType(), this.request.getName(), {});
    request.setCustom(false);
    request.setParent(this.request.getParent());
    request.setDependenciesList(this.request.getDependenciesList());
    request.setProtect(this.request.getProtect() ?? false);
    request.setAliasesList(this.request.getAliasesList());
    this.request
      .getProvidersMap()
      .forEach((provider: string, name: string) => request.getProvidersMap().set(name, provider));
    return this.register(request);
  }

  registerChild(parent: string, child: Child, after: string[]): Promise<string> {
    const inputs = { ...child.object } as PropertyMap;
    if (isSecretObject(child.object)) {
      for (const key of ["data", "stringData"]) if (inputs[key] !== undefined) inputs[key] = new Secret(inputs[key]);
    }
    const request = this.base(child.token, child.name, inputs);
    request.setCustom(true);
    request.setParent(parent);
    request.setDependenciesList(after);
    request.setVersion(this.version);
    const provider = this.request.getProvidersMap().get("kubernetes");
    if (provider) request.setProvider(provider);
    if (isSecretObject(child.object)) request.setAdditionalsecretoutputsList(["data", "stringData"]);
    return this.register(request);
  }

  private base(type: string, name: string, inputs: PropertyMap): resource.RegisterResourceRequest {
    const request = new resource.RegisterResourceRequest();
    request.setType(type);
    request.setName(name);
    request.setObject(Struct.fromJavaScript(toWire(inputs) as Record<string, JavaScriptValue>));
    request.setAcceptsecrets(true);
    request.setAcceptresources(true);
    request.setSupportspartialvalues(true);
    return request;
  }

  private register(request: resource.RegisterResourceRequest): Promise<string> {
    return new Promise((resolve, reject) => {
      this.client.registerResource(request, (error, response) => (error ? reject(error) : resolve(response.getUrn())));
    });
  }

  registerOutputs(urn: string, outputs: Struct | undefined): Promise<void> {
    const request = new resource.RegisterResourceOutputsRequest();
    request.setUrn(urn);
    request.setOutputs(outputs);
    return new Promise((resolve, reject) => {
      this.client.registerResourceOutputs(request, (error) => (error ? reject(error) : resolve()));
    });
  }
}
