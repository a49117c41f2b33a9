/**
 * What SARIF 2.1.0 (OASIS standard, sections 3.14 to 3.58) asks of the objects that a log of this package holds; a property
 * that is not here is not written.
 */
const text = { type: "string", minLength: 1 };
const message = object({ text }, ["text"]);
const level = { enum: ["none", "note", "warning", "error"] };
const bag = { type: "object" };
const location = object({
  physicalLocation: object(
    {
      artifactLocation: object({ uri: { type: "string", format: "uri-reference", pattern: "^[^ ]+$" } }, ["uri"]),
      region: object({ startLine: { type: "integer", minimum: 1 } }),
    },
    ["artifactLocation"],
  ),
  logicalLocations: { type: "array", items: object({ name: text, fullyQualifiedName: text, kind: text }) },
});
const locations = { type: "array", items: location };
const rule = object(
  {
    id: text,
    name: text,
    shortDescription: message,
    fullDescription: message,
    help: object({ text, markdown: text }, ["text"]),
    helpUri: { type: "string", pattern: "^https://" },
    defaultConfiguration: object({ level }),
    properties: bag,
  },
  ["id"],
);
const result = object(
  {
    ruleId: text,
    ruleIndex: { type: "integer", minimum: 0 },
    kind: { enum: ["notApplicable", "pass", "fail", "review", "open", "informational"] },
    level,
    message,
    locations,
    partialFingerprints: { type: "object", additionalProperties: { type: "string" } },
    suppressions: {
      type: "array",
      items: object(
        {
          kind: { enum: ["inSource", "external"] },
          status: { enum: ["accepted", "underReview", "rejected"] },
          justification: { type: "string" },
        },
        ["kind"],
      ),
    },
    properties: bag,
  },
  ["message"],
);

/** The JSON Schema of a log. */
export const sarifSchema = object(
  {
    $schema: { type: "string" },
    version: { const: "2.1.0" },
    runs: {
      type: "array",
      items: object(
        {
          tool: object(
            {
              driver: object(
                {
                  name: text,
                  semanticVersion: text,
                  informationUri: text,
                  rules: { type: "array", items: rule, uniqueItems: true },
                },
                ["name"],
              ),
            },
            ["driver"],
          ),
          columnKind: { enum: ["utf16CodeUnits", "unicodeCodePoints"] },
          invocations: {
            type: "array",
            items: object(
              {
                executionSuccessful: { type: "boolean" },
                toolExecutionNotifications: {
                  type: "array",
                  items: object({ level, message, locations }, ["message"]),
                },
              },
              ["executionSuccessful"],
            ),
          },
          results: { type: "array", items: result },
        },
        ["tool"],
      ),
    },
  },
  ["version", "runs"],
);

function object(properties: object, required: readonly string[] = []): object {
  return { type: "object", properties, required, additionalProperties: false };
}
