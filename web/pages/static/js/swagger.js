// Entry of /: starts Swagger UI. The page's security policy allows no inline script.
import { byId } from "./shared/dom.js";
import { getKey } from "./shared/key.js";

const METHODS = ["get", "post", "patch", "delete"];

const root = byId("swagger-ui");
const ui = SwaggerUIBundle({
  url: root.dataset.specsUrl ?? "",
  domNode: root,
  presets: [SwaggerUIBundle.presets.apis],
  validatorUrl: null,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  operationsSorter: compareOperations,
  displayRequestDuration: true,
  persistAuthorization: false,
  onComplete: authorize,
});
document.addEventListener("key-changed", authorize);

/**
 * Order operations by path, then by method.
 * @param {SwaggerOperation} a
 * @param {SwaggerOperation} b
 */
function compareOperations(a, b) {
  const byPath = a.get("path").localeCompare(b.get("path"));
  return byPath || METHODS.indexOf(a.get("method")) - METHODS.indexOf(b.get("method"));
}

/** Use the header's key for Swagger UI's "Authorize" too. */
function authorize() {
  if (getKey()) ui.preauthorizeApiKey("key", getKey());
}
