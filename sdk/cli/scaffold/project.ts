/** The files of a new Pulumi project whose declaration stands in a file of its own. */

/** What a project is made for. */
export interface NewProject {
  /** Name of the Pulumi project. */
  readonly name: string;
  /** Who enforces policies: which API they are written in. */
  readonly dialect: "cilium" | "calico" | "kubernetes";
  /** The program installs the CNI, too. */
  readonly installs: boolean;
  /** Of this package. */
  readonly version: string;
}

export interface ProjectFile {
  readonly file: string;
  readonly text: string;
}

/** A project that `pulumi up` takes: one namespace, two workloads, one flow between them. */
export function projectFiles(project: NewProject): readonly ProjectFile[] {
  return [
    { file: "Pulumi.yaml", text: pulumiYaml(project) },
    { file: "package.json", text: packageJson(project) },
    { file: "tsconfig.json", text: `${JSON.stringify(tsconfig, undefined, 2)}\n` },
    { file: ".gitignore", text: "node_modules/\nbin/\n" },
    { file: "index.ts", text: program },
    { file: "security.yaml", text: declaration(project) },
    { file: "README.md", text: readme(project) },
  ];
}

function pulumiYaml({ name }: NewProject): string {
  return `name: ${name}\ndescription: Who may talk to whom in the cluster\nruntime: nodejs\n`;
}

function packageJson({ name, version }: NewProject): string {
  const manifest = {
    name,
    private: true,
    main: "index.ts",
    dependencies: {
      "@pulumi/kubernetes": "^4.25.0",
      "@pulumi/pulumi": "^3.248.0",
      "pulumi-cluster-security": `^${version}`,
      yaml: "^2.9.1",
    },
    devDependencies: { "@types/node": "^20.0.0", typescript: "^5.9.0" },
  };
  return `${JSON.stringify(manifest, undefined, 2)}\n`;
}

const tsconfig = {
  compilerOptions: {
    strict: true,
    outDir: "bin",
    target: "es2022",
    module: "commonjs",
    moduleResolution: "node",
    esModuleInterop: true,
    skipLibCheck: true,
  },
  files: ["index.ts"],
};

const program = `/** The policies of security.yaml. */
import { readFileSync } from "node:fs";
import type { ClusterSecurityArgs } from "pulumi-cluster-security";
import { ClusterSecurity } from "pulumi-cluster-security";
import { parse } from "yaml";

const declaration = parse(readFileSync("security.yaml", "utf8")) as ClusterSecurityArgs;

const security = new ClusterSecurity("security", declaration);

export const { policies, namespaces, exceptions, warnings } = security;
`;

function declaration({ dialect, installs }: NewProject): string {
  return `# Who may talk to whom. What is not declared is denied in the namespaces that are named here, and nowhere else.
dialect: ${dialect}
denyScope: declared-namespaces # the whole cluster: cluster
${installs ? `cni: # installed by this program; remove it where the cluster has its CNI\n  kind: ${dialect}\n` : ""}namespaces:
  - name: demo # created; one that is there already: existing: true
# pods carry the label app: NAME, unless labels says otherwise
workloads:
  - name: frontend
    namespace: demo
    ports: [{ port: 3000 }]
  - name: backend
    namespace: demo
    ports: [{ port: 8080 }]
flows:
  - from: { workload: demo/frontend }
    to: { workload: demo/backend }
    ports: [{ port: 8080 }]
    reason: pages show what the backend knows
    owner: demo
`;
}

function readme({ name }: NewProject): string {
  return `# ${name}

\`security.yaml\` says who may talk to whom, on which port, why, and who answers for it.

\`\`\`sh
npm install
pulumi preview                                     # which policies change
npx cluster-security diff git:HEAD:security.yaml security.yaml  # which paths open and close
pulumi up
npx cluster-security verify --context NAME -d security.yaml --create-probe-pods
\`\`\`

A new service:

\`\`\`sh
npx cluster-security add service demo/orders -d security.yaml --port 8080 --from demo/backend \\
  --reason "the backend takes orders" --owner demo
\`\`\`
`;
}
