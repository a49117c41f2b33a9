import assert from "node:assert/strict";
import { csvField, markdownCell } from "../../sdk/reports/cells";

describe("cells of reports", () => {
  for (const name of ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"]) {
    it(`${JSON.stringify(name)} is text in a spreadsheet`, () => {
      assert.match(csvField(name), /^"?'/);
    });
  }

  it("CSV leaves what begins with a letter or a digit as it is, and quotes what holds a mark of its own", () => {
    assert.equal(csvField("shop/web[Deployment]"), "shop/web[Deployment]");
    assert.equal(csvField('a,"b"\n'), '"a,""b""\n"');
    assert.equal(csvField('=HYPERLINK("x","y")'), '"\'=HYPERLINK(""x"",""y"")"');
  });

  it("Markdown makes neither markup, nor links, nor columns, nor lines of a name", () => {
    assert.equal(markdownCell("shop/web[Deployment]"), "shop/web[Deployment]");
    assert.equal(markdownCell("<img src=x onerror=y>"), "&lt;img src=x onerror=y>");
    assert.equal(markdownCell("[a](http://x)"), "[a]\\(http://x)");
    assert.equal(markdownCell("*.example.com, *.example.org"), "\\*.example.com, \\*.example.org");
    assert.equal(markdownCell("a\\|b"), "a\\\\\\|b");
    assert.equal(markdownCell("a\r\n| b |"), "a \\| b \\|");
  });
});
