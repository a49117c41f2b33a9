export { loadExample, type DeployableExample } from "./examples";
export { problemsOf, runWholeWay, type WholeWayOptions, type WholeWayResult } from "./whole-way";
export { examplesTable, type TableEntry } from "./table";
