export { dialectsOf, openExamplesLab, type ExamplesLab } from "./lab";
export { problemsOf, runWholeWay, type WholeWayResult } from "./whole-way";
export { examplesTable, type TableEntry } from "./table";
