import { defineConfig } from "eslint/config";
import tseslint from "typescript-eslint";

export default defineConfig({ ignores: ["dist/", "src/gen/"] }, tseslint.configs.strictTypeChecked, {
  languageOptions: { parserOptions: { projectService: { allowDefaultProject: ["eslint.config.js"] } } },
  rules: {
    "@typescript-eslint/restrict-template-expressions": [
      "error",
      { allowNumber: true, allow: [{ name: "Cursor", from: "file" }] },
    ],
    "@typescript-eslint/no-confusing-void-expression": "off",
  },
});
