import type { DeclarationForm } from "../../flows/index";

/** The values of `--format` of most commands. */
export const formats = ["table", "json", "csv", "md", "dot", "mermaid"] as const;
export type Format = (typeof formats)[number];

/** Of the difference between two sources: also one comment of a pull request. */
export const diffFormats = [...formats, "comment"] as const;
export type DiffFormat = (typeof diffFormats)[number];

/** Of answers that are lists of rules or differences and cannot be drawn. */
export const listFormats = ["table", "json", "csv", "md"] as const;
export type ListFormat = (typeof listFormats)[number];

/** Of findings. */
export const checkFormats = ["table", "json", "csv", "md", "sarif", "junit", "policyreport", "oscal"] as const;
export type CheckFormat = (typeof checkFormats)[number];

/** Of audits. */
export const auditFormats = ["table", "json", "md", "policyreport", "oscal"] as const;
export type AuditFormat = (typeof auditFormats)[number];

/** Of reports. */
export const reportFormats = ["html", "md", "csv", "json", "oscal", "policyreport"] as const;
export type ReportFormat = (typeof reportFormats)[number];

/** Of declarations. */
export const declarationForms: readonly DeclarationForm[] = ["yaml", "typescript", "json"];
