// The parts of Swagger UI's bundle that the page uses.

interface SwaggerOperation {
  get(field: "path" | "method"): string;
}

interface SwaggerUi {
  preauthorizeApiKey(scheme: string, key: string): void;
}

interface SwaggerOptions {
  url: string;
  domNode: Element;
  presets: unknown[];
  validatorUrl: string | null;
  docExpansion: "list" | "full" | "none";
  defaultModelsExpandDepth: number;
  operationsSorter(a: SwaggerOperation, b: SwaggerOperation): number;
  displayRequestDuration: boolean;
  persistAuthorization: boolean;
  onComplete(): void;
}

declare const SwaggerUIBundle: {
  (options: SwaggerOptions): SwaggerUi;
  presets: { apis: unknown };
};
