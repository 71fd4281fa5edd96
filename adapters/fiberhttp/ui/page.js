// Shows the document, and keeps the token of Authorize up to date. The script is a
// separate file because the page's Content-Security-Policy forbids inline scripts.

// The name of the security scheme in the document.
const scheme = "bearer";

// The operations whose response has a new token, and those that end the token.
const issuing = ["/auth/register", "/auth/login", "/auth/password"];
const ending = ["/auth/logout", "/auth/unregister"];

// The page is dark if the browser asks for that, and follows when this changes.
const dark = matchMedia("(prefers-color-scheme: dark)");
const followColors = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", followColors);
followColors();

const notice = document.getElementById("notice");

const ui = SwaggerUIBundle({
  dom_id: "#page",
  // Relative to the page, which a proxy may serve under any path. Swagger UI needs
  // the whole URL to resolve the document's "servers".
  url: new URL("openapi.json", document.baseURI).href,
  presets: [SwaggerUIBundle.presets.apis],
  plugins: [focusDialog],
  syntaxHighlight: { theme: "tomorrow-night" }, // numbers in the default theme have a low contrast
  deepLinking: true,
  displayRequestDuration: true,
  persistAuthorization: true, // the token survives a reload
  validatorUrl: null, // the default validator is on another host
  requestInterceptor: hideNotice,
  responseInterceptor: followToken,
});

// followToken puts the token of a response into Authorize, and takes it away after a
// log-out. It returns the response unchanged.
function followToken(response) {
  const path = new URL(response.url, document.baseURI).pathname;
  const isOf = (operations) => operations.some((operation) => path.endsWith("/api/v1" + operation));
  if (response.ok && isOf(issuing) && response.obj?.access_token) {
    authorize(response.obj.access_token);
    notify("The token of this response is now in Authorize.");
  } else if (response.ok && isOf(ending)) {
    ui.authActions.logoutWithPersistOption([scheme]);
    notify("You are logged out. The token is no longer in Authorize.");
  }
  return response;
}

// authorize enters a token, as the dialog does. ui.preauthorizeApiKey would not keep the
// token for a reload, and logs an error together with persistAuthorization.
function authorize(token) {
  const schema = ui.specSelectors.specJson().getIn(["components", "securitySchemes", scheme]);
  ui.authActions.authorizeWithPersistOption({ [scheme]: { name: scheme, schema, value: token } });
}

// notify shows a text until the next request.
function notify(text) {
  notice.textContent = text;
  notice.hidden = false;
}

function hideNotice(request) {
  notice.hidden = true;
  return request;
}

// focusDialog is a plugin for the dialog of Authorize. Swagger UI focuses the last field
// of it. The plugin focuses the first, keeps the focus in the dialog, and returns it to the
// button when the dialog closes.
function focusDialog() {
  const focusFirst = () => {
    const content = document.querySelector(".modal-ux-content");
    content?.scrollTo(0, 0);
    content?.querySelector("input, button").focus();
  };
  document.addEventListener("focusin", (event) => {
    if (!event.target.closest(".modal-ux")) {
      focusFirst();
    }
  });
  let opener;
  const showDefinitions = (show) => (definitions) => {
    opener = definitions ? document.activeElement : opener;
    show(definitions);
    setTimeout(definitions ? focusFirst : () => opener.focus()); // after Swagger UI has drawn
  };
  return { statePlugins: { auth: { wrapActions: { showDefinitions } } } };
}
