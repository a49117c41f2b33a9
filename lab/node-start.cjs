/** `node --require node-start.cjs …`: what makes the start of Node's programs cheap that the engine starts at every operation. */
require("./compile-cache.cjs");
require("./late-modules.cjs");
