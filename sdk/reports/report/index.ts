/** The report on a cluster: its data, and the forms that it is written in. */
export type { BuiltReport } from "./build";
export { buildReport } from "./build";
export { ReportFormatError, readReport } from "./compare";
export { loadDraw } from "./graph/draw";
export { htmlReport } from "./html/page";
export type { ReportInputFile, ReportModel } from "./model";
export { csvOfReport, markdownOfReport } from "./text-forms";
export type { Observation } from "../evidence/observations";
export { ObservationError, readReplay, readVerification } from "../evidence/observations";
export { evidenceDisagrees } from "../evidence/disagreements";
