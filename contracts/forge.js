#!/usr/bin/env node
// forge, with its exit status: the wrapper that npm links as `forge` ends with 0 whatever forge says, so a failing test
// would pass in CI.
"use strict";

const { spawnSync } = require("node:child_process");

const arch = process.arch === "x64" ? "amd64" : process.arch;
const forge = require.resolve(`@foundry-rs/forge-${process.platform}-${arch}/bin/forge`);
const { status, signal, error } = spawnSync(forge, process.argv.slice(2), { stdio: "inherit" });
if (error) throw error;
if (signal) process.kill(process.pid, signal);
process.exitCode = status;
