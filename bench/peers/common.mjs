// What the peers in JavaScript share: who signs in, how passwords are hashed, and how a peer says that it serves.
import { readFileSync } from "node:fs";
import { hash as argon2, verify as argon2Verify } from "@node-rs/argon2";

export const port = Number(process.env.PORT);
export const url = `http://127.0.0.1:${port}`;
export const password = process.env.PEER_PASSWORD;
export const emails = Array.from({ length: Number(process.env.PEER_USERS) }, (_, n) => `user${n}@example.com`);

// Argon2id, 19 MiB, two passes, one lane.
export const hash = (password) => argon2(password, { memoryCost: 19456, timeCost: 2, parallelism: 1 });
export const verify = (hash, password) => argon2Verify(hash, password);

export const version = (name) =>
  JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url))).version;

// One line for the driver: what to ask, in steps. See bench/src/step.rs.
export const ready = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
