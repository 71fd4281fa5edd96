// Shows the document. It is a file of its own because the page's
// Content-Security-Policy lets no script run that is written in the page.
SwaggerUIBundle({
  dom_id: "#page",
  url: "/api/v1/openapi.json",
  presets: [SwaggerUIBundle.presets.apis],
  deepLinking: true,
  displayRequestDuration: true,
  persistAuthorization: true, // the token survives a reload
  validatorUrl: null, // which would be another host
});
