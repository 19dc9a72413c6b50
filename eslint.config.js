import tseslint from "typescript-eslint";

/**
 * Opens and reads of node:fs wait for a FIFO, follow links and read without end. Whatever others can replace goes through
 * agent/platform/files.ts; the files below that may open by themselves each have a reason.
 */
const rawOpens = [
  ...["open", "openSync", "openAsBlob", "readFile", "readFileSync", "createReadStream", "createWriteStream"],
  ...["writeFile", "writeFileSync", "appendFile", "appendFileSync", "truncate", "truncateSync"],
  ...["copyFile", "copyFileSync", "cp", "cpSync", "promises", "default"],
];
const mayOpen = [
  "agent/platform/files.ts", // it is the door
  "agent/platform/durable.ts", // by the door's flags: files that it has just made, and folders
  "agent/platform/line-writer.ts", // descriptors of its own process
  "agent/main.ts", // package.json of the program
  "agent/http/api/openapi.ts", // schemas of the program
  "agent/http/dashboard/assets.ts", // styles and scripts of the program
  "agent/cli/import-crontab.ts", // descriptors of its own process: stdin, and the shell's <(…)
  "agent/sources/archive/extractor.ts", // files that it makes, and nothing else ("wx")
  "agent/sources/archive/unpack.ts", // without waiting, and it tells itself what is not a file
  "agent/sources/revision-copy.ts", // by the door's flags: files that it has just made
  "agent/cli/log-copy.ts", // logs of a run on a folder of its own
  "agent/runners/local/*.ts", // the folder of an execution, by the flags of the door
  "agent/runners/kubernetes/folder.ts", // files that it makes, and nothing else ("wx")
  "agent/logs/*.ts", // logs, by the flags of the door
];

export default tseslint.config(
  { ignores: ["dist/", "data/", "node_modules/", "coverage/", "**/*.gen.ts"] },
  {
    files: ["agent/**/*.{ts,tsx}", "test/**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/switch-exhaustiveness-check": "error",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-confusing-void-expression": [
        "error",
        { ignoreArrowShorthand: true, ignoreVoidOperator: true, ignoreVoidReturningFunctions: true },
      ],
      "@typescript-eslint/method-signature-style": ["error", "property"],
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "no-restricted-properties": [
        "error",
        { object: "process", property: "exit", message: "only agent/main.ts ends the process" },
      ],
    },
  },
  {
    files: ["agent/**/*.{ts,tsx}"],
    ignores: [...mayOpen, "agent/http/dashboard/client/**"],
    rules: {
      "no-restricted-imports": [
        "error",
        {
          paths: [
            ...["node:fs", "node:fs/promises"].map((name) => ({
              name,
              importNames: rawOpens,
              message: "open it through agent/platform/files.ts: others can replace it",
            })),
            ...["fs", "fs/promises"].map((name) => ({ name, message: "write node:fs" })),
          ],
        },
      ],
    },
  },
  {
    files: ["test/**/*.ts"],
    rules: {
      // Tests hand methods of fakes about, write two effects in one arrow, and look at answers by fields they may lack.
      "@typescript-eslint/no-unnecessary-condition": "off",
      "@typescript-eslint/unbound-method": "off",
      "@typescript-eslint/no-confusing-void-expression": "off",
      "@typescript-eslint/no-misused-spread": "off",
    },
  },
  {
    files: ["bench/**/*.mjs"],
    extends: [tseslint.configs.recommended],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: { "@typescript-eslint/no-floating-promises": "error", "@typescript-eslint/await-thenable": "error" },
  },
  { files: ["agent/main.ts"], rules: { "no-restricted-properties": "off" } },
);
