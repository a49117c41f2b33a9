/** Scenarios: expected connections in a file, for packets and for the engine. Pure. */
export { holdsScenarios, readScenarios, type ScenarioProblem } from "./read";
export { describeScenario, type Expectation, type Scenario, type ScenarioGroup } from "./scenario";
export { scenariosText } from "./write";
