/** The values of `--format`. */
export const formats = ["table", "json", "csv", "md", "dot", "mermaid"] as const;
export type Format = (typeof formats)[number];
