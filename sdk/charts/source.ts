/** Where a chart comes from, in the fields that a Helm Release has for it. */
export interface ChartSource {
  readonly chart: string;
  /** Absent for a local path, whose chart is whatever version lies there. */
  readonly version?: string;
  /** Only for a chart that is named in a repository. */
  readonly repositoryOpts?: { readonly repo: string };
}

/** What is asked for. */
export interface ChartWish {
  /** Name of the chart as it is published. */
  readonly name: string;
  /** Version as it is published: some projects write a `v` before it. */
  readonly version: string;
  /** `https://…`, `oci://…`, or a local folder that holds the charts by their names. */
  readonly repository: string;
  /** Another name in the repository, a local path, or an `oci://` address: stands over name and repository. */
  readonly chart?: string | undefined;
}

/** Finds a chart: in a repository, in an OCI mirror, or on the local disk. */
export function chartSource({ name, version, repository, chart }: ChartWish): ChartSource {
  const wanted = chart ?? name;
  if (isAddress(wanted)) return isOci(wanted) ? { chart: wanted, version } : { chart: wanted };
  if (isOci(repository)) return { chart: below(repository, wanted), version };
  if (/^https?:\/\//.test(repository)) return { chart: wanted, version, repositoryOpts: { repo: repository } };
  return { chart: below(repository, wanted) };
}

/** Whether the chart lies on the local disk, where no version can be asked for. */
export function isLocal(source: ChartSource): boolean {
  return source.version === undefined;
}

function isAddress(chart: string): boolean {
  return chart.includes("/") || chart.endsWith(".tgz");
}

function isOci(address: string): boolean {
  return address.startsWith("oci://");
}

function below(folder: string, name: string): string {
  return `${folder.replace(/\/+$/, "")}/${name}`;
}
