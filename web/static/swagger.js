// Starts Swagger UI. In a file of its own because the page's content security policy allows no inline script.
"use strict";
const root = document.getElementById("swagger-ui");
SwaggerUIBundle({
  url: root.dataset.specsUrl,
  domNode: root,
  presets: [SwaggerUIBundle.presets.apis],
  validatorUrl: null,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  persistAuthorization: false,
});
