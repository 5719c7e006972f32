// OpenAuth over its DynamoDB storage. A sign-in is its whole way: the authorization, the password, the code for a token.
import { createServer } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { issuer } from "@openauthjs/openauth";
import { PasswordProvider } from "@openauthjs/openauth/provider/password";
import { DynamoStorage } from "@openauthjs/openauth/storage/dynamo";
import { createSubjects } from "@openauthjs/openauth/subject";
import { CreateTableCommand, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { emails, hash, password, port, ready, url, verify, version } from "./common.mjs";

const endpoint = process.env.TESSERA_DYNAMODB_ENDPOINT;
const table = "openauth";
await new DynamoDBClient({ endpoint }).send(new CreateTableCommand({
  TableName: table,
  BillingMode: "PAY_PER_REQUEST",
  AttributeDefinitions: ["pk", "sk"].map((AttributeName) => ({ AttributeName, AttributeType: "S" })),
  KeySchema: [{ AttributeName: "pk", KeyType: "HASH" }, { AttributeName: "sk", KeyType: "RANGE" }],
}));
const storage = DynamoStorage({ table, endpoint });
// As the password provider stores it after the mail was confirmed.
for (const email of emails) await storage.set(["email", email, "password"], await hash(password));

// Its log cannot be switched off: it goes through this.
console.log = () => {};
const id = { "~standard": { version: 1, vendor: "bench", validate: (value) => ({ value }) } };
const app = issuer({
  storage,
  subjects: createSubjects({ user: id }),
  providers: {
    password: PasswordProvider({
      hasher: { hash, verify: (password, stored) => verify(stored, password) },
      login: async () => new Response("sign in"),
      register: async () => new Response("sign up"),
      change: async () => new Response("change"),
      sendCode: async () => {},
    }),
  },
  allow: async () => true,
  success: async (context, { email }) => context.subject("user", { email }),
});
const form = { "content-type": "application/x-www-form-urlencoded" };
const redirect = "http://127.0.0.1/done";
const query = new URLSearchParams({ client_id: "bench", redirect_uri: redirect, response_type: "code", provider: "password" });
const exchange = new URLSearchParams({ grant_type: "authorization_code", client_id: "bench", redirect_uri: redirect });
createServer(getRequestListener(app.fetch)).listen(port, "127.0.0.1", () => ready({
  version: version("@openauthjs/openauth"),
  "sign-in": emails.map((email) => [
    { method: "GET", path: `/authorize?${query}`, status: 302, take: { cookie: "cookies" } },
    {
      method: "POST", path: "/password/authorize", status: 302, headers: { ...form, cookie: "{cookie}" },
      body: `${new URLSearchParams({ email, password })}`, take: { code: "location:code" },
    },
    { method: "POST", path: "/token", headers: form, body: `${exchange}&code={code}`, expect: "access_token" },
  ]),
}));
