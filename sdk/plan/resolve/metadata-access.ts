import type { PropertyPath } from "../../property-path";
import { MetadataService } from "../declaration";
import { standIns } from "../deferred";
import type { ProblemCollector } from "../errors";
import type { ModelMetadataAccess } from "../model";
import type { Reader } from "../reader";

/** Reads which credential services of the cloud a workload may reach; each names its reason and its owner. */
export function readMetadataAccess(
  reader: Reader,
  problems: ProblemCollector,
  path: PropertyPath,
  value: unknown,
): readonly ModelMetadataAccess[] {
  const seen = new Set<MetadataService>();
  return reader.list(path, value).flatMap((item, index): ModelMetadataAccess[] => {
    const at = [...path, index];
    const fields = reader.fields(at, item, ["service", "reason", "owner", "expires"]);
    const service = reader.choice([...at, "service"], fields?.["service"], MetadataService);
    if (fields === undefined || fields["service"] === undefined) {
      problems.add(at, item, "names no service", `Give one of ${Object.values(MetadataService).join(", ")}.`);
      return [];
    }
    const reason = reader.leaf([...at, "reason"], fields["reason"], standIns.text);
    const owner = reader.leaf([...at, "owner"], fields["owner"], standIns.text);
    const expires = reader.date([...at, "expires"], fields["expires"]);
    if (service === undefined || reason === undefined || owner === undefined) return [];
    if (seen.has(service)) {
      problems.add([...at, "service"], service, "is named twice", "Keep one, with one reason and one owner.");
    }
    seen.add(service);
    return [{ service, reason, owner, path: at, ...(expires === undefined ? {} : { expires }) }];
  });
}
