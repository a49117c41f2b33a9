export { loadExample } from "./examples";
export { problemsOf, runWholeWay, type WholeWayResult } from "./whole-way";
export { examplesTable, type TableEntry } from "./table";
