#!/usr/bin/env node
// The compiler as forge wants it: npm's solc behind the two calls forge makes of a native solc,
// `--version` and `--standard-json`. So the lock file pins the compiler and nothing else is downloaded.
"use strict";

const { readFileSync } = require("node:fs");
const solc = require("solc");

if (process.argv.includes("--version")) {
  console.log(`solc, the solidity compiler commandline interface\nVersion: ${solc.version()}`);
} else if (process.argv.includes("--standard-json")) {
  process.stdout.write(solc.compile(readFileSync(0, "utf8")));
} else {
  console.error(`solc.js: want --version or --standard-json, got: ${process.argv.slice(2).join(" ") || "nothing"}`);
  process.exitCode = 2;
}
