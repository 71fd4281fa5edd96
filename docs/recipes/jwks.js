// A service that verifies the tokens of widgetd with its public keys (JWKS). It does not ask
// widgetd for each token, so it learns of a log-out only when the token has expired. If that
// is too late, see introspection.js. widgetd needs --signing-key.
//
//   npm install
//   ISSUER=https://api.example.com/shop AUDIENCE=service PORT=3000 node jwks.js
//
// ISSUER is the --base-url of widgetd, and AUDIENCE its --token-audience. JWKS_URL is for a
// service that reaches widgetd by another address.
import { createServer } from "node:http";
import { createRemoteJWKSet, jwtVerify } from "jose";

const { ISSUER: issuer, AUDIENCE: audience, PORT: port = "3000" } = process.env;
if (!issuer || !audience) throw new Error("set ISSUER and AUDIENCE"); // without them jose checks neither
const keysURL = new URL(process.env.JWKS_URL ?? issuer + "/.well-known/jwks.json");

// After a rotation a token has an unknown kid. jose then fetches the keys again, at most once
// a second.
const keys = createRemoteJWKSet(keysURL, { cooldownDuration: 1_000, timeoutDuration: 5_000 });
const rules = { issuer, audience, algorithms: ["EdDSA", "ES256", "RS256"], requiredClaims: ["sub", "exp"] };

// claimsOf returns the claims of the request's token, or undefined if there is no good one.
// It throws when the keys cannot be fetched.
async function claimsOf(request) {
  const [, token] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "") ?? [];
  if (!token) return undefined;
  try {
    return (await jwtVerify(token, keys, rules)).payload;
  } catch (error) {
    const isOfToken = /^ERR_(JW[TS]_|JWKS_NO_MATCHING_KEY|JWKS_MULTIPLE_MATCHING_KEYS|JOSE_ALG_NOT_ALLOWED|JOSE_NOT_SUPPORTED)/.test(error.code ?? "");
    if (isOfToken) return undefined;
    throw error;
  }
}

const server = createServer(async (request, response) => {
  try {
    const claims = await claimsOf(request);
    if (!claims) {
      const error = request.headers.authorization ? ', error="invalid_token"' : "";
      response.writeHead(401, { "WWW-Authenticate": `Bearer realm="service"${error}` }).end();
      return;
    }
    response.writeHead(200, { "Content-Type": "application/json" });
    response.end(JSON.stringify({ user: claims.sub, admin: claims.admin }));
  } catch (error) {
    console.error("the keys cannot be fetched:", error.message);
    response.writeHead(503).end();
  }
});
server.listen(Number(port), "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
