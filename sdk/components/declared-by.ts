/**
 * Says on every object which Pulumi resource declares it: the URN of its parent. Two resources that declare one object set
 * it to different values, so that server-side apply refuses the second (a conflict of field managers). Without it, a
 * provider older than pulumi-kubernetes#4278 takes the object over when a component is renamed or moved without an alias,
 * and then deletes it under its former name: an update that succeeds and leaves no policy.
 */
export const declaredByAnnotation = "pulumi-cluster-security/declared-by";
