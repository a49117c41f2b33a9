import type { Finding } from "../findings";
import type { Source } from "../reachability";

/** Where something was read: `file:line`, the URN of a Pulumi resource, or the cluster. */
export function describeSource(source: Source | undefined): string | undefined {
  if (source === undefined) return undefined;
  if (source.urn !== undefined) return source.file === undefined ? source.urn : `${source.file}: ${source.urn}`;
  if (source.file === undefined) return source.cluster === undefined ? undefined : `cluster ${source.cluster}`;
  return source.line === undefined ? source.file : `${source.file}:${source.line}`;
}

/** The object to look at for a finding: what causes it, else what it is about. */
export function placeOfFinding({ causes, subject }: Finding): Source | undefined {
  return causes?.[0] ?? subject.source;
}

/** `Deployment shop/api`; `Namespace shop`. */
export function describeSubject({ subject: { kind, namespace, name } }: Finding): string {
  return namespace === undefined ? `${kind} ${name}` : `${kind} ${namespace}/${name}`;
}
