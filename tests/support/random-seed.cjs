/** Random tests repeat a run: `PROPERTY_SEED` is the seed of each that names none of its own. */
const fc = require("fast-check");

const seed = process.env.PROPERTY_SEED;
if (seed !== undefined) fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(seed) });
