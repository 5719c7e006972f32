// The documented requests with axios, configured as in the documents: methods in lower case, bodies as text.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const [server, key, token] = process.argv.slice(2);
const axios = createRequire(`${process.env.CLIENTS}/`)("axios");
const headers = { "Content-Type": "application/json", Authorization: `Bearer ${token}` };
const accounts = `${server}/ExternalAccount/${key}`;

const account = { unionID: "axios-1", platform: "wechat", platformName: "微信" };
const bound = await axios({ method: "post", url: accounts, headers, data: JSON.stringify(account) });
assert.deepEqual(bound.data, { code: 200, data: true, error: "" });

const list = await axios({ method: "get", url: accounts, headers, params: { userId: "" }, data: "" });
const [listed] = list.data.data;
assert.equal(listed.unionID, "axios-1");
assert.equal(typeof listed.id, "number");

const identity = { unionID: "axios-1", platform: "wechat" };
const signedIn = await axios.post(`${accounts}/SignIn`, identity);
assert.equal(signedIn.data.data.expires_in, 86400);

const one = `${accounts}/${listed.id}`;
await axios({ method: "put", url: one, headers, data: JSON.stringify({ enable: false }) });
await assert.rejects(axios.post(`${accounts}/SignIn`, identity), (error) => {
  assert.equal(error.response.status, 401);
  assert.equal(error.response.data.reason, "invalid_credentials");
  return true;
});
const removed = await axios({ method: "delete", url: one, headers, data: "" });
assert.equal(removed.data.data, true);
await assert.rejects(axios.delete(one, { headers }), (error) => error.response.status === 404);
