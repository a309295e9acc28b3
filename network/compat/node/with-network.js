// Runs a command while a network is up: `node with-network.js node --test test/`.
//
// The command finds the network's folder in CARECORD_NETWORK. If that is set already, the network it names is used and
// left running. The network's own folder is removed at the end, and kept when the command fails.
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const TOPOLOGY = fileURLToPath(new URL("../topology.toml", import.meta.url));

function binary() {
  const cache = process.env.CARECORD_CACHE ?? join(homedir(), ".cache", "carecord");
  const target = process.env.CARGO_TARGET_DIR ?? join(cache, "target");
  return process.env.CARECORD_BIN ?? join(target, "debug", "carecord");
}

function carecord(...args) {
  const { status, error } = spawnSync(binary(), args, { stdio: ["ignore", "inherit", "inherit"] });
  if (error) throw new Error(`${binary()} cannot be run: ${error.message}; build it or set CARECORD_BIN`);
  return status;
}

function run([command, ...args], dir) {
  const child = spawn(command, args, { stdio: "inherit", env: { ...process.env, CARECORD_NETWORK: dir } });
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => resolve(code ?? 1));
  });
}

async function withNetwork(command) {
  if (process.env.CARECORD_NETWORK) return run(command, process.env.CARECORD_NETWORK);
  const dir = mkdtempSync(join(tmpdir(), "carecord-compat-"));
  let status = carecord("--quiet", "network", "up", "--ca", "--topology", TOPOLOGY, "--dir", dir, "--detach");
  if (status === 0) {
    try {
      status = await run(command, dir);
    } finally {
      carecord("--quiet", "network", "down", "--dir", dir);
    }
  }
  if (status === 0) rmSync(dir, { recursive: true });
  else console.error(`the network's folder with its logs stays: ${dir}`);
  return status;
}

process.exitCode = await withNetwork(process.argv.slice(2));
