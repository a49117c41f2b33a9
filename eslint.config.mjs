import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["**/node_modules/**", "**/bin/**", "coverage/**", "lab/modules/**", ".lab/**"] },
  {
    files: ["**/*.ts"],
    extends: [...tseslint.configs.recommended],
    rules: {
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "@typescript-eslint/consistent-type-imports": "error",
      // mocha's contexts and Pulumi resources are created for their effect
      "no-new": "off",
      eqeqeq: "error",
      "no-console": "off",
    },
  },
  {
    // a pure room neither prints nor touches the process
    files: ["sdk/{plan,charts,reachability,findings,reports}/**/*.ts"],
    rules: { "no-console": "error", "no-restricted-globals": ["error", "process", "fetch"] },
  },
);
