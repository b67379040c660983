import { defineConfig } from "eslint/config";
import tseslint from "typescript-eslint";

const tests = { from: "package", package: "node:test", name: ["describe", "test"] };
const cursor = { from: "file", name: "Cursor" };

export default defineConfig({ ignores: ["dist/", "src/gen/"] }, tseslint.configs.strictTypeChecked, {
  languageOptions: { parserOptions: { projectService: { allowDefaultProject: ["eslint.config.js"] } } },
  rules: {
    "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allow: [cursor] }],
    "@typescript-eslint/no-confusing-void-expression": "off",
    "@typescript-eslint/no-floating-promises": ["error", { allowForKnownSafeCalls: [tests] }],
  },
});
