// The least sign-in that a Lambda function for Node.js can be: one read, one comparison, one token.
import { createPrivateKey } from "node:crypto";
import { DynamoDBClient, GetItemCommand } from "@aws-sdk/client-dynamodb";
import { verify } from "@node-rs/argon2";
import { SignJWT } from "jose";

const db = new DynamoDBClient({ endpoint: process.env.TESSERA_DYNAMODB_ENDPOINT });
const key = createPrivateKey(process.env.PEER_KEY);

async function handler(event) {
  const { userName, pwd } = JSON.parse(event.body);
  const found = await db.send(
    new GetItemCommand({ TableName: process.env.PEER_TABLE, Key: { name: { S: userName } }, ConsistentRead: true }),
  );
  if (!found.Item || !(await verify(found.Item.hash.S, pwd))) return { statusCode: 401, body: "" };
  const token = await new SignJWT({ sub: userName })
    .setProtectedHeader({ alg: "ES256" }).setIssuedAt().setExpirationTime("1d").sign(key);
  return { statusCode: 200, body: JSON.stringify({ access_token: token }) };
}

// What the managed runtime does around a handler.
const api = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation`;
for (;;) {
  const next = await fetch(`${api}/next`);
  const id = next.headers.get("lambda-runtime-aws-request-id");
  const answer = await handler(await next.json());
  await fetch(`${api}/${id}/response`, { method: "POST", body: JSON.stringify(answer) });
}
