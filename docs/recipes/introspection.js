// A service that asks widgetd about every token (introspection, RFC 7662), so a log-out closes
// it at once. It needs nothing but Node.
//
//   WIDGETD_URL=http://127.0.0.1:8080 WIDGETD_INTROSPECTION_SECRET=… PORT=3000 node introspection.js
//
// The secret is the one that widgetd was started with.
import { createServer } from "node:http";

const { WIDGETD_URL: widgetd, WIDGETD_INTROSPECTION_SECRET: secret, PORT: port = "3000" } = process.env;
if (!widgetd || !secret) throw new Error("set WIDGETD_URL and WIDGETD_INTROSPECTION_SECRET");

// claimsOf returns the claims of the request's token, or undefined if there is no good one.
// It throws when widgetd gives no answer.
async function claimsOf(request) {
  const [, token] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "") ?? [];
  if (!token) return undefined;
  const response = await fetch(widgetd + "/api/v1/auth/introspect", {
    method: "POST",
    headers: { Authorization: `Bearer ${secret}` },
    body: new URLSearchParams({ token }),
    signal: AbortSignal.timeout(5_000),
  });
  if (response.status !== 200) throw new Error(`status ${response.status}`); // 401: another secret
  const claims = await response.json();
  return claims.active === true ? claims : undefined;
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
    console.error("widgetd does not answer:", error.message);
    response.writeHead(503).end();
  }
});
server.listen(Number(port), "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
