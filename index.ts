/** Entry of the plugin host: the components for programs in every language. Importing it has no side effects. */
export * from "./sdk/index";
