// Starts Swagger UI. In a file of its own because the page's content security policy allows no inline script.
import { key } from "./api.js";

const METHODS = ["get", "post", "patch", "delete"];
const root = document.getElementById("swagger-ui");
const ui = window.SwaggerUIBundle({
  url: root.dataset.specsUrl,
  domNode: root,
  presets: [window.SwaggerUIBundle.presets.apis],
  validatorUrl: null,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  operationsSorter: (a, b) => a.get("path").localeCompare(b.get("path")) || METHODS.indexOf(a.get("method")) - METHODS.indexOf(b.get("method")),
  displayRequestDuration: true,
  persistAuthorization: false,
  onComplete: authorize,
});
document.addEventListener("key-changed", authorize);

/** The key of the header is that of "Authorize" too. */
function authorize() {
  if (key()) ui.preauthorizeApiKey("key", key());
}
