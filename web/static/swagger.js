// Starts Swagger UI. In a file of its own because the page's content security policy allows no inline script.
"use strict";
const METHODS = ["get", "post", "patch", "delete"];
const root = document.getElementById("swagger-ui");
SwaggerUIBundle({
  url: root.dataset.specsUrl,
  domNode: root,
  presets: [SwaggerUIBundle.presets.apis],
  validatorUrl: null,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  operationsSorter: (a, b) => a.get("path").localeCompare(b.get("path")) || METHODS.indexOf(a.get("method")) - METHODS.indexOf(b.get("method")),
  displayRequestDuration: true,
  persistAuthorization: false,
});
