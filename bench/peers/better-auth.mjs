// better-auth over SQLite, with passwords hashed as everybody's here.
import { createServer } from "node:http";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import Database from "better-sqlite3";
import { emails, hash, password, port, ready, url, verify, version } from "./common.mjs";

const database = new Database(`${process.env.PEER_DATA}/better-auth.db`);
database.pragma("journal_mode = WAL");
database.pragma("synchronous = NORMAL");

const auth = betterAuth({
  baseURL: url,
  secret: "a secret of thirty-two characters",
  database,
  emailAndPassword: { enabled: true, password: { hash, verify: ({ hash, password }) => verify(hash, password) } },
  logger: { disabled: true },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
});
await (await getMigrations(auth.options)).runMigrations();

const cookies = [];
for (const email of emails) {
  const answer = await auth.api.signUpEmail({ body: { name: email, email, password }, returnHeaders: true });
  cookies.push(answer.headers.getSetCookie().map((it) => it.split(";")[0]).join("; "));
}
const json = { "content-type": "application/json", origin: url };
createServer(toNodeHandler(auth)).listen(port, "127.0.0.1", () => ready({
  version: version("better-auth"),
  "sign-in": emails.map((email) => [
    { method: "POST", path: "/api/auth/sign-in/email", headers: json, body: JSON.stringify({ email, password }), expect: "token" },
  ]),
  read: cookies.map((cookie, n) => [
    { method: "GET", path: "/api/auth/get-session", headers: { cookie }, expect: emails[n] },
  ]),
}));
