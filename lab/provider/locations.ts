/** Where the lab's sources are, also for the bundled program. */
import path from "node:path";

/** Set where the program is bundled (install.ts). */
declare const LAB_FOLDER: string | undefined;

export const labFolder = typeof LAB_FOLDER === "string" ? LAB_FOLDER : path.resolve(__dirname, "..");
