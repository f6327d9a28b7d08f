// Rules for the page's modules and for their tests.
import js from "@eslint/js";
import globals from "globals";

const rules = {
  ...js.configs.recommended.rules,
  "max-len": ["error", {code: 140, ignoreUrls: true}],
  camelcase: ["error", {properties: "never"}],
  eqeqeq: ["error", "always", {null: "ignore"}],
  "no-var": "error",
  "prefer-const": "error",
  "no-shadow": ["error", {hoist: "never"}],
  "no-unused-vars": ["error", {args: "after-used", ignoreRestSiblings: true}],
  "max-classes-per-file": ["error", 1],
  "max-lines": ["error", {max: 320, skipBlankLines: true, skipComments: true}],
};

export default [
  {ignores: ["node_modules/"]},
  {files: ["**/assets/**/*.js"], languageOptions: {globals: globals.browser, sourceType: "module"}, rules},
  {files: ["**/tests/js/**/*.js", "*.js"], languageOptions: {globals: globals.node, sourceType: "module"}, rules},
];
