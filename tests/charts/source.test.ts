import assert from "node:assert/strict";
import { chartSource, isLocal } from "../../sdk/charts/index";

describe("where charts come from", () => {
  const https = "https://charts.example.com/";
  const wish = { name: "cilium", version: "1.20.2" };
  const cases = [
    [
      "a repository",
      { ...wish, repository: https },
      { chart: "cilium", version: "1.20.2", repositoryOpts: { repo: https } },
    ],
    [
      "another name in a repository",
      { ...wish, repository: https, chart: "our-cilium" },
      { chart: "our-cilium", version: "1.20.2", repositoryOpts: { repo: https } },
    ],
    [
      "an OCI mirror",
      { ...wish, repository: "oci://mirror.example.com/charts/" },
      { chart: "oci://mirror.example.com/charts/cilium", version: "1.20.2" },
    ],
    [
      "an OCI address",
      { ...wish, repository: https, chart: "oci://mirror.example.com/cilium" },
      { chart: "oci://mirror.example.com/cilium", version: "1.20.2" },
    ],
    ["a local folder of charts", { ...wish, repository: "./vendor/charts" }, { chart: "./vendor/charts/cilium" }],
    ["a local chart", { ...wish, repository: https, chart: "vendor/cilium" }, { chart: "vendor/cilium" }],
    ["a packed chart", { ...wish, repository: https, chart: "cilium-1.20.2.tgz" }, { chart: "cilium-1.20.2.tgz" }],
  ] as const;
  for (const [title, asked, expected] of cases) {
    it(`finds ${title}`, () => {
      assert.deepEqual(chartSource(asked), expected);
      assert.equal(isLocal(chartSource(asked)), !("version" in expected));
    });
  }
});
