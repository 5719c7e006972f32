// The documented requests with the fetch of Node.
import assert from "node:assert/strict";

const [server, key, token] = process.argv.slice(2);
const bearer = { Authorization: `Bearer ${token}` };
const accounts = `${server}/ExternalAccount/${key}`;

async function call(method, url, { status = 200, headers = {}, body } = {}) {
  const answer = await fetch(url, {
    method,
    headers: { "Content-Type": "application/json", ...headers },
    body: body && JSON.stringify(body),
  });
  const envelope = await answer.json();
  assert.equal(answer.status, status, JSON.stringify(envelope));
  assert.equal(envelope.code, status);
  return envelope.data;
}

const account = { unionID: "fetch-1", platform: "wechat", platformName: "微信" };
assert.equal(await call("post", accounts, { headers: bearer, body: account }), true);

const [listed, ...others] = await call("get", accounts, { headers: bearer });
assert.equal(others.length, 0);
assert.ok(Number.isSafeInteger(listed.id) && Number.isSafeInteger(listed.userID));
assert.equal(listed.avatar, null);
assert.ok(!Number.isNaN(Date.parse(listed.createDate)));

const identity = { unionID: "fetch-1", platform: "wechat" };
assert.equal((await call("post", `${accounts}/SignIn`, { body: identity })).token_type, "Bearer");
const one = `${accounts}/${listed.id}`;
assert.equal(await call("put", one, { headers: bearer, body: { enable: false } }), true);
assert.equal(await call("POST", `${accounts}/SignIn`, { status: 401, body: identity }), null);
assert.equal(await call("delete", one, { headers: bearer }), true);
assert.equal(await call("DELETE", one, { status: 404, headers: bearer }), null);
const setup = await call("GET", `${server}/User/${key}/TwoFactorAuth`, { headers: bearer });
assert.match(setup.qrCodeSetupImageUrl, /^data:image\/svg\+xml;/);
