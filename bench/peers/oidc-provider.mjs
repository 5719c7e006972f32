// oidc-provider over its own store in memory. It leaves passwords to whoever uses it, so that only reads compare.
import Provider from "oidc-provider";
import { emails, port, ready, url, version } from "./common.mjs";

console.warn = console.info = () => {};
const provider = new Provider(url, {
  clients: [{ client_id: "bench", client_secret: "bench", redirect_uris: ["http://127.0.0.1/done"], grant_types: ["authorization_code"], response_types: ["code"] }],
  claims: { openid: ["sub"], email: ["email", "email_verified"] },
  features: { devInteractions: { enabled: false } },
  findAccount: async (_, id) => ({ accountId: id, claims: async () => ({ sub: id, email: id, email_verified: true }) }),
});
const client = await provider.Client.find("bench");
const tokens = [];
for (const accountId of emails) {
  const grant = new provider.Grant({ accountId, clientId: "bench" });
  grant.addOIDCScope("openid email");
  const grantId = await grant.save();
  const token = new provider.AccessToken({ accountId, client, grantId, gty: "authorization_code", scope: "openid email", expiresWithSession: false });
  tokens.push(await token.save());
}
provider.listen(port, "127.0.0.1", () => ready({
  version: version("oidc-provider"),
  read: tokens.map((token, n) => [
    { method: "GET", path: "/me", headers: { authorization: `Bearer ${token}` }, expect: emails[n] },
  ]),
}));
